"""The options that write a report in other programs' formats, shared by every command that has a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from geoaudit.errors import UsageError
from geoaudit_reports import CHECKSUMS_NAME, HTML_NAME, JSON_NAME, MAPS_NAME
from geoaudit_reports.outputs import OUTPUTS

if TYPE_CHECKING:
    from geoaudit.audit.result import Report

F = TypeVar("F", bound=Callable[..., Any])
NAMES = (*(output.name for output in OUTPUTS), "github")
"""The options' names; none of them changes what is measured."""
_OWN = {name.casefold() for name in (CHECKSUMS_NAME, HTML_NAME, JSON_NAME, MAPS_NAME)}


def output_options(function: F) -> F:
    """One option a format, and the switch for what GitHub shows."""
    github = click.option(
        "--github/--no-github", default=None,
        help="Step summary and annotations for GitHub Actions; there they are on by default.",
    )  # fmt: skip
    function = github(function)
    for output in reversed(OUTPUTS):
        function = click.option(
            f"--{output.name}", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=output.help
        )(function)
    return function


def check_outputs(options: Mapping[str, Any]) -> None:
    """Before anything slow happens: can the files be written where they are wanted?

    Raises:
        UsageError: a folder is missing, two formats share a file, or the file is one that the command reads, one of
            the report's own, or no file that can be replaced.
    """
    seen: dict[Path, str] = {}
    read = _read(options)
    folder = options.get("folder")
    made = None if folder is None else Path(folder).absolute()  # the report's own folder will be there
    for name, path in _wanted(options).items():
        parent = path.absolute().parent
        if parent != made and not parent.is_dir():
            raise UsageError(f"--{name} {path}", "its folder does not exist", "Make the folder, or name another file.")
        place, reason = path.resolve(), None
        if place in seen:
            reason = f"is the file of --{seen[place]} too"
        elif path.name.casefold() in _OWN:
            reason = "has the name of one of the report's own files"
        elif place in read:
            reason = "is a file that the command reads"
        elif path.exists() and not path.is_file():
            reason = "is no file that can be replaced"
        if reason is not None:
            raise UsageError(f"--{name} {path}", reason, "Name another file.")
        seen[place] = name


def _read(options: Mapping[str, Any]) -> set[Path]:
    """The files that the present command was called with, but for those that it is to write."""
    context = click.get_current_context(silent=True)
    given = {**({} if context is None else context.params), **options}
    values = [one for name, v in given.items() if name not in NAMES for one in (v if isinstance(v, tuple) else (v,))]
    return {value.resolve() for value in values if isinstance(value, Path)}


def write_outputs(options: Mapping[str, Any], report: Report) -> None:
    """Write what the options ask for.

    Raises:
        OutputError: a file cannot be written.
    """
    from geoaudit_reports import outputs

    outputs.write(_wanted(options), report)
    if on_github(options):
        from geoaudit_reports import github

        github.tell(report, os.environ)


def on_github(options: Mapping[str, Any]) -> bool:
    """Whether GitHub Actions is to be told: as asked for, else where it runs."""
    asked = options.get("github")
    return os.environ.get("GITHUB_ACTIONS") == "true" if asked is None else bool(asked)


def _wanted(options: Mapping[str, Any]) -> dict[str, Path]:
    return {output.name: options[output.name] for output in OUTPUTS if options.get(output.name) is not None}
