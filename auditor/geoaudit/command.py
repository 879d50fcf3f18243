"""The audit command's options, shared by `geoaudit MODEL IMAGES` and `geoaudit demo`, and how they resolve.

Options > GEOAUDIT_* environment variables > geoaudit.toml > [tool.geoaudit] of pyproject.toml > defaults.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from geoaudit.commands.outputs import NAMES, output_options
from geoaudit.completion import ids
from geoaudit.errors import UsageError
from geoaudit.images.sources import veiled
from geoaudit.memory import parse_size

if TYPE_CHECKING:
    from geoaudit.audit.settings import Cluster, Settings
    from geoaudit.config import FileConfig
    from geoaudit.images.sources import Place

F = TypeVar("F", bound=Callable[..., Any])
PREPROCESS = (
    "preset",
    "range",
    "mean",
    "std",
    "size",
    "layout",
    "channels",
    "resize",
    "crop_pct",
    "interpolation",
)
"""The preprocessing options; in configuration files they stand in the table [preprocess]."""
_INSPECTED = (*PREPROCESS, "explain", "output", "custom_ops", "device", "gradient_engine", "seed", "plugins", "verbose")
"""The options that `geoaudit inspect` takes too."""
_SPREAD = ("engine", "address", "workers", "worker_gpus")
"""Where the work is done, which changes no number; the report's part `run` tells it."""
_ENGINES = ("auto", "onnxruntime", "torch", "torch-bfloat16", "torch-compiled")
_SILENT = ("quiet", "verbose", "format_", "folder", "no_images", "resume", *_SPREAD, *NAMES)


class PlaceType(click.Path):
    """A path, or a URI such as s3://bucket/folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As its base class; what has a protocol in front stays as it is."""
        from geoaudit.images.sources import Remote, place

        found = place(value) if isinstance(value, str) else value
        return found if isinstance(found, Remote) else super().convert(value, param, ctx)


