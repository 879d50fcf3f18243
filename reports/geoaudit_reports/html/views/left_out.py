"""Everything that was left out, and why: files, methods, metrics, checks, scores."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, Report
from geoaudit_reports.html.cells import Cell, Column, Table, code, number, rows, status, text
from geoaudit_reports.html.formats import count, listing
from geoaudit_reports.html.sentences import sentence, several
from geoaudit_reports.html.views import learning
from geoaudit_reports.html.views.checks import title_of
from geoaudit_reports.html.words import METRICS, is_inverted

_SHOWN = 5


@dataclass(frozen=True)
class LeftOut:
    """What the section shows.

    Attributes:
        told: how much of each kind, in a sentence.
        files, methods, metrics, checks, images, scores: one table a kind.
        learned: pictures that methods did not learn from; None if none was left out.
        budget: checks that the budget did not pay for, as announced; empty if none.
    """

    told: str
    files: Table
    learned: Table | None
    methods: Table
    metrics: Table
    checks: Table
    budget: tuple[str, ...]
    images: Table
    scores: Table


def build(report: Report) -> LeftOut:
    """Everything that `report` leaves out."""
    checks, metrics = _checks(report), _metrics(report)
    return LeftOut(
        _told(report, len(metrics.rows)),
        _files(report),
        learning.skipped(report),
        _methods(report),
        metrics,
        checks,
        tuple(sentence(line) for line in report.run.spending if line.startswith("Checks left out")),
        unscored(report),
        _scores(report),
    )


def _told(report: Report, metrics: int) -> str:
    controls = {m.id for m in report.methods if m.kind == "control"}
    checks = len({c.id for c in report.checks if _unanswered(c, controls)})
    idle = sum(m.kind == "method" and m.status != "ok" for m in report.methods)
    parts = [
        several(number_, thing)
        for number_, thing in (
            (len(report.data.skipped), "file"), (idle, "method"), (metrics, "metric"), (checks, "check"),
        )
        if number_
    ]  # fmt: skip
    if not parts:
        return "No file, method, metric or check."
    return sentence(f"{listing(parts)}, wholly or in part; each with its reason")


def _files(report: Report) -> Table:
    cells = [(code(s.file), text(sentence(s.reason))) for s in report.data.skipped]
    return Table("Files in the image folder", (Column("File"), Column("Reason")), rows(cells), "No file was skipped.")


def _methods(report: Report) -> Table:
    cells = [
        (
            Cell(m.title, m.id, m.id, "head", link=f"#method-{m.id}"),
            text("broke" if m.status == "error" else "not applicable"),
            text(sentence(m.reason or "no reason was recorded")),
        )
        for m in report.methods
        if m.status != "ok" and not is_inverted(m.id)
    ]
    columns = (Column("Method or control"), Column("What became of it"), Column("Reason"))
    return Table("Methods and controls without maps", columns, rows(cells), "Every method gave maps.")


def _metrics(report: Report) -> Table:
    cells = [
        (_metric(h.metric), status(h.status), text(sentence(h.reason)))
        for h in report.metric_health
        if h.status in (Status.FAIL, Status.ERROR)
    ]
    columns = (Column("Metric"), Column("Health"), Column("Reason"))
    caption = "Metrics taken out: scored and shown, but nothing rests on them"
    return Table(caption, columns, rows(cells), "No metric was taken out.")


def _metric(name: str) -> Cell:
    return Cell(METRICS.get(name, name), sort=name, kind="head", link=f"#glossary-{name}" if name in METRICS else "")


def _unanswered(c: CheckResult, controls: set[str]) -> bool:
    return c.status is Status.ERROR or (c.status is Status.SKIP and c.method not in controls)


def _checks(report: Report) -> Table:
    """Checks without an answer, by check, status and reason; of controls only those that broke."""
    controls = {m.id for m in report.methods if m.kind == "control"}
    groups: dict[tuple[str, str, Status, str], list[str]] = {}
    for c in report.checks:
        if _unanswered(c, controls):
            key = (title_of(c), c.id, c.status, c.reason.strip() or "no reason was recorded")
            groups.setdefault(key, []).append(c.method or "the model")
    cells = [
        (Cell(title, name, title, "head"), status(verdict), text(_some(subjects)), text(sentence(reason)))
        for (title, name, verdict, reason), subjects in sorted(groups.items())
    ]
    columns = (Column("Check"), Column("Status"), Column("Of"), Column("Reason"))
    return Table(
        "Checks that were not made, or broke", columns, rows(cells), "Every check that was asked for was made."
    )


def unscored(report: Report) -> Table:
    """Per-image results other than PASS, grouped: nothing is dropped in silence."""
    groups: dict[tuple[str, Status, str], list[str]] = {}
    for row in report.per_image:
        if row.status is not Status.PASS:
            key = (row.method, row.status, row.reason or "no reason was recorded")
            groups.setdefault(key, []).append(row.image)
    cells = [
        (code(method), status(verdict), text(sentence(reason)), number(len(images), count), text(_some(images)))
        for (method, verdict, reason), images in sorted(groups.items())
    ]
    columns = (Column("Method"), Column("Status"), Column("Reason"), Column("Images", True), Column("Which"))
    caption = "Per-image results that are not PASS"
    return Table(caption, columns, rows(cells), "Every per-image result is PASS.")


def _scores(report: Report) -> Table:
    """Scores that are missing, by metric and reason; inverted controls lack what their methods lack."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in report.per_image:
        if not is_inverted(row.method):
            for metric, reason in row.reasons.items():
                groups.setdefault((metric, reason), []).append(row.method)
    cells = [
        (_metric(metric), text(sentence(reason)), number(len(methods), count), text(_some(list(set(methods)))))
        for (metric, reason), methods in sorted(groups.items())
    ]
    columns = (Column("Metric"), Column("Reason"), Column("Scores", True), Column("Of"))
    caption = "Scores of single images that do not exist"
    return Table(caption, columns, rows(cells), "No reason for a missing score was recorded.")


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(sorted(names)[:_SHOWN]) + (f" and {count(rest)} more" if rest > 0 else "")
