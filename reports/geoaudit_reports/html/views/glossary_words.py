"""The glossary as it is shown: every word, and for metrics why they apply to this audit or do not."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html.formats import count
from geoaudit_reports.html.glossary import GROUPS, Entry
from geoaudit_reports.html.sentences import sentence, several
from geoaudit_reports.html.words import METRICS


@dataclass(frozen=True)
class Word:
    """A word; `here`: what became of it in this audit."""

    entry: Entry
    here: str


@dataclass(frozen=True)
class Group:
    """Words about one thing."""

    title: str
    anchor: str
    words: tuple[Word, ...]


def build(report: Report) -> tuple[Group, ...]:
    """Every word, with what `report` says of the metrics."""
    return tuple(
        Group(title, f"glossary-{title.lower().replace(' ', '-')}",
              tuple(Word(e, _here(report, e.id) if e.id in METRICS else "") for e in entries))
        for title, entries in GROUPS
    )  # fmt: skip


def _here(report: Report, metric: str) -> str:
    """Why the metric applies to this audit, or does not."""
    scores = [m.scores[metric] for m in report.methods if metric in m.scores and m.kind == "method"]
    if not scores:
        return "not measured; the options say which metrics were asked for."
    usable = sum(s.mean is not None for s in scores)
    told = f"has a value for {count(usable)} of {several(len(scores), 'method')}"
    health = next((h for h in report.metric_health if h.metric == metric), None)
    if health is None:
        return sentence(f"{told}; no test by inverted maps is recorded", False)
    verdict = {
        Status.PASS: "it passed its test on this model",
        Status.FAIL: "it failed its test on this model, so nothing rests on it",
        Status.ERROR: "its test broke, so nothing rests on it",
        Status.SKIP: "inverted maps do not test it",
    }.get(health.status, f"its test on this model came out {health.status}")
    return sentence(f"{told}; {verdict}: {health.reason}", False)
