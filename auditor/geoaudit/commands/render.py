"""`geoaudit render`: every format again, from a stored report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geoaudit.commands.outputs import check_outputs, output_options, write_outputs


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@output_options
def render(report: Path, **options: Any) -> None:
    """Write report.html again from REPORT (report.json or its folder) and the maps beside it."""
    from geoaudit.commands.stored import folder_of
    from geoaudit_reports import JSON_NAME, json_report, render_folder

    check_outputs(options)
    folder = folder_of(report)
    page = render_folder(folder)
    write_outputs(options, json_report.load(folder / JSON_NAME))
    click.echo(str(page))
