"""An audit from its settings to the exit code: run, judge, write, and say where the report is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoaudit.command import preset_environment
from geoaudit.commands.outputs import check_outputs, write_outputs

if TYPE_CHECKING:
    from rich.console import Console

    from geoaudit.audit.result import Report
    from geoaudit.audit.settings import Settings
    from geoaudit.gate import Policy


def run(settings: Settings, options: dict[str, Any]) -> int:
    """Audit, write the report and what else was asked for; returns the exit code.

    Raises:
        GeoauditError: the audit could not be completed, or its report not written.
    """
    preset_environment(options["verbose"])
    check_outputs(options)
    policy = _policy(options["policy"], settings)
    if policy is not None:
        from geoaudit.gate.needs import fed

        settings = fed(settings, policy)
    from geoaudit.audit.execute import run_audit
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.store.store import Store
    from geoaudit.progress import Talk
    from geoaudit.terminal import closing, console, summary
    from geoaudit_reports import write_report

    talk = console()
    folder, resume = options["folder"], options["resume"]
    with (
        _terminable(),
        Talk(talk, quiet=options["quiet"]) as tell,
        Store(folder, tell, resume=resume) as store,
        MapWriter(folder) as maps,
    ):
        report = run_audit(settings, maps, tell, thumbnails=not options["no_images"], store=store)
        tell.stage("writing the report", 1)
        report = _complete(report, maps.keep(), policy)
        page = write_report(report, folder)
    write_outputs(options, report)
    if not options["quiet"]:
        talk.print(summary(report))
        talk.print(closing(report), markup=False)
    _tell_failures(report, talk)
    _print_data(report, page, options["format_"])
    return report.exit_code


@contextmanager
def _terminable() -> Iterator[None]:
    """Within this context a request to terminate ends the run like an interruption by the user: in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _policy(path: Path | None, settings: Settings) -> Policy | None:
    """The policy, read before anything slow happens.

    Raises:
        UsageError: it cannot be read, asks for what does not exist, or asks nothing of an audit.
    """
    if path is None:
        return None
    from geoaudit.gate import load_policy, require_audit_rules

    policy = load_policy(path, settings.plugins)
    require_audit_rules(policy)
    return policy


def _complete(report: Report, maps: Path, policy: Policy | None) -> Report:
    """The report with what is known only now: the digest of the maps, and the policy's verdict."""
    from geoaudit.audit.result import NamedFile
    from geoaudit_reports.checksums import digest

    report = report.model_copy(update={"maps": NamedFile(file=maps.name, sha256=digest(maps))})
    if policy is None:
        return report
    from geoaudit.gate import judged, today

    return judged(report, policy, today())


def _tell_failures(report: Report, talk: Console) -> None:
    """What the policy asks and the report does not meet: said even when quiet, for it decides the exit code."""
    from geoaudit.gate.telling import gate_lines

    for line in gate_lines(report):
        talk.print(line, markup=False)


def _print_data(report: Report, page: Path, form: str) -> None:
    from geoaudit_reports import json_report

    click.echo(json_report.dumps(report) if form == "json" else str(page), nl=form != "json")
