"""`geoaudit policy`: drafting a policy from a report, and saying what a policy asks."""

from __future__ import annotations

from pathlib import Path

import click

from geoaudit.command import pinned
from geoaudit.errors import UsageError

_PLUGINS = click.option(
    "--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package."
)


@click.group()
def policy() -> None:
    """Write and check policies: TOML files that say what an audit must show."""


@policy.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--method", metavar="ID", help="The method whose maps are shown to people; default: the first ranked.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Default: stdout."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@_PLUGINS
def init(report: Path, method: str | None, output: Path | None, force: bool, plugins: str | None) -> None:
    """Draft a commented policy from REPORT (report.json or its folder).

    It asks that nothing gets worse than it is in that report, and its head says what it comes to there.
    """
    from geoaudit.commands.stored import folder_of
    from geoaudit.gate import today
    from geoaudit.gate.draft import drafted
    from geoaudit_reports import JSON_NAME, json_report
    from geoaudit_reports.files import write_atomically

    if output is not None and output.exists() and not force:
        raise UsageError(f"--output {output}", "exists", "Name another file, or replace it with --force.")
    source = folder_of(report) / JSON_NAME
    if output is not None and output.exists() and output.samefile(source):
        raise UsageError(f"--output {output}", "is the report itself", "Name another file.")
    text = drafted(json_report.load(source), method, today(), pinned(plugins))
    if output is None:
        click.echo(text, nl=False)
        return
    write_atomically(output, text)
    click.echo(str(output))


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@_PLUGINS
def check(file: Path, plugins: str | None) -> None:
    """Check FILE and say what it asks, one line a rule."""
    from geoaudit.gate import load_policy
    from geoaudit.gate.telling import explain
    from geoaudit.gate.toml_text import plain
    from geoaudit.terminal import console

    asked = load_policy(file, pinned(plugins))
    for name, demand in explain(asked):
        click.echo(f"{name}: {demand}")
    told = (f"title: {asked.title or 'none'}", f"owner: {asked.owner or 'none'}", f"sha256: {asked.sha256}")
    console().print(plain(f"{file} is a valid policy; {'; '.join(told)}"))
