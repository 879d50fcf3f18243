"""Metrics of the map itself: completeness, NCC, path cancellation."""

from dataclasses import replace

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, InputSpace, Problems, WalkRecord
from geoaudit_plugins.metrics.completeness_error import CompletenessError
from geoaudit_plugins.metrics.ncc_excess import NccExcess
from geoaudit_plugins.metrics.ncc_violation import NccViolation
from geoaudit_plugins.metrics.path_cancellation import PathCancellation

EVIDENCE = Evidence(sweep=None, group=None)


def problem(delta):
    """One image of 1 x 1 x 2 elements with the given delta f."""
    x = np.zeros((1, 1, 1, 2), np.float32)
    space = InputSpace("NCHW", (1, 1, 2), (0.0,), (1.0,))
    return Problems(("i",), x, x, np.zeros(1, np.int64), np.array([5.0 + delta]), np.array([5.0]), space)


def record(total, magnitude, **changes):
    """A walk that went well."""
    fine = WalkRecord(
        delta_f=total, nodes=8, gradients=8, forwards=9, attribution_sum=total, magnitude=magnitude, sum_half=total,
        magnitude_half=magnitude, completeness_error=0.0, quadrature_error=0.0, method_error=0.0,
        error_bar=0.01, absolute_misses=0.01, total_variation=2.0, path_cancellation=0.25, length=1.0,
        absolute_integral=3.0, conformal_length=3.2,
        met=True,
    )  # fmt: skip
    return replace(fine, **changes)


def score(metric, a, delta, walk=None):
    values = np.array(a, np.float32).reshape(1, 1, 1, 2)
    scores = metric().score(Attributions(values, (walk,)), problem(delta), EVIDENCE)
    return scores.values[0], scores.reasons[0]


def test_closed_form():
    # f = 2 x1 - x2 from (0, 0) to (1, 1): A = (2, -1), S = 3, delta f = 1
    walk = record(1.0, 3.0)
    assert score(NccViolation, [2, -1], 1.0, walk) == (pytest.approx(2 / 3), None)
    assert score(NccExcess, [2, -1], 1.0, walk) == (pytest.approx(2.0), None)
    assert score(CompletenessError, [2, -1], 1.0, walk) == (pytest.approx(0.0), None)
    assert score(PathCancellation, [2, -1], 1.0, walk) == (0.25, None)
    assert score(NccViolation, [-2, -1], -3.0)[0] == 0.0  # no cancellation, negative delta f
    assert score(NccViolation, [0.5, 0.49], 1.0)[0] == 0.0
    assert score(NccExcess, [0.5, 0.45], 1.0)[0] == pytest.approx(-0.05)  # short of delta f: not hidden


@pytest.mark.parametrize("metric", [NccViolation, NccExcess])
@pytest.mark.parametrize(
    ("delta", "walk", "reason"),
    [
        (1e-7, record(1e-7, 3.0, completeness_error=np.nan), "degenerate baseline"),
        (1e-7, None, "degenerate baseline"),
        (1.0, record(1.0, 3.0, error_bar=0.11), "incomplete"),
        (1.0, record(1.0, 3.0, error_bar=np.nan), "incomplete"),
        (1.0, record(1.0, 3.0, method_error=0.2), "incomplete"),
        (1.0, record(1.0, 3.0, completeness_error=0.2), "incomplete"),
        (2.0, None, "no walk"),
        (1.0, record(1.0, 3.0, magnitude_half=3.5), "not converged"),
        (1.0, record(1.0, 3.0, magnitude_half=np.nan, sum_half=np.nan), "not converged"),
        (1.0, record(1.0, 3.0, magnitude_half=2.6), "not converged"),
        (1.0, record(1.0, 3.0, magnitude_half=3.2), None),
        (1.0, record(1.0, 3.0, sum_half=0.8), None),
        (1.0, None, None),
    ],
)
def test_when_ncc_is_null(metric, delta, walk, reason):
    value, found = score(metric, [2, -1], delta, walk)
    assert found == reason and np.isnan(value) == (reason is not None)


def test_convergence_can_fail_where_the_violation_is_close_to_one():
    # 60 times delta f in magnitude: violation .983; half the nodes say 120 times, violation .992
    value, reason = score(NccViolation, [30.5, -29.5], 1.0, record(1.0, 60.0, magnitude_half=120.0))
    assert reason == "not converged" and np.isnan(value)


def test_completeness_error_and_path_cancellation_are_null_only_where_undefined():
    assert score(CompletenessError, [2, 1], 2.0) == (pytest.approx(0.5), None)
    assert score(CompletenessError, [2, 1], 0.0)[1] == "degenerate baseline"
    assert score(PathCancellation, [2, 1], 2.0)[1] == "no walk"
    assert score(PathCancellation, [2, 1], 0.0, record(0.0, 3.0, completeness_error=np.nan))[1] == "degenerate baseline"


def test_empty_map_of_a_complete_walk_has_no_violation():
    tiny = 1e-14
    assert score(NccViolation, [tiny, -tiny], 1.0, record(1.0, 1.0))[0] == 0.0


def test_a_walk_with_a_start_of_its_own_is_held_against_its_own_difference():
    walk = record(1.0, 3.0)  # the run's delta f is 5
    assert score(CompletenessError, [2, -1], 5.0, walk) == (pytest.approx(0.0), None)
    assert score(NccExcess, [2, -1], 5.0, walk) == (pytest.approx(2.0), None)
    assert score(NccViolation, [2, -1], 1e-9, walk) == (pytest.approx(2 / 3), None)


def test_maps_without_a_walk_may_say_what_they_claim():
    values = np.array([[2.0, 1.0], [2.0, 1.0]], np.float32).reshape(2, 1, 1, 2)
    two = replace(problem(5.0), ids=("i", "j"), x=values, baseline=0 * values, targets=np.zeros(2, np.int64),
                  f_x=np.array([5.0, 5.0]), f_baseline=np.zeros(2))  # fmt: skip
    maps = Attributions(values, (None, None), claims=np.array([2.0, np.nan]))
    error = CompletenessError().score(maps, two, EVIDENCE)
    assert error.values[0] == pytest.approx(0.5) and error.reasons == (None, "no claim")
    assert NccViolation().score(maps, two, EVIDENCE).reasons == ("no walk", "no claim")
    assert maps.select([1]).claims.tolist() == pytest.approx([np.nan], nan_ok=True)


def test_a_claim_that_is_too_small_to_divide_by_is_not_divided_by():
    for metric in (CompletenessError, NccViolation, NccExcess):
        for claim in (0.0, 4e-3):  # the explained output is 5
            maps = Attributions(np.full((1, 1, 1, 2), 0.5 * claim, np.float32), (None,), claims=np.array([claim]))
            assert metric().score(maps, problem(0.0), EVIDENCE).reasons == ("degenerate baseline",)
