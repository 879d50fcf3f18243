from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoaudit.errors import ExitCode, UsageError
from geoaudit.images.baseline import describe, make_baseline
from geoaudit.images.recipe import Preprocessing

RECIPE = Preprocessing(
    layout="NCHW",
    size=(28, 56),
    resize="warp",
    crop_pct=1.0,
    interpolation="bilinear",
    channels="RGB",
    value_range=(0.0, 1.0),
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.25, 0.5),
)
THUMBNAILS = np.random.default_rng(0).integers(0, 256, (3, 28, 56, 3)).astype(np.uint8)
IDS = ("a.png", "b.png", "c.png")


def baseline(spec: str, seed: int = 0, recipe: Preprocessing = RECIPE) -> np.ndarray:
    return make_baseline(spec, THUMBNAILS, IDS, recipe, seed)


@pytest.mark.parametrize(("kind", "pixel"), [("black", 0.0), ("white", 255.0), ("grey", 127.5)])
def test_constant_colours_go_through_the_preprocessing(kind: str, pixel: float) -> None:
    made = baseline(kind)
    assert made.dtype == np.float32
    assert made.shape == (3, 3, 28, 56)
    expected = (pixel / 255 - np.array(RECIPE.mean)) / np.array(RECIPE.std)
    np.testing.assert_allclose(made, np.broadcast_to(expected[None, :, None, None], made.shape), atol=1e-6)
    info = describe(kind, RECIPE)
    assert info.pixel_value == [pixel] * 3
    assert info.input_value == pytest.approx(expected.tolist())


def test_black_is_not_zero_in_input_space() -> None:
    assert baseline("black").max() < -1


def test_mean_is_each_pictures_own() -> None:
    pixels = RECIPE.input_to_pixel(baseline("mean"))
    for i in range(3):
        np.testing.assert_allclose(pixels[i, 5, 7], THUMBNAILS[i].mean(axis=(0, 1)), atol=1e-3)
        assert np.ptp(pixels[i], axis=(0, 1)).max() < 1e-3


def test_blur_keeps_the_colour_and_loses_the_detail_within_each_picture() -> None:
    pixels = RECIPE.input_to_pixel(baseline("blur"))
    assert (pixels.std(axis=(1, 2)) < 0.2 * THUMBNAILS.std(axis=(1, 2))).all()
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), THUMBNAILS.mean(axis=(1, 2)), atol=8)
    alone = make_baseline("blur", THUMBNAILS[1:2], IDS[1:2], RECIPE, 0)
    np.testing.assert_array_equal(alone[0], baseline("blur")[1])
    assert describe("blur", RECIPE).kind == "blur (Gaussian, sigma 2.5 px)"


def test_noise_depends_on_seed_and_id_alone() -> None:
    made = baseline("noise", seed=1)
    swapped = make_baseline("noise", THUMBNAILS[:2] // 2, ("b.png", "a.png"), RECIPE, 1)
    np.testing.assert_array_equal(made[0], swapped[1])
    np.testing.assert_array_equal(made[1], swapped[0])
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made, baseline("noise", seed=2))
    pixels = RECIPE.input_to_pixel(made)
    assert pixels.min() >= -1e-3
    assert pixels.max() <= 255 + 1e-3
    assert 120 < pixels.mean() < 135


@pytest.mark.parametrize("prefix", ["image:", ""])
def test_a_picture_as_baseline(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "b.png"
    Image.new("RGB", (5, 9), (10, 20, 30)).save(path)
    pixels = RECIPE.input_to_pixel(baseline(f"{prefix}{path}"))
    np.testing.assert_allclose(pixels, np.broadcast_to([10, 20, 30], pixels.shape), atol=1e-3)
    info = describe(f"{prefix}{path}", RECIPE)
    assert (info.kind, info.pixel_value) == ("image:b.png", None)


def test_grey_models_get_one_value(tmp_path: Path) -> None:
    recipe = replace(RECIPE, channels="grey", mean=(0.5,), std=(0.5,))
    assert baseline("white", recipe=recipe).shape == (3, 1, 28, 56)
    info = describe("white", recipe)
    assert (info.pixel_value, info.input_value) == ([255.0], [1.0])


@pytest.mark.parametrize(
    ("spec", "told"),
    [("blak", "Did you mean black"), ("none.png", "no such file"), ("image:none.png", "No such file")],
)
def test_unknown_baselines_are_told(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        baseline(spec)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "black, white" in caught.value.way_out
