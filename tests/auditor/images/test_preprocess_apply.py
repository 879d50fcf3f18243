from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geoaudit.errors import PreprocessingError
from geoaudit.images.decoding import Picture
from geoaudit.images.recipe import Preprocessing

PLAIN = Preprocessing(
    layout="NCHW",
    size=(6, 4),
    resize="warp",
    crop_pct=1.0,
    interpolation="bilinear",
    channels="RGB",
    value_range=(0.0, 255.0),
    mean=(127.0,),
    std=(128.0,),
)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.uint8)


def test_a_picture_of_the_right_size_is_only_scaled() -> None:
    x, thumbnail = PLAIN.apply(Picture(PIXELS))
    assert x.dtype == np.float32
    assert x.shape == PLAIN.space.shape == (3, 6, 4)
    np.testing.assert_array_equal(thumbnail, PIXELS)
    expected = ((PIXELS.astype(np.float64) - 127) / 128).transpose(2, 0, 1)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-7)


def test_imagenet_arithmetic_by_hand() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    recipe = replace(PLAIN, value_range=(0.0, 1.0), mean=mean, std=std, layout="NHWC")
    x, _ = recipe.apply(Picture(PIXELS))
    np.testing.assert_allclose(x, (PIXELS / 255 - mean) / std, atol=1e-6)
    assert recipe.space.low == pytest.approx([-2.117904, -2.035714, -1.804444], abs=1e-6)
    assert recipe.space.high == pytest.approx([2.248908, 2.428571, 2.64], abs=1e-6)


def test_bgr_means_belong_to_the_models_own_order() -> None:
    recipe = replace(PLAIN, channels="BGR", mean=(103.0, 116.0, 123.0), std=(1.0,), layout="NHWC")
    x, thumbnail = recipe.apply(Picture(PIXELS))
    np.testing.assert_allclose(x[..., 0], PIXELS[..., 2] - 103.0)
    np.testing.assert_allclose(x[..., 2], PIXELS[..., 0] - 123.0)
    np.testing.assert_array_equal(thumbnail, PIXELS)


def test_grey_is_the_luminance_and_the_thumbnail_stays_in_colour() -> None:
    recipe = replace(PLAIN, channels="grey", mean=(0.0,), std=(1.0,))
    x, thumbnail = recipe.apply(Picture(PIXELS))
    assert x.shape == (1, 6, 4)
    np.testing.assert_allclose(x[0], PIXELS @ np.array([0.299, 0.587, 0.114]), rtol=1e-6)
    assert thumbnail.shape == (6, 4, 3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixel_to_input_and_back_over_a_batch(layout: str, channels: str) -> None:
    recipe = replace(PLAIN, layout=layout, channels=channels, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    batch = np.stack([PIXELS, 255 - PIXELS])
    points = recipe.pixel_to_input(batch)
    assert points.shape == (2, *recipe.space.shape)
    np.testing.assert_allclose(recipe.input_to_pixel(points), batch, atol=1e-4)


def test_space_is_where_black_and_white_land() -> None:
    recipe = replace(PLAIN, channels="BGR", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    for value, ends in ((0, recipe.space.low), (255, recipe.space.high)):
        x = recipe.pixel_to_input(np.full((6, 4, 3), value))
        np.testing.assert_allclose(x, np.broadcast_to(recipe.space.per_channel(ends), x.shape), rtol=1e-6)


def test_shortest_edge_and_centre_crop_equal_pillow_step_by_step() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 451, 3)).astype(np.uint8)
    recipe = replace(PLAIN, size=(224, 224), resize="shortest-edge", crop_pct=0.875, interpolation="bicubic")
    resized = Image.fromarray(pixels).resize((int(451 * 256 / 300), 256), Image.Resampling.BICUBIC)
    left = (resized.width - 224) // 2
    expected = np.asarray(resized.crop((left, 16, left + 224, 240)))
    np.testing.assert_array_equal(recipe.fit(pixels), expected)


def test_warp_with_a_crop_resizes_both_sides_first() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    recipe = replace(PLAIN, size=(8, 8), crop_pct=0.8)
    resized = Image.fromarray(pixels).resize((10, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(recipe.fit(pixels), np.asarray(resized.crop((1, 1, 9, 9))))


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    crop_pct=st.sampled_from([1.0, 0.95, 0.875, 224 / 232, 0.3]),
    resize=st.sampled_from(["shortest-edge", "warp"]),
)
def test_fit_always_gives_the_size_and_never_pads(
    height: int, width: int, size: tuple[int, int], crop_pct: float, resize: str
) -> None:
    recipe = replace(PLAIN, size=size, crop_pct=crop_pct, resize=resize)
    fitted = recipe.fit(np.full((height, width, 3), 200, np.uint8))
    assert fitted.shape == (*size, 3)
    assert (fitted == 200).all()  # padding would be black


def test_a_hair_thin_picture_does_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def spy(image: Image.Image, size: tuple[int, int], *arguments: object) -> Image.Image:
        asked.append(size)
        return resize(image, size, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", spy)
    recipe = replace(PLAIN, size=(50, 50), resize="shortest-edge")
    for shape in ((1, 3000, 3), (3000, 1, 3)):
        assert recipe.fit(np.full(shape, 9, np.uint8)).shape == (50, 50, 3)
    assert asked == [(800, 50), (50, 800)]


def test_sourced_lists_every_field() -> None:
    sourced = replace(PLAIN, sources={"mean": "option --mean"}).sourced()
    assert list(sourced) == [
        "layout", "size", "resize", "crop_pct", "interpolation", "channels", "range", "mean", "std", "dtype",
    ]  # fmt: skip
    assert sourced["mean"].source == "option --mean"
    assert sourced["mean"].value == [127.0, 127.0, 127.0]
    assert sourced["size"].value == [6, 4]


def test_a_wrong_number_of_values_is_refused() -> None:
    with pytest.raises(PreprocessingError, match="Add --std"):
        replace(PLAIN, channels="grey", mean=(1.0,), std=(1.0, 2.0, 3.0))
