"""Stochastic methods under several seeds: what another seed moves, kept apart from what another image moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from geoaudit import registry
from geoaudit.api import Attributions, Cost, InputSpace, Method
from geoaudit.audit.plan import make_plan
from geoaudit.audit.seeds import seed_spread, similarity
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.audit.tally import Repeats, Row, Tally
from geoaudit_plugins.metrics.srg import Srg


class Coin(Method):
    """Noise; its second call may crash."""

    id, title, reference, family = "outside/coin", "Coin", "a test", "gradient"
    flags = frozenset({"stochastic"})
    calls = 0
    crash_at = 0

    def attribute(self, problems: Any, probe: Any) -> Attributions:
        type(self).calls += 1
        if type(self).calls == type(self).crash_at:
            raise ZeroDivisionError("tails")
        values = [probe.rng(self.id, image).normal(size=problems.space.shape) for image in problems.ids]
        return Attributions(np.stack(values), (None,) * len(problems))

    def preparation(self, quadrature: Any, calibration: int) -> Cost:
        return Cost(gradients=calibration)


@pytest.fixture(scope="module")
def rise(audit: Any) -> Any:
    return audit(methods=("rise", "integrated-gradients"))


def test_the_spread_is_that_of_two_whole_audits_with_the_two_seeds(rise: Any, audit: Any) -> None:
    other = audit(methods=("rise",), seed=6)
    told = rise.method("rise").seeds
    assert (told.seeds, told.images, told.reason) == ([5, 6], 2, None)
    images = [image.id for image in rise.report.data.images]
    own_draws = {
        "infidelity",
        "sensitivity-n",
    }  # drawn by the run's seed, which a repeat keeps and another audit has not
    for found in told.spread:
        if found.metric in own_draws:
            assert found.images == 2
            continue
        pairs = [[run.scores()[(i, "rise", found.metric)] for run in (rise, other)] for i in images]
        if None in pairs[0] + pairs[1]:
            assert (found.seed_sd, found.images) == (None, 0)
            continue
        expected = np.sqrt(np.mean([np.var(pair, ddof=1) for pair in pairs[:2]]))
        assert found.seed_sd == pytest.approx(expected, abs=1e-9)
        assert found.image_sd == pytest.approx(np.std([pair[0] for pair in pairs], ddof=1), abs=1e-9)
    assert {found.metric for found in told.spread if found.seed_sd} >= {"srg", "deletion"}


def test_the_similarity_is_spearmans_of_the_stored_maps(rise: Any, audit: Any, stored_maps: Any) -> None:
    maps = [stored_maps(run.folder) for run in (rise, audit(methods=("rise",), seed=6, limit=5))]
    images = [image.id for image in rise.report.data.images][:2]
    expected = [stats.spearmanr(*(np.abs(m[f"{i}/rise"]).ravel() for m in maps)).statistic for i in images]
    assert rise.method("rise").seeds.map_similarity == pytest.approx(np.median(expected), abs=1e-9)


def test_repeats_cost_apart_and_only_stochastic_methods_are_repeated(rise: Any) -> None:
    method = rise.method("rise")
    assert method.cost.forwards == 5 * 250
    assert method.seeds.cost.forwards == 2 * 250
    assert rise.method("integrated-gradients").seeds is None
    assert [m.id for m in rise.report.methods if m.seeds is not None] == ["rise"], "controls are not repeated"


def test_similarity_by_hand() -> None:
    one = np.array([[[1.0, -2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    reversed_ = np.array([[[4.0, 3.0], [-2.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]]])
    found = similarity([one, reversed_])
    assert found[0] == pytest.approx(-1)
    assert np.isnan(found[1]), "a constant map has no ranks"
    assert similarity([one, -one, reversed_])[0] == pytest.approx(-1), "the median of 1, -1 and -1"


def test_spread_by_hand() -> None:
    tally = Tally(Coin())
    tally.rows = [Row(f"{i}", 1.0, {"srg": value}, {}, None) for i, value in enumerate((0.1, 0.3, np.nan, 0.8))]
    scores = np.array([[0.1, 0.3, np.nan], [0.3, 0.3, 0.5]])
    repeats = Repeats([4, 5], 3, np.array([0.2, 0.6, np.nan]), {"srg": scores}, Cost(2, 3), 1.0)
    told = seed_spread(repeats, tally, [Srg()])
    (found,) = told.spread
    assert found.seed_sd == pytest.approx(np.sqrt((0.02 + 0.0) / 2))
    assert found.image_sd == pytest.approx(np.std([0.1, 0.3, 0.8], ddof=1))
    assert (found.images, told.map_similarity, told.cost.forwards) == (2, pytest.approx(0.4), 3)


def test_a_crash_in_a_repeat_is_told_and_loses_nothing(audit: Any, with_plugin: Any) -> None:
    with_plugin(Coin)
    Coin.calls, Coin.crash_at = 0, 2
    done = audit(methods=("outside/coin",), limit=2)
    method = done.method("outside/coin")
    assert (method.status, done.report.exit_code, method.scores["srg"].n) == ("ok", 0, 2)
    assert method.seeds.seeds == [5]
    assert method.seeds.reason == "the repeat with seed 6 failed (ZeroDivisionError: tails)"
    assert method.seeds.map_similarity is None
    assert {found.seed_sd for found in method.seeds.spread} == {None}
    assert [method.seeds.reason in line for line in done.listener.warned] == [True]
    assert any(method.seeds.reason in limit for limit in done.report.limitations)


def test_the_plan_counts_preparation_once_a_seed_and_repeats_on_few_images(tmp_path: Any) -> None:
    shelf = registry.load(())
    shelf.add(Coin, "outside 1.0")
    space = InputSpace("NCHW", (3, 32, 32), (0.0,) * 3, (1.0,) * 3)
    for budget, seeds, most in (("quick", 2, 2), ("standard", 3, 2), ("thorough", 5, 8)):
        assert (BUDGETS[budget].seeds, BUDGETS[budget].seed_images) == (seeds, most)
        given = {"budget": budget, "skip": tuple(shelf.of_kind("control"))}
        chosen = {"methods": ("outside/coin",), "metrics": ("srg",), "checks": ()}
        plan = make_plan(Settings(tmp_path, tmp_path, **chosen, **given), shelf)
        for images in (1, 20):
            total = plan.total(space, images, calibration=7)
            assert total.gradients == 7 * seeds
            per_map, shared = (part.forwards for part in plan.sweeps[0].cost(space))
            repeated = min(images, most) * ((seeds - 1) * per_map + shared)
            assert total.forwards == plan.cost(space).forwards * images + repeated
