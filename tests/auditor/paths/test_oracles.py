"""The closed-form walks column by column: delta f, A, S, S - |delta f|, total variation, conformal length.

The self-test's numbers are held against a second integration that shares nothing with the first: the midpoint rule on
20,000 equal pieces of every leg, in plain numpy, with the models' own formulas.
"""

from itertools import pairwise

import numpy as np
import pytest

from geoaudit import Curve, Quadrature
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.paths.integrator import integrate
from geoaudit.selftest.models import PRODUCT
from geoaudit.selftest.walks import WALKS

PIECES = 20_000
FINE = Quadrature(tolerance=1e-4, node_limit=4096, scan=1025, first_nodes=256)
KNOWN = {
    # S - |delta f|, total variation, conformal length
    "T1 linear, straight": (2, 1, 3.16228),
    "T1 linear, x1 first": (2, 3, 2 * np.sqrt(5)),
    "T2 product, straight": (1, 1, 2.29559),
    "T2 product, x1 first": (0, 1, 2.64779),
    "T2 product, x2 first": (2, 3, 3.89055),
    "T3 ReLU unit, straight": (2, 1, np.sqrt(10)),
    "T3 ReLU unit, along its edge": (0, 1, np.sqrt(2)),
    "T3 ReLU unit, x1 first": (2, 3, 3 * np.sqrt(2)),
    "T4 sigmoid, straight": (0.964028, 0.482014, 0.482014 * np.sqrt(10)),
    "T5 soft exclusive or, straight": (1, 1.0625, None),
    "T5 soft exclusive or, x2 first": (0, 0.5, None),
    "T5 soft exclusive or, x1 first": (3, 3.5, None),
    "T6 squares, straight": (0, 5, 5),
    "T6 squares, round the circle": (0, 3, 9.28319),
    "T7 product, straight, no difference": (0, 2, 2),
    "T7 product, x1 first, no difference": (4, 4, None),
    "T8 sine": (0, 5, 5),
    "T9 bump, straight over it": (0, 4.36611, 4.36611),
    "T9 bump, round it": (0, 1, 1.56223),
    "T10 gradient flow of squares": (0, 16.5, 16.5),
    "T10 gradient flow of a product": (0, 7.25372, 7.25372),
    "T10 product, straight to the same end": (0, 7.25372, 7.36868),
}


def dense(case):
    """Delta f, A, S - |delta f|, total variation, integral of |g_i dx_i|, conformal length."""
    if case.along is not None:
        legs = [case.along(np.linspace(0, 1, PIECES + 1))]
    else:
        corners = np.array(case.corners, dtype=float)
        ends = pairwise(corners)
        legs = [np.linspace(start, end, PIECES + 1) for start, end in ends]
    parts, variation, conformal = [], 0.0, 0.0
    for leg in legs:
        steps, slopes = np.diff(leg, axis=0), case.model.gradient((leg[1:] + leg[:-1]) / 2)
        parts.append(slopes * steps)
        variation += np.abs(np.diff(case.model.f(leg))).sum()
        conformal += (np.linalg.norm(slopes, axis=1) * np.linalg.norm(steps, axis=1)).sum()
    shares = np.concatenate(parts)
    values = shares.sum(axis=0)
    delta = float(np.diff(case.model.f(np.stack([legs[0][0], legs[-1][-1]])))[0])
    return delta, values, np.abs(values).sum() - abs(delta), variation, np.abs(shares).sum(), conformal


@pytest.mark.parametrize("case", WALKS, ids=lambda case: case.name)
def test_a_second_integration_agrees_with_every_stated_number(case):
    delta, values, excess, variation, absolute, conformal = dense(case)
    near = {"rel": 1e-4, "abs": 1e-4}
    assert delta == pytest.approx(case.delta_f, **near)
    np.testing.assert_allclose(values, case.attribution, atol=2e-4)
    assert variation == pytest.approx(case.total_variation, **near)
    found = {"absolute_integral": absolute, "conformal_length": conformal}
    for name, number in case.others.items():
        if name in found:
            assert found[name] == pytest.approx(number, **near)
    known = KNOWN[case.name]
    assert excess == pytest.approx(known[0], abs=2e-4) and variation == pytest.approx(known[1], **near)
    assert known[2] is None or conformal == pytest.approx(known[2], **near)


