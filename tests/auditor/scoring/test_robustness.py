"""Agreement of metrics and imputers, the consensus, and what survives leaving one out: by hand."""

import numpy as np
import pytest

from geoaudit.api import Status
from geoaudit.audit.result import MetricHealth
from geoaudit.scoring.consensus import leave_one_out, panel
from geoaudit.scoring.contenders import Contender, Scale
from geoaudit.scoring.ranking import rank
from geoaudit.scoring.robustness import robustness

SWEEP = [Scale(m, True, "sweep") for m in ("insertion", "srg")] + [Scale("deletion", False, "sweep")]
ROAD, NCC = Scale("road", False, "road"), Scale("ncc-violation", False, "ncc-violation")


def contender(name, levels, n=4, flags=(), by_imputer=None, kind="method", **more):
    """Every image has the same scores: `levels` by metric; None: the metric is null on every image."""
    columns = {metric: np.full(n, np.nan if level is None else level) for metric, level in levels.items()}
    empty = np.full(n, np.nan)
    return Contender(
        name, kind, frozenset(flags), "ok", None, columns.pop("ncc-violation", empty), columns.get("srg", empty),
        np.tile(by_imputer, (n, 1)) if by_imputer is not None else np.empty((n, 0)),
        imputers=("black", "blur", "mean") if by_imputer is not None else (), readings=columns, **more,
    )  # fmt: skip


def methods():
    """By the sweep a > b > c, by road and NCC c > b > a; smaller deletion, road and NCC are better."""
    return [
        contender("a", {"srg": 0.3, "insertion": 0.6, "deletion": 0.1, "road": 0.9, "ncc-violation": 0.9}),
        contender("b", {"srg": 0.2, "insertion": 0.5, "deletion": 0.2, "road": 0.5, "ncc-violation": 0.5}),
        contender("c", {"srg": 0.1, "insertion": 0.4, "deletion": 0.3, "road": 0.2, "ncc-violation": 0.2}),
    ]


def taus(found):
    return {(a.a, a.b): a.tau for a in found}


def test_directions_are_aligned_before_metrics_are_compared():
    found = robustness(methods(), [*SWEEP, ROAD], [], [])
    assert taus(found.metrics) == {
        ("deletion", "insertion"): 1.0, ("deletion", "road"): -1.0, ("deletion", "srg"): 1.0,
        ("insertion", "road"): -1.0, ("insertion", "srg"): 1.0, ("road", "srg"): -1.0,
    }  # fmt: skip
    assert {a.methods for a in found.metrics} == {3}


def test_a_source_of_evidence_has_one_vote_however_many_metrics_read_it():
    voters = panel(methods(), [*SWEEP, ROAD])
    np.testing.assert_allclose(voters.mean_ranks, [2, 2, 2])  # three readings of one sweep do not outvote road
    assert voters.sources == {"road": ["road"], "sweep": ["deletion", "insertion", "srg"]}
    found = robustness(methods(), [*SWEEP, ROAD, NCC], [], [])
    assert found.consensus == ["c", "b", "a"]  # road and NCC against the sweep


def test_leaving_out_a_metric_and_a_whole_source():
    voters = panel(methods(), [*SWEEP, ROAD, NCC])
    rows = {row.without: row for row in leave_one_out(voters)}
    assert set(rows) == {"deletion", "insertion", "srg", "road", "ncc-violation", "all of sweep"}
    assert rows["deletion"].first == ["c"] and rows["deletion"].same_first and rows["deletion"].tau == 1.0
    assert rows["deletion"].pairs_kept == 1.0
    assert rows["all of sweep"].metrics == ["deletion", "insertion", "srg"]
    assert rows["all of sweep"].first == ["c"] and rows["all of sweep"].pairs_kept == 1.0
    assert rows["road"].first == ["a", "b", "c"] and not rows["road"].same_first  # sweep against NCC: a tie
    assert rows["road"].pairs_kept == 0.0 and rows["road"].tau is None
    found = robustness(methods(), [*SWEEP, ROAD, NCC], [], ["a"])
    assert found.surviving == []
    assert "0 of 3 pairs of methods keep their order whichever metric or source is left out." in found.conclusions
    assert any("without road first is a, b and c" in text for text in found.conclusions)
    assert "The ranking's own first is another: by the consensus a is 3 of 3." in found.conclusions


