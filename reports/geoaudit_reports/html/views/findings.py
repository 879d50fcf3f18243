"""Checks, metric health, calibration, gate, parity, and images without a score."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html.cells import Column, Fact, Table, code, interval, number, rows, status, text
from geoaudit_reports.html.formats import count, percent, setting, share, significant
from geoaudit_reports.html.words import METRICS


def checks(report: Report) -> Table:
    """Every check's finding."""
    cells = [
        (
            code(c.id), code(c.method) if c.method else text("the model"), status(c.status),
            interval(c.estimate, c.ci_low, c.ci_high, significant, "gives no number")
            if c.ci_low is not None
            else number(c.estimate, significant, "gives no number"),
            number(c.threshold, significant, "has no threshold"),
            text(c.reason, "; ".join(f"{k}: {setting(v)}" for k, v in sorted(c.details.items()))),
        )
        for c in report.checks
    ]  # fmt: skip
    columns = (
        Column("Check"), Column("Of"), Column("Status"), Column("Estimate", True), Column("Threshold", True),
        Column("Finding"),
    )  # fmt: skip
    return Table("Sanity checks", columns, rows(cells), "No checks were run.")


def health(report: Report) -> Table:
    """Whether each metric can be believed on this model."""
    cells = [(text(METRICS.get(h.metric, h.metric)), status(h.status), text(h.reason)) for h in report.metric_health]
    caption = "A healthy metric puts inverted maps below random ones"
    return Table(caption, (Column("Metric"), Column("Status"), Column("Reason")), rows(cells), "Not examined.")


def calibration(report: Report) -> Table:
    """Closed-form cases through the same integrator."""
    cells = [
        (code(c.case), status(c.status), text(_numbers(c.expected)), text(_numbers(c.measured)))
        for c in report.calibration
    ]
    columns = (Column("Case"), Column("Status"), Column("Expected"), Column("Measured"))
    caption = "Models with known answers, run through the same code in this audit"
    return Table(caption, columns, rows(cells), "No closed-form case was run.")


def _numbers(values: dict[str, float | list[float]]) -> str:
    parts = []
    for name, value in sorted(values.items()):
        items = value if isinstance(value, list) else [value]
        parts.append(f"{name} = {', '.join(significant(item) for item in items)}")
    return "; ".join(parts)


def gate(report: Report) -> Table:
    """The policy's rules and what they found."""
    keys = sorted({key for result in report.gate.results for key in result})
    cells = [[text(setting(result.get(key))) for key in keys] for result in report.gate.results]
    columns = tuple(Column(key.replace("_", " ")) for key in keys)
    return Table("The policy's rules", columns, rows(cells), "No rule was applied: no policy was configured.")


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


def unscored(report: Report) -> Table:
    """Per-image results other than PASS, grouped: nothing is dropped in silence."""
    groups: dict[tuple[str, Status, str], list[str]] = {}
    for row in report.per_image:
        if row.status is not Status.PASS:
            key = (row.method, row.status, row.reason or "no reason was recorded")
            groups.setdefault(key, []).append(row.image)
    cells = [
        (code(method), status(verdict), text(reason), number(len(images), count), text(_some(images)))
        for (method, verdict, reason), images in sorted(groups.items())
    ]
    columns = (Column("Method"), Column("Status"), Column("Reason"), Column("Images", True), Column("Which"))
    caption = "Per-image results that are not PASS"
    return Table(caption, columns, rows(cells), "Every method has every score on every image.")


def _some(images: list[str]) -> str:
    rest = len(images) - 5
    return ", ".join(sorted(images)[:5]) + (f" and {rest} more" if rest > 0 else "")


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
