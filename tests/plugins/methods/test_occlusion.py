"""Occlusion on models whose windows' contributions are known, and how its windows lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe

ENTRY = registry.load(()).methods["occlusion"]
CELL = 4


def make(**parameters):
    return registry.create(ENTRY, "standard", {name: str(value) for name, value in parameters.items()})


def pictures(probe, side=16, layout="NCHW", channels=3, count=2, seed=0):
    shape = (channels, side, side) if layout == "NCHW" else (side, side, channels)
    x = np.random.default_rng(seed).uniform(-1, 1, (count, *shape))
    baseline = np.full_like(x, -0.5)
    targets = np.zeros(count, np.int64)
    space = InputSpace(layout, shape, (-1.0,) * channels, (1.0,) * channels)
    ids = tuple(f"{i}.png" for i in range(count))
    return Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)


def cells(pictures_, axis):
    """Sums over the cells of 4 x 4 pixels and all channels, shape (n, 4, 4)."""
    summed = pictures_.sum(axis=1 + axis)
    return summed.reshape(len(summed), 4, CELL, 4, CELL).sum(axis=(2, 4))


def additive(channel_axis, shape):
    """A sum over cells of a bent function of each cell's sum; its gradient is never asked for."""
    scale = np.random.default_rng(3).uniform(-2, 2, (4, 4))

    def f(points):
        return (scale * np.tanh(cells(points.reshape(-1, *shape), channel_axis))).sum(axis=(1, 2))

    return AnalyticProbe(f, None), scale


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_an_additive_model_gets_each_windows_contribution_back(layout):
    axis, shape = (0, (3, 16, 16)) if layout == "NCHW" else (2, (16, 16, 3))
    probe, scale = additive(axis, shape)
    problems = pictures(probe, layout=layout)
    values = make(window=0.25, stride=0.25).attribute(problems, probe).values
    expected = scale * (np.tanh(cells(problems.x, axis)) - np.tanh(cells(problems.baseline, axis)))
    np.testing.assert_allclose(cells(values, axis), expected, atol=1e-12)
    np.testing.assert_allclose(values.reshape(2, -1).sum(axis=1), problems.delta_f, atol=1e-12)
    assert np.ptp(values, axis=1 + axis).max() == 0, "channels share evenly"


def test_overlapping_windows_are_averaged_where_they_overlap():
    probe = AnalyticProbe(lambda points: points[:, 0], None)  # one element in the corner matters
    problems = pictures(probe, side=8, channels=1, count=1)
    values = make(window=0.5, stride=0.25).attribute(problems, probe).values[0, 0]
    gain = problems.x[0, 0, 0, 0] - problems.baseline[0, 0, 0, 0]
    assert values[0, 0] == pytest.approx(gain / 16), "one window of 4 x 4 pixels covers the corner"
    assert values[2, 0] == pytest.approx(gain / 16 / 2), "of the two that cover this pixel one holds the corner"
    assert values[2, 2] == pytest.approx(gain / 16 / 4)
    assert not values[4:].any() and not values[:, 4:].any()


def test_constant_features_and_unused_pixels_get_nothing():
    probe = AnalyticProbe(lambda points: points[:, :64].sum(axis=1), None)
    problems = pictures(probe, side=16, channels=1)
    problems.x[:, :, :2] = problems.baseline[:, :, :2]
    problems.f_x[:] = probe.outputs(problems.x, problems.targets)
    values = make(window=0.125, stride=0.125).attribute(problems, probe).values
    assert not values[:, :, :2].any() and not values[:, :, 4:].any() and values[:, :, 2:4].all()


@pytest.mark.parametrize(("budget", "forwards"), [("quick", 49), ("standard", 196), ("thorough", 729)])
def test_every_budget_costs_exactly_what_it_announces(budget, forwards):
    probe = AnalyticProbe(lambda points: points.sum(axis=1), None)
    problems = pictures(probe, side=56, channels=1)
    probe.spent = Cost()
    method = registry.create(ENTRY, budget, {})
    method.attribute(problems, probe)
    assert probe.spent == Cost(forwards=2 * forwards) and method.cost(Quadrature()) == Cost(forwards=forwards)
    assert method.needs == frozenset() and "not-complete" in method.flags


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    window=st.floats(0.02, 1.0),
    stride=st.floats(0.05, 1.0),
)
def test_windows_lie_within_the_picture_are_distinct_and_reach_its_edges(height, width, window, stride):
    method = make(window=window, stride=stride)
    places = method.windows((height, width))
    covered = np.zeros((height, width))
    for rows, columns in places:
        assert 0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width
        covered[rows, columns] += 1
    assert len({(r.start, c.start) for r, c in places}) == len(places) <= method.cost(Quadrature()).forwards
    assert covered[0, 0] and covered[-1, -1] and (covered.all() or stride > window)
