"""Rules about the audit, the model, the images, and the tier of the method in use."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import GateResult, Report
from geoaudit.errors import ExitCode
from geoaudit.gate import ids
from geoaudit.gate.evidence import Evidence
from geoaudit.gate.policy import AuditRules, ImageRules, MethodRules, ModelRules
from geoaudit.gate.wording import either
from geoaudit.words import counted

_NAMED = 4


def complete(report: Report, rules: AuditRules) -> GateResult:
    """Whether anything in the audit broke; asked for by every policy."""
    broken = _broken(report)
    ended = report.exit_code == ExitCode.INCOMPLETE
    found = "nothing broke"
    if broken:
        more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        found = f"{counted(len(broken), 'breakdown')}: {'; '.join(broken[:_NAMED])}{more}"
    elif ended:
        found = f"the audit ended with exit code {int(ExitCode.INCOMPLETE)}"
    if not broken and not ended:
        status, reason = "PASS", "The audit was completed."
    elif rules.allow:
        status, reason = "WARN", "The policy accepts an audit in which something broke."
    else:
        status, reason = "FAIL", "The audit was not completed."
    return _result(ids.COMPLETE, "every method, score and check of the audit was completed", status, found, reason)


def _broken(report: Report) -> list[str]:
    found = [f"the method {method.id}" for method in report.methods if method.status == "error"]
    found += [
        f"{metric} of {method.id}"
        for method in report.methods
        for metric, score in sorted(method.scores.items())
        if score.status == Status.ERROR and method.status != "error"
    ]
    found += [
        f"the check {check.id} of {check.method or 'the model'}"
        for check in report.checks
        if check.status == Status.ERROR
    ]
    return list(dict.fromkeys(found))


def model(report: Report, rules: ModelRules | None) -> list[GateResult]:
    """Whether the audited file is a pinned one."""
    if rules is None:
        return []
    digests = rules.digests
    held = report.model.sha256.lower() in digests
    which = digests[0] if len(digests) == 1 else f"one of {len(digests)} pinned digests"
    return [
        _result(
            ids.SHA256,
            f"the model's sha256 is {which}",
            "PASS" if held else "FAIL",
            f"{report.model.file} has {report.model.sha256}",
            "It is the pinned file." if held else "Another file was audited than the policy is about.",
        )
    ]


def images(report: Report, rules: ImageRules | None) -> list[GateResult]:
    """Whether there were enough images, none too many was left out, and they are the pinned ones."""
    if rules is None:
        return []
    found = []
    count, skipped = report.data.count, len(report.data.skipped)
    if rules.minimum is not None:
        held = count >= rules.minimum
        found.append(
            _result(
                ids.IMAGES, f"at least {counted(rules.minimum, 'image')}", "PASS" if held else "FAIL",
                counted(count, "image"), "There are enough images." if held else "There are too few images.",
                measured=count, minimum=rules.minimum,
            )
        )  # fmt: skip
    if rules.maximum_skipped is not None:
        held = skipped <= rules.maximum_skipped
        found.append(
            _result(
                ids.SKIPPED, f"at most {counted(rules.maximum_skipped, 'input')} left out",
                "PASS" if held else "FAIL", f"{skipped} left out",
                "No more than that were left out." if held else "Too many inputs were left out.",
                measured=skipped, maximum=rules.maximum_skipped,
            )
        )  # fmt: skip
    if rules.manifest_sha256 is not None:
        held = report.data.manifest_sha256.lower() == rules.manifest_sha256
        reason = "These are the pinned images." if held else "Other images were audited than the policy is about."
        found.append(
            _result(
                ids.MANIFEST, f"the images' manifest has the sha256 {rules.manifest_sha256}",
                "PASS" if held else "FAIL", report.data.manifest_sha256, reason,
            )
        )  # fmt: skip
    return found


def tier(evidence: Evidence, rules: MethodRules | None) -> list[GateResult]:
    """Whether the method in use has an accepted tier in the ranking."""
    if rules is None:
        return []
    name, place, ran = rules.in_use, evidence.place(rules.in_use), evidence.method(rules.in_use)
    rule = f"the method in use, {name}, has the tier {either(dict.fromkeys(rules.tiers))}"
    if place is None:
        found = f"{name} has no place in the ranking"
        why = "it was not audited" if ran is None else ran.reason or f"it was not ranked ({ran.status})"
        return [_result(ids.tier(name), rule, "FAIL", found, f"It has no tier: {why}.", name)]
    found = f"{place.tier}, position {place.position}" + (f": {'; '.join(place.reasons)}" if place.reasons else "")
    if place.tier not in rules.tiers:
        reason = f"The tier {place.tier} " + ("can only be waived." if place.tier == "rejected" else "is not accepted.")
        return [_result(ids.tier(name), rule, "FAIL", found, reason, name)]
    if ran is None or ran.status != "ok":
        reason = "It has a place in the ranking, but no complete results."
        return [_result(ids.tier(name), rule, "FAIL", found, reason, name)]
    if place.tier == "caution":
        return [_result(ids.tier(name), rule, "WARN", found, "The tier caution is accepted by the policy.", name)]
    if evidence.report.ranking.status == "inconclusive":
        reason = "The method is recommended, but the ranking is inconclusive."
        return [_result(ids.tier(name), rule, "WARN", found, reason, name)]
    return [_result(ids.tier(name), rule, "PASS", found, "The method is recommended.", name)]


def _result(
    name: str, rule: str, status: str, found: str, reason: str, method: str | None = None, **numbers: float
) -> GateResult:
    return GateResult.model_validate(
        {"id": name, "rule": rule, "status": status, "found": found, "reason": reason, "method": method, **numbers}
    )
