"""`geoaudit cache`: what is kept between runs, in the user's cache folder and of a run that was interrupted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoaudit.caches import memory_file
from geoaudit.errors import OutputError
from geoaudit.memory import shown
from geoaudit.words import counted

if TYPE_CHECKING:
    from geoaudit.audit.store.standing import Standing

_FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), default="geoaudit-report", show_default=True, metavar="DIR",
    help="Report folder of the interrupted run.",
)  # fmt: skip


@click.group()
def cache() -> None:
    """Show or remove what is kept between runs.

    Two things are: which gradient engine was fastest for each model on this machine, in the user's cache folder; and
    what an interrupted run has finished, in its report folder, where the same command goes on.
    """


@cache.command()
@_FOLDER
@click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="For people, or for programs.",
)  # fmt: skip
def info(folder: Path, format_: str) -> None:
    """Say what is kept, and what would go on with it."""
    from geoaudit.audit.store.standing import standing

    file, models = _engines()
    size = file.stat().st_size if models is not None else 0
    found = standing(folder)
    if format_ == "json":
        engines = {"file": str(file), "models": models or 0, "bytes": size}
        click.echo(json.dumps({"engines": engines, "store": None if found is None else asdict(found)}, indent=2))
        return
    click.echo(f"Gradient engines: {file}: {_remembered(models, size)}")
    click.echo(f"Unfinished run:   {folder}: {'none' if found is None else _told(found)}")
    if found is not None and found.command is not None:
        click.echo(f"Goes on with:     {found.command}")


@cache.command()
@_FOLDER
@click.option("--engines", is_flag=True, help="Only what is remembered of gradient engines.")
@click.option("--store", is_flag=True, help="Only what the interrupted run has finished.")
def clear(folder: Path, *, engines: bool, store: bool) -> None:
    """Remove what is kept: both, or one.  A finished report is never touched."""
    from geoaudit.audit.store.standing import clear as clear_store

    both, removed = engines == store, False
    if engines or both:
        file, models = _engines()
        if models is not None:
            _remove(file)
            removed = True
            click.echo(f"Removed {file}: {counted(models, 'choice')} of a gradient engine.")
    if store or both:
        size = clear_store(folder)
        if size is not None:
            removed = True
            click.echo(f"Removed what was kept of an unfinished run in {folder}: {_size(size)}.")
    if not removed:
        click.echo("There was nothing to remove.")


def _engines() -> tuple[Path, int | None]:
    """Where choices of engines are remembered, and how many; None where there is no such file."""
    file = memory_file()
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return file, None
    except (OSError, ValueError):  # it is not used either
        return file, 0
    return file, len(found) if isinstance(found, dict) else 0


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(str(file), f"cannot be removed ({error.strerror or error})", "See its permissions.") from None


def _remembered(models: int | None, size: int) -> str:
    return "none remembered" if models is None else f"{counted(models, 'choice')} remembered, {_size(size)}"


def _told(found: Standing) -> str:
    """A run's standing in one line."""
    if found.state == "running":
        return f"a run is going on, {_size(found.bytes)} so far"
    if found.state == "unusable":
        return f"store.sqlite cannot be used by this version of geoaudit, {_size(found.bytes)}"
    of = "" if found.of is None else f" of {found.of:,}"
    noun = "unit" if found.units == 1 and found.of is None else "units"
    return f"{found.model}, begun {found.started}, {found.units or 0:,}{of} {noun} of work done, {_size(found.bytes)}"


def _size(size: int) -> str:
    return f"{-(-size // 1024)} KiB" if size < 2**20 else shown(size)
