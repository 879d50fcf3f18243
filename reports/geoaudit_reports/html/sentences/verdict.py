"""What was found, how sure it is, and what the policy says."""

from __future__ import annotations

from geoaudit.audit.result import GateResult, RankingEntry, Report
from geoaudit_reports.html.formats import count, day, decimal
from geoaudit_reports.html.sentences.words import first_of, sentence, several, titles

_SPACES = {
    "logit": "the class score",
    "probability": "the class probability",
    "log-probability": "the logarithm of the class probability",
    "margin": "the margin to the runner-up class",
}


_LONGEST = 160
MISSED = "more often than one time in five"
"""What the smallest detectable difference means for smaller ones: it is found four times out of five."""


def headline(report: Report) -> str:
    """The verdict in one sentence."""
    if not report.ranking.entries:
        return "No explanation method could be ranked."
    if recommended := titles(report, "recommended"):
        if report.ranking.status == "inconclusive":
            return f"Nothing counts against {first_of(recommended)}, but the order of the methods could not be told."
        return f"{first_of(recommended)} can be relied on here, {_certainty(report)}."
    if titles(report, "caution"):
        return "No explanation method can be relied on here without caution."
    return "No explanation method can be relied on here."


def _certainty(report: Report) -> str:
    return "as far as this audit can tell" if report.ranking.status == "ranked" else "by indication only"


def audited(report: Report) -> str:
    """What was audited, on what, by what."""
    ran = [m for m in report.methods if m.status != "skipped"]
    methods = sum(m.kind == "method" for m in ran)
    controls = len(ran) - methods
    idle = sum(m.kind == "method" for m in report.methods) - methods
    left = f" {several(idle, 'method')} more {'is' if idle == 1 else 'are'} not applicable here." if idle else ""
    were = "was" if methods == 1 and not controls else "were"
    return (
        f"{several(methods, 'explanation method')} and {several(controls, 'control')} {were} scored on "
        f"{several(report.data.count, 'image')}. {'It explains' if methods == 1 else 'They explain'} "
        f"{explained(report)}; every score "
        f"that needs only outputs was measured on the file itself with onnxruntime.{left}"
    )


def explained(report: Report) -> str:
    """What the maps explain: the class score."""
    return _SPACES[report.model.explained_output.space]


def gating(report: Report) -> str:
    """Whether anything was decided, and by which policy."""
    gate = report.gate
    if not gate.configured:
        return "Not gated: no policy was configured, so this report records findings and passes nothing."
    named = f" “{gate.title}”" if gate.title else ""
    if not gate.results:
        return f"Policy{named}: {gate.status}. It holds no rule that could be met."
    failing = sum(r.status == "FAIL" for r in gate.results)
    waived = sum(r.status == "WAIVED" for r in gate.results)
    warned = sum(r.status == "WARN" for r in gate.results)
    told = f"{count(failing)} of {several(len(gate.results), 'rule')} {'is' if failing == 1 else 'are'} not met"
    if not failing:
        told = f"{several(len(gate.results), 'rule')}, none of them failing"
    waivers = f"; {count(waived)} waived" if waived else ""
    cautions = f"; {count(warned)} met with a WARN" if warned else ""
    return f"Policy{named}: {gate.status}. {sentence(told + waivers + cautions)}"


def ruling(result: GateResult) -> str:
    """A rule of the policy that is not met: what was asked and found, and why that fails or who accepted it."""
    told = f"Asked: {sentence(result.rule, capital=False)} Found: {sentence(_short(result.found), capital=False)}"
    if result.status != "WAIVED" or result.waiver is None:
        return f"{told} {sentence(_short(result.reason))}" if result.reason.strip() else told
    accepted = f"Accepted by {result.waiver.owner} until {day(result.waiver.expires)}: {_short(result.waiver.reason)}"
    return f"{told} {sentence(accepted)}"


def _short(words: str) -> str:
    """Cut at a word; the policy's own section has all of it."""
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST].rsplit(' ', 1)[0]} …"


def certainty(report: Report) -> str:
    """How far the ranking carries."""
    ranking = report.ranking
    parts = []
    if ranking.status != "ranked":
        reason = ranking.reason or f"{several(report.data.count, 'image')} decide too little"
        parts.append(f"The ranking is {ranking.status}: {sentence(reason, capital=False)}")
    elif ranking.reason:
        parts.append(sentence(ranking.reason))
    if ranking.smallest_detectable_difference is not None and ranking.robustness is None:
        # reports of earlier versions do not say it in their reason
        smallest = decimal(ranking.smallest_detectable_difference)
        parts.append(f"Differences in SRG smaller than {smallest} would have been missed {MISSED}.")
    return " ".join(parts)


def why(entry: RankingEntry) -> str:
    """A method's tier in one sentence."""
    reasons = "; ".join(reason.rstrip(".") for reason in entry.reasons)
    default = {"recommended": "nothing measured speaks against it"}.get(entry.tier, "no reason was recorded")
    return sentence(reasons or default)
