"""The masked-forward sweep on a model whose answers are known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.api import Group, InputSpace
from geoaudit.errors import PluginError, UsageError
from geoaudit.scoring.regions import Grid, importance, relevance_order
from geoaudit.scoring.sweep import BATCH, Sweep, inverted, srg
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.imputers.blur import Blur


def exact(problems, probe):
    """The model's exact attributions, w x."""
    return (probe.weights * problems.x).astype(np.float32)


IMPUTERS = {"baseline": Baseline(), "blur": Blur()}


def sweep(problems, probe, values, **settings_):
    return Sweep(**settings_).curves(values, Group(problems, probe, IMPUTERS))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["magnitude", "signed"])
def test_curves_match_a_slow_loop(scene, layout, order):
    problems, probe = scene(n=2, side=10, layout=layout)
    values = exact(problems, probe)
    curves = sweep(problems, probe, values, region_px=4, order=order, steps=3, imputers=("baseline",))
    pixel_axis = problems.space.channel_axis
    for i, image_id in enumerate(problems.ids):
        corners = [(r, c) for r in (0, 4, 8) for c in (0, 4, 8)]
        keys = []
        for r, c in corners:
            pixels = np.moveaxis(values[i], pixel_axis, 0)[:, r : r + 4, c : c + 4].astype(float)
            total = np.abs(pixels).sum() if order == "magnitude" else pixels.sum()
            keys.append(total / (pixels.shape[1] * pixels.shape[2]))
        ranked = np.argsort(keys)[::-1]
        for k, count in enumerate([0, 2, 4, 7, 9]):
            for curve, chosen in ((curves.morf, ranked[:count]), (curves.lerf, ranked[9 - count :])):
                masked = np.moveaxis(problems.x[i].copy(), pixel_axis, 0)
                for region in chosen:
                    r, c = corners[region]
                    masked[:, r : r + 4, c : c + 4] = 0
                p = probe.probabilities(np.moveaxis(masked, 0, pixel_axis)[None], problems.targets[:1])
                assert curve[i, 0, k] == pytest.approx(p[0], abs=1e-12), (image_id, count)
    np.testing.assert_allclose(curves.fractions, np.array([0, 2, 4, 7, 9]) / 9)


def test_true_attributions_beat_random_ones_and_inversion_is_the_long_way(scene):
    problems, probe = scene(n=4, side=28)
    values = exact(problems, probe)
    true = sweep(problems, probe, values, order="signed")
    long_way = sweep(problems, probe, -values, order="signed")
    np.testing.assert_allclose(inverted(true).morf, long_way.morf, atol=1e-12)
    np.testing.assert_allclose(inverted(true).lerf, long_way.lerf, atol=1e-12)
    np.testing.assert_allclose(srg(inverted(true)), -srg(true))
    noise = np.random.default_rng(1).standard_normal(values.shape)
    assert srg(true).shape == (4, 2)
    assert srg(true)[:, 0].min() > 0.3 > 0.15 > abs(srg(sweep(problems, probe, noise)).mean())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), constant=st.floats(-5, 5))
def test_a_random_or_constant_map_scores_zero_on_average(scene, seed, constant):
    problems, probe = scene(n=1, side=8, seed=seed)
    problems = problems.select([0] * 40)
    problems = type(problems)(**{**vars(problems), "ids": tuple(f"{seed}-{i}" for i in range(40))})
    for values in (
        np.random.default_rng(seed).standard_normal(problems.x.shape),
        np.full(problems.x.shape, constant),
    ):
        gain = srg(sweep(problems, probe, values, region_px=2, steps=5, imputers=("baseline",)))
        assert abs(gain.mean()) < 5 * max(gain.std(), 1e-3) / np.sqrt(40)


def test_a_constant_map_is_no_raster_scan_even_with_small_border_regions():
    space = InputSpace("NCHW", (3, 23, 23), (0.0,) * 3, (1.0,) * 3)
    grid = Grid.of(space, 5)
    scores = importance(np.full(space.shape, 0.1, np.float32), space, grid, "magnitude")
    orders = np.array([relevance_order(scores, f"image {i}") for i in range(400)])
    first = np.bincount(orders[:, :5].ravel(), minlength=25) / 400
    assert first.max() < 0.32 and first.min() > 0.1  # 5 of 25 regions: 0.2 each
    assert (relevance_order(scores, "a") == relevance_order(scores * 3, "a")).all()


def test_order_of_images_and_batch_size_change_nothing(scene, monkeypatch):
    problems, probe = scene(n=5, side=14)
    values = exact(problems, probe)
    forward = sweep(problems, probe, values)
    assert max(probe.calls) <= BATCH
    monkeypatch.setattr("geoaudit.scoring.sweep.BATCH", 3)
    back = [4, 2, 0, 1, 3]
    shuffled = sweep(problems.select(back), probe, values[back])
    np.testing.assert_allclose(shuffled.morf, forward.morf[back], atol=1e-12)
    np.testing.assert_allclose(shuffled.lerf, forward.lerf[back], atol=1e-12)


def test_ends_are_paid_once_and_the_announced_cost_is_what_is_spent(scene):
    problems, probe = scene(n=3, side=28)
    group, plan = Group(problems, probe, IMPUTERS), Sweep()
    for seed in range(2):
        plan.curves(np.random.default_rng(seed).random(problems.x.shape), group)
    each, shared = plan.cost(problems.space)
    assert (each.forwards, shared.forwards) == (56, 3)
    assert probe.spent.forwards == 3 * (2 * 56 + 3)


def test_rng_free_ties_and_few_regions():
    space = InputSpace("NCHW", (1, 2, 2), (0.0,), (1.0,))
    grid = Grid.of(space)
    assert grid.region == 1 and list(Sweep(steps=14).counts(grid)) == [1, 2, 3]
    assert Grid.of(InputSpace("NHWC", (224, 300, 3), (0.0,) * 3, (1.0,) * 3)).region == 16
    assert list(Sweep().counts(Grid.of(space, 9))) == []
    assert Grid(5, 7, 3).areas.tolist() == [9, 9, 3, 6, 6, 2]


def test_bad_input_is_refused(scene):
    problems, probe = scene(n=1)
    values = np.full_like(problems.x, np.nan)
    with pytest.raises(PluginError, match="not finite"):
        sweep(problems, probe, values)
    with pytest.raises(UsageError, match="gauss"):
        sweep(problems, probe, problems.x, imputers=("gauss",))
    with pytest.raises(UsageError):
        Sweep(steps=0)
    with pytest.raises(UsageError):
        Sweep(imputers=())
    with pytest.raises(UsageError):
        Sweep(region_px=-1).cost(problems.space)
    with pytest.raises(UsageError, match="0 px"):
        Sweep(region_px=0).cost(problems.space)
