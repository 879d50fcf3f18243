"""The ranking rule: tiers, order, intervals, invariances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.api import Status
from geoaudit.audit.result import MetricHealth
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.ranking import rank
from geoaudit.scoring.standings import image_ranks, standings


def make(id_, srg, ncc=0.5, n=30, noise=0.03, kind="method", **more):
    """A contender whose scores scatter around `srg` and `ncc`; shared image difficulty, own noise."""
    rng = np.random.default_rng(abs(hash_of(id_)))
    difficulty = np.random.default_rng(7).normal(0, 0.05, n)
    scores = srg + difficulty * (kind == "method") + rng.normal(0, noise, n)
    cancel = np.full(n, np.nan) if ncc is None else np.clip(ncc + rng.normal(0, 0.02, n), 0, 1)
    facts = {"flags": frozenset(), "status": "ok", "reason": None, **more}
    return Contender(id_, kind, ncc=cancel, srg=scores, srg_by_imputer=np.stack([scores, scores + 0.01], 1), **facts)


def hash_of(text):
    return sum(ord(c) * 31**i for i, c in enumerate(text)) % 2**32


def field(n=30):
    return [
        make("good", 0.40, 0.3, n),
        make("fair", 0.30, 0.5, n),
        make("weak", 0.22, 0.7, n),
        make("raw-gradient", 0.25, None, n, ncc_reason="incomplete"),
        make("below-edges", 0.10, 0.2, n),
        make("noise", 0.0, 0.1, n),
        make("random", 0.0, None, n, kind="control"),
        make("edges", 0.15, None, n, kind="control"),
    ]


def by_id(ranking):
    return {e.method: e for e in ranking.entries}


def test_tiers_and_order():
    ranking = rank(field(), [], 0)
    assert [e.method for e in ranking.entries] == [
        "good",
        "fair",
        "weak",
        "raw-gradient",
        "below-edges",
        "noise",
    ]
    tiers = {e.method: e.tier for e in ranking.entries}
    assert tiers == {
        "good": "recommended", "fair": "recommended", "weak": "recommended",
        "raw-gradient": "caution", "below-edges": "caution", "noise": "rejected",
    }  # fmt: skip
    found = by_id(ranking)
    assert "NCC not assessable: null on 30 of 30 images (incomplete)" in found["raw-gradient"].reasons
    assert any("edge map" in r for r in found["below-edges"].reasons)
    assert any("no evidence of faithfulness" in r for r in found["noise"].reasons)
    assert found["good"].position == "1" and found["good"].p_best == pytest.approx(1.0)
    assert (
        found["good"].faithfulness.rank_low <= found["good"].faithfulness.rank <= found["good"].faithfulness.rank_high
    )
    assert found["raw-gradient"].ncc.rank is None and found["raw-gradient"].faithfulness.rank is not None
    assert found["noise"].p_best is None and not found["noise"].pareto
    assert found["good"].pareto and not found["fair"].pareto and found["below-edges"].pareto
    assert ranking.status == "ranked" and ranking.reliability > 0.5 and ranking.agreement == pytest.approx(1.0)
    assert 0 < ranking.smallest_detectable_difference < 0.1
    assert {f.metric: f.p < 0.001 for f in ranking.tests.friedman} == {"ncc-violation": True, "srg": True}
    against_random = {t.a: t.p_holm for t in ranking.tests.pairwise if t.b == "random"}
    assert against_random["good"] < 1e-6 and against_random["noise"] > 0.05
    assert len(ranking.tests.pairwise) == 15 + 6 + 6
    assert "random" not in found and "edges" not in found


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_images_and_of_methods_changes_nothing(shuffler):
    contenders = field(9)
    contenders[0] = replace(contenders[0], srg=np.where(np.arange(9) == 4, np.nan, contenders[0].srg))
    rows = list(range(9))
    shuffler.shuffle(rows)
    mixed = [replace(c, ncc=c.ncc[rows], srg=c.srg[rows], srg_by_imputer=c.srg_by_imputer[rows]) for c in contenders]
    shuffler.shuffle(mixed)
    assert rank(mixed, [], 5) == rank(contenders, [], 5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), min_size=4, max_size=4), min_size=1, max_size=8),
    st.integers(-50, 50),
)
def test_ranks_do_not_move_when_an_image_is_harder_for_all(rows, shift):
    scores = np.array(rows, dtype=float)
    moved = scores + shift * np.arange(len(rows))[:, None]
    np.testing.assert_array_equal(image_ranks(scores, True), image_ranks(moved, True))
    np.testing.assert_array_equal(image_ranks(scores, True), 5 - image_ranks(scores, False))


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_few_images_never_reject(n):
    ranking = rank([make("unlucky", 0.0, n=n, noise=0.3), *field(n)], [], 0)
    assert ranking.status == "indicative" and str(n) in ranking.reason
    assert {e.tier for e in ranking.entries} <= {"recommended", "caution"}
    assert any("too few images to decide" in r for r in by_id(ranking)["unlucky"].reasons)
    if n < 3:
        assert all(e.p_best is None and e.faithfulness.rank_low is None for e in ranking.entries)
        assert {e.position for e in ranking.entries} == {"1="}


def test_clearly_below_random_is_rejected_even_with_few_images():
    ranking = rank([make("backwards", -0.5, n=8), make("good", 0.4, n=8), *field(8)[-2:]], [], 0)
    assert by_id(ranking)["backwards"].tier == "rejected"
    assert "is below" in by_id(ranking)["backwards"].reasons[0]


@pytest.mark.parametrize(
    ("change", "tier", "words"),
    [
        ({"flags": frozenset({"ncc-by-construction"})}, "caution", "by construction"),
        ({"flags": frozenset({"not-complete"})}, "caution", "not complete"),
        ({"inconclusive": ("stability",)}, "caution", "stability"),
        ({"insensitive": "similarity .99 after randomisation"}, "rejected", "similarity .99"),
        ({"status": "error", "reason": "out of memory"}, "rejected", "out of memory"),
    ],
)
def test_facts_that_lower_the_tier(change, tier, words):
    contenders = field()
    contenders[0] = replace(contenders[0], **change)
    entry = by_id(rank(contenders, [], 0))["good"]
    assert entry.tier == tier and any(words in r for r in entry.reasons)
    if change.get("status") == "error":
        assert entry.position == "–" and entry.ncc.rank is None
    if "ncc-by-construction" in change.get("flags", ()):
        assert not entry.pareto


def test_overlapping_intervals_share_a_position():
    twins = [make("a", 0.3, 0.5), make("b", 0.3, 0.5), make("last", 0.2, 0.9, noise=0.001), *field()[-2:]]
    found = by_id(rank(twins, [], 0))
    assert found["a"].position == found["b"].position == "1="
    assert found["last"].position == "3"
    assert found["a"].p_best + found["b"].p_best + found["last"].p_best == pytest.approx(1)


def test_without_a_working_srg_nothing_is_recommended_and_the_rule_says_so():
    broken = MetricHealth(metric="srg", status=Status.FAIL, reason="cannot tell")
    also = MetricHealth(metric="deletion", status=Status.FAIL, reason="cannot tell")
    ranking = rank(field(), [broken, also], 0)
    assert ranking.status == "inconclusive" and "cannot tell" in ranking.reason
    assert "rests on NCC violation alone" in ranking.rule and "deletion" in ranking.rule
    assert {e.tier for e in ranking.entries} == {"caution"}
    assert ranking.entries[0].method == "noise"  # lowest NCC violation
    assert all(e.faithfulness.rank is None and e.p_best is None and not e.pareto for e in ranking.entries)
    warned = MetricHealth(metric="srg", status=Status.INCONCLUSIVE, reason="few")
    assert rank(field(), [warned], 0).status == "ranked"


def test_methods_that_cannot_be_told_apart_are_not_ranked():
    same = [make(f"m{i}", 0.3, 0.5, noise=0.2) for i in range(3)]
    assert rank([*same, *field()[-2:]], [], 0).status == "inconclusive"


def test_missing_controls_and_missing_everything():
    alone = rank([make("only", 0.3)], [], 0)
    assert alone.entries[0].tier == "caution" and alone.entries[0].position == "1"
    assert any("random control was not scored" in r for r in alone.entries[0].reasons)
    assert rank([], [], 0).status == "inconclusive" and rank([], [], 0).entries == []
    empty = replace(make("void", 0.3), srg=np.full(30, np.nan), ncc=np.full(30, np.nan))
    nothing = rank([empty, *field()[-2:]], [], 0)
    assert nothing.status == "inconclusive" and nothing.entries[0].position == "–"


def test_common_subset_and_half_coverage():
    ncc = np.array([[0.1, 0.2, np.nan], [0.3, 0.2, 0.1], [0.1, 0.2, np.nan], [0.1, np.nan, np.nan]])
    ranks = image_ranks(ncc, False)
    assert np.isnan(ranks[:, 2]).all()  # scored on one of four images
    assert np.isnan(ranks[3]).all()  # no common score
    np.testing.assert_array_equal(ranks[:3, :2], [[1, 2], [2, 1], [1, 2]])


def test_intervals_hold_the_mean_and_shrink_with_images():
    widths = []
    for n in (10, 160):
        srg = np.random.default_rng(n).normal([0.1, 0.0], 0.3, (n, 2))
        table = standings(np.full((n, 2), np.nan), srg, 0)
        low, high = table.bounds(table.srg_draws, 0)
        assert low <= table.srg[0] <= high and np.isnan(table.ncc).all()
        np.testing.assert_array_equal(table.combined, table.srg)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="twice"):
        rank([make("a", 0.1), make("a", 0.2)], [], 0)
    with pytest.raises(ValueError, match="cannot be compared"):
        rank([make("a", 0.1, n=4), make("b", 0.2, n=5)], [], 0)
