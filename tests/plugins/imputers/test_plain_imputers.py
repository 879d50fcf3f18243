"""Channel mean and inpainting: exact fills, the ends, and independence of the batch."""

import numpy as np
import pytest

from geoaudit import InputSpace, Problems
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.imputers.channel_mean import ChannelMean
from geoaudit_plugins.imputers.inpainting import Inpainting

PROBE = AnalyticProbe(lambda points: points.sum(axis=1), None)


def pose(x, layout="NCHW"):
    n, channels = len(x), x.shape[1] if layout == "NCHW" else x.shape[-1]
    space = InputSpace(layout, x.shape[1:], (0.0,) * channels, (1.0,) * channels)
    ids = tuple(f"image {i}" for i in range(n))
    return Problems(ids, x, np.zeros_like(x), np.zeros(n, np.int64), np.zeros(n), np.zeros(n), space)


def pictures(layout="NCHW", channels=3, dtype=np.float32, n=3):
    x = np.random.default_rng(0).uniform(0.2, 0.8, (n, channels, 9, 11)).astype(dtype)
    return np.ascontiguousarray(x if layout == "NCHW" else np.moveaxis(x, 1, -1))


KINDS = [("NCHW", 3, np.float32), ("NHWC", 3, np.float64), ("NCHW", 1, np.float64), ("NHWC", 1, np.float32)]


@pytest.mark.parametrize("imputer", [ChannelMean, Inpainting])
@pytest.mark.parametrize(("layout", "channels", "dtype"), KINDS)
def test_ends_dtype_and_what_is_kept(imputer, layout, channels, dtype):
    problems = pose(pictures(layout, channels, dtype), layout)
    filler, axis = imputer().open(problems, PROBE), problems.space.channel_axis
    untouched = problems.x.copy()
    gone = np.random.default_rng(1).random((9, 11)) < 0.4
    part, none, whole = filler(np.array([2, 0, 1]), np.stack([gone, gone & False, gone | True]))
    np.testing.assert_array_equal(problems.x, untouched)
    assert part.dtype == dtype and np.isfinite(part).all()
    kept = np.broadcast_to(np.expand_dims(~gone, axis), part.shape)
    np.testing.assert_array_equal(part[kept], problems.x[2][kept])
    assert (part[~kept] != problems.x[2][~kept]).all()
    np.testing.assert_array_equal(none, problems.x[0])
    mean = problems.x[1].astype(np.float64).mean(axis=tuple(a for a in range(3) if a != axis), keepdims=True)
    np.testing.assert_allclose(whole, np.broadcast_to(mean, whole.shape), atol=1e-6)
    alone = imputer().open(problems.select([2]), PROBE)(np.array([0]), gone[None])
    np.testing.assert_array_equal(alone[0], part)


def test_the_mean_is_the_images_own_whatever_is_removed():
    problems = pose(pictures())
    gone = np.zeros((1, 9, 11), bool)
    gone[0, 4, 4] = True
    found = ChannelMean().open(problems, PROBE)(np.array([1]), gone)[0, :, 4, 4]
    np.testing.assert_allclose(found, problems.x[1].mean(axis=(1, 2), dtype=np.float64), rtol=1e-6)


def test_a_slope_is_inpainted_exactly():
    """A plane solves the biharmonic equation, so that a hole in it leaves no trace."""
    y, x = np.mgrid[:20, :20] / 20
    problems = pose(np.stack([0.2 + 0.3 * x + 0.4 * y, 0.9 - 0.5 * x])[None].astype(np.float64))
    gone = np.zeros((1, 20, 20), bool)
    gone[0, 6:13, 5:15] = True
    found = Inpainting().open(problems, PROBE)(np.array([0]), gone)
    np.testing.assert_allclose(found, problems.x, atol=1e-9)


def test_inpainted_values_stay_within_what_is_known():
    problems = pose(pictures(n=1))
    gone = np.random.default_rng(3).random((1, 9, 11)) < 0.9
    gone[0, 0, 0] = False
    found = Inpainting().open(problems, PROBE)(np.array([0]), gone)[0]
    for plane, x in zip(found, problems.x[0], strict=True):
        assert x[~gone[0]].min() <= plane.min() and plane.max() <= x[~gone[0]].max()
