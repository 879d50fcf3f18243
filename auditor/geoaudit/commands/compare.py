"""`geoaudit compare`: two stored reports side by side."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoaudit.command import pinned
from geoaudit.errors import UsageError

if TYPE_CHECKING:
    from geoaudit.audit.observer import Observer
    from geoaudit.compare import Comparison, Side
    from geoaudit.gate import Policy


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "-o", "--folder", type=click.Path(path_type=Path, file_okay=False), default="geoaudit-comparison",
    show_default=True, metavar="DIR", help="Where comparison.html and comparison.json go.",
)  # fmt: skip
@click.option(
    "--policy", type=click.Path(path_type=Path), metavar="FILE",
    help="A policy with a table [compare]; it decides over exit code 0 or 1.",
)  # fmt: skip
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="table: the path on stdout, a table on stderr; json: comparison.json on stdout.",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Errors and warnings only.")
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    first: Path,
    second: Path,
    folder: Path,
    policy: Path | None,
    plugins: str | None,
    format_: str,
    quiet: bool,
) -> None:
    """Say what changed from report A to report B, with intervals: two models, two versions, float and quantised.

    A and B are report.json files or their folders.  Images are paired by their bytes; maps are compared where both
    folders have maps.npz.  The exit code is 1 only if a policy is given and not met.
    """
    from geoaudit.compare_view import parts
    from geoaudit.progress import Talk
    from geoaudit.terminal import console
    from geoaudit_reports import comparison

    asked = _policy(policy, pinned(plugins)) if policy is not None else None
    talk = console()
    with Talk(talk, quiet=quiet) as tell:
        found = _compared(first, second, tell, asked)
    page = comparison.write_comparison(found, folder)
    if not quiet:
        for part in parts(found):
            talk.print(part)
    click.echo(comparison.dumps(found) if format_ == "json" else str(page), nl=format_ != "json")
    ctx.exit(found.exit_code)


def _policy(path: Path, plugins: tuple[str, ...] | None) -> Policy:
    """The policy, read before anything slow happens.

    Raises:
        UsageError: it cannot be read, or asks nothing of comparisons.
    """
    from geoaudit.gate import load_policy
    from geoaudit.gate.comparing import require_compare_rules
    from geoaudit.registry import load

    policy = load_policy(path, plugins)
    require_compare_rules(policy, load(plugins))
    return policy


def _compared(first: Path, second: Path, tell: Observer, policy: Policy | None) -> Comparison:
    from geoaudit.compare import compare
    from geoaudit.gate import today
    from geoaudit.gate.comparing import judged_comparison

    with ExitStack() as open_maps:
        a, b = (_side(path, open_maps) for path in (first, second))
        if a.sha256 == b.sha256:
            raise UsageError(f"{first} and {second}", "are the same report", "Name two reports.")
        found = compare(a, b, tell)
    return found if policy is None else judged_comparison(found, policy, today())


def _side(path: Path, open_maps: ExitStack) -> Side:
    """A report with the maps beside it.

    Raises:
        UsageError: it is no report, or the maps are damaged or not those of the report.
    """
    from geoaudit.audit.result import NamedFile
    from geoaudit.commands.stored import folder_of
    from geoaudit.compare import Side
    from geoaudit_reports import JSON_NAME, MAPS_NAME, json_report
    from geoaudit_reports.checksums import digest
    from geoaudit_reports.maps import MapStore

    folder = folder_of(path)
    report = json_report.load(folder / JSON_NAME)
    file, sha256 = str(path), digest(folder / JSON_NAME)
    maps = folder / MAPS_NAME
    if not maps.exists():
        return Side(report, file, sha256)
    named = NamedFile(file=MAPS_NAME, sha256=digest(maps))
    if report.maps is not None and report.maps.sha256 != named.sha256:
        raise UsageError(
            str(maps), "is not the file of maps that the report names: its digest differs",
            "Restore the file, or remove it to compare without maps.",
        )  # fmt: skip
    return Side(report, file, sha256, open_maps.enter_context(MapStore(maps)), named)
