"""The command line: parse, call, render, exit.

Heavy libraries are imported inside the commands, so that --help and completion answer at once.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from geoaudit import __version__
from geoaudit.command import DefaultGroup, audit_options, build_settings, inspect_options, preset_environment
from geoaudit.errors import ExitCode, GeoauditError

if TYPE_CHECKING:
    from geoaudit.audit.result import Report
    from geoaudit.audit.settings import Settings

_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GEOAUDIT", "max_content_width": 100}


@click.group(cls=DefaultGroup, default="audit", context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="geoaudit")
def cli() -> None:
    """Can the heat maps of this ONNX image classifier be trusted?

    geoaudit MODEL IMAGES computes the maps of every attribution method, measures how far each can be relied on,
    and writes report.html and report.json.

    Exit codes: 0 done; 1 a gate failed; 2 wrong usage or configuration; 3 the audit could not be completed; 130
    interrupted.
    """


@cli.command(context_settings=_CONTEXT)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@audit_options("geoaudit-report")
@click.pass_context
def audit(ctx: click.Context, /, model: Path, images: Path, **options: Any) -> None:
    """Audit MODEL (an ONNX classifier) on IMAGES (a folder or one picture).  The default command."""
    settings = build_settings(ctx, model, images, options)
    ctx.exit(_audit(settings, options))


@cli.command(context_settings=_CONTEXT)
@audit_options("geoaudit-demo", budget="quick")
@click.pass_context
def demo(ctx: click.Context, /, **options: Any) -> None:
    """Audit a real ImageNet classifier on real photographs; nothing to provide.

    Its budget is quick unless --budget says otherwise, so that there is something to look at in minutes.
    """
    from geoaudit.demo import make_demo
    from geoaudit.terminal import console

    model, images = make_demo(options["folder"])
    if not options["quiet"]:
        console().print(f"The same audit by hand: geoaudit {model} {images} --budget {options['budget']}", markup=False)
    ctx.exit(_audit(build_settings(ctx, model, images, options), options))


def _audit(settings: Settings, options: dict[str, Any]) -> int:
    """Run, write, and say where the report is; returns the exit code."""
    preset_environment(options["verbose"])
    from geoaudit.audit.execute import run_audit
    from geoaudit.audit.maps import MapWriter
    from geoaudit.terminal import Talk, console, summary
    from geoaudit_reports import write_report

    talk = console()
    with MapWriter(options["folder"]) as maps, Talk(talk, quiet=options["quiet"]) as tell:
        report = run_audit(settings, maps, tell, thumbnails=not options["no_images"])
        tell.stage("writing the report", 1)
        maps.keep()
        page = write_report(report, options["folder"])
    if not options["quiet"]:
        talk.print(summary(report))
        talk.print(f"{report.ranking.reason}  Gate: {report.gate.status}.", markup=False)
    _print_data(report, page, options["format_"])
    return report.exit_code


def _print_data(report: Report, page: Path, form: str) -> None:
    from geoaudit_reports import json_report

    click.echo(json_report.dumps(report) if form == "json" else str(page), nl=form != "json")


@cli.command(context_settings=_CONTEXT)
@click.argument("model", type=click.Path(path_type=Path))
@inspect_options
@click.pass_context
def inspect(ctx: click.Context, /, model: Path, **options: Any) -> None:
    """Say what MODEL is, whether it converts, and what an audit of it would cost.

    The exit code is 0 only if the model can be audited with gradients as it is called here.
    """
    settings = build_settings(ctx, model, model.parent, options)
    preset_environment(options["verbose"])
    from geoaudit.audit.inspection import inspect_model
    from geoaudit.inspect_view import show
    from geoaudit.terminal import console

    inspection = inspect_model(settings)
    if options["format_"] == "json":
        click.echo(inspection.model_dump_json(indent=2))
    else:
        show(inspection, console(data=True))
    ctx.exit(inspection.exit_code)


@cli.command()
@click.argument("report", type=click.Path(path_type=Path))
def render(report: Path) -> None:
    """Write report.html again from REPORT (report.json or its folder) and the maps beside it."""
    from geoaudit.errors import UsageError
    from geoaudit_reports import JSON_NAME, render_folder

    folder = report if report.is_dir() else report.parent
    if not report.is_dir() and report.name != JSON_NAME:
        raise UsageError(str(report), f"is not called {JSON_NAME}", f"Name the {JSON_NAME} or the folder it lies in.")
    click.echo(str(render_folder(folder)))


@cli.command()
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
def methods(plugins: str | None) -> None:
    """List the attribution methods and controls."""
    from geoaudit.listing import method_table

    method_table(plugins)


@cli.command()
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
def checks(plugins: str | None) -> None:
    """List the sanity checks."""
    from geoaudit.listing import check_table

    check_table(plugins)


@cli.command()
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
def metrics(plugins: str | None) -> None:
    """List the metrics."""
    from geoaudit.listing import metric_table

    metric_table(plugins)


@cli.command()
@click.option("--plugins", metavar="NAMES", help="Third-party packages whose plugins may load; none: no package.")
def imputers(plugins: str | None) -> None:
    """List what can stand in for masked regions."""
    from geoaudit.listing import imputer_table

    imputer_table(plugins)


@cli.command()
@click.pass_context
def selftest(ctx: click.Context) -> None:
    """Integrate closed-form models whose answers are known; seconds."""
    from geoaudit.listing import selftest_table

    ctx.exit(ExitCode.OK if selftest_table() else ExitCode.INCOMPLETE)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run, and leave with the documented exit code; no traceback reaches a user who did not ask for one."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="geoaudit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except GeoauditError as error:
        click.echo(f"Error: {error.message}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted: nothing half-written was left.", err=True)
        code = ExitCode.INTERRUPTED
    except MemoryError:
        click.echo("Error: out of memory\nUse --batch-size 1, or fewer images with --limit.", err=True)
        code = ExitCode.INCOMPLETE
    except Exception as error:
        click.echo(f"Error: geoaudit itself failed ({type(error).__name__}: {error})", err=True)
        if any(a.startswith("-v") and a.count("v") > 1 for a in given):
            traceback.print_exc()
        else:
            click.echo("This is a defect.  Run again with -vv and report what it prints.", err=True)
        code = ExitCode.INCOMPLETE
    raise SystemExit(int(code or 0))
