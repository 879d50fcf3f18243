"""The first screen: what was audited, the policy's verdict, which method to rely on and why, and how sure that is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import RULINGS, TIERS, Badge, Cell, Fact, interval, status, text
from geoaudit_reports.html.formats import DASH, count, day
from geoaudit_reports.html.glossary.links import Linker, Prose
from geoaudit_reports.html.views.points import Point, points

_LONGEST_CONTEXT = 240
_MOST_RULES = 3


@dataclass(frozen=True)
class Standing:
    """One ranked method on the first screen."""

    position: str
    title: str
    id: str
    tier: Badge
    why: str
    srg: Cell


@dataclass(frozen=True)
class Verdict:
    """The policy's verdict.

    Attributes:
        badge: PASS or FAIL; None where no policy was given.
        sentence: the verdict in words.
        rulings: the rules that are not met, or only because they are waived.
        more: how many of them are told further below.
        tone: of the box.
    """

    badge: Badge | None
    sentence: str
    prose: Prose
    rulings: tuple[tuple[Badge, str], ...]
    more: str
    tone: str


@dataclass(frozen=True)
class Summary:
    """What the first screen says."""

    headline: str
    digest: str
    context: str
    facts: tuple[Fact, ...]
    verdict: Verdict
    points: tuple[Point, ...]
    standings: tuple[Standing, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All sentences of the points."""
        return tuple(text_ for point in self.points for text_ in point.texts)


def build(report: Report) -> Summary:
    """The first screen of `report`."""
    linker = Linker()
    return Summary(
        headline=sentences.headline(report),
        digest=report.model.sha256,
        context=_context(report),
        facts=_facts(report),
        verdict=_verdict(report, linker),
        points=points(report, linker),
        standings=tuple(_standings(report)),
    )


def _standings(report: Report) -> list[Standing]:
    methods = {m.id: m for m in report.methods}
    found = []
    for entry in report.ranking.entries:
        method = methods.get(entry.method)
        score = method.scores.get("srg") if method else None
        srg = interval(
            score.mean if score else None, score.ci_low if score else None, score.ci_high if score else None,
            reason=score.reason if score else "not scored",
        )  # fmt: skip
        title = method.title if method else entry.method
        found.append(Standing(entry.position, title, entry.method, TIERS[entry.tier], sentences.why(entry), srg))
    return found


def _context(report: Report) -> str:
    """The intended use as it was stated, cut at a word where it is long."""
    if not report.context:
        return ""
    words = " ".join(report.context.split())
    if len(words) <= _LONGEST_CONTEXT:
        return words
    return f"{words[:_LONGEST_CONTEXT].rsplit(' ', 1)[0]} …"


def _verdict(report: Report, linker: Linker) -> Verdict:
    told = sentences.gating(report)
    if not report.gate.configured:
        return Verdict(None, told, linker.prose(told), (), "", "quiet")
    loud = [r for r in report.gate.results if r.status == "FAIL"] + [
        r for r in report.gate.results if r.status == "WAIVED"
    ]
    rulings = tuple((RULINGS[r.status], sentences.ruling(r)) for r in loud[:_MOST_RULES])
    rest = len(loud) - len(rulings)
    more = f"{sentences.several(rest, 'more rule')} under Policy" if rest > 0 else ""
    badge = RULINGS["PASS" if report.gate.status == "PASS" else "FAIL"]
    tone = "warn" if rulings and report.gate.status == "PASS" else badge.tone
    return Verdict(badge, told, linker.prose(told), rulings, more, tone)


def _facts(report: Report) -> tuple[Fact, ...]:
    skipped = len(report.data.skipped)
    output = report.model.explained_output
    kind = {"one-label": "exclusive", "multi-label": "independent", "binary": "two, one number"}[output.kind]
    return (
        Fact("Classes", text(count(report.model.classes), kind)),
        Fact("Explained", text(sentences.explained(report).removeprefix("the "), f"baseline: {report.baseline.kind}")),
        Fact("Images", text(count(report.data.count), f"{count(skipped)} skipped")),
        Fact("Parity", status(report.parity.status, _doubt(report))),
        *_checks(report),
        Fact("Date", text(day(report.run.finished), f"{report.tool.name} {report.tool.version}, {report.run.budget}")),
    )


def _checks(report: Report) -> tuple[Fact, ...]:
    """How the checks of methods and of the model came out, failures first; of controls only checks that broke."""
    controls = {m.id for m in report.methods if m.kind == "control"}
    counts = Counter(c.status for c in report.checks if c.method not in controls or c.status is Status.ERROR)
    if not counts:
        return (Fact("Checks", Cell(DASH, "none was run")),)
    loud = [f"{counts[s]} {s}" for s in (Status.FAIL, Status.ERROR) if counts[s]]
    others = [f"{counts[s]} {s}" for s in Status if counts[s] and s not in (Status.FAIL, Status.ERROR)]
    if not loud:
        loud, others = others[:1], others[1:]
    return (Fact("Checks", text(", ".join(loud), ", ".join(others))),)


def _doubt(report: Report) -> str:
    """Why the certificate is no plain PASS, in a few words."""
    if report.parity.status is Status.SKIP:
        return report.parity.reason
    return "straight-through gradients" if report.model.conversion.straight_through else ""
