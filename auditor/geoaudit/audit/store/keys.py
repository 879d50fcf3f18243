"""What a number depends on, as digests: two runs share a key only where they would compute the same bits."""

from __future__ import annotations

import enum
import hashlib
import inspect
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel

from geoaudit import digests
from geoaudit.api import Check, Imputer, Method, Metric
from geoaudit.audit import provenance
from geoaudit.audit.inputs import GROUP, Inputs
from geoaudit.audit.opening import Engines
from geoaudit.audit.plan import Plan
from geoaudit.audit.settings import Settings

Plugin: TypeAlias = Method | Metric | Check | Imputer
ELSEWHERE = frozenset(
    (
        *("model", "images", "limit", "sample", "preprocess", "preprocess_config", "channels_last", "batch_size"),
        *("methods", "skip", "checks", "metrics", "imputers", "parameters", "plugins"),
        *("command", "context", "sources", "cluster", "detail"),
    )
)
"""Settings that keys hold by what they resolve to (files' digests, chosen plugins, the engine in force), and those that
change no unit: where it is made, and what a report shows of it.  Every other setting is part of every key as it is."""
_PACKAGES = ("geoaudit", "geoaudit_plugins")


def digest(*facts: Any) -> str:
    """sha256 of the facts' canonical JSON, lower-case hex.

    A path stands for the bytes of its file; a folder, or what is missing, for nothing.
    """
    text = json.dumps([_plain(fact) for fact in facts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def beginning(settings: Settings, plan: Plan, pictures: bool) -> str:
    """Of what is known before the model is loaded: the code, the machine, the options, and the model's file.

    Args:
        settings: what was asked for.
        plan: what runs.
        pictures: maps that show the picture are kept.
    """
    given = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in ELSEWHERE}
    baseline = Path(settings.baseline.removeprefix("image:"))
    chosen = settings.channels_last, settings.batch_size
    # what an adaptive audit spends on a method depends on the others
    others = [_provided(method, plan) for method in plan.methods] if settings.adaptive else None
    return digest(code(), _outside(plan), _machine(), given, baseline, settings.model, chosen, others, pictures)


def run(begun: str, plan: Plan, engines: Engines, inputs: Inputs) -> str:
    """Of what all units of a run have in common, the gradient engine in force included.

    Args:
        begun: as of `beginning`.
    """
    used: tuple[Plugin, ...] = (*plan.metrics, *plan.imputers.values())
    plugins = [(plugin_facts(plugin), plan.providers.get(plugin.id)) for plugin in used]
    files = engines.artifact.sha256, engines.autoencoder_info
    running = {} if engines.twin is None else engines.twin.engine, engines.runtime.device
    data = inputs.data.preprocess, inputs.data.labels, inputs.data.calibration, inputs.preprocessing.space
    return digest(begun, plan.budget, plan.sweeps, plugins, files, running, engines.head, data)


def unit(run: str, stage: str, method: Method, plan: Plan, inputs: Inputs, group: int) -> str:
    """Of one stage of one unit."""
    part = slice(group * GROUP, (group + 1) * GROUP)
    return digest(run, stage, _provided(method, plan), group, _images(inputs, part))


def check(run: str, examiner: Check, method: Method | None, plan: Plan, inputs: Inputs) -> str:
    """Of a check's findings about a method, or about the model; they may depend on every image."""
    subject = None if method is None else _provided(method, plan)
    return digest(run, "check", _provided(examiner, plan), subject, _images(inputs, slice(None)))


def plugin_facts(plugin: Plugin) -> Any:
    """Id, class, bound parameters, and those of the method that it builds upon."""
    base = getattr(plugin, "base", None)
    kind = type(plugin)
    named = f"{kind.__module__}.{kind.__qualname__}"
    return [plugin.id, named, plugin.parameters, None if base is None else plugin_facts(base)]


def _provided(plugin: Method | Check, plan: Plan) -> Any:
    return plugin_facts(plugin), plan.providers.get(plugin.id)


def _images(inputs: Inputs, part: slice) -> list[Any]:
    return [(info.id, info.sha256, info.target) for info in inputs.infos[part]]


@cache
def code() -> str:
    """Of the sources that make numbers: a version says little where a copy is worked on."""
    found = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in [] if spec is None else spec.submodule_search_locations or []:
            for path in sorted(Path(folder).rglob("*.py")):
                found.update(f"{package}/{path.relative_to(folder).as_posix()}\x00".encode())
                found.update(path.read_bytes())
    return found.hexdigest()


def _outside(plan: Plan) -> Any:
    """Versions of the libraries and of the plugins' packages, and the files of plugins that are not ours."""
    plugins = (*plan.methods, *plan.metrics, *plan.checks, *plan.imputers.values())
    foreign = {type(p) for p in plugins if type(p).__module__.partition(".")[0] not in _PACKAGES}
    return provenance.packages(set(plan.providers.values())), _sources(foreign)


def _sources(kinds: Iterable[type[Any]]) -> list[str]:
    found = set()
    for kind in kinds:
        try:
            found.add(inspect.getsourcefile(kind) or "")
        except TypeError:  # made at the prompt
            continue
    return sorted(digests.sha256([Path(name)]) for name in found if Path(name).is_file())


def _machine() -> Any:
    import torch

    return provenance.host(), platform.processor(), torch.backends.cpu.get_cpu_capability(), torch.cuda.is_available()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return digests.sha256([value]) if value.is_file() else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(_plain(inner) for inner in value)
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
