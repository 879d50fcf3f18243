"""Plain sentences made from the data: what a reader must know before any table."""

from __future__ import annotations

from collections.abc import Sequence

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, MethodResult, RankingEntry, Report
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.formats import count, decimal, listing, share

_WEIGHTS = "model-randomization"
_SPACES = {
    "logit": "the class score",
    "probability": "the class probability",
    "log-probability": "the logarithm of the class probability",
    "margin": "the margin to the runner-up class",
}


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    names = {tier: _titles(report, tier) for tier in ("recommended", "caution", "rejected")}
    if report.ranking.status == "inconclusive" or not report.ranking.entries:
        return "No explanation method could be ranked."
    if names["recommended"]:
        return f"{_first(names['recommended'])} can be relied on here, {_certainty(report)}."
    if names["caution"]:
        return "No explanation method can be relied on here without caution."
    return "No explanation method can be relied on here."


_NAMED = 4
"""So many names are read; of more, the rest is counted."""


def _first(names: Sequence[str]) -> str:
    """The names, or the first ones and how many more there are."""
    if len(names) <= _NAMED:
        return listing(list(names))
    return listing([*names[: _NAMED - 1], f"{count(len(names) - _NAMED + 1)} more"])


def _certainty(report: Report) -> str:
    return "as far as this audit can tell" if report.ranking.status == "ranked" else "by indication only"


def audited(report: Report) -> str:
    """What was audited, on what, by what."""
    ran = [m for m in report.methods if m.status != "skipped"]
    methods = sum(m.kind == "method" for m in ran)
    controls = len(ran) - methods
    idle = sum(m.kind == "method" for m in report.methods) - methods
    left = f" {_several(idle, 'method')} more {'is' if idle == 1 else 'are'} not applicable here." if idle else ""
    output = report.model.explained_output
    return (
        f"{_several(methods, 'explanation method')} and {_several(controls, 'control')} were scored on "
        f"{_several(report.data.count, 'image')}. They explain {_SPACES[output.space]}; every score "
        f"that needs only outputs was measured on the file itself with onnxruntime.{left}"
    )


def gating(report: Report) -> str:
    """Whether anything was decided, and by which policy."""
    if not report.gate.configured:
        return "Not gated: no policy was configured, so this report records findings and passes nothing."
    policy = f" (policy {report.gate.policy})" if report.gate.policy else ""
    return f"Gate{policy}: {report.gate.status}."


def certainty(report: Report) -> str:
    """How far the ranking carries."""
    ranking = report.ranking
    parts = []
    if ranking.status != "ranked":
        reason = ranking.reason or f"{_several(report.data.count, 'image')} decide too little"
        parts.append(f"The ranking is {ranking.status}: {sentence(reason, capital=False)}")
    elif ranking.reason:
        parts.append(sentence(ranking.reason))
    if ranking.smallest_detectable_difference is not None and ranking.robustness is None:
        # reports of earlier versions do not say it in their reason
        smallest = decimal(ranking.smallest_detectable_difference)
        parts.append(f"Differences in SRG smaller than {smallest} would mostly have gone unseen.")
    return " ".join(parts)


def why(entry: RankingEntry) -> str:
    """A method's tier in one sentence."""
    reasons = "; ".join(reason.rstrip(".") for reason in entry.reasons)
    default = {"recommended": "nothing measured speaks against it"}.get(entry.tier, "no reason was recorded")
    return sentence(reasons or default)


def ncc_alone(report: Report) -> str:
    """Why NCC is never read by itself."""
    control = _find(report, "uniform-complete")
    value = control.scores["ncc-violation"].mean if control and "ncc-violation" in control.scores else None
    scored = f"scores {share(value)} here" if value is not None else "scores 0 by construction"
    return (
        "NCC alone is trivially gamed: the control uniform-complete spreads Δf evenly over all pixels, "
        f"{scored}, and says nothing about the image. NCC counts only together with faithfulness."
    )


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


