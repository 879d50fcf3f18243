"""What was not the same in the two audits: settings, and facts about the model files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from geoaudit.audit.result import ModelInfo, Report, Sourced
from geoaudit.compare.result import Difference, SettingDifference

_CHOICES = frozenset(
    {
        "methods", "skip", "checks", "metrics", "limit", "plugins", "policy", "context", "labels", "custom-ops",
        "output", "calibration", "autoencoder", "baseline", "budget", "seed", "device", "batch-size",
        *("preset", "range", "mean", "std", "size", "layout", "channels", "resize", "crop-pct", "interpolation"),
    }
)  # fmt: skip
"""Options that choose what is compared, which the comparison sees anyway, or that are told by what they led to."""
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinear", "Integer")
Subject = Literal["one model file twice", "float to quantised", "quantised to float", "two model files"]


def settings(a: Report, b: Report) -> list[SettingDifference]:
    """The settings that differ, those that may change scores first; each group by name."""
    told = [SettingDifference(name=n, a=x, b=y, matters=True) for n, x, y in _measured(a, b) if x != y]
    told += [SettingDifference(name=n, a=x, b=y, matters=False) for n, x, y in _surroundings(a, b) if x != y]
    return sorted(told, key=lambda d: (not d.matters, d.name))


def _measured(a: Report, b: Report) -> Iterator[tuple[str, Any, Any]]:
    yield "tool version", f"{a.tool.name} {a.tool.version}", f"{b.tool.name} {b.tool.version}"
    yield "budget", a.run.budget, b.run.budget
    yield "seed", a.run.seed, b.run.seed
    yield "baseline", a.baseline.kind, b.baseline.kind
    if a.baseline.kind == b.baseline.kind:
        yield "baseline in pixels", a.baseline.pixel_value, b.baseline.pixel_value
        yield "baseline in model input", a.baseline.input_value, b.baseline.input_value
    yield "explained output", a.model.explained_output.space, b.model.explained_output.space
    for name in sorted({*a.data.preprocess, *b.data.preprocess}):
        yield f"preprocessing: {name}", _value(a.data.preprocess, name), _value(b.data.preprocess, name)
    for name in sorted({*a.config, *b.config} - _CHOICES):
        yield f"option {name}", _value(a.config, name), _value(b.config, name)
    x, y = (r.data.calibration and r.data.calibration.manifest_sha256 for r in (a, b))
    yield "pictures that methods learn from", x, y
    yield "autoencoder", *_coders(a.model, b.model)
    others = {m.id: m for m in b.methods}
    for method in a.methods:
        if method.id in others:
            yield f"parameters of {method.id}", method.parameters, others[method.id].parameters
            yield f"package of {method.id}", method.plugin, others[method.id].plugin


def _coders(a: ModelInfo, b: ModelInfo) -> tuple[Any, Any]:
    first, second = (m.autoencoder.model_dump(mode="json") if m.autoencoder else None for m in (a, b))
    return first, second


def _value(settings: Mapping[str, Sourced], name: str) -> Any:
    return settings[name].value if name in settings else None


def _surroundings(a: Report, b: Report) -> Iterator[tuple[str, Any, Any]]:
    """What moves numbers by rounding at most, as far as is known."""
    yield "device", a.run.device, b.run.device
    for name in sorted({*a.run.engine, *b.run.engine}):
        yield f"engine: {name}", a.run.engine.get(name), b.run.engine.get(name)
    for name in sorted({*a.run.packages, *b.run.packages} - {"geoaudit"}):
        yield f"package {name}", a.run.packages.get(name), b.run.packages.get(name)


def model(a: ModelInfo, b: ModelInfo) -> list[Difference]:
    """The facts about the model files that differ, in the report's order."""
    told = [Difference(name=n, a=x, b=y, note=note) for n, x, y, note in _facts(a, b) if x != y]
    ops = sorted({*a.conversion.ops, *b.conversion.ops})
    changed = [o for o in ops if a.conversion.ops.get(o, 0) != b.conversion.ops.get(o, 0)]
    told += [
        Difference(name=f"operator {o}", a=a.conversion.ops.get(o, 0), b=b.conversion.ops.get(o, 0)) for o in changed
    ]
    return told


def _facts(a: ModelInfo, b: ModelInfo) -> Iterator[tuple[str, Any, Any, str]]:
    yield "file", a.file, b.file, ""
    yield "sha256", a.sha256, b.sha256, ""
    share = f"{b.bytes / a.bytes:.0%} of A's" if a.bytes else ""
    yield "bytes", a.bytes, b.bytes, share
    yield "producer", a.producer, b.producer, ""
    yield "IR version", a.ir_version, b.ir_version, ""
    yield "opsets", a.opsets, b.opsets, ""
    for name in ("inputs", "outputs"):
        x, y = ([tensor.model_dump(mode="json") for tensor in getattr(m, name)] for m in (a, b))
        yield name, x, y, ""
    yield "classes", a.classes, b.classes, ""
    yield "explained tensor", a.explained_output.name, b.explained_output.name, ""
    yield "taken before", a.explained_output.tail_removed, b.explained_output.tail_removed, ""
    yield "classes are", a.explained_output.kind, b.explained_output.kind, ""
    through = (a.conversion.straight_through, b.conversion.straight_through)
    yield "straight-through gradients", *through, "gradients pass over the rounding of these operators"


def subject(a: ModelInfo, b: ModelInfo) -> Subject:
    """What is compared with what, as far as the files tell."""
    if a.sha256 == b.sha256:
        return "one model file twice"
    before, after = quantised(a), quantised(b)
    if before == after:
        return "two model files"
    return "float to quantised" if after else "quantised to float"


def quantised(model: ModelInfo) -> bool:
    """Whether the file rounds: it has a straight-through gradient, or operators of quantised networks."""
    names = [*model.conversion.ops, *model.conversion.straight_through]
    return any(mark in name for name in names for mark in _QUANTISED)
