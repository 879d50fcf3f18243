"""The first screen: verdict, key facts, which method to rely on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import TIERS, Badge, Cell, Fact, code, interval, status, text
from geoaudit_reports.html.formats import DASH, count, moment


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
class Summary:
    """What the first screen says."""

    headline: str
    sentences: tuple[str, ...]
    rejections: tuple[str, ...]
    gate: str
    gate_tone: str
    facts: tuple[Fact, ...]
    standings: tuple[Standing, ...]


def build(report: Report) -> Summary:
    """The first screen of `report`."""
    methods = {m.id: m for m in report.methods}
    standings = []
    for entry in report.ranking.entries:
        method = methods.get(entry.method)
        score = method.scores.get("srg") if method else None
        srg = interval(
            score.mean if score else None, score.ci_low if score else None, score.ci_high if score else None,
            reason=score.reason if score else "not scored",
        )  # fmt: skip
        title = method.title if method else entry.method
        standings.append(Standing(entry.position, title, entry.method, TIERS[entry.tier], sentences.why(entry), srg))
    return Summary(
        headline=sentences.headline(report),
        sentences=sentences.together(
            [
                sentences.audited(report),
                sentences.surrogate(report),
                sentences.certainty(report),
                sentences.untested(report),
                sentences.unhealthy(report),
            ]
        ),
        rejections=sentences.rejections(report),
        gate=sentences.gating(report),
        gate_tone=_tone(report),
        facts=_facts(report),
        standings=tuple(standings),
    )


def _tone(report: Report) -> str:
    if not report.gate.configured:
        return "quiet"
    return {"PASS": "good", "FAIL": "bad", "ERROR": "bad"}.get(report.gate.status, "warn")


def _facts(report: Report) -> tuple[Fact, ...]:
    skipped = len(report.data.skipped)
    return (
        Fact("Model", code(report.model.file, f"sha256 {report.model.sha256[:12]}…")),
        Fact("Images", text(count(report.data.count), f"{count(skipped)} skipped")),
        Fact("Parity", status(report.parity.status, _doubt(report))),
        *_checks(report),
        Fact("Date", text(moment(report.run.finished))),
        Fact("Tool", text(f"{report.tool.name} {report.tool.version}", f"budget {report.run.budget}")),
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
