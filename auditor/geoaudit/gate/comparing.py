"""The policy's verdict on a comparison: a pure function of comparison, policy and day."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from geoaudit.audit.result import Gate, GateResult
from geoaudit.compare.result import Comparison, MethodChange
from geoaudit.errors import ExitCode, UsageError
from geoaudit.gate import ids
from geoaudit.gate.compare_changes import metric_change, rank_change
from geoaudit.gate.compare_facts import about_both, checks, maps, tier
from geoaudit.gate.compare_rules import CompareRules
from geoaudit.gate.judge import verdict
from geoaudit.gate.policy import IN_USE, Policy
from geoaudit.gate.waivers import apply_waivers, unused
from geoaudit.registry import Registry, pick

ALL = "all"


def judge_comparison(comparison: Comparison, policy: Policy, today: datetime.date) -> Gate:
    """Hold a comparison against the policy's `[compare]` table.

    What a rule asks about and the reports do not tell is not met; no rule is ever met because there is nothing to
    judge.

    Args:
        comparison: any; a verdict that it has already is not looked at.
        policy: with a `[compare]` table, as `require_compare_rules` asks for.
        today: the day of the verdict (UTC), by which waivers expire.
    """
    rules = policy.compare
    assert rules is not None
    in_use = policy.method.in_use if policy.method else None
    results = [*about_both(comparison, rules), *_about_methods(comparison, rules, in_use)]
    waivers = [rule for rule in policy.waiver if rule.rule.startswith(ids.COMPARED)]
    noted = [*apply_waivers(results, waivers, today), *unused(results, waivers)]
    return Gate(
        configured=True,
        status=verdict(noted),
        policy=policy.file,
        title=policy.title,
        owner=policy.owner,
        sha256=policy.sha256,
        in_use=in_use,
        results=noted,
    )


def judged_comparison(comparison: Comparison, policy: Policy, today: datetime.date) -> Comparison:
    """The comparison with the verdict, its day and the exit code filled in; nothing else changes."""
    gate = judge_comparison(comparison, policy, today)
    code = ExitCode.OK if gate.status == "PASS" else ExitCode.GATE_FAILED
    return comparison.model_copy(update={"gate": gate, "judged": today.isoformat(), "exit_code": int(code)})


def require_compare_rules(policy: Policy, registry: Registry) -> None:
    """Check that a policy asks something of comparisons, and of things that there are.

    Raises:
        UsageError: it has no `[compare]` table, names a metric or method that does not exist, or speaks of a method
            in use that it does not name.
    """
    called = f"--policy {policy.file}"
    if policy.compare is None:
        raise UsageError(called, "has no rules for comparisons", "Add a table [compare], or leave --policy out.")
    words = _words(policy.compare.methods) if _uses_default(policy.compare) else []
    for number, rule in enumerate(policy.compare.threshold, 1):
        pick(registry.metrics, [rule.metric], f"{called}, compare.threshold[{number}]: metric")
        words += _words(rule.methods or [])
    if IN_USE in words and policy.method is None:
        raise UsageError(
            f"{called}, compare", "is about the method in use, which the policy does not name",
            'Add [method] in_use = "ID", or name the methods with the key methods.',
        )  # fmt: skip
    pick(registry.methods, [word for word in words if word not in (IN_USE, ALL)], f"{called}, compare.methods:")


def _uses_default(rules: CompareRules) -> bool:
    limits = (rules.rank_drop_at_most, rules.map_similarity_at_least)
    asked = rules.checks_may_not_worsen or rules.tiers_may_not_worsen
    return asked or any(limit is not None for limit in limits) or any(rule.methods is None for rule in rules.threshold)


def _about_methods(comparison: Comparison, rules: CompareRules, in_use: str | None) -> Iterator[GateResult]:
    for threshold in rules.threshold:
        whom = _whom(comparison, threshold.methods or rules.methods, in_use)
        for name, method, reason in whom or [_nobody(comparison)]:
            yield metric_change(comparison, threshold, name, method, reason)
    whom = _whom(comparison, rules.methods, in_use) or [_nobody(comparison)]
    for name, method, reason in whom:
        if rules.rank_drop_at_most is not None:
            yield rank_change(rules.rank_drop_at_most, name, method, reason)
        if rules.map_similarity_at_least is not None:
            yield maps(rules.map_similarity_at_least, name, method, reason)
        if rules.tiers_may_not_worsen:
            yield tier(name, method, reason)
    if rules.checks_may_not_worsen:
        yield from checks(comparison, [name for name, _, _ in whom])


Subject = tuple[str, MethodChange | None, str]


def _whom(comparison: Comparison, asked: str | list[str], in_use: str | None) -> list[Subject]:
    """Each method that a rule is about, its changes, and why it has none where that is so."""
    names: list[str] = []
    for word in _words(asked):
        if word == ALL:
            names += [m.id for m in comparison.methods if m.kind == "method"]
            names += [m.id for m in comparison.absent if m.ran]
        else:
            names.append(in_use or word if word == IN_USE else word)
    found = {m.id: m for m in comparison.methods}
    absent = {m.id: m.reason for m in comparison.absent}
    return [(n, found.get(n), absent.get(n, "in neither report")) for n in dict.fromkeys(names)]


def _nobody(comparison: Comparison) -> Subject:
    return ALL, None, f"no method ran in {comparison.a.file} or {comparison.b.file}"


def _words(asked: str | Sequence[str]) -> list[str]:
    return [asked] if isinstance(asked, str) else list(asked)
