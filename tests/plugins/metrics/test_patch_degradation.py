"""Patch degradation against a computation written out by hand; the published script's faults would fail here."""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, InputSpace
from geoaudit_plugins.metrics.patch_degradation import PatchDegradation, PatchDegradationParameters, patch_means

SPACES = [("NCHW", 3, np.float32), ("NHWC", 3, np.float64), ("NCHW", 1, np.float64), ("NHWC", 1, np.float32)]


def score(values, problems, probe, inverted=False, **parameters):
    metric = PatchDegradation(PatchDegradationParameters(**parameters))
    maps = Attributions(values, (None,) * len(problems))
    return metric.score(maps, problems, Evidence(None, Group(problems, probe, {}), inverted=inverted))


def random_maps(problems, seed=0):
    return np.random.default_rng(seed).standard_normal(problems.x.shape).astype(problems.x.dtype)


@pytest.mark.parametrize("patches", [5, 100])
@pytest.mark.parametrize(("layout", "channels", "dtype"), SPACES)
def test_it_is_what_a_plain_loop_computes(scene, layout, channels, dtype, patches):
    """8 x 8 pictures cut into 3 x 3 patches of 3 px, those of the last row and column 2 px."""
    found = scene("network", layout=layout, channels=channels, dtype=dtype)
    problems, probe = found.problems, found.probe
    values, axis = random_maps(problems), problems.space.channel_axis
    places = [(np.s_[y : y + 3], np.s_[x : x + 3]) for y in (0, 3, 6) for x in (0, 3, 6)]
    expected = []
    for image, x, target in zip(values, problems.x, problems.targets, strict=True):
        pixels, planes = image.astype(np.float64).sum(axis=axis), np.moveaxis(x.copy(), axis, 0)
        curve = []
        for place in sorted(places, key=lambda p: -pixels[p].mean())[:patches]:
            for plane in planes:
                plane[place] = plane[place].mean(dtype=np.float64)
            scores = np.exp(probe.scores(np.moveaxis(planes, 0, axis)[None])[0])
            curve.append(scores[target] / scores.sum())
        expected.append(np.mean(curve))
    scores = score(values, problems, probe, side=3, patches=patches)
    np.testing.assert_allclose(scores.values, expected, atol=2e-6)
    assert scores.reasons == (None,) * 5


class Seen:
    """p is the mean of the points; remembers them."""

    def __init__(self):
        self.points = []

    def probabilities(self, points, targets):
        self.points.append(points)
        return 0.5 + 0.01 * points.mean(axis=(1, 2, 3))


def test_the_most_relevant_patch_goes_first_and_in_every_channel(scene):
    """The published script skips patch number 0, and channels whose mean is negative."""
    problems = scene("formula").problems.select([0])
    problems.x[0, 1] -= 5.0  # every mean of this channel is negative
    values = np.zeros_like(problems.x)
    values[0, :, 2:4, 6:8] = 1.0
    probe = Seen()
    score(values, problems, probe, side=4)
    first = probe.points[0][0]
    changed = (first != problems.x[0]).any(axis=(1, 2))
    assert changed.all()
    changed = (first != problems.x[0]).any(axis=0)
    assert changed[2:4, 6:8].all() and changed.sum() == 4
    np.testing.assert_allclose(first[:, 2, 6], problems.x[0, :, 2:4, 6:8].mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(probe.points[-1][-1], patch_means(problems, PatchDegradation().grid(problems.space))[0])


def test_signed_sums_decide_and_an_inverted_map_scores_worse(scene):
    problems = scene("formula").problems
    problems.x[:] = np.random.default_rng(0).uniform(0, 1, problems.x.shape)

    class Detail:
        """p falls with the contrast that is left in the upper half."""

        def probabilities(self, points, targets):
            return points[:, :, :4].std(axis=(1, 2, 3))

    values = np.full_like(problems.x, -2.0)
    values[:, :, :4] = 1.0
    good = score(values, problems, Detail(), patches=8)
    bad = score(-values, problems, Detail(), inverted=True, patches=8)
    assert (good.values < bad.values).all()
    np.testing.assert_allclose(bad.values, problems.x[:, :, :4].std(axis=(1, 2, 3)), rtol=1e-5)


def test_batch_and_order_of_images_change_nothing(scene, monkeypatch):
    found = scene("network")
    values = random_maps(found.problems)
    whole = score(values, found.problems, found.probe)
    monkeypatch.setattr("geoaudit_plugins.metrics.patch_degradation.CHUNK", 3)
    order = [3, 0]
    part = score(values[order], found.problems.select(order), found.probe)
    np.testing.assert_allclose(part.values, whole.values[order], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "patches", "region"),
    [((224, 224), 625, 9), ((225, 225), 625, 9), ((224, 300), 850, 9), ((30, 30), 225, 2)],
)
def test_the_studys_grid(size, patches, region):
    metric, space = PatchDegradation(), InputSpace("NCHW", (3, *size), (0.0,) * 3, (1.0,) * 3)
    assert (metric.grid(space).count, metric.grid(space).region) == (patches, region)
    assert metric.cost(space)[0].forwards == 100 and metric.cost(space)[1].forwards == 0


def test_it_costs_what_it_says_and_reasons_stand_where_there_is_no_score(scene):
    found = scene("network")
    values = random_maps(found.problems)
    values[3, 0, 0, 0] = np.inf
    scores = score(values, found.problems, found.probe)
    assert found.probe.spent.forwards == 4 * PatchDegradation().cost(found.problems.space)[0].forwards == 4 * 16
    assert scores.reasons == (None, None, None, "the map is not finite", None) and np.isnan(scores.values[3])
    assert np.isfinite(np.delete(scores.values, 3)).all()
