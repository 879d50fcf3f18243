"""The names of results: the same from run to run, for they are what a waiver names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from geoaudit.gate.policy import GROUPS, IN_USE, PolicyFile, ThresholdRule

Side = Literal["minimum", "maximum"]
COMPARED = "compare:"
"""How the ids of a comparison's results begin; only two reports tell which there are."""
UNUSED = "waiver:"
"""How the ids of results about waivers begin that name nothing."""
COMPLETE = "audit:complete"
SHA256 = "model:sha256"
IMAGES = "images:minimum"
SKIPPED = "images:maximum_skipped"
MANIFEST = "images:manifest_sha256"


def tier(method: str) -> str:
    """Of the rule on the tier of the method in use."""
    return f"method:tier:{method}"


def check(name: str, method: str | None) -> str:
    """Of a required check; `method` is None for checks of the model."""
    return ":".join(("check", name, *_if_any(method)))


def threshold(rule: ThresholdRule, method: str | None, side: Side) -> str:
    """Of one bound of a threshold."""
    return ":".join(("threshold", rule.called, *_if_any(method), side))


def sides(rule: ThresholdRule) -> list[tuple[Side, float]]:
    """The bounds that the threshold has."""
    bounds: tuple[tuple[Side, float | None], ...] = (("minimum", rule.minimum), ("maximum", rule.maximum))
    return [(side, bound) for side, bound in bounds if bound is not None]


def words(methods: str | list[str] | None) -> list[str]:
    """What stands in a policy's key `methods`, as a list without repetition."""
    if methods is None:
        return [IN_USE]
    return [methods] if isinstance(methods, str) else list(dict.fromkeys(methods))


def possible(policy: PolicyFile, model_checks: frozenset[str], methods: Sequence[str]) -> Iterator[str]:
    """Every id that a result of this policy can have.

    Args:
        policy: the policy.
        model_checks: ids of the checks that examine the model.
        methods: ids of all methods that there are; words for several methods may select any of them.
    """
    yield COMPLETE
    if policy.model is not None:
        yield SHA256
    if policy.images is not None:
        asked = ((policy.images.minimum, IMAGES), (policy.images.maximum_skipped, SKIPPED))
        yield from (name for value, name in (*asked, (policy.images.manifest_sha256, MANIFEST)) if value is not None)
    if policy.method is not None:
        yield tier(policy.method.in_use)
    for rule in policy.asked_checks:
        for method in [None] if rule.id in model_checks else _subjects(policy, rule.methods, methods):
            yield check(rule.id, method)
    for bound in policy.threshold:
        alone = bound.number is not None or bound.check in model_checks
        for method in [None] if alone else _subjects(policy, bound.methods, methods):
            yield from (threshold(bound, method, side) for side, _ in sides(bound))


def _subjects(policy: PolicyFile, asked: str | list[str] | None, methods: Sequence[str]) -> Iterator[str]:
    for word in words(asked):
        if word == IN_USE and policy.method is not None:
            yield policy.method.in_use
        elif word in GROUPS:
            yield from (word, *methods)
        else:
            yield word


def _if_any(method: str | None) -> tuple[str, ...]:
    return () if method is None else (method,)
