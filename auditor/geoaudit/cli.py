"""The command line: parse, call, render, exit.

Heavy libraries are imported inside the commands, so that --help and completion answer at once.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from geoaudit import __version__
from geoaudit.command import DefaultGroup, PlaceType, audit_options, build_settings, inspect_options, preset_environment
from geoaudit.commands.audit import run
from geoaudit.commands.cache import cache
from geoaudit.commands.compare import compare
from geoaudit.commands.completion import completion
from geoaudit.commands.gate import gate
from geoaudit.commands.policy import policy
from geoaudit.commands.render import render
from geoaudit.commands.verify import verify
from geoaudit.errors import ExitCode, GeoauditError
from geoaudit.images.sources import Place

_TRACEBACK = "-vv, or with GEOAUDIT_TRACEBACK=1 in the environment,"
_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GEOAUDIT", "max_content_width": 100}


@click.group(cls=DefaultGroup, default="audit", context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="geoaudit")
def cli() -> None:
    """Can the heat maps of this ONNX image classifier be trusted?

    geoaudit MODEL IMAGES computes the maps of every attribution method, measures how far each can be relied on,
    and writes report.html and report.json.

    Exit codes: 0 done; 1 the policy was not met, or `verify` found a difference; 2 wrong usage or configuration;
    3 the audit could not be completed; 130 interrupted.
    """


@cli.command(context_settings=_CONTEXT)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=PlaceType())
@audit_options("geoaudit-report")
@click.pass_context
def audit(ctx: click.Context, /, model: Path, images: Place, **options: Any) -> None:
    """Audit MODEL (an ONNX classifier) on IMAGES (a folder or one picture; a URI will do).  The default command."""
    settings = build_settings(ctx, model, images, options)
    ctx.exit(run(settings, options))


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
    ctx.exit(run(build_settings(ctx, model, images, options), options))


@cli.command(context_settings=_CONTEXT)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--engine-report", is_flag=True, help="Try every gradient engine and show what was measured.")
@click.option("--images", type=PlaceType(), metavar="PLACE", help="Compare on these pictures, not on random ones.")
@inspect_options
@click.pass_context
def inspect(ctx: click.Context, /, model: Path, *, engine_report: bool, images: Place | None, **options: Any) -> None:
    """Say what MODEL is, whether it converts, and what an audit of it would cost.

    The exit code is 0 only if the model can be audited with gradients as it is called here.
    """
    settings = build_settings(ctx, model, model.parent if images is None else images, options)
    preset_environment(options["verbose"])
    from geoaudit.audit.inspection import inspect_model
    from geoaudit.inspect_view import show
    from geoaudit.terminal import console

    inspection = inspect_model(settings, engines=engine_report, pictures=images is not None)
    if options["format_"] == "json":
        click.echo(inspection.model_dump_json(indent=2))
    else:
        show(inspection, console(data=True))
    ctx.exit(inspection.exit_code)


cli.add_command(render)
cli.add_command(compare)
cli.add_command(verify)
cli.add_command(gate)
cli.add_command(policy)
cli.add_command(cache)
cli.add_command(completion)


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
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":  # not every pipe knows a check mark
        sys.stdout.reconfigure(errors="backslashreplace")
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
        if "GEOAUDIT_TRACEBACK" in os.environ or any(a.startswith("-v") and a.count("v") > 1 for a in given):
            traceback.print_exc()
        else:
            click.echo(f"This is a defect.  Run again with {_TRACEBACK} and report what it prints.", err=True)
        code = ExitCode.INCOMPLETE
    raise SystemExit(int(code or 0))
