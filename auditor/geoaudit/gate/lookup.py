"""Are the ids of a policy ids of something, and can its rules be told apart?"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from geoaudit.errors import UsageError
from geoaudit.gate import ids, number_paths
from geoaudit.gate.policy import GROUPS, IN_USE, CheckRule, PolicyFile, ThresholdRule
from geoaudit.registry import Registry, pick


def look_up(policy: PolicyFile, registry: Registry, model_checks: frozenset[str], called: str) -> None:
    """Every id must be one that there is.

    Raises:
        UsageError: one is not, the message suggests the nearest; or a rule speaks of methods that are not named.
    """
    if policy.method is not None:
        (name,) = pick(registry.methods, [policy.method.in_use], f"{called}, method.in_use")
        if registry.methods[name].cls.kind != "method":
            raise UsageError(f"{called}, method.in_use '{name}'", "is a control", "Name a method.")
    asked = [("checks.required", CheckRule(id=name)) for name in policy.checks.required]
    asked += [(f"check[{number}]", rule) for number, rule in enumerate(policy.check, 1)]
    for place, rule in asked:
        pick(registry.checks, [rule.id], f"{called}, {place}: check")
        if rule.id not in model_checks:
            _look_up_methods(policy, registry, rule.methods or policy.checks.methods, f"{called}, {place}")
        elif rule.methods is not None:
            raise _of_the_model(rule.id, f"{called}, {place}")
    for number, bound in enumerate(policy.threshold, 1):
        _look_up_bound(policy, registry, bound, f"{called}, threshold[{number}]")


def _look_up_bound(policy: PolicyFile, registry: Registry, rule: ThresholdRule, place: str) -> None:
    if rule.number is not None:
        wrong = number_paths.problem(rule.number)
        if wrong is not None:
            raise UsageError(f"{place}.number", wrong, "Name a number of report.json.")
        return
    if rule.metric is not None:
        pick(registry.metrics, [rule.metric], f"{place}: metric")
    if rule.check is not None:
        pick(registry.checks, [rule.check], f"{place}: check")
        if registry.checks[rule.check].cls.examines == "model":
            if rule.methods is not None:
                raise _of_the_model(rule.check, place)
            return
    _look_up_methods(policy, registry, rule.methods, place)


def _of_the_model(check: str, place: str) -> UsageError:
    return UsageError(f"{place}.methods", f"{check} examines the model and no method", "Leave the key out.")


def _look_up_methods(policy: PolicyFile, registry: Registry, asked: str | list[str] | None, place: str) -> None:
    for word in ids.words(asked):
        if word == IN_USE and policy.method is None:
            raise UsageError(
                place, "is about the method in use, which the policy does not name",
                'Add [method] in_use = "ID", or name the methods with the key methods.',
            )  # fmt: skip
        if word != IN_USE and word not in GROUPS:
            if word not in registry.methods and (near := difflib.get_close_matches(word, (IN_USE, *GROUPS), n=1)):
                raise UsageError(f"{place}.methods: '{word}'", "is unknown", f"Did you mean {near[0]}?")
            pick(registry.methods, [word], f"{place}.methods:")


def require_distinct(policy: PolicyFile, called: str) -> None:
    """Results are told apart by their ids.

    Raises:
        UsageError: two rules would give the same.
    """
    for name in _repeated([*policy.checks.required, *(rule.id for rule in policy.check)]):
        raise UsageError(
            f"{called}, check '{name}'", "is required twice", "Name it in checks.required or one [[check]]."
        )
    for name in _repeated([rule.called for rule in policy.threshold]):
        raise UsageError(
            f"{called}, threshold on '{name}'", "there are two of them",
            "Give each a name of its own with the key name, or both bounds to one.",
        )  # fmt: skip
    for name in _repeated([rule.rule for rule in policy.waiver]):
        raise UsageError(f"{called}, waiver of '{name}'", "there are two of them", "Keep one.")


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def require_waivable(policy: PolicyFile, registry: Registry, model_checks: frozenset[str], called: str) -> None:
    """A waiver must name a result that this policy can have: a mistyped one would wait in silence.

    Raises:
        UsageError: one does not.
    """
    known = set(ids.possible(policy, model_checks, registry.of_kind("method")))
    for number, waiver in enumerate(policy.waiver, 1):
        compared = policy.compare is not None and waiver.rule.startswith(ids.COMPARED)
        if waiver.rule not in known and not compared:
            near = difflib.get_close_matches(waiver.rule, sorted(known), n=1)
            hint = f"Did you mean {near[0]}?" if near else "`geoaudit policy check` lists the rules."
            raise UsageError(f"{called}, waiver[{number}].rule", f"no rule is called '{waiver.rule}'", hint)
