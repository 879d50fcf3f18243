"""What single methods and groups of them are told about."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, MethodResult, Report
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.formats import decimal, listing
from geoaudit_reports.html.sentences.words import first_of, sentence


def not_applicable(report: Report) -> str | None:
    """Which methods were not applicable, by reason; None if all were."""
    reasons: dict[str, list[str]] = {}
    for method in report.methods:
        if method.status == "skipped":
            reasons.setdefault(method.reason or "not applicable", []).append(method.title)
    parts = [f"{listing(titles)}: {sentence(reason, capital=False)}" for reason, titles in sorted(reasons.items())]
    return f"Without a map, and no failure: {' '.join(parts)}" if parts else None


def own_start(report: Report) -> str | None:
    """Which methods start elsewhere than at the run's baseline; None if none does."""
    found = [m.title for m in report.methods if m.status == "ok" and "own-baseline" in m.flags]
    if not found:
        return None
    own, verb = ("its own", "walks") if len(found) == 1 else ("their own", "walk")
    return (
        f"{listing(found)} {verb} from a start of {own}: complete with respect to that start, not the run's baseline."
    )


def luck(method: MethodResult) -> str | None:
    """How much another seed does to a method's SRG, beside another image; None for deterministic methods."""
    if method.seeds is None:
        return None
    found = next((s for s in method.seeds.spread if s.metric == "srg" and s.seed_sd is not None), None)
    if found is None or found.seed_sd is None:
        return f"How much the seed decides is not known: {sentence(method.seeds.reason or 'no SRG', capital=False)}"
    image = "" if found.image_sd is None else f"; another image by {_far(found.image_sd)}"
    alike = method.seeds.map_similarity
    maps = (
        "" if alike is None else f" Maps under two seeds rank the elements alike to {decimal(alike, 2)} (1: the same)."
    )
    missing = "" if method.seeds.reason is None else f" {sentence(method.seeds.reason)}"
    return f"Another seed moves SRG by {_far(found.seed_sd)}{image}.{maps}{missing}"


def _far(deviation: float) -> str:
    """A standard deviation that never rounds to 0 without being it."""
    return "less than 0.001" if 0 < deviation < 0.0005 else decimal(deviation)


def without_walk(report: Report) -> str | None:
    """Which methods have no NCC because they integrate no walk; None if all have."""
    found = [
        m.title for m in report.methods
        if m.kind == "method" and m.status == "ok" and "ncc-violation" in m.scores
        and m.scores["ncc-violation"].status is Status.SKIP
    ]  # fmt: skip
    if not found:
        return None
    return (
        f"NCC does not exist for {listing(found)}: such maps come from no walk between baseline and image whose "
        "integral could be checked, and do not add up. They are placed by SRG alone."
    )


def rejections(report: Report) -> tuple[str, ...]:
    """Which methods fail a gate check, check by check, and why; controls, which ought to fail, are left out."""
    titles = {m.id: m.title for m in report.methods if m.kind == "method"}
    gates: dict[str, list[CheckResult]] = {}
    for check in report.checks:
        if check.gate and check.status is Status.FAIL and check.method in titles:
            gates.setdefault(check.id, []).append(check)
    told = []
    for name, failed in sorted(gates.items()):
        words = CHECKS.get(name)
        title = failed[0].title or (words.title if words else name)
        who = first_of([titles[c.method] for c in failed if c.method])
        fail, are = ("fails", "is") if len(failed) == 1 else ("fail", "are")
        alone = failed[0].reason if len(failed) == 1 or words is None else words.failing
        told.append(f"{who} {fail} the gate check “{title}” and {are} rejected, whatever the scores. {sentence(alone)}")
    return tuple(told)


def controls_told(report: Report) -> tuple[str, ...]:
    """What each gate check says of the controls that it was shown, which know nothing of what the model has learned."""
    controls = {m.id for m in report.methods if m.kind == "control"}
    found: dict[str, list[CheckResult]] = {}
    for check in report.checks:
        if check.gate and check.method in controls:
            found.setdefault(check.id, []).append(check)
    told = []
    for name, results in sorted(found.items()):
        title = results[0].title or (CHECKS[name].title if name in CHECKS else name)
        failed, passed = (
            listing([c.method for c in results if c.method and c.status in wanted])
            for wanted in ({Status.FAIL}, {Status.PASS, Status.WARN})
        )
        if failed:
            told.append(
                f"The gate check “{title}” fails these controls, as it should: {failed}. No method is meant by that."
            )
        if passed:
            told.append(
                f"The gate check “{title}” does not fail these controls, so what it passes proves little: {passed}."
            )
    return tuple(told)
