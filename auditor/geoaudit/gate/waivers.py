"""Waivers: failures that a named person accepts until a day."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from geoaudit.audit.result import GateResult, Waiver
from geoaudit.gate import ids
from geoaudit.gate.policy import WaiverRule


def apply_waivers(results: Sequence[GateResult], rules: Sequence[WaiverRule], today: datetime.date) -> list[GateResult]:
    """The results, with waivers noted on those they name; a failure becomes WAIVED while its waiver holds.

    Args:
        results: as judged without waivers; ids are unique.
        rules: the policy's waivers; their `rule` is unique.
        today: the day of the verdict (UTC); a waiver holds on its last day, and no longer on the next.
    """
    by_id = {rule.rule: rule for rule in rules}
    return [_noted(result, by_id[result.id], today) if result.id in by_id else result for result in results]


def unused(results: Sequence[GateResult], rules: Sequence[WaiverRule]) -> list[GateResult]:
    """A caution for every waiver that names none of the results: what it was meant for is not in this report."""
    known = {result.id for result in results}
    return [
        GateResult(
            id=f"{ids.UNUSED}{rule.rule}",
            rule=f"the waiver of {rule.rule} names a result of this report",
            method=None,
            status="WARN",
            found="no result of this report has that name",
            reason="The waiver changes nothing.",
            waiver=_waiver(rule),
        )
        for rule in rules
        if rule.rule not in known
    ]


def _noted(result: GateResult, rule: WaiverRule, today: datetime.date) -> GateResult:
    waiver, status = _waiver(rule), result.status
    if status != "FAIL":
        told = "A waiver names this result, which does not need it."
    elif today > rule.expires:
        told = f"Its waiver by {rule.owner} expired: the last day was {rule.expires.isoformat()}."
    else:
        status = "WAIVED"
        told = f"Waived by {rule.owner} until {rule.expires.isoformat()}: {rule.reason.rstrip('.')}."
    return result.model_copy(update={"status": status, "waiver": waiver, "reason": f"{result.reason} {told}"})


def _waiver(rule: WaiverRule) -> Waiver:
    return Waiver(rule=rule.rule, reason=rule.reason, owner=rule.owner, expires=rule.expires.isoformat())