def centre_bias(report: Report) -> str | None:
    """What the centre control says about the data set; None if it was not scored."""
    control = _find(report, "center")
    value = control.scores["srg"].mean if control and "srg" in control.scores else None
    if value is None:
        return None
    below = [
        m.title for m in report.methods
        if m.kind == "method" and "srg" in m.scores and (m.scores["srg"].mean or 0.0) < value
        and m.scores["srg"].mean is not None
    ]  # fmt: skip
    told = f" Scoring below it: {_first(below)}." if below else " Every method scores above it."
    return (
        f"The control center, a blob in the middle that knows neither model nor image, reaches SRG "
        f"{decimal(value)}. "
        f"That is the data set's habit of centring its subjects, and it rejects no method.{told}"
    )


def surrogate(report: Report) -> str | None:
    """Whether gradients explain a stand-in of the model; None if they do not."""
    if not report.model.conversion.straight_through:
        return None
    return (
        "The model is quantised. Rounding has no useful derivative, so gradients pass straight through it: "
        "gradient and path methods explain that stand-in of the model."
    )


def unhealthy(report: Report) -> str | None:
    """Which metrics failed their health test; None if all are healthy.  The ranking's rule says what it rests on."""
    bad = sorted({h.metric for h in report.metric_health if h.status.value in {"FAIL", "ERROR"}})
    if not bad:
        return None
    return f"Failed the health test on this model, so nothing here rests on it: {listing(bad)}."


def rejections(report: Report) -> tuple[str, ...]:
    """Which methods fail a gate, gate by gate, and why; controls, which ought to fail, are left out."""
    titles = {m.id: m.title for m in report.methods if m.kind == "method"}
    gates: dict[str, list[CheckResult]] = {}
    for check in report.checks:
        if check.gate and check.status is Status.FAIL and check.method in titles:
            gates.setdefault(check.id, []).append(check)
    told = []
    for name, failed in sorted(gates.items()):
        words = CHECKS.get(name)
        title = failed[0].title or (words.title if words else name)
        who = _first([titles[c.method] for c in failed if c.method])
        fail, are = ("fails", "is") if len(failed) == 1 else ("fail", "are")
        alone = failed[0].reason if len(failed) == 1 or words is None else words.failing
        told.append(f"{who} {fail} the gate “{title}” and {are} rejected, whatever the scores. {sentence(alone)}")
    return tuple(told)


def untested(report: Report) -> str | None:
    """That nobody knows whether the maps depend on the model's weights; None if some method has a verdict."""
    methods = {m.id for m in report.methods if m.kind == "method"}
    found = {c.status for c in report.checks if c.id == _WEIGHTS and c.method in methods}
    if found & {Status.PASS, Status.WARN, Status.FAIL}:
        return None
    how = "came to no verdict" if found else "was not run"
    return (
        f"The check “{CHECKS[_WEIGHTS].title}” {how}: whether any map depends on what the model has learned is not "
        "known, and no method was rejected for it."
    )


def controls_told(report: Report) -> tuple[str, ...]:
    """What each gate says of the controls that it was shown, which know nothing of what the model has learned."""
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
            told.append(f"The gate “{title}” fails these controls, as it should: {failed}. No method is meant by that.")
        if passed:
            told.append(f"The gate “{title}” does not fail these controls, so what it passes proves little: {passed}.")
    return tuple(told)


def _titles(report: Report, tier: str) -> list[str]:
    titles = {method.id: method.title for method in report.methods}
    return [titles.get(e.method, e.method) for e in report.ranking.entries if e.tier == tier]


def _find(report: Report, method: str) -> MethodResult | None:
    return next((m for m in report.methods if m.id == method), None)


def _several(number: int, thing: str) -> str:
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def sentence(words: str, capital: bool = True) -> str:
    """`words` as a sentence: with a full stop, and a capital letter unless it goes on from something."""
    text = words.strip()
    text = text[:1].upper() + text[1:] if capital else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def together(parts: Sequence[str | None]) -> tuple[str, ...]:
    """The sentences that exist."""
    return tuple(part for part in parts if part)