class DefaultGroup(click.Group):
    """A group that takes `geoaudit MODEL IMAGES` for its default command, and shows that command's options."""

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command's name in front unless a command or a group option stands there."""
        own = {"-h", "--help", "--version"}
        if args and args[0] not in self.commands and not own & set(args[:1]):
            args = [self.default, *args]
        elif not args:
            args = ["--help"]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage(ctx.command_path, "MODEL IMAGES [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The default command's options, then the commands."""
        command = self.commands[self.default]
        records = [p.get_help_record(ctx) for p in command.params if isinstance(p, click.Option)]
        with formatter.section("Options"):
            formatter.write_dl([r for r in records if r is not None])
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The default command's options where an option begins; else the commands, and files for MODEL."""
        command = self.commands[self.default]
        if incomplete.startswith("-"):
            within = click.Context(command, parent=ctx, resilient_parsing=True)
            found = [*command.shell_complete(within, incomplete), *super().shell_complete(ctx, incomplete)]
            return list({item.value: item for item in found}.values())
        # bash forgets what came before a file; it then offers files where no command fits
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All but the default command, which needs no name, in the order of definition."""
        return [name for name in self.commands if name != self.default]


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())


_WORDS = ("default", "all")

_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--methods",), {"metavar": "IDS", "callback": _names, "shell_complete": ids("methods", words=_WORDS),
                      "help": "Methods by id, comma-separated; default, all, or PACKAGE/*."}),
    (("--skip",), {"metavar": "IDS", "callback": _names,
                   "shell_complete": ids("methods", "controls", "checks", "metrics"),
                   "help": "Whatever to leave out, by id."}),
    (("--checks",), {"metavar": "IDS", "callback": _names, "shell_complete": ids("checks", words=_WORDS),
                     "help": "Sanity checks by id; default or all."}),
    (("--metrics",), {"metavar": "IDS", "callback": _names, "shell_complete": ids("metrics", words=_WORDS),
                      "help": "Metrics by id; default or all."}),
    (("--imputers",), {"metavar": "IDS", "callback": _names, "shell_complete": ids("imputers"),
                       "help": "What stands in for masked regions, by id."}),
    (("--set", "set_"), {"metavar": "ID.NAME=VALUE", "multiple": True, "help": "A plugin's parameter; repeatable."}),
    (("--budget",), {"type": click.Choice(["quick", "standard", "thorough"]), "default": "standard",
                     "show_default": True, "help": "How much to spend on one image."}),
    (("--adaptive",), {"is_flag": True, "help": "Stop evaluating what no longer decides; images in random order."}),
    (("--limit",), {"type": click.IntRange(1), "metavar": "N", "help": "At most N images, spread over the folder."}),
    (("--seed",), {"type": click.IntRange(0), "default": 0, "show_default": True, "help": "Seed of all randomness."}),
    (("--preset",), {"metavar": "NAME", "help": "imagenet, imagenet-inception, clip, zero-one or raw."}),
    (("--range",), {"metavar": "LOW-HIGH", "help": "What pixels 0 and 255 become: 0-1, 0-255, -1-1."}),
    (("--mean",), {"metavar": "R,G,B", "help": "Subtracted after that; one number or one a channel."}),
    (("--std",), {"metavar": "R,G,B", "help": "Divided by after that."}),
    (("--size",), {"metavar": "HxW", "help": "Model input size, if the graph does not fix it."}),
    (("--layout",), {"metavar": "NAME", "help": "NCHW or NHWC, if the graph does not tell."}),
    (("--channels",), {"metavar": "NAME", "help": "RGB, BGR or grey."}),
    (("--resize",), {"metavar": "RULE", "help": "shortest-edge (then centre crop) or warp."}),
    (("--crop-pct",), {"metavar": "SHARE", "help": "Centre crop as a share of the resized picture."}),
    (("--interpolation",), {"metavar": "NAME", "help": "nearest, bilinear, bicubic, ..."}),
    (("--labels",), {"type": click.Path(path_type=Path), "metavar": "FILE", "help": "Class names or CSV: file,label."}),
    (("--baseline",), {"default": "black", "show_default": True, "metavar": "KIND",
                       "help": "black, white, grey, mean, blur, noise, or a picture."}),
    (("--explain",), {"type": click.Choice(["logit", "probability", "log-probability", "margin"]), "default": "logit",
                      "show_default": True, "help": "The scalar that is explained."}),
    (("--target",), {"type": click.IntRange(0), "metavar": "CLASS", "help": "Explain this class instead."}),
    (("--explain-label",), {"is_flag": True, "help": "Explain the true label where there is one."}),
    (("--output",), {"metavar": "NAME", "help": "Graph output, or tensor, that holds the scores; found by default."}),
    (("--gradient-free",), {"is_flag": True, "help": "Convert nothing; black-box methods only."}),
    (("--custom-ops",), {"type": click.Path(path_type=Path), "metavar": "FILE",
                         "help": "Shared library of custom operators for onnxruntime."}),
    (("--calibration",), {"type": click.Path(path_type=Path), "metavar": "DIR",
                          "help": "Pictures for methods that learn from data; the audited ones by default."}),
    (("--autoencoder",), {"type": click.Path(path_type=Path), "nargs": 2, "metavar": "ENCODER DECODER",
                          "help": "ONNX files of an encoder and a decoder of model inputs."}),
    (("--context",), {"type": click.Path(path_type=Path), "metavar": "FILE",
                      "help": "Text on what the model is for and who reads its maps; the report shows it."}),
    (("--policy",), {"type": click.Path(path_type=Path), "metavar": "FILE",
                     "help": "Thresholds that decide over exit code 0 or 1."}),
    (("--device",), {"type": click.Choice(["auto", "cpu", "cuda"]), "default": "auto", "show_default": True,
                     "help": "Where the model runs."}),
    (("--batch-size",), {"metavar": "N", "default": "auto", "show_default": True,
                         "help": "Images a gradient batch; auto measures."}),
    (("--memory",), {"metavar": "SIZE", "default": "auto", "show_default": True,
                     "help": "What the process may hold, as 1.5GiB; auto: the model and up to 1 GiB to work in."}),
    (("--gradient-engine",), {"type": click.Choice(_ENGINES), "default": "auto", "show_default": True,
                              "help": "What computes gradients; auto measures."}),
    (("--threads",), {"type": click.IntRange(1), "metavar": "N",
                      "help": "Processor threads of one process; all cores by default, 1 with --engine ray."}),
    (("--engine",), {"type": click.Choice(["local", "ray"]), "default": "local", "show_default": True,
                     "help": "Work in this process, or in the workers of a Ray cluster."}),
    (("--address",), {"metavar": "HOST:PORT", "help": "A running Ray cluster, or auto; else one is started here."}),
    (("--workers",), {"type": click.IntRange(1), "metavar": "N", "help": "Ray workers; as many as fit by default."}),
    (("--worker-gpus",), {"type": click.FloatRange(0), "default": 0.0, "metavar": "N",
                          "help": "GPUs of one Ray worker; may be a share."}),
    (("--detail",), {"type": click.IntRange(1), "metavar": "N", "default": 1000, "show_default": True,
                     "help": "Images listed one by one; of more, a sample is, and a table holds the others' scores."}),
    (("--plugins",), {"metavar": "NAMES", "help": "Third-party packages whose plugins may load; none: no package."}),
    (("--resume/--no-resume",), {"default": True, "show_default": True,
                                "help": "Go on where an interrupted run of the same command stopped."}),
    (("--no-images",), {"is_flag": True, "help": "Keep the pictures out of the report folder."}),
    (("--format", "format_"), {"type": click.Choice(["path", "json"]), "default": "path", "show_default": True,
                               "help": "What goes to stdout: the report's path, or report.json."}),
    (("-q", "--quiet"), {"is_flag": True, "help": "Errors and warnings only."}),
    (("-v", "--verbose"), {"count": True, "help": "Show libraries' warnings; -vv tracebacks too."}),
)  # fmt: skip


def audit_options(folder: str, **defaults: Any) -> Callable[[F], F]:
    """The audit's options.

    Args:
        folder: where the report goes by default.
        defaults: other defaults than the audit's, by option.
    """

    def decorate(function: F) -> F:
        function = output_options(function)
        for names, settings in reversed(_OPTIONS):
            name = str(_option(names, settings).name)
            given = {**settings, "default": defaults[name]} if name in defaults else settings
            function = click.option(*names, **_environment(name), **given)(function)
        where = click.option(
            "-o", "--folder", type=click.Path(path_type=Path), default=folder, show_default=True,
            metavar="DIR", help="Report folder.",
        )  # fmt: skip
        return where(function)

    return decorate


def inspect_options(function: F) -> F:
    """The audit's options that say how a model is read, and the format of what is printed."""
    form = click.option(
        "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True,
        help="For people, or for programs.", **_environment("format_"),
    )  # fmt: skip
    function = form(function)
    for names, settings in reversed(_OPTIONS):
        if _option(names, settings).name in _INSPECTED:
            function = click.option(*names, **settings)(function)
    return function


def _environment(name: str) -> dict[str, Any]:
    """The environment variable of an option whose name in Python has an underscore that its user never sees."""
    return {"envvar": f"GEOAUDIT_{name.rstrip('_').upper()}"} if name.endswith("_") else {}


def chosen_options(chosen: Collection[str]) -> Callable[[F], F]:
    """Those of the audit's options, by name, as the audit takes them; what is not given is None, not a default."""

    def decorate(function: F) -> F:
        for names, settings in reversed(_OPTIONS):
            if _option(names, settings).name in chosen:
                unset = {} if "default" not in settings else {"default": None, "show_default": False}
                function = click.option(*names, **settings | unset)(function)
        return function

    return decorate


def _option(names: tuple[str, ...], settings: dict[str, Any]) -> click.Option:
    return click.Option(list(names), **settings)


def _complete(options: dict[str, Any]) -> None:
    """Add the defaults of the audit's options that this command does not take."""
    for names, settings in _OPTIONS:
        empty = () if settings.get("multiple") else False if settings.get("is_flag") else None
        options.setdefault(str(_option(names, settings).name), settings.get("default", empty))


def build_settings(ctx: click.Context, model: Path, images: Place, options: dict[str, Any]) -> Settings:
    """The run's settings, each option from its strongest source.

    Raises:
        UsageError: an option or a configuration file is wrong.
    """
    from geoaudit.audit.result import Sourced
    from geoaudit.audit.settings import Settings
    from geoaudit.config import load_config
    from geoaudit.images.preprocess import PreprocessOptions

    audit = [_option(names, settings) for names, settings in _OPTIONS]
    known = {p.name.rstrip("_") for p in audit if p.name and p.name not in PREPROCESS} | {"folder", *NAMES}
    config = load_config(Path.cwd(), known)
    _complete(options)
    _apply_config(ctx, options, config)
    sources = {
        name.rstrip("_").replace("_", "-"): Sourced(value=_plain(options[name]), source=_source(ctx, config, name))
        for name in options
        if name not in _SILENT and name not in PREPROCESS
    }
    preprocess = {name: options[name] for name in PREPROCESS}
    given = {name: _source(ctx, config, name) for name, value in preprocess.items() if value is not None}
    return Settings(
        model=model,
        images=images,
        command=("geoaudit", *(shlex.quote(veiled(word)) for word in sys.argv[1:])),
        methods=options["methods"],
        skip=options["skip"] or (),
        checks=options["checks"],
        metrics=options["metrics"],
        imputers=options["imputers"],
        parameters=plugin_parameters(options["set_"]),
        plugins=pinned(options["plugins"]),
        budget=options["budget"],
        adaptive=options["adaptive"],
        limit=options["limit"],
        seed=options["seed"],
        preprocess=PreprocessOptions(**preprocess, sources=given),
        preprocess_config=config.preprocess,
        labels=options["labels"],
        baseline=options["baseline"],
        explain=options["explain"],
        target=options["target"],
        explain_label=options["explain_label"],
        device=options["device"],
        batch_size=_batch_size(options["batch_size"]),
        memory=parse_size(options["memory"]),
        gradient_engine=None if options["gradient_engine"] == "auto" else options["gradient_engine"],
        gradient_free=options["gradient_free"],
        output=options["output"],
        custom_ops=options["custom_ops"],
        calibration=options["calibration"],
        autoencoder=options["autoencoder"],
        context=_context(options["context"]),
        threads=options["threads"] or (1 if options["engine"] == "ray" else None),
        cluster=_cluster(options),
        detail=options["detail"],
        sources=sources,
    )


def _cluster(options: dict[str, Any]) -> Cluster | None:
    """The options of --engine ray; None for the local engine.

    Raises:
        UsageError: they are given without it, or it is given with what needs one process.
    """
    from geoaudit.audit.settings import Cluster

    if options["engine"] == "local":
        for name in _SPREAD[1:]:
            if options[name]:
                raise UsageError(f"--{name.replace('_', '-')}", "is of use with --engine ray only", "Add --engine ray.")
        return None
    if options.get("adaptive"):
        raise UsageError(
            "--adaptive", "cannot be used with --engine ray: what is spent on an image depends on the ones before it",
            "Leave one of the two out.",
        )  # fmt: skip
    return Cluster(options["address"], options["workers"], options["worker_gpus"])


def _apply_config(ctx: click.Context, options: dict[str, Any], config: FileConfig) -> None:
    """Options that neither the command line nor the environment gave take the configuration's value."""
    by_name = {p.name.rstrip("_"): p for p in ctx.command.params if p.name}
    for name, value in config.default_map().items():
        if name not in by_name:  # an option of the audit that this command does without
            continue
        param = by_name[name]
        assert param.name is not None
        if _given(ctx, param.name) == "DEFAULT":
            raw = value.split(",") if param.multiple and isinstance(value, str) else value
            if param.nargs > 1:
                raw = _several(config, name, param.nargs)
            try:
                options[param.name] = param.process_value(ctx, raw)
            except click.BadParameter as error:
                raise UsageError(
                    f"{config.source[name]}, {name.replace('_', '-')}", error.message, "Correct the line or remove it."
                ) from None


def _several(config: FileConfig, name: str, number: int) -> list[Any]:
    """The value of an option that takes `number` values, which the file gives as a list."""
    value = config.values[name]
    if not isinstance(value, list) or len(value) != number:
        raise UsageError(
            f"{config.source[name]}, {name.replace('_', '-')}",
            f"needs a list of {number} values",
            "Correct the line or remove it.",
        )
    return value


def _given(ctx: click.Context, name: str) -> str:
    source = ctx.get_parameter_source(name)
    return source.name if source is not None else "DEFAULT"


def _source(ctx: click.Context, config: FileConfig, name: str) -> str:
    given = _given(ctx, name)
    if given == "DEFAULT" and name.rstrip("_") in config.values:
        given = "DEFAULT_MAP"
    return config.origin(name.rstrip("_"), given)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Path) else value


