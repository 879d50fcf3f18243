"""`geoaudit gate`: the verdict on a stored report, without the audit."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoaudit.command import pinned
from geoaudit.commands.outputs import check_outputs, output_options, write_outputs
from geoaudit.errors import UsageError

if TYPE_CHECKING:
    from geoaudit.audit.result import Report
    from geoaudit.gate.verdict import Verdict


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", required=True, help="The policy, TOML.")
@click.option("--as-of", metavar="DATE", help="Judge as of this day, such as 2027-01-31; today (UTC) by default.")
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="What goes to stdout: for people, or for programs.",
)  # fmt: skip
@output_options
@click.pass_context
def gate(
    ctx: click.Context,
    /,
    report: Path,
    policy: Path,
    as_of: str | None,
    plugins: str | None,
    format_: str,
    **outputs: Any,
) -> None:
    """Judge REPORT (report.json or its folder) by a policy; the report itself stays as it is.

    The exit code is 0 if the policy passes, 1 if it fails, and 3 if the audit was not completed and the policy does
    not accept that.
    """
    from geoaudit.commands.stored import folder_of
    from geoaudit.gate import judged, load_policy, today
    from geoaudit_reports import JSON_NAME, json_report

    check_outputs(outputs)
    day = today() if as_of is None else _day(as_of)
    asked = load_policy(policy, pinned(plugins))
    stored = folder_of(report) / JSON_NAME
    told = judged(json_report.load(stored), asked, day)
    write_outputs(outputs, told)
    if format_ == "json":
        click.echo(_document(told, stored).model_dump_json(indent=2, by_alias=True))
    else:
        _show(told, as_of)
    ctx.exit(told.exit_code)


def _day(text: str) -> datetime.date:
    """The day of --as-of.

    Raises:
        UsageError: it is none.
    """
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}", "is no day", "Write it as YEAR-MONTH-DAY: 2027-01-31.") from None


def _document(judged: Report, stored: Path) -> Verdict:
    from geoaudit.audit.result import NamedFile
    from geoaudit.gate.verdict import verdict_of
    from geoaudit_reports.checksums import digest

    return verdict_of(judged, NamedFile(file=stored.name, sha256=digest(stored)))


def _show(judged: Report, as_of: str | None) -> None:
    """The results and the verdict on stdout."""
    from geoaudit.gate_view import table
    from geoaudit.terminal import console

    out = console(data=True)
    for part in table(judged, as_of=as_of is not None):
        out.print(part)
