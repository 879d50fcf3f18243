"""What the parity certificate must say of a planted model."""

from __future__ import annotations

from geoaudit.audit.result import CalibrationCase
from geoaudit.selftest.judging import Numbers, judge
from geoaudit.selftest.planted.subjects import Outcome

OUTPUTS, SLOPES = 1e-5, 0.02
"""Allowed differences: of outputs as a share of their range, and of the median slope.  Far stricter than for audited
models, because a planted one is a few operators deep."""


def certificate(model: str, outcome: Outcome) -> list[CalibrationCase]:
    """The converted model computes what onnxruntime computes; nothing where nothing was converted."""
    parity = outcome.facts.parity
    if outcome.facts.engines.twin is None:
        return []
    measured: Numbers = {}
    if parity.max_rel_diff is not None:
        measured["difference of outputs"] = float(f"{parity.max_rel_diff:.0e}")
    if parity.gradient.median_rel_error is not None:
        measured["median difference of slopes"] = float(f"{parity.gradient.median_rel_error:.0e}")
    expected: Numbers = {"difference of outputs": 0.0, "median difference of slopes": 0.0}
    within = {"difference of outputs": OUTPUTS, "median difference of slopes": SLOPES}
    return [judge(f"{model}: converted model against onnxruntime", expected, measured, within)]