def test_what_survives_is_named():
    same = [contender(m, {"srg": s, "road": -s, "pic": s}) for m, s in (("x", 0.3), ("y", 0.2), ("z", 0.1))]
    same[2] = contender("z", {"srg": 0.1, "road": -0.25, "pic": 0.1})  # road puts z before y
    scales = [SWEEP[1], ROAD, Scale("pic", True, "pic")]
    found = robustness(same, scales, [], ["x"])
    assert found.consensus == ["x", "y", "z"]
    assert found.surviving == [["x", "y"], ["x", "z"]]  # without srg or pic, y and z tie
    assert "x comes first by the consensus, whichever metric or source is left out." in found.conclusions
    assert not any("ranking's own first" in text for text in found.conclusions)


def test_failed_and_silent_metrics_are_left_out_and_named():
    found = robustness(methods(), [*SWEEP, ROAD, Scale("pic", True, "pic")], ["road", "unknown"], [])
    assert not any("road" in (a.a, a.b) for a in found.metrics)
    assert "Left out, for they failed their own test on this model: road." in found.conclusions
    assert any("fewer than two methods" in text and "pic" in text for text in found.conclusions)
    assert any("Only one source of evidence" in text for text in found.conclusions)


def test_a_method_without_a_rank_counts_as_last_by_that_metric():
    found = [*methods(), contender("d", {"srg": 0.25, "ncc-violation": 0.0}, flags={"ncc-by-construction"})]
    voters = panel(found, [SWEEP[1], NCC])
    ranks = dict(zip([s.metric for s in voters.scales], voters.ranks, strict=True))
    np.testing.assert_array_equal(ranks["ncc-violation"], [3, 2, 1, 3])  # d's zero earned nothing
    np.testing.assert_array_equal(ranks["srg"], [1, 3, 4, 2])
    assert taus(robustness(found, [SWEEP[1], NCC], [], []).metrics) == {("ncc-violation", "srg"): -1.0}


def test_imputers():
    found = [
        contender("a", {"srg": 0.3}, by_imputer=(0.3, 0.1, 0.3)),
        contender("b", {"srg": 0.2}, by_imputer=(0.2, 0.2, 0.2)),
        contender("c", {"srg": 0.1}, by_imputer=(0.1, 0.3, 0.25)),
    ]
    result = robustness(found, SWEEP, [], [])
    assert taus(result.imputers) == {
        ("black", "blur"): -1.0, ("black", "mean"): pytest.approx(1 / 3), ("blur", "mean"): pytest.approx(-1 / 3),
    }  # fmt: skip
    assert any("least alike are black and blur (-1.00)" in text for text in result.conclusions)


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_methods_there_is_no_order(count):
    found = robustness(methods()[:count], [*SWEEP, ROAD], [], [])
    assert (found.consensus, found.metrics, found.leave_one_out, found.surviving) == ([], [], [], [])
    assert found.conclusions == ["No metric scores two methods on half of the images, so there is no order to test."]


def test_a_metric_alone_cannot_be_left_out():
    found = robustness(methods(), [ROAD], [], [])
    assert found.leave_one_out == [] and found.surviving == [] and found.consensus == ["c", "b", "a"]
    assert any("no metric could be left out" in text for text in found.conclusions)


def test_the_ranking_carries_it_and_takes_failed_metrics_out():
    broken = MetricHealth(metric="road", status=Status.FAIL, reason="cannot tell")
    found = rank(methods(), [broken], 0, [*SWEEP, ROAD, NCC]).robustness
    assert {row.without for row in found.leave_one_out} >= {"srg", "ncc-violation", "all of sweep"}
    assert "road" not in {row.without for row in found.leave_one_out}
    assert any("failed their own test on this model: road" in text for text in found.conclusions)