@pytest.mark.parametrize("case", WALKS, ids=lambda case: case.name)
def test_the_integrators_record_agrees_with_it_in_all_columns(case):
    probe = AnalyticProbe(case.model.f, case.model.gradient, FINE)
    problems = feature_problems(probe, case.corners[0], case.corners[-1])
    along = case.along or cornered(case)
    result = integrate(Curve(lambda i, t: along(t)[:, None, None, :]), problems, probe)
    delta, values, excess, variation, absolute, conformal = dense(case)
    record = result.records[0]
    scale = max(1.0, abs(delta))
    assert record.delta_f == pytest.approx(delta, abs=1e-4)
    np.testing.assert_allclose(result.values.ravel(), values, atol=2e-3 * scale)
    assert record.magnitude - abs(record.delta_f) == pytest.approx(excess, abs=4e-3 * scale)
    assert record.total_variation == pytest.approx(variation, rel=2e-3)
    assert record.absolute_integral == pytest.approx(absolute, rel=5e-3)
    assert record.conformal_length == pytest.approx(conformal, rel=5e-3)


def cornered(case):
    corners = np.array(case.corners, dtype=float)
    places = np.linspace(0, 1, len(corners))
    return lambda t: np.stack([np.interp(t, places, column) for column in corners.T], axis=1)


def test_a_minimal_total_variation_does_not_mean_that_nothing_cancels():
    """Both ways along: a shortest walk in the model's metric with cancellation, a longer one without."""
    by_name = {case.name: dense(case) for case in WALKS}
    linear, squares = by_name["T1 linear, straight"], by_name["T6 squares, straight"]
    assert linear[3] == pytest.approx(abs(linear[0])) and linear[2] > 1
    assert squares[3] > 1.5 * abs(squares[0]) and squares[2] == pytest.approx(0, abs=1e-9)
    product = by_name["T2 product, straight"], by_name["T2 product, x1 first"]
    assert product[0][3] == pytest.approx(product[1][3]) and product[0][2] > 0.9 > 0.1 > product[1][2]


def test_no_walk_has_less_variation_than_a_disconnected_level_set_asks_for():
    rng = np.random.default_rng(2)
    for _ in range(20):
        corners = np.array([(-1.0, -1.0), *rng.normal(size=(4, 2)), (1.0, 1.0)])
        points = np.concatenate([np.linspace(a, b, 2001) for a, b in pairwise(corners)])
        assert np.abs(np.diff(PRODUCT.f(points))).sum() >= 2 - 1e-3


@pytest.mark.parametrize("weights", [(2.0, -1.0), (1.0, 3.0), (-0.5, 4.0)])
@pytest.mark.parametrize("bend", [np.tanh, np.exp], ids=["tanh", "exp"])
def test_a_ridge_shares_out_by_weight_times_way_whatever_its_shape(weights, bend):
    w, end = np.array(weights), np.array([0.9, 0.4])
    slope = {np.tanh: lambda z: 1 - np.tanh(z) ** 2, np.exp: np.exp}[bend]
    probe = AnalyticProbe(lambda x: bend(x @ w), lambda x: slope(x @ w)[:, None] * w, FINE)
    problems = feature_problems(probe, np.zeros(2), end)
    straight = integrate(Curve(lambda i, t: (t[:, None] * end)[:, None, None, :]), problems, probe)
    delta = problems.delta_f[0]
    np.testing.assert_allclose(straight.values.ravel(), w * end / (w @ end) * delta, rtol=1e-3)
    share = np.abs(w * end).sum() / abs(w @ end)
    assert straight.records[0].magnitude / abs(delta) == pytest.approx(share, rel=1e-3)


def test_only_walks_along_the_gradient_have_no_slack_in_the_whole_chain():
    """|delta f| = S = integral of |g_i dx_i| = conformal length on a line of gradient flow, and nowhere else here."""
    for case in WALKS:
        delta, _, excess, _, absolute, conformal = dense(case)
        tight = abs(conformal - abs(delta)) < 1e-3
        flows = case.name.startswith("T10 gradient flow")
        assert tight == flows, case.name
        if flows:
            assert excess == pytest.approx(0, abs=1e-3) and absolute == pytest.approx(abs(delta), rel=1e-4)


def test_every_case_has_its_columns():
    assert KNOWN.keys() == {case.name for case in WALKS}
