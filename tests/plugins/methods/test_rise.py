"""RISE: its masks, what it converges to, and what must not change it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.methods.rise import random_masks

ENTRY = registry.load(()).methods["rise"]
SIDE = 14


def make(**parameters):
    return registry.create(ENTRY, "standard", {name: str(value) for name, value in parameters.items()})


def picture(probe, ids=("a.png",)):
    shape = (1, SIDE, SIDE)
    x = np.ones((len(ids), *shape))
    targets = np.zeros(len(ids), np.int64)
    space = InputSpace("NCHW", shape, (0.0,), (1.0,))
    baseline = np.zeros_like(x)
    return Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)


def smooth_weights():
    """One bump of positive and one of negative weight, wider than a mask's cell."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.exp(-((y - 4) ** 2 + (x - 4) ** 2) / 12) - np.exp(-((y - 10) ** 2 + (x - 10) ** 2) / 12)


def linear(offset=0.0):
    weights = smooth_weights().ravel()
    return AnalyticProbe(lambda points: (points * weights).sum(axis=1) + offset, None)


def test_a_linear_model_is_ordered_by_its_weights():
    probe = linear()
    values = make(masks=2000).attribute(picture(probe), probe).values[0, 0]
    assert spearmanr(values.ravel(), smooth_weights().ravel()).statistic > 0.85
    assert np.hypot(*(np.array(np.unravel_index(values.argmax(), values.shape)) - 4)) <= 2
    assert np.hypot(*(np.array(np.unravel_index(values.argmin(), values.shape)) - 10)) <= 2


def test_more_masks_come_closer_to_the_expectation():
    """f depends on one pixel: E[f | j visible] is p + Cov(M_j, M_k) / p, estimated here from other masks."""
    probe = AnalyticProbe(lambda points: points[:, SIDE * 7 + 7], None)
    masks = random_masks(np.random.default_rng(0), 20000, (SIDE, SIDE), 7, 0.5)
    expected = np.einsum("n,nhw->hw", masks[:, 7, 7], masks) / masks.sum(axis=0)
    misses = [
        np.abs(make(masks=count).attribute(picture(probe), probe).values[0, 0] - expected).max() for count in (50, 3200)
    ]
    assert misses[1] < 0.05 < misses[0]


def test_a_constant_added_to_the_model_changes_nothing_and_an_empty_model_gives_nothing():
    plain, shifted = (make(masks=100).attribute(picture(p), p).values for p in (linear(), linear(50.0)))
    np.testing.assert_allclose(shifted, plain, atol=1e-10)
    empty = AnalyticProbe(lambda points: np.full(len(points), 3.0), None)
    assert not make(masks=100).attribute(picture(empty), empty).values.any()


def test_maps_follow_the_images_id_and_the_seed_alone():
    probe = linear()
    together = make(masks=50).attribute(picture(probe, ("a.png", "b.png")), probe).values
    apart = make(masks=50).attribute(picture(probe, ("b.png",)), probe).values
    np.testing.assert_array_equal(together[1], apart[0])
    assert np.abs(together[0] - together[1]).max() > 1e-3, "another image, other masks"
    reseeded = linear()
    reseeded.rng = lambda *key: np.random.default_rng(99)
    assert np.abs(make(masks=50).attribute(picture(reseeded, ("b.png",)), reseeded).values - apart).max() > 1e-3


@pytest.mark.parametrize(("budget", "masks"), [("quick", 250), ("standard", 1000), ("thorough", 4000)])
def test_one_forward_a_mask_in_bounded_batches(budget, masks):
    batches = []
    probe = AnalyticProbe(lambda points: batches.append(len(points)) or points[:, 0], None)
    problems = picture(probe)
    probe.spent, batches[:] = Cost(), []
    method = registry.create(ENTRY, budget, {})
    method.attribute(problems, probe)
    assert probe.spent == method.cost(Quadrature()) == Cost(forwards=masks) and max(batches) <= 64
    assert method.needs == frozenset() and {"not-complete", "stochastic"} == method.flags


def test_the_baseline_shows_where_the_mask_is_closed():
    seen = []
    probe = AnalyticProbe(lambda points: seen.append(points) or points[:, 0], None)
    problems = picture(probe)
    problems = dataclasses.replace(problems, x=problems.x * 5, baseline=problems.baseline + 2)
    seen.clear()
    make(masks=64).attribute(problems, probe)
    shown = np.concatenate(seen)
    assert shown.min() == pytest.approx(2) and shown.max() == pytest.approx(5)


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    cells=st.integers(1, 9),
    visible=st.floats(0.05, 1.0),
    seed=st.integers(0, 9),
)
def test_masks_are_shares_of_the_pictures_shape(height, width, cells, visible, seed):
    masks = random_masks(np.random.default_rng(seed), 5, (height, width), cells, visible)
    assert masks.shape == (5, height, width) and masks.min() >= 0 and masks.max() <= 1
    assert visible < 1 or (masks == 1).all()


def test_masks_are_open_as_often_as_asked_everywhere_and_vary_within_a_cell():
    masks = random_masks(np.random.default_rng(1), 4000, (28, 28), 7, 0.3)
    np.testing.assert_allclose(masks.mean(axis=0), 0.3, atol=0.04)
    assert np.unique(masks[0]).size > 20, "interpolated, not blocks"
    steps = np.abs(np.diff(masks, axis=1)).mean(axis=(0, 2))
    assert steps.max() < 1.3 * steps[3:-3].mean(), "no row is a cell's border more often than another"
