"""The ranking rule: tiers, order, intervals, invariances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.api import Status
from geoaudit.audit.result import MetricHealth
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.entries import first_shares
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
        "below-edges",
        "raw-gradient",  # more faithful, but without an NCC rank it counts as last by NCC
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
    assert ranking.reliability_low <= ranking.reliability <= ranking.reliability_high
    assert ranking.status == "ranked" and ranking.reliability_low > 0.3 and ranking.agreement == pytest.approx(1.0)
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
    found = by_id(ranking)["backwards"]
    assert found.tier == "rejected"
    against_random, against_edges = found.reasons[:2]
    assert "is below" in against_random and "less faithful" in against_edges
    for reason in (against_random, against_edges):  # the p of the test that decided, not of the other side
        assert "p = 0.00781 after Holm, 8 images" in reason


def test_want_of_evidence_is_not_evidence_of_want():
    """Not significantly above random: rejected only where a gain that matters can be ruled out."""
    scattered = make("scattered", 0.08, n=24, noise=0.5)
    none = make("none", 0.0, n=24, noise=0.05)
    found = by_id(rank([scattered, none, make("good", 0.4, n=24), *field(24)[-2:]], [], 0))
    assert found["none"].tier == "rejected" and "no evidence of faithfulness" in found["none"].reasons[0]
    assert found["scattered"].tier == "caution"
    assert any("cannot be ruled out" in reason for reason in found["scattered"].reasons)


@pytest.mark.parametrize(
    ("change", "tier", "words"),
    [
        ({"flags": frozenset({"ncc-by-construction"})}, "caution", "by construction"),
        ({"flags": frozenset({"not-complete"})}, "caution", "not complete"),
        ({"inconclusive": ("stability",)}, "caution", "stability"),
        ({"unchecked": ("model-randomization",)}, "caution", "model-randomization itself failed"),
        (
            {"warned": (("model-randomization", "Similarity .7."),)},
            "caution",
            "model-randomization warns: Similarity .7.",
        ),
        ({"failed": (("model-randomization", "similarity .99 after randomisation"),)}, "rejected", "similarity .99"),
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


def idgi(srg, ncc=0.0, **more):
    return make("idgi", srg, ncc, flags=frozenset({"ncc-by-construction"}), noise=0.01, **more)


def test_ncc_by_construction_earns_no_rank_and_lifts_nobody():
    others = [make("both", 0.31, 0.9, noise=0.01, flags=frozenset({"not-complete"})), *field()[:3], *field()[-2:]]
    ranking = rank([idgi(0.3), *others], [], 0)
    found = by_id(ranking)
    assert found["idgi"].ncc.rank is None and found["idgi"].faithfulness.rank is not None
    assert found["idgi"].tier == found["both"].tier == "caution"
    assert [e.method for e in ranking.entries if e.tier == "caution"] == ["both", "idgi"]
    assert any("earns no rank" in reason for reason in found["idgi"].reasons)
    without = rank(others, [], 0)
    assert by_id(without)["both"].ncc == found["both"].ncc  # the others' NCC ranks do not know it
    test = {f.metric: f for f in ranking.tests.friedman}["ncc-violation"]
    assert test == {f.metric: f for f in without.tests.friedman}["ncc-violation"]
    assert "counts as last by NCC" in ranking.rule and "rests on SRG alone" in ranking.rule
    better = rank([idgi(0.6), *others], [], 0)
    assert [e.method for e in better.entries if e.tier == "caution"] == ["idgi", "both"]  # by its SRG


scores = st.lists(st.integers(0, 5), min_size=5, max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.lists(scores, min_size=1, max_size=6), st.lists(scores, min_size=1, max_size=6))
def test_a_missing_rank_lifts_nobody_above_a_method_that_has_both(srg, ncc):
    n = min(len(srg), len(ncc))
    srg, ncc = np.array(srg[:n], dtype=float), np.array(ncc[:n], dtype=float)
    ncc[:, 3:] = np.nan
    table = standings(ncc, srg, 0)
    for i in (3, 4):
        for j in (0, 1, 2):
            assert table.combined[i] >= table.combined[j] or table.srg[i] < table.srg[j]
    difference = table.combined[3] - table.combined[4]  # among themselves SRG alone decides
    assert difference == pytest.approx((table.srg[3] - table.srg[4]) / 2)
    np.testing.assert_allclose(table.parts.mean(axis=0), table.combined)
    assert table.combined_draws.shape == table.srg_draws.shape


def test_images_without_ncc_weigh_nothing_in_it():
    """NCC exists on two of four images: the combined rank is the mean of the two mean ranks all the same."""
    ncc = np.array([[1.0, 2], [1, 2], [np.nan, np.nan], [np.nan, np.nan]])
    srg = np.array([[1.0, 2], [2, 1], [1, 2], [1, 2]])
    table = standings(ncc, srg, 0)
    np.testing.assert_allclose(table.combined, [(1 + 1.75) / 2, (2 + 1.25) / 2])
    np.testing.assert_allclose(table.parts.mean(axis=0), table.combined)


def test_few_images_say_what_they_could_have_found():
    ranking = rank(field(8), [], 0)
    assert ranking.status == "indicative"
    assert f"below {ranking.smallest_detectable_difference:.2g} would have been missed" in ranking.reason
    assert "no two methods can be told apart" in rank(field(5), [], 0).reason
    assert "no two methods" not in ranking.reason


def test_images_that_agree_by_chance_alone_are_said_to():
    same = [make(f"m{i}", 0.3, 0.5, n=12, noise=0.2) for i in range(4)]
    ranking = rank([*same, *field(12)[-2:]], [], 0)
    assert ranking.reliability_low <= 0 and "no more than by chance" in ranking.reason
    assert "no more than by chance" not in rank(field(), [], 0).reason


def test_methods_that_cannot_be_told_apart_share_a_position():
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
    two = rank([*same[:2], *field()[-2:]], [], 0)  # too few methods for Friedman's test
    assert two.status == "inconclusive" and "Wilcoxon's test, p = " in two.reason
    assert rank([*field()[:2], *field()[-2:]], [], 0).status == "ranked"
    equal = [replace(m, srg=same[0].srg) for m in same]
    for k in (2, 3):
        tied = rank([*equal[:k], *field()[-2:]], [], 0)
        assert tied.status == "inconclusive" and "all are equal on every image" in tied.reason
        assert "below 0 " not in tied.reason
    assert rank([same[0], *field()[-2:]], [], 0).status == "ranked"


def test_images_that_the_ranks_leave_out_are_said():
    def half(scores, odd):
        return np.where(np.arange(30) % 2 == odd, scores, np.nan)

    good, fair, weak, *_, random, edges = field()
    assert "Ranks by" not in rank([good, fair, weak, random, edges], [], 0).reason
    apart = [replace(good, ncc=half(good.ncc, 0)), replace(fair, ncc=half(fair.ncc, 1)), weak, random, edges]
    nobody = rank(apart, [], 0)
    assert "no ranks by NCC" in nobody.reason
    assert all(e.ncc.rank is None for e in nobody.entries)
    some = rank([replace(good, ncc=half(good.ncc, 0)), fair, weak, random, edges], [], 0)
    assert "Ranks by NCC rest on 15 of 30 images" in some.reason
    few = rank([replace(good, srg=half(good.srg, 0)), fair, weak, random, edges], [], 0)
    assert few.status == "indicative" and "15 images are fewer than 20" in few.reason  # not 30
    assert "Ranks by SRG rest on 15 of 30 images" in few.reason
    none = rank([replace(good, srg=half(good.srg, 0)), replace(fair, srg=half(fair.srg, 1)), random, edges], [], 0)
    assert none.status == "inconclusive" and "no ranks by SRG" in none.reason
    assert "1 image is fewer" in rank(field(1), [], 0).reason


def test_a_broken_srg_does_not_even_break_ties():
    broken = MetricHealth(metric="srg", status=Status.FAIL, reason="cannot tell")
    tied = [replace(make(name, srg), ncc=np.full(30, 0.5)) for name, srg in (("a", 0.1), ("b", 0.4))]
    assert [e.method for e in rank([*tied, *field()[-2:]], [broken], 0).entries] == ["a", "b"]
    assert [e.method for e in rank([*tied, *field()[-2:]], [], 0).entries] == ["b", "a"]


def test_equal_mean_ranks_share_p_best_however_they_were_added():
    table = standings(np.zeros((7, 2)), np.zeros((7, 2)), 0)
    table = replace(table, combined_draws=np.tile([3.5, 3.5 + 1e-15], (10, 1)))
    assert first_shares(table, [0, 1]) == [0.5, 0.5]


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
