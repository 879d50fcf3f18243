"""Metric health, calibration, parity, and where labels came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import CalibrationCase, Report
from geoaudit_reports.html.cells import Cell, Column, Fact, Table, code, number, rows, status, text
from geoaudit_reports.html.formats import count, percent, share, significant
from geoaudit_reports.html.sentences import sentence
from geoaudit_reports.html.words import METRICS


def health(report: Report) -> Table:
    """Whether each metric can be believed on this model."""
    cells = [
        (
            Cell(
                METRICS.get(h.metric, h.metric),
                sort=h.metric,
                link=f"#glossary-{h.metric}" if h.metric in METRICS else "",
            ),
            status(h.status),
            text(sentence(h.reason)),
        )
        for h in report.metric_health
    ]
    caption = "A healthy metric puts inverted maps below the methods' own and below a random one"
    return Table(caption, (Column("Metric"), Column("Status"), Column("Reason")), rows(cells), "Not examined.")


_MOST_NUMBERS = 12
_WALKS = "walks with closed-form integrals"


@dataclass(frozen=True)
class Cases:
    """Closed-form cases about one thing.

    Attributes:
        title: what they are about.
        passed: how many came out right.
        left_out: how many were not run.
        table: all of them.
    """

    title: str
    passed: int
    left_out: int
    table: Table

    @property
    def wrong(self) -> bool:
        """Whether some came out wrong."""
        return self.passed + self.left_out < len(self.table.rows)

    @property
    def told(self) -> str:
        """How they came out, in a few words."""
        ran = len(self.table.rows) - self.left_out
        left = f", {count(self.left_out)} not run" if self.left_out else ""
        return f"{count(self.passed)} of {count(ran)} right{left}"


def calibration(report: Report) -> tuple[Cases, ...]:
    """The cases with known answers: the numbered walks together, the rest by what their names begin with."""
    groups: dict[str, list[CalibrationCase]] = {}
    for case in report.calibration:
        title = _WALKS if re.match(r"T\d+ ", case.case) else re.split("[,:]", case.case, maxsplit=1)[0].strip()
        groups.setdefault(title, []).append(case)
    return tuple(_cases(title, cases) for title, cases in groups.items())


def calibrated(report: Report) -> str:
    """How the calibration came out, in a sentence."""
    ran = [c for c in report.calibration if c.status is not Status.SKIP]
    known, right = len(ran), sum(c.status is Status.PASS for c in ran)
    idle = len(report.calibration) - known
    left = f" {count(idle)} more {'was' if idle == 1 else 'were'} not run; the tables say which." if idle else ""
    if not known:
        return f"No model with known answers was run.{left}"
    cases = "The one case" if known == 1 else f"All {count(known)} cases"
    if right == known:
        return f"{cases} with known answers, run through the same code in this audit, came out right.{left}"
    wrong = f"{count(known - right)} of {count(known)} cases with known answers came out wrong"
    return f"{wrong}: measure nothing by this.{left}"


def _cases(title: str, cases: Sequence[CalibrationCase]) -> Cases:
    cells = [(code(c.case), status(c.status), text(_numbers(c.expected)), text(_numbers(c.measured))) for c in cases]
    columns = (Column("Case"), Column("Status"), Column("Expected"), Column("Measured"))
    passed = sum(c.status is Status.PASS for c in cases)
    left_out = sum(c.status is Status.SKIP for c in cases)
    return Cases(title, passed, left_out, Table(f"Known and measured: {title}", columns, rows(cells)))


def _numbers(values: dict[str, float | list[float]]) -> str:
    parts = []
    for name, value in sorted(values.items()):
        items = value if isinstance(value, list) else [value]
        more = ", …" if len(items) > _MOST_NUMBERS else ""
        parts.append(f"{name} = {', '.join(significant(item) for item in items[:_MOST_NUMBERS])}{more}")
    return "; ".join(parts)


def parity(report: Report) -> tuple[Fact, ...]:
    """The certificate."""
    p = report.parity
    if p.status is Status.SKIP:
        return (Fact("Verdict", status(p.status, p.reason)),)
    first = code(p.first_difference) if p.first_difference else text("none")
    unmeasured = "not measured"
    allowed = "" if p.tolerance is None else f"tolerance {significant(p.tolerance)} of the outputs' range"
    allowed_gradient = "" if p.gradient.tolerance is None else f"tolerance {percent(p.gradient.tolerance)}"
    return (
        Fact("Verdict", status(p.status, p.reason)),
        Fact("Images compared", text(count(p.images))),
        Fact("Largest difference", number(p.max_abs_diff, significant, unmeasured, "in units of the output")),
        Fact("Largest relative difference",
             number(p.max_rel_diff, significant, unmeasured, allowed)),
        Fact("Same predicted class", number(p.top1_agreement, percent, unmeasured)),
        Fact("Gradient error, median",
             number(p.gradient.median_rel_error, percent, unmeasured, allowed_gradient)),
        Fact("Gradient error, worst",
             number(p.gradient.max_rel_error, percent, unmeasured,
                    f"over {p.gradient.directions} directions, finite differences of onnxruntime")),
        Fact("First tensor that differs", first),
    )  # fmt: skip


def accuracy(report: Report) -> tuple[Fact, ...]:
    """Where labels came from."""
    labels = report.data.labels
    why_not = "no image has a true label" if not labels.labelled else "not measured"
    return (
        Fact("Class names", text(labels.names_source or "none: classes are given by number")),
        Fact(
            "Labels",
            text(labels.source or "none", labels.note or f"{count(labels.labelled)} images labelled"),
        ),
        Fact("Top-1 accuracy", number(labels.top1_accuracy, share, why_not)),
    )
