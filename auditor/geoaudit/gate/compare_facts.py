"""Rules about what both reports rest on, and about maps, tiers and checks."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from geoaudit.audit.result import GateResult
from geoaudit.compare.result import CheckChange, Comparison, MethodChange
from geoaudit.gate import ids
from geoaudit.gate.compare_rules import CompareRules
from geoaudit.gate.wording import limit, number
from geoaudit.words import counted


def about_both(comparison: Comparison, rules: CompareRules) -> Iterator[GateResult]:
    """What the comparison rests on: pairs, settings, images, classes."""
    n = comparison.pairing.n
    yield _result(
        "pairs", f"at least {counted(rules.pairs_at_least, 'image')} in both reports", n >= rules.pairs_at_least,
        found=f"{counted(n, 'pair')}", against="Too few pairs.", measured=float(n), minimum=float(rules.pairs_at_least),
    )  # fmt: skip
    if rules.same_settings:
        names = [setting.name for setting in comparison.settings if setting.matters]
        yield _result(
            "settings", "what was measured was set alike", not names, found=", ".join(names) or "no difference",
            against="A change may come from the setting.",
        )  # fmt: skip
    if rules.same_images:
        only = len(comparison.pairing.only_a) + len(comparison.pairing.only_b)
        yield _result(
            "images", "both reports have the same images", not only and comparison.a.images == comparison.b.images,
            found=f"{counted(only, 'image')} in one only, {comparison.a.images:,} and {comparison.b.images:,} audited",
            against="The reports rest on different images.",
        )  # fmt: skip
    least = rules.top1_agreement_at_least
    if least is not None:
        share = comparison.predictions.top1_agreement
        found = "not recorded" if share.mean is None else f"{number(share.mean)} of {counted(share.n, 'pair')}"
        known = share.mean is not None and share.n == n
        yield _result(
            "top1-agreement", f"both models name the same class for a share of images of {limit('minimum', least)}",
            known and share.mean is not None and share.mean >= least, found=found,
            against="They differ on more images." if known else "It is not known for every pair.",
            measured=share.mean, minimum=least,
        )  # fmt: skip


def maps(least: float, name: str, method: MethodChange | None, absent: str) -> GateResult:
    """The similarity of a method's maps, by the lower end of its interval."""
    alike = method.maps if method else None
    low = alike.spearman.ci_low if alike else None
    found, against = absent, "The method cannot be compared."
    if alike is not None:
        mean = alike.spearman.mean
        found = alike.reason or "not measured"
        against = "The maps may be less alike."
        if mean is not None:
            ends = "no interval" if low is None else f"95 % interval from {number(low)}"
            found = f"mean {number(mean)}, {ends}, {counted(alike.n, 'pair')}, {alike.missing} missing"
        if low is None or alike.missing:
            against = "It cannot be told for every pair of maps."
    met = low is not None and alike is not None and not alike.missing and low >= least
    return _result(
        f"maps:{name}", f"the maps of {name} correlate by ranks with {limit('minimum', least)}", met,
        found=found, against=against, measured=low, minimum=least, method=name,
    )  # fmt: skip


def tier(name: str, method: MethodChange | None, absent: str) -> GateResult:
    """A method's tier may not fall."""
    known = method is not None and method.a is not None and method.b is not None
    found = f"{method.a.tier} to {method.b.tier}" if method and method.a and method.b else absent
    return _result(
        f"tier:{name}", f"the tier of {name} is not lower in B", known and method is not None and
        method.tier_change in ("same", "better"), found=found if known or method is None else "not in both rankings",
        against="It is lower." if known else "It cannot be told.", method=name,
    )  # fmt: skip


def checks(comparison: Comparison, methods: Collection[str]) -> Iterator[GateResult]:
    """No check of the model or of one of `methods` may come out worse, nor be missing in B."""
    about = [c for c in comparison.checks if (c.method is None or c.method in methods) and c.change != "only in B"]
    for found in about:
        yield _check(found)
    if not about:
        yield _result(
            "checks", "no check comes out worse", False, found="A has no check to compare with",
            against="Nothing can be said.",
        )  # fmt: skip


def _check(found: CheckChange) -> GateResult:
    of = found.method or "model"
    result = _result(
        f"check:{found.id}:{of}", f"the check {found.id} of {found.method or 'the model'} does not come out worse",
        found.change not in ("worse", "only in A"), found=f"{found.status_a} to {found.status_b or 'not run'}",
        against="It is worse." if found.change == "worse" else "It was not run.", method=found.method,
    )  # fmt: skip
    if found.change == "undecided":
        reason = "It did not hold in A, and in B it says nothing."
        return result.model_copy(update={"status": "WARN", "reason": reason})
    return result


def _result(
    name: str,
    rule: str,
    met: bool,
    *,
    found: str,
    against: str,
    measured: float | None = None,
    minimum: float | None = None,
    method: str | None = None,
) -> GateResult:
    return GateResult(
        id=f"{ids.COMPARED}{name}",
        rule=rule,
        method=method,
        status="PASS" if met else "FAIL",
        found=found,
        reason="Met." if met else against,
        measured=measured,
        minimum=minimum,
    )
