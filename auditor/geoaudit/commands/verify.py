"""`geoaudit verify`: a stored report held against the files that it is about, and against a re-run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoaudit.command import chosen_options, pinned, plugin_parameters, preset_environment
from geoaudit.errors import UsageError

if TYPE_CHECKING:
    from geoaudit.audit.result import Report
    from geoaudit.verify.stored import Given, Stored, Wanted

_BROUGHT = (
    "skip",
    "labels",
    "baseline",
    "calibration",
    "autoencoder",
    "custom_ops",
    "device",
    "plugins",
    "quiet",
    "verbose",
)
"""The audit's options that name what a report does not hold, or how to run; the rest is in the report."""
_SAMPLE = 8
_TOLERANCE = 1e-3


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help=f"Compute the scores of N pictures again, chosen at random; {_SAMPLE} by default.",
)
@click.option("--all", "all_", is_flag=True, help="Compute everything again: all pictures, checks and the ranking.")
@click.option("--no-rerun", is_flag=True, help="Compute no score again; digests and the report's own numbers only.")
@click.option(
    "--sample-seed", type=click.IntRange(0), metavar="SEED", help="Choose the pictures that this seed chose before."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=_TOLERANCE,
    show_default=True,
    metavar="T",
    help="Largest difference of a score, as a share of max(1, |score|); ten times that share of its mass for a map.",
)
@click.option(
    "--expect",
    metavar="SHA256",
    help="The sha256 that report.json must have, got by another way than the report folder: whoever rewrites a "
    "report can rewrite the digests beside it too.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
@chosen_options(_BROUGHT)
@click.pass_context
def verify(ctx: click.Context, /, report: Path, model: Path, images: Path, **options: Any) -> None:
    """Is REPORT (report.json or its folder) about MODEL and IMAGES, is it unaltered, and do its numbers come out again?

    Compares digests of the report, the model, the pictures and the maps, computes what follows from the report's own
    numbers again, and audits some of the pictures once more.  Everything that differs is named.  Files that the audit
    had besides, such as --labels, are given again.

    Exit codes: 0 nothing differs; 1 something does; 2 wrong usage; 3 the re-run could not be completed.
    """
    preset_environment(options["verbose"])
    wanted = _wanted(options)
    for path in (model, images):
        if not path.exists():
            raise UsageError(str(path), "no such file or folder", "Name the model file, then the picture folder.")
    from geoaudit.progress import Talk
    from geoaudit.terminal import console
    from geoaudit.verify.verification import verify as verified
    from geoaudit.verify_view import show

    stored = _stored(report)
    given = _given(stored.report, model, images, options)
    if stored.report is not None and wanted.sample != 0:
        _require(stored.report, given)
    with Talk(console(), quiet=options["quiet"]) as tell:
        found = verified(stored, given, wanted, tell)
    if options["format_"] == "json":
        click.echo(found.model_dump_json(indent=1, by_alias=True))
    else:
        show(found, console(data=True))
    ctx.exit(found.exit_code)


def _wanted(options: dict[str, Any]) -> Wanted:
    """How much is to be computed again.

    Raises:
        UsageError: options contradict each other, or --expect is no digest.
    """
    import secrets

    from geoaudit.verify.stored import Wanted

    named = [name for name in ("sample", "all_", "no_rerun") if options[name]]
    if len(named) > 1:
        flags = " and ".join(f"--{name.rstrip('_').replace('_', '-')}" for name in named)
        raise UsageError(flags, "contradict each other", "Leave one of them out.")
    expect = options["expect"]
    if expect is not None and re.fullmatch(r"[0-9a-fA-F]{64}", expect) is None:
        raise UsageError(f"--expect {expect}", "is no sha256", "Give its 64 hexadecimal digits.")
    seed = options["sample_seed"]
    sample = None if options["all_"] else 0 if options["no_rerun"] else options["sample"] or _SAMPLE
    return Wanted(sample, secrets.randbelow(10**6) if seed is None else seed, options["tolerance"], expect)


def _stored(path: Path) -> Stored:
    """The report folder; a report that cannot be read as one is no error but the first thing found out.

    Raises:
        UsageError: there is no report.json.
    """
    from geoaudit.commands.stored import folder_of
    from geoaudit.verify.stored import Stored
    from geoaudit_reports import JSON_NAME, checksums, json_report

    folder = folder_of(path)
    if not (folder / JSON_NAME).is_file():
        raise UsageError(str(folder / JSON_NAME), "there is no such file", "Name the report.json that an audit wrote.")
    report, fault, listed, unlisted = None, None, None, None
    try:
        report = json_report.load(folder / JSON_NAME)
    except UsageError as error:
        fault = error.reason
    try:
        listed = checksums.read(folder)
    except UsageError as error:
        unlisted = error.reason
    return Stored(folder, report, fault, listed, unlisted, lambda: _pages(folder, report))


def _pages(folder: Path, report: Report | None) -> Any:
    """The HTML pages as the report and the maps give them.

    Raises:
        UsageError: the maps are damaged.
    """
    from contextlib import nullcontext

    from geoaudit_reports import MAPS_NAME, html
    from geoaudit_reports.maps import MapStore

    assert report is not None
    maps = folder / MAPS_NAME
    with MapStore(maps) if maps.exists() else nullcontext() as store:
        yield from html.pages(report, store)


def _given(report: Report | None, model: Path, images: Path, options: dict[str, Any]) -> Given:
    """What the verifier brings; what can be read from the report comes from there."""
    from geoaudit.verify.stored import Given

    config = {} if report is None else {name: stated.value for name, stated in report.config.items()}
    plugins, set_ = options["plugins"] or config.get("plugins"), config.get("set")
    return Given(
        model, images,
        labels=options["labels"],
        baseline=options["baseline"],
        calibration=options["calibration"],
        autoencoder=options["autoencoder"],
        custom_ops=options["custom_ops"],
        device=options["device"],
        skip=options["skip"] or (),
        plugins=pinned(str(plugins) if plugins else None),
        parameters=plugin_parameters(tuple(map(str, set_ if isinstance(set_, list) else ()))),
    )  # fmt: skip


def _require(report: Report, given: Given) -> None:
    """Refuse to begin a re-run that lacks a file which the audit had.

    Raises:
        UsageError: files are missing, or a method to be left out is none of the report.
    """
    from geoaudit.verify.rebuilt import lacking

    unknown = set(given.skip) - {method.id for method in report.methods if method.kind == "method"}
    if unknown:
        raise UsageError(f"--skip {sorted(unknown)[0]}", "is no method of the report", "Name methods by their ids.")
    missing = lacking(report, given)
    if missing:
        raise UsageError(
            "the re-run", f"needs what the audit had and the report only names: {', '.join(missing)}",
            "Add it, or leave the re-run out with --no-rerun.",
        )  # fmt: skip
