"""Sensitivity-n: the correlation by hand, its subsets, and where it does not exist."""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, InputSpace, Problems
from geoaudit.analytic import AnalyticProbe
from geoaudit.scoring.regions import Grid
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.metrics.sensitivity_n import (
    SensitivityN,
    SensitivityNParameters,
    random_members,
    subset_sizes,
)


def product_of_means(points):
    """Not additive: the mean of the first half times the sum of the second."""
    half = points.shape[1] // 2
    return points[:, :half].mean(axis=1) * points[:, half:].sum(axis=1)


def small(f=product_of_means, shape=(2, 5, 6), images=2):
    rng = np.random.default_rng(4)
    x = rng.uniform(0.4, 1.0, (images, *shape))
    probe, targets = AnalyticProbe(f, None), np.zeros(images, np.int64)
    space = InputSpace("NCHW", shape, (0.0,) * shape[0], (1.0,) * shape[0])
    baseline = np.full_like(x, 0.2)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    problems = Problems(tuple("ab"[:images]), x, baseline, targets, f_x, f_baseline, space)
    return problems, Evidence(None, Group(problems, probe, {"baseline": Baseline()}))


def score(values, problems, evidence, **parameters):
    metric = SensitivityN(SensitivityNParameters(**parameters))
    return metric.score(Attributions(values, (None,) * len(problems)), problems, evidence)


def test_the_correlation_by_hand():
    problems, evidence = small()  # regions of one pixel, 30 of them
    maps = np.random.default_rng(0).normal(size=problems.x.shape).astype(np.float32)
    found = score(maps, problems, evidence, sizes=3, subsets=9)
    sizes = [1, 4, 24]  # .6, 3.8 and 24 of 30
    for i, image in enumerate(problems.ids):
        members = random_members(evidence.probe.rng("sensitivity-n", image), 30, np.array(sizes), 9)
        correlations = []
        for k, n in enumerate(sizes):
            told, lost = [], []
            for chosen in members[9 * k : 9 * k + 9]:
                pixels = [(p // 6, p % 6) for p in np.flatnonzero(chosen)]
                assert len(pixels) == n
                x = problems.x[i].copy()
                for row, column in pixels:
                    x[:, row, column] = 0.2
                told.append(sum(float(maps[i, c, row, column]) for row, column in pixels for c in range(2)))
                lost.append(product_of_means(problems.x[i].reshape(1, -1))[0] - product_of_means(x.reshape(1, -1))[0])
            correlations.append(np.corrcoef(told, lost)[0, 1])
        assert found.values[i] == pytest.approx(np.mean(correlations), rel=1e-9)


def test_subsets_are_drawn_evenly_and_without_replacement():
    sizes = np.array([1, 3, 7])
    members = random_members(np.random.default_rng(0), 10, sizes, 4000)
    assert (members.sum(axis=1) == np.repeat(sizes, 4000)).all()
    for n, part in zip(sizes, np.split(members, 3), strict=True):
        np.testing.assert_allclose(part.mean(axis=0), n / 10, atol=0.04)


@pytest.mark.parametrize(
    ("side", "wanted", "sizes"),
    [(224, 5, [4, 10, 25, 62, 157]), (224, 1, [25]), (2, 5, [1, 3]), (1, 5, [])],
)
def test_sizes_are_spread_over_the_regions(side, wanted, sizes):
    assert subset_sizes(Grid.of(InputSpace("NCHW", (3, side, side), (0.0,) * 3, (1.0,) * 3)), wanted).tolist() == sizes


def only_corner(points):
    return points[:, 0]


@pytest.mark.parametrize(
    ("f", "values", "reason"),
    [
        (product_of_means, "constant", "the map is constant"),
        (product_of_means, "zero", "the map is constant"),
        (product_of_means, "one pixel", "the map is constant over the random subsets of size"),
        (lambda points: np.full(len(points), 2.0), "noise", "the output is the same without any of the random"),
    ],
)
def test_what_does_not_vary_has_no_correlation(f, values, reason):
    problems, evidence = small(f)
    maps = {"constant": np.full_like(problems.x, 0.3), "zero": 0 * problems.x, "one pixel": 0 * problems.x}
    maps["noise"] = np.random.default_rng(0).normal(size=problems.x.shape)
    maps["one pixel"][:, :, 4, 5] = 1
    found = score(maps[values].astype(np.float32), problems, evidence, sizes=3, subsets=8)
    assert np.isnan(found.values).any()
    for value, told in zip(found.values, found.reasons, strict=True):
        assert np.isnan(value) == (told is not None)
        assert told is None or told.startswith(reason)


def test_a_single_region_is_too_few():
    problems, evidence = small(only_corner, shape=(1, 1, 1), images=1)
    found = score(problems.x, problems, evidence)
    assert np.isnan(found.values[0]) and found.reasons == ("too few regions",)
