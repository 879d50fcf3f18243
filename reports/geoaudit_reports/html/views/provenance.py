"""Where the report is from, and how somebody else can check it."""

from __future__ import annotations

import hashlib
import shlex

from geoaudit.audit.result import Report
from geoaudit_reports import CHECKSUMS_NAME, JSON_NAME, json_report
from geoaudit_reports.html.cells import Cell, Column, Fact, Table, code, number, rows, text
from geoaudit_reports.html.formats import DASH, duration, moment

_SCHEMA = "geoaudit_reports/schema/report-v1.json"


def digest(report: Report) -> str:
    """The sha256 of report.json as it is written of `report`, lower-case hex."""
    return hashlib.sha256(json_report.dumps(report).encode("utf-8")).hexdigest()


def run(report: Report) -> tuple[Fact, ...]:
    """When, where and by what."""
    found = report.run
    host = [Fact(f"host {name}", text(value)) for name, value in sorted(found.host.items())]
    announced = number(found.estimate_seconds, duration, "no estimate was announced")
    return (
        Fact("Command", code(" ".join(found.command))),
        Fact("Tool", text(f"{report.tool.name} {report.tool.version}")),
        Fact("Started", text(moment(found.started))),
        Fact("Finished", text(moment(found.finished))),
        Fact("Took", text(duration(found.seconds))),
        Fact("Announced beforehand", announced),
        Fact("Seed", code(str(found.seed))),
        Fact("Budget", text(found.budget)),
        Fact("Device", text(found.device)),
        Fact("Exit code", code(str(report.exit_code), _EXITS.get(report.exit_code, ""))),
        *host,
    )


_EXITS = {
    0: "done; the policy passed, or there was none",
    1: "the policy was not met",
    3: "some part of the audit could not be completed",
}


def digests(report: Report) -> tuple[Fact, ...]:
    """The sha256 of everything that went in and came out."""
    calibration = report.data.calibration
    learned = [Fact("Pictures to learn from, manifest", code(calibration.manifest_sha256))] if calibration else []
    coders = report.model.autoencoder
    coded = [Fact(f.file, code(f.sha256)) for f in (coders.encoder, coders.decoder)] if coders else []
    policy = [Fact(report.gate.policy or "Policy", code(report.gate.sha256))] if report.gate.sha256 else []
    return (
        Fact(report.model.file, code(report.model.sha256, "the model file")),
        Fact("Images, manifest", code(report.data.manifest_sha256, "sha256 of the sorted lines “<sha256>  <id>”")),
        *learned,
        *coded,
        *policy,
        Fact(report.maps.file if report.maps else "maps.npz", _maps(report)),
        Fact(JSON_NAME, _json(report)),
    )


def _maps(report: Report) -> Cell:
    if report.maps is None:
        return Cell(DASH, f"not recorded by the version that made this report; {CHECKSUMS_NAME} may have it")
    return code(report.maps.sha256, "every map that was scored")


def _json(report: Report) -> Cell:
    if report.maps is None:
        return Cell(DASH, f"written by an earlier version, whose file may differ in form; {CHECKSUMS_NAME} may have it")
    return code(digest(report), "the numbers that this page is made from, and nothing else")


def checking(report: Report) -> tuple[Fact, ...]:
    """What to type, and what it shows."""
    model = shlex.quote(report.model.file)
    policy = shlex.quote(report.gate.policy) if report.gate.policy else "POLICY"
    return (
        Fact("Nothing was changed since", code(f"sha256sum --check {CHECKSUMS_NAME}", "in the folder of the report")),
        Fact(
            "The numbers come out again",
            code(
                f"geoaudit verify {JSON_NAME} {model} IMAGES",
                "compares the digests of model, images, maps and report, then measures a sample again, or everything "
                "with --all; with --expect and the report's digest from a signed copy, a rewritten report is found out "
                "too. IMAGES is the folder of the audited images",
            ),
        ),
        Fact(
            "The policy's verdict" if report.gate.configured else "A policy's verdict",
            code(f"geoaudit gate {JSON_NAME} --policy {policy}", "without measuring anything again"),
        ),
        Fact("This page", code(f"geoaudit render {JSON_NAME}", "from report.json and maps.npz; the same bytes again")),
        Fact("The form of report.json", code(_SCHEMA, "JSON Schema 2020-12, in the installed package")),
    )


def gate_commands() -> tuple[Fact, ...]:
    """How a stored report is gated."""
    return (
        Fact("Draft a policy", code(f"geoaudit policy init {JSON_NAME}")),
        Fact("Judge this report", code(f"geoaudit gate {JSON_NAME} --policy POLICY")),
    )


DETERMINISM = (
    "The same model, images, options and seed give the same report.json on the same machine and versions, byte for "
    "byte but for times and durations. On another processor the last digits may differ; “geoaudit verify” says by how "
    "much they may."
)


def packages(report: Report) -> Table:
    """Versions of what was used."""
    cells = [(code(name), code(version)) for name, version in sorted(report.run.packages.items())]
    return Table("Packages", (Column("Package"), Column("Version")), rows(cells), "No versions were recorded.")
