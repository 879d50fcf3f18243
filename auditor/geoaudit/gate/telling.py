"""The verdict and the policy in plain lines."""

from __future__ import annotations

from collections import Counter

from geoaudit.audit.result import Gate, GateResult, Report
from geoaudit.gate import ids
from geoaudit.gate.policy import IN_USE, ImageRules, Policy
from geoaudit.gate.required import accepted
from geoaudit.gate.toml_text import plain
from geoaudit.gate.wording import asked_of, either, excused, whom
from geoaudit.words import counted


def gate_lines(report: Report) -> list[str]:
    """One line for every result that fails: status, id, what was asked, why it is not met; empty if none does."""
    return [_line(result) for result in report.gate.results if result.status == "FAIL"]


def verdict_line(gate: Gate) -> str:
    """The verdict and what it rests on, in two sentences."""
    return f"Verdict: {gate.status}. {rules_told(gate)}"


def rules_told(gate: Gate) -> str:
    """How the policy's rules came out, in a sentence."""
    counts: Counter[str] = Counter(result.status for result in gate.results)
    words = {"FAIL": "not met", "WAIVED": "waived", "WARN": "met with a caution", "PASS": "met"}
    told = ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])
    return f"Of {counted(len(gate.results), 'rule')}: {told}."


def explain(policy: Policy) -> list[tuple[str, str]]:
    """Every rule of a policy as (id, demand); methods that only a report tells stand as the word for them."""
    complete = (
        "an audit in which something broke is accepted too"
        if policy.audit.allow
        else "every method, score and check was completed"
    )
    told = [(ids.COMPLETE, complete)]
    if policy.model is not None:
        told.append((ids.SHA256, f"the model's sha256 is {either(policy.model.digests)}"))
    if policy.images is not None:
        told += _images(policy.images)
    in_use = None
    if policy.method is not None:
        in_use = policy.method.in_use
        tiers = either(dict.fromkeys(policy.method.tiers))
        told.append((ids.tier(in_use), f"the method in use, {in_use}, has the tier {tiers}"))
    for rule in policy.asked_checks:
        of_model = rule.id in policy.model_checks
        told += [
            (ids.check(rule.id, word), f"the check {rule.id} passes{_for(word)}{accepted(rule)}")
            for word in ([None] if of_model else _words(rule.methods, in_use))
        ]
    for bound in policy.threshold:
        alone = bound.number is not None or bound.check in policy.model_checks
        told += [
            (
                ids.threshold(bound, word, side),
                asked_of(bound, None if word is None else whom(word), side, limit) + excused(bound),
            )
            for word in ([None] if alone else _words(bound.methods, in_use))
            for side, limit in ids.sides(bound)
        ]
    told += [
        (f"waiver:{rule.rule}", plain(f"accepted until {rule.expires.isoformat()} by {rule.owner}: {rule.reason}"))
        for rule in policy.waiver
    ]
    if policy.compare is not None:
        told.append(("compare", "has rules for `geoaudit compare`"))
    return told


def _line(result: GateResult) -> str:
    found = result.found if len(result.found) <= 120 else f"{result.found[:117]}..."
    return plain(f"{result.status} {result.id}: {result.rule}. {result.reason} Found: {found}")


def _images(rules: ImageRules) -> list[tuple[str, str]]:
    told = []
    if rules.minimum is not None:
        told.append((ids.IMAGES, f"at least {counted(rules.minimum, 'image')}"))
    if rules.maximum_skipped is not None:
        told.append((ids.SKIPPED, f"at most {counted(rules.maximum_skipped, 'input')} left out"))
    if rules.manifest_sha256 is not None:
        told.append((ids.MANIFEST, f"the images' manifest has the sha256 {rules.manifest_sha256}"))
    return told


def _words(methods: str | list[str] | None, in_use: str | None) -> list[str | None]:
    return list(dict.fromkeys(in_use if word == IN_USE else word for word in ids.words(methods)))


def _for(word: str | None) -> str:
    return "" if word is None else f" for {whom(word)}"
