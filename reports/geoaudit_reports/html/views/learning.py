"""What methods learned from: the calibration set."""

from __future__ import annotations

from geoaudit.audit.result import Report
from geoaudit_reports.html.cells import Column, Fact, Table, code, rows, text
from geoaudit_reports.html.formats import count, listing
from geoaudit_reports.html.sentences import sentence


def facts(report: Report) -> tuple[Fact, ...]:
    """Which pictures, how many, and who learned from them; empty in reports that do not say."""
    found = report.data.calibration
    if found is None:
        return ()
    users = [m.id for m in report.methods if "needs-calibration-set" in m.flags and m.status == "ok"]
    thinned = f"spread evenly over {count(found.available)}" if found.available > found.count else ""
    return (
        Fact("From", text(found.source)),
        Fact("Pictures", text(count(found.count), thinned)),
        Fact("Audited as well", text(f"{count(found.audited)} of {count(found.count)}")),
        Fact("Manifest sha256", code(found.manifest_sha256)),
        Fact("Used by", text(listing(sorted(users)) or "no method of this audit")),
    )


def skipped(report: Report) -> Table | None:
    """Which files were left out of it; None if none was."""
    found = report.data.calibration
    if found is None or not found.skipped:
        return None
    cells = [(code(s.file), text(sentence(s.reason))) for s in found.skipped]
    return Table("Pictures that methods did not learn from", (Column("File"), Column("Reason")), rows(cells))
