"""What became of every check."""

from __future__ import annotations

from math import hypot
from typing import Literal

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, Report
from geoaudit.compare.result import CheckChange

_ORDER = (Status.PASS, Status.WARN, Status.INCONCLUSIVE, Status.SKIP, Status.FAIL, Status.ERROR)
_HOLDS = (Status.PASS, Status.WARN)
Change = Literal["same", "better", "worse", "undecided", "only in A", "only in B"]


def checks(a: Report, b: Report) -> list[CheckChange]:
    """Every finding that either report has, by check and method; those about the model first within a check."""
    found = [{(c.id, c.method): c for c in report.checks} for report in (a, b)]
    keys = sorted({*found[0], *found[1]}, key=lambda key: (key[0], key[1] or ""))
    return [_change(found[0].get(key), found[1].get(key)) for key in keys]


def status_change(a: Status | None, b: Status | None) -> Change:
    """Better, worse or neither: a check that failed and now says nothing is neither.

    Null stands for a report without that finding.
    """
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    if a == b:
        return "same"
    if _ORDER.index(b) > _ORDER.index(a):
        return "worse"
    return "better" if b in _HOLDS else "undecided"


def _change(a: CheckResult | None, b: CheckResult | None) -> CheckChange:
    one = a or b
    assert one is not None
    difference, low, high = _difference(a, b)
    return CheckChange(
        id=one.id,
        title=one.title or one.id,
        method=one.method,
        status_a=a.status if a else None,
        status_b=b.status if b else None,
        change=status_change(a.status if a else None, b.status if b else None),
        estimate_a=a.estimate if a else None,
        estimate_b=b.estimate if b else None,
        difference=difference,
        ci_low=low,
        ci_high=high,
        reason_a=a.reason if a else "",
        reason_b=b.reason if b else "",
    )


def _difference(a: CheckResult | None, b: CheckResult | None) -> tuple[float | None, float | None, float | None]:
    """Difference of two estimates with an interval made of theirs, as if they were independent.

    Source: Zou and Donner 2008, Construction of confidence limits about effect measures (MOVER).
    """
    if a is None or b is None or a.estimate is None or b.estimate is None:
        return None, None, None
    difference = b.estimate - a.estimate
    if a.ci_low is None or a.ci_high is None or b.ci_low is None or b.ci_high is None:
        return difference, None, None
    low = difference - hypot(b.estimate - b.ci_low, a.ci_high - a.estimate)
    return difference, low, difference + hypot(b.ci_high - b.estimate, a.estimate - a.ci_low)
