"""Performance information curves: the area and the whole procedure by hand, the half-sharp images, missing curves."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from geoaudit import InputSpace
from geoaudit_plugins.metrics.bokeh import bokeh
from geoaudit_plugins.metrics.pic import SHARES, area, file_length, pictures
from geoaudit_plugins.metrics.pic_aic import PicAic
from geoaudit_plugins.metrics.pic_sic import PicSic


def by_hand(scene, values, i, sharp_first):
    """SIC and AIC of one image, step by step, with a picture made and saved for each."""
    problems, weights = scene.problems, scene.probe.weights
    x, (height, width) = problems.x[i], problems.space.size

    def look(mask):
        point = bokeh(x, mask[None])[0]
        rgb = np.rint(np.clip(point, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        buffer = BytesIO()
        Image.fromarray(rgb).save(buffer, "webp", lossless=True, quality=25, method=2)
        z = scene.probe.gain * ((weights * point.astype(float)).sum() + scene.probe.offset)
        return len(buffer.getvalue()), 1 / (1 + np.exp(-z)), float(z > 0)

    start, end = look(sharp_first), look(np.ones((height, width), bool))
    ranked = sorted(
        range(height * width), key=lambda p: -np.abs(values[i][:, p // width, p % width].astype(float)).sum()
    )
    curves = [[(0.0, 0.0), (1.0, 1.0)], [(0.0, 0.0), (1.0, 1.0)]]
    for share in SHARES:
        mask = sharp_first.copy()
        for p in ranked[: max(1, round(share * height * width))]:
            mask[p // width, p % width] = True
        told = look(mask)
        for curve, answer in zip(curves, (1, 2), strict=True):
            point = [(told[k] - start[k]) / (end[k] - start[k]) for k in (0, answer)]
            curve.append(tuple(min(1.0, max(0.0, value)) for value in point))
    areas = []
    for curve in curves:
        total, best, before = 0.0, 0.0, (0.0, 0.0)
        for information, answer in sorted(curve):
            best = max(best, answer)
            total += (information - before[0]) * (before[1] + best) / 2
            before = (information, best)
        areas.append(total)
    return areas


def test_both_metrics_by_hand(planted, noise):
    scene = planted()
    values = scene.true + 0.05 * noise(scene.true.shape, 1)
    found = [scene.score(metric(), values).values for metric in (PicSic, PicAic)]
    for i, image in enumerate(scene.problems.ids):
        first = np.zeros(28 * 28, bool)
        first[scene.probe.rng("pic", image).choice(28 * 28, 8, replace=False)] = True
        sic, aic = by_hand(scene, values, i, first.reshape(28, 28))
        assert found[0][i] == pytest.approx(sic, abs=1e-6)
        assert found[1][i] == pytest.approx(aic, abs=1e-6)


def test_the_area_of_curves_drawn_by_hand():
    ends = np.array([10.0, 20.0])  # information of the blurred image and of the image

    def of(information, answer, answers=(0.2, 0.7)):
        return area(np.concatenate([ends, information]), np.concatenate([answers, answer]))

    assert of([], []) == pytest.approx(0.5)  # the diagonal
    assert of([15.0], [0.7]) == pytest.approx(0.25 + 0.5)
    assert of([15.0], [0.1]) == pytest.approx(0.25)  # below the blurred image counts as the blurred image
    assert of([15.0], [0.9]) == pytest.approx(0.75)  # and above the image as the image
    assert of([25.0], [0.7]) == pytest.approx(0.5)
    assert of([10.0], [0.7]) == pytest.approx(1.0)  # all of the answer for no information
    assert of([12.0, 18.0], [0.7, 0.2]) == pytest.approx(0.1 + 0.8)  # the running maximum


def test_one_set_of_forwards_serves_both_metrics_and_a_second_map_pays_no_ends(planted):
    scene = planted()
    group = scene.group()
    spent = []
    for metric, values in ((PicSic, scene.true), (PicAic, scene.true), (PicAic, scene.true[::-1])):
        before = scene.probe.spent.forwards
        scene.score(metric(), values, group)
        spent.append((scene.probe.spent.forwards - before) / 3)
    assert spent == [2 + len(SHARES), 0, len(SHARES)]


def test_an_image_without_a_curve_says_why(planted):
    flat = planted()
    x = np.full_like(flat.problems.x, 0.5)
    x[1:] = flat.problems.x[1:]
    one_flat = replace(flat, problems=replace(flat.problems, x=x))
    scores = one_flat.score(PicSic(), flat.true)
    assert scores.reasons == ("the blurred image holds no less information than the image", None, None)
    assert np.isnan(scores.values[0]) and np.isfinite(scores.values[1:]).all()
    against = planted(gain=-1.0)  # blurring helps the target
    assert set(against.score(PicSic(), against.true).reasons) == {
        "the target is no less probable on the blurred image than on the image"
    }
    assert set(against.score(PicAic(), against.true).reasons) == {"the model does not name the target on the image"}
    sure = planted(lift=300.0)
    assert set(sure.score(PicAic(), sure.true).reasons) == {"the model names the target on the blurred image already"}


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pictures_and_their_files(channels, layout):
    numbers = np.random.default_rng(0).integers(0, 256, (2, 6, 7, channels))
    low, high = tuple(np.linspace(-2, -1, channels)), tuple(np.linspace(2, 4, channels))
    points = np.array(low) + numbers / 255 * (np.array(high) - np.array(low))
    shape = (channels, 6, 7) if layout == "NCHW" else (6, 7, channels)
    points = points.transpose(0, 3, 1, 2) if layout == "NCHW" else points
    found = pictures(points.astype(np.float32), InputSpace(layout, shape, low, high))
    np.testing.assert_array_equal(found, numbers)
    assert file_length(found[0]) > file_length(np.zeros_like(found[0]))


def test_the_fill_of_four_pixels_is_the_mean_of_those_known():
    image = np.array([[[1.0, 2.0], [4.0, 8.0]]])
    sharp = np.array([[[True, False], [False, False]], [[True, False], [False, True]], [[True, True], [True, True]]])
    filled = bokeh(image, sharp)
    np.testing.assert_allclose(filled[0, 0], 1.0)
    np.testing.assert_allclose(filled[1, 0], [[1.0, 4.5], [4.5, 8.0]])
    np.testing.assert_array_equal(filled[2, 0], image[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 7), (28, 28), (33, 20)])
def test_sharp_pixels_stay_and_the_rest_lies_within_their_range(size):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(3, *size)).astype(np.float32)
    sharp = rng.random((4, *size)) < 0.2
    sharp[:, 0, 0] = True
    before = image.copy()
    filled = bokeh(image, sharp)
    np.testing.assert_array_equal(image, before)
    assert filled.dtype == np.float32 and filled.shape == (4, 3, *size)
    for mask, picture in zip(sharp, filled, strict=True):
        np.testing.assert_array_equal(picture[:, mask], image[:, mask])
        lowest, highest = image[:, mask].min(axis=1), image[:, mask].max(axis=1)
        assert (picture >= lowest[:, None, None] - 1e-5).all() and (picture <= highest[:, None, None] + 1e-5).all()


def test_the_fill_follows_a_slope():
    """Known at a tenth of the pixels, a ramp is restored to within a hundredth of its range, and not moved aside."""
    ramp = np.add.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 64))[None] / 2
    missed = bokeh(ramp, np.random.default_rng(0).random((1, 64, 64)) < 0.1)[0] - ramp
    assert np.abs(missed).mean() < 0.008 and abs(missed.mean()) < 0.002


def test_a_map_that_equals_anothers_inversion_is_no_inversion(planted):
    """What is kept for a group of images tells the two apart."""
    scene = planted()
    group, metric = scene.group(), PicSic()
    own = scene.score(metric, scene.true, group)
    turned = scene.inverted(metric, scene.true, own, group)
    again = scene.score(metric, -scene.true, group)
    np.testing.assert_array_equal(again.values, own.values)
    assert (again.values > turned.values).all()