def pinned(plugins: str | None) -> tuple[str, ...] | None:
    """The option --plugins: None for all installed packages, () for "none"."""
    if plugins is None:
        return None
    return () if plugins == "none" else tuple(name.strip() for name in plugins.split(","))


def plugin_parameters(settings: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The option --set, "ID.NAME=VALUE" each: plugin id, then the parameter's name, then its value.

    Raises:
        UsageError: one is written otherwise.
    """
    found: dict[str, dict[str, str]] = {}
    for setting in settings:
        place, equals, value = setting.partition("=")
        plugin, dot, name = place.rpartition(".")
        if not (equals and dot and plugin and name):
            raise UsageError(f"--set {setting}", "is not ID.NAME=VALUE", "For example: --set guided-ig.steps=200")
        found.setdefault(plugin, {})[name] = value
    return found


def _context(path: Path | None) -> str | None:
    """The text that the user wrote about the model.

    Raises:
        UsageError: the file cannot be read, or is empty.
    """
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no UTF-8 text"
        raise UsageError(f"--context {path}", f"cannot be read ({reason})", "Name a text file.") from None
    if not text:
        raise UsageError(f"--context {path}", "is empty", "Say what the model is for, or leave the option out.")
    return text


def _batch_size(text: str) -> int | None:
    if str(text) == "auto":
        return None
    if not str(text).isdigit() or int(text) < 1:
        raise UsageError(
            f"--batch-size {text}", "is neither auto nor a whole number from 1", "Leave it out to measure."
        )
    return int(text)


def preset_environment(verbose: int) -> None:
    """Keep third-party libraries' chatter off the terminal unless it was asked for, and idle threads off the cores.

    torch's threads by default spin while they wait for each other; on a machine that has other work as well that made
    gradients seven times slower.  OpenMP reads the variable when torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if verbose == 0:
        warnings.simplefilter("ignore")
        os.environ.setdefault("ORT_LOGGING_LEVEL", "3")
