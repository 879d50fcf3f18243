"""Holding what was measured against what must come out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from geoaudit.api import Status
from geoaudit.audit.result import CalibrationCase

Numbers = dict[str, float | list[float]]


def judge(
    name: str, expected: Numbers, measured: Numbers, within: float | Mapping[str, float], relative: bool = True
) -> CalibrationCase:
    """One case, PASS or FAIL.

    Args:
        name: the case, for people.
        expected: the known answer.
        measured: under the same keys.  A number that is nan or infinite is left out, and the case fails.
        within: largest allowed difference, for all keys or for each.
        relative: whether `within` is a share of max(1, |expected|).
    """
    finite = {key: value for key, value in measured.items() if np.isfinite(value).all()}
    allowed = {key: within if isinstance(within, float) else within[key] for key in expected}
    passed = all(
        key in finite and _close(finite[key], value, allowed[key], relative) for key, value in expected.items()
    )
    return CalibrationCase(case=name, status=Status.PASS if passed else Status.FAIL, expected=expected, measured=finite)


def _close(measured: float | list[float], expected: float | list[float], within: float, relative: bool) -> bool:
    if np.shape(measured) != np.shape(expected):
        return False
    allowed = within * max(1.0, float(np.max(np.abs(expected)))) if relative else within
    difference = float(np.max(np.abs(np.subtract(measured, expected))))
    return math.isfinite(difference) and difference <= allowed


def described(case: CalibrationCase) -> str:
    """The case with its numbers, on one line: "name (sum: expected 1, measured 1.01)"."""
    parts = [
        f"{key}: expected {_shown(value)}, measured {_shown(case.measured.get(key))}"
        for key, value in case.expected.items()
    ]
    return f"{case.case} ({'; '.join(parts)})"


def _shown(value: float | list[float] | None) -> str:
    if value is None:
        return "no number"
    if isinstance(value, list):
        return "(" + ", ".join(f"{v:.6g}" for v in value) + ")"
    return f"{value:.6g}"
