"""Resolves how pixels become model input: each field on its own, from the strongest source that states it.

The order is: option, geoaudit.toml, `geoaudit.*` in the ONNX metadata, preprocessor_config.json, timm's
config.json, Ultralytics metadata, ONNX `Image.*` metadata, the graph itself.  What a source names by a preset
ranks just below what it states outright.  Nothing is guessed: a field that decides the model's input and that
nobody states (size, layout, range, mean, std) is an error that lists the options to add.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import onnx

from geoaudit.errors import PreprocessingError
from geoaudit.images.fields import PRESETS, Layer, Stated, flag, stated
from geoaudit.images.flat import settle_flat
from geoaudit.images.graph_preprocess import GraphFacts, read_graph
from geoaudit.images.huggingface import huggingface
from geoaudit.images.preprocess_checks import (
    refuse_double_normalisation,
    refuse_missing,
    refuse_mixed_units,
    refuse_wrong_units,
    strongest,
)
from geoaudit.images.preprocess_sources import geoaudit_metadata, onnx_image, timm, ultralytics
from geoaudit.images.recipe import Preprocessing

__all__ = ["PreprocessOptions", "Preprocessing", "resolve"]


@dataclass(frozen=True)
class PreprocessOptions:
    """The command line's preprocessing options as given; None means not given.

    Attributes:
        preset: one of `geoaudit.images.fields.PRESETS`; fills what no other attribute sets.
        layout, size, resize, crop_pct, interpolation, channels, range, mean, std: text, numbers or lists, in
            the spellings of `geoaudit.images.fields.parse`.
        sources: where an option's value came from, if not from the command line ("GEOAUDIT_MEAN").
    """

    preset: str | None = None
    layout: str | None = None
    size: str | int | Sequence[int] | None = None
    resize: str | None = None
    crop_pct: str | float | None = None
    interpolation: str | None = None
    channels: str | None = None
    range: str | Sequence[float] | None = None
    mean: str | float | Sequence[float] | None = None
    std: str | float | Sequence[float] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def layers(self) -> tuple[Layer, Layer]:
        """What is given, and what the preset adds.

        Raises:
            PreprocessingError: a value cannot be read, or there is no such preset.
        """
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "sources"}
        return stated(given, lambda name: self.sources.get(name, f"option {flag(name)}"))


def resolve(
    options: PreprocessOptions, config: Mapping[str, Stated], model: onnx.ModelProto, model_path: Path
) -> Preprocessing:
    """The preprocessing of the model, every field with its source.

    Args:
        options: what the command line says.
        config: the table [preprocess] of the configuration, `geoaudit.config.FileConfig.preprocess`.
        model: the model; weights in other files need not be loaded.
        model_path: where it lies; its folder and the one above are searched for configuration files.

    Raises:
        PreprocessingError: a field is stated nowhere, unreadable, or contradicts the model or another field.
        ModelError: the model is a detector, or has no input for images.
    """
    facts = read_graph(model, model_path.name)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    written = _from_config(config)
    explicit = [*options.layers(), *written, *geoaudit_metadata(metadata)]
    found = [
        huggingface(model_path),
        timm(model_path),
        ultralytics(metadata, model_path.name),
        onnx_image(metadata, facts.denoted),
    ]
    refuse_double_normalisation(explicit, found, facts, model_path.name)
    chosen = strongest([*explicit, *found, facts.stated])
    _settle_shape(chosen, facts, [*explicit], model_path.name)
    refuse_missing(chosen, model_path.name)
    refuse_mixed_units([*explicit, *found, facts.stated], chosen, model_path.name)
    refuse_wrong_units(chosen, model_path.name)
    return _built(chosen, facts)


def _from_config(config: Mapping[str, Stated]) -> tuple[Layer, Layer]:
    return stated(
        {name: entry.value for name, entry in config.items()},
        lambda name: config[name if name in config else name.replace("_", "-")].source,
    )


def _settle_shape(chosen: dict[str, Stated], facts: GraphFacts, explicit: Sequence[Layer], model: str) -> None:
    """Fill layout, size and channels from the graph, which cannot be overruled where its shape is fixed."""
    asked = strongest(explicit)
    if facts.is_flat:
        channels = asked.get("channels")
        settle_flat(chosen, facts, None if channels is None or _from_preset(channels) else channels, model)
        return
    fixed: dict[str, Any] = {}
    if facts.layout is not None:
        fixed["layout"] = facts.layout
    layout = facts.layout or (chosen["layout"].value if "layout" in chosen else None)
    if layout is None:
        return
    size = facts.size_in(layout)
    if None not in size:
        fixed["size"] = size
    count = facts.channels_in(layout)
    if count == 1:
        fixed["channels"] = "grey"
    for name, value in fixed.items():
        if name in asked and asked[name].value != value and not (name == "channels" and _from_preset(asked[name])):
            reason = f"{_shown(asked[name].value)}, but the model's input has {_shown(value)}"
            raise PreprocessingError(f"{model}, {asked[name].source}", reason, f"Leave out {flag(name)}.")
        if name not in asked or asked[name].value != value:
            chosen[name] = Stated(value, "graph: input shape")
    settled = (chosen["size"].value if "size" in chosen else None) or size
    if any(fixed_side not in (None, side) for fixed_side, side in zip(size, settled, strict=True)):
        source = chosen["size"].source
        has = _shown(tuple("any" if side is None else side for side in size))
        reason = f"{_shown(chosen['size'].value)}, but the model's input has {has}"
        raise PreprocessingError(f"{model}, {source}", reason, "Add --size.")
    chosen.setdefault("channels", Stated("RGB", "default"))
    if count == 3 and chosen["channels"].value == "grey":
        source = chosen["channels"].source
        raise PreprocessingError(f"{model}, {source}", "grey, but the model's input has 3 channels", "Use RGB or BGR.")


def _from_preset(entry: Stated) -> bool:
    return any(entry.source.endswith(f" {preset}") for preset in PRESETS)


def _shown(value: Any) -> str:
    return "x".join(str(side) for side in value) if isinstance(value, tuple) else str(value)


def _built(chosen: Mapping[str, Stated], facts: GraphFacts) -> Preprocessing:
    defaults = {"resize": "shortest-edge", "crop_pct": 1.0, "interpolation": "bilinear"}
    settled = {name: Stated(value, "default") for name, value in defaults.items()} | dict(chosen)
    values = {name: entry.value for name, entry in settled.items()}
    values["value_range"] = values.pop("range")
    sources = {name: entry.source for name, entry in settled.items()} | {"dtype": "graph: input type"}
    return Preprocessing(**values, dtype=facts.dtype, sources=sources)
