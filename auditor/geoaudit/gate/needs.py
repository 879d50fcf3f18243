"""What a policy needs of a run: what it names is run too, and leaving it out is refused before anything slow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from geoaudit.api import Check, Method, Metric
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.result import Sourced
from geoaudit.audit.settings import Settings
from geoaudit.errors import UsageError
from geoaudit.gate.ids import words
from geoaudit.gate.policy import GROUPS, IN_USE, Policy
from geoaudit.registry import load


@dataclass(frozen=True)
class Needs:
    """Ids that a policy names.

    Attributes:
        methods, metrics, checks: without which a rule must fail.
        spare: checks that it accepts not to have run.
    """

    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    checks: tuple[str, ...]
    spare: tuple[str, ...] = ()


def needs(policy: Policy) -> Needs:
    """What the rules of a policy are about, each id once."""
    asked = [rule.methods for rule in policy.asked_checks if rule.id not in policy.model_checks]
    asked += [
        rule.methods for rule in policy.threshold if rule.number is None and rule.check not in policy.model_checks
    ]
    named = [name for methods in asked for name in words(methods) if name not in (*GROUPS, IN_USE)]
    if policy.method is not None:
        named = [policy.method.in_use, *named]
    measured = [rule.check for rule in policy.threshold if rule.check is not None]
    strict = [rule.id for rule in policy.asked_checks if "SKIP" not in rule.allow]
    lenient = [rule.id for rule in policy.asked_checks if rule.id not in (*strict, *measured)]
    metrics = [rule.metric for rule in policy.threshold if rule.metric is not None]
    return Needs(_once(named), _once(metrics), _once([*strict, *measured]), _once(lenient))


def fed(settings: Settings, policy: Policy) -> Settings:
    """The settings with what the policy needs added to what runs by default.

    Returns:
        The same settings where nothing is missing.

    Raises:
        UsageError: the user's own choice leaves out what the policy needs; the message says what and where.
    """
    _require_images(settings, policy)
    needed = needs(policy)
    plan = make_plan(replace(settings, parameters={}), load(settings.plugins))
    _require_possible(plan, needed, policy)
    for kind, wanted in (
        ("methods", (needed.methods, ())), ("metrics", (needed.metrics, ())), ("checks", (needed.checks, needed.spare))
    ):  # fmt: skip
        settings = _with(settings, policy, kind, _running(plan, kind), *wanted)
    return settings


def _with(
    settings: Settings, policy: Policy, kind: str, running: set[str], strict: Iterable[str], spare: Iterable[str]
) -> Settings:
    """The settings with the missing ids of one kind added.

    Raises:
        UsageError: one that a rule cannot do without was left out by hand.
    """
    by_hand = getattr(settings, kind) is not None
    left_out = [name for name in strict if name not in running and (by_hand or name in settings.skip)]
    if left_out:
        option = "--skip" if any(name in settings.skip for name in left_out) else f"--{kind}"
        raise UsageError(
            option, f"leaves out {', '.join(left_out)}, which the policy {policy.file} needs",
            "Add it, or change the policy." if len(left_out) == 1 else "Add them, or change the policy.",
        )  # fmt: skip
    missing = [n for n in (*strict, *spare) if n not in running and n not in settings.skip]
    if by_hand or not missing:
        return settings
    chosen = ("default", *missing)
    told = Sourced(value=list(chosen), source=f"default, and the policy {policy.file}")
    changed: dict[str, Any] = {kind: chosen, "sources": {**settings.sources, kind: told}}
    return replace(settings, **changed)


def _require_images(settings: Settings, policy: Policy) -> None:
    """A limit below the smallest number of images can only fail.

    Raises:
        UsageError: it is.
    """
    minimum = None if policy.images is None else policy.images.minimum
    if minimum is not None and settings.limit is not None and settings.limit < minimum:
        raise UsageError(
            f"--limit {settings.limit}", f"leaves fewer than the {minimum} images that the policy {policy.file} needs",
            "Raise the limit, or change the policy.",
        )  # fmt: skip


def _require_possible(plan: Plan, needed: Needs, policy: Policy) -> None:
    """What was chosen and cannot run in such an audit is refused like what was left out.

    Raises:
        UsageError: the audit is gradient-free, and a rule is about what needs gradients.
    """
    idle = {*(method.id for method in plan.idle_methods), *(check.id for check in plan.idle_checks)}
    names = [name for name in (*needed.methods, *needed.checks) if name in idle]
    if names:
        raise UsageError(
            "--gradient-free", f"leaves out {', '.join(names)}, which the policy {policy.file} needs",
            "Leave the option out, or change the policy.",
        )  # fmt: skip


def _running(plan: Plan, kind: str) -> set[str]:
    """Ids of the plan's plugins of one kind, those that cannot run included: they are no matter of choice."""
    found: Mapping[str, Sequence[Method | Metric | Check]] = {
        "methods": (*plan.methods, *plan.idle_methods),
        "metrics": plan.metrics,
        "checks": (*plan.checks, *plan.idle_checks),
    }
    return {plugin.id for plugin in found[kind]}


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
