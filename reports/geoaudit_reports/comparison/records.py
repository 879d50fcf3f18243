"""The tables of what the comparison rests on: checks, settings, models, images, policy, sources."""

from __future__ import annotations

from collections.abc import Sequence

from geoaudit.api import Status
from geoaudit.compare.result import CheckChange, Comparison, Difference
from geoaudit_reports.comparison.tables import two
from geoaudit_reports.comparison.verdicts import VERDICTS
from geoaudit_reports.html.cells import (
    BADGES,
    RULINGS,
    Cell,
    Column,
    Table,
    badge,
    code,
    head,
    interval,
    number,
    rows,
    text,
)
from geoaudit_reports.html.formats import DASH, setting, share

_LOUD = ("worse", "only in A", "undecided", "better", "only in B", "same")


def checks(found: Sequence[CheckChange]) -> Table:
    """Findings of both reports; what came out worse first."""
    ordered = sorted(found, key=lambda c: _LOUD.index(c.change))
    body = [
        (
            head(c.title, c.id), text(c.method or "the model"), badge(VERDICTS[c.change]),
            _status(c.status_a, c.reason_a), _status(c.status_b, c.reason_b),
            interval(c.difference, c.ci_low, c.ci_high, two, "no number in both"),
        )
        for c in ordered
    ]  # fmt: skip
    columns = (
        Column("Check"), Column("Of"), Column("Change"), Column("A"), Column("B"), Column("Estimate, B − A", True),
    )  # fmt: skip
    caption = "Intervals of differences are made of both reports' own, as if these were independent."
    return Table(caption, columns, rows(body), "No finding is of this kind.")


def _status(value: Status | None, reason: str) -> Cell:
    return Cell(DASH, "not run") if value is None else badge(BADGES[value], reason)


def settings(found: Comparison) -> Table:
    """Settings that differ."""
    body = [
        (head(s.name), _value(s.a), _value(s.b), text("may change scores" if s.matters else "rounding at most"))
        for s in found.settings
    ]
    columns = (Column("Setting"), Column("A"), Column("B"), Column("Effect"))
    return Table("What was set differently", columns, rows(body), "Everything recorded was set alike.")


def model(differences: Sequence[Difference]) -> Table:
    """Facts about the files that differ."""
    body = [(head(d.name), _value(d.a), _value(d.b), text(d.note)) for d in differences]
    columns = (Column("Fact"), Column("A"), Column("B"), Column("Note"))
    return Table("What differs between the model files", columns, rows(body), "The files are the same, byte for byte.")


def _value(value: object) -> Cell:
    return Cell(setting(value), kind="code")


def images(found: Comparison) -> Table:
    """The pairs."""
    body = [
        (
            head(p.image_a, p.image_b if p.image_b != p.image_a else ""),
            text(p.name_a or f"class {p.target_a}"), number(p.probability_a, share),
            text(p.name_b or f"class {p.target_b}"), number(p.probability_b, share),
            badge(VERDICTS["same"] if p.same_target else VERDICTS["different"]),
        )
        for p in found.pairing.pairs
    ]  # fmt: skip
    columns = (
        Column("Image"), Column("Explained in A"), Column("Probability A", True), Column("Explained in B"),
        Column("Probability B", True), Column("Class"),
    )  # fmt: skip
    return Table("Images that both reports have, by their bytes", columns, rows(body), "No image is in both reports.")


def unpaired(found: Comparison) -> Table:
    """Images and methods without a counterpart."""
    body = [(head(i), text("image"), text("only in A")) for i in found.pairing.only_a]
    body += [(head(i), text("image"), text("only in B")) for i in found.pairing.only_b]
    body += [(head(m.id), text("method"), text(m.reason)) for m in found.absent]
    columns = (Column("Name"), Column("Kind"), Column("Why"))
    return Table("What could not be compared", columns, rows(body), "Nothing was left out.")


def policy(found: Comparison) -> Table:
    """The rules of the policy."""
    body = [
        (badge(RULINGS[r.status]), Cell(r.rule, r.id, r.rule, "head"), text(r.found), text(r.reason))
        for r in sorted(found.gate.results, key=lambda r: ("FAIL", "WAIVED", "WARN", "PASS").index(r.status))
    ]
    columns = (Column("Status"), Column("Asked"), Column("Found"), Column("Reason"))
    return Table("Every rule of the policy's table [compare]", columns, rows(body), "No policy was given.")


def sources(found: Comparison) -> Table:
    """Where both sides come from."""
    a, b = found.a, found.b
    facts = (
        ("Report", code(a.file), code(b.file)),
        ("sha256 of report.json", code(a.sha256), code(b.sha256)),
        ("Model", code(a.model.file), code(b.model.file)),
        ("sha256 of the model", code(a.model.sha256), code(b.model.sha256)),
        ("Audit began", text(a.started), text(b.started)),
        ("Written by", text(f"{a.tool.name} {a.tool.version}"), text(f"{b.tool.name} {b.tool.version}")),
        ("Images", text(str(a.images)), text(str(b.images))),
        ("Ranking", text(a.ranking), text(b.ranking)),
        ("Parity", _status(a.parity.status, a.parity.reason), _status(b.parity.status, b.parity.reason)),
        (
            "sha256 of the maps", code(a.maps.sha256) if a.maps else text("no maps"),
            code(b.maps.sha256) if b.maps else text("no maps"),
        ),
    )  # fmt: skip
    columns = (Column(""), Column("A"), Column("B"))
    return Table("The two reports", columns, rows([(head(name), x, y) for name, x, y in facts]))
