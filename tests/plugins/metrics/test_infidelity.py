"""Infidelity: the formula by hand, its blocks, its ends."""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, InputSpace, Problems, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.metrics.infidelity import Infidelity, InfidelityParameters, random_blocks


def curved(points):
    """f = (sum of the first half)^2 - product of the last two + 1, over flat points."""
    return points[:, : points.shape[1] // 2].sum(axis=1) ** 2 - points[:, -1] * points[:, -2] + 1.0


def small(f=curved, shape=(2, 4, 5), images=2):
    rng = np.random.default_rng(3)
    x = rng.uniform(0.4, 1.0, (images, *shape))
    baseline = np.full_like(x, 0.1)
    probe = AnalyticProbe(f, None)
    targets = np.zeros(images, np.int64)
    space = InputSpace("NCHW", shape, (0.0,) * shape[0], (1.0,) * shape[0])
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    problems = Problems(tuple("ab"[:images]), x, baseline, targets, f_x, f_baseline, space)
    return problems, Evidence(None, Group(problems, probe, {"baseline": Baseline()}))


def test_the_formula_by_hand():
    problems, evidence = small()
    maps = np.random.default_rng(0).normal(size=problems.x.shape).astype(np.float32)
    draws = 7
    found = Infidelity(InfidelityParameters(draws=draws)).score(Attributions(maps, (None, None)), problems, evidence)
    for i, image in enumerate(problems.ids):
        blocks = random_blocks(evidence.probe.rng("infidelity", image), draws, (4, 5))
        told, lost = [], []
        for top, bottom, left, right in blocks:
            x = problems.x[i].copy()
            inside = 0.0
            for c in range(2):
                for row in range(top, bottom):
                    for column in range(left, right):
                        inside += float(maps[i, c, row, column])
                        x[c, row, column] = 0.1
            told.append(inside)
            lost.append(curved(problems.x[i].reshape(1, -1))[0] - curved(x.reshape(1, -1))[0])
        beta = max(0.0, sum(a * b for a, b in zip(told, lost, strict=True)) / sum(a * a for a in told))
        missed = np.mean([(beta * a - b) ** 2 for a, b in zip(told, lost, strict=True)])
        assert found.values[i] == pytest.approx(missed / np.mean(np.square(lost)), rel=1e-9)
        assert found.reasons[i] is None


def test_a_map_of_zeros_and_an_inverted_map_miss_everything():
    problems, evidence = small(lambda points: points.sum(axis=1))
    exact = (problems.x - problems.baseline).astype(np.float32)
    for values, wanted in ((exact, 0.0), (0 * exact, 1.0), (-exact, 1.0)):
        found = Infidelity().score(Attributions(values, (None, None)), problems, evidence)
        np.testing.assert_allclose(found.values, wanted, atol=1e-12)


def test_an_output_that_does_not_change_has_no_score():
    problems, evidence = small(lambda points: np.full(len(points), 3.0))
    found = Infidelity().score(Attributions(problems.x, (None, None)), problems, evidence)
    assert np.isnan(found.values).all()
    assert set(found.reasons) == {"the output does not change when parts of the image are taken out"}


def test_the_mean_over_all_blocks_agrees_with_more_draws():
    problems, evidence = small(shape=(1, 12, 12), images=1)
    maps = Attributions(np.abs(np.random.default_rng(0).normal(size=problems.x.shape)).astype(np.float32), (None,))
    few, many, most = (
        Infidelity(InfidelityParameters(draws=draws)).score(maps, problems, evidence).values[0]
        for draws in (32, 2000, 4000)
    )
    assert many == pytest.approx(most, abs=0.03) and few == pytest.approx(most, abs=0.2)


def test_blocks_lie_inside_and_cover_every_pixel_alike():
    height, width, draws = 20, 30, 20000
    blocks = random_blocks(np.random.default_rng(0), draws, (height, width))
    top, bottom, left, right = blocks.T
    assert (top >= 0).all() and (left >= 0).all() and (bottom <= height).all() and (right <= width).all()
    assert (bottom > top).all() and (right > left).all() and (bottom - top).max() == 10
    covered = np.zeros((height + 1, width + 1))
    for edges, sign in (((top, left), 1), ((bottom, right), 1), ((top, right), -1), ((bottom, left), -1)):
        np.add.at(covered, edges, sign)
    covered = covered.cumsum(axis=0).cumsum(axis=1)[:height, :width]
    assert covered.max() / covered.min() < 1.25
    assert (random_blocks(np.random.default_rng(0), 5, (1, 1)) == [0, 1, 0, 1]).all()


def test_the_budgets_bind():
    entry = registry.load(()).metrics["infidelity"]
    draws = {b: registry.create(entry, b, {}).parameters.draws for b in ("quick", "standard", "thorough")}
    assert draws == {"quick": 32, "standard": 96, "thorough": 512}
