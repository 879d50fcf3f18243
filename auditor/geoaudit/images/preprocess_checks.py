"""Refuses preprocessings that cannot be meant: unstated, done twice, or in mixed units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geoaudit.errors import PreprocessingError
from geoaudit.images.fields import PARSERS, PRESETS, Layer, Stated, flag
from geoaudit.images.graph_preprocess import GraphFacts

_ARITHMETIC = ("range", "mean", "std")
_LOOKED_AT = "options, geoaudit.toml, ONNX metadata, preprocessor_config.json, config.json and the graph"


def strongest(layers: Sequence[Layer]) -> dict[str, Stated]:
    """For each field the first layer's word."""
    chosen: dict[str, Stated] = {}
    for layer in layers:
        for name, entry in layer.items():
            chosen.setdefault(name, entry)
    return chosen


def refuse_double_normalisation(
    explicit: Sequence[Layer], found: Sequence[Layer], facts: GraphFacts, model: str
) -> None:
    """Refuse a file that normalises for a graph that does so itself: one of the two is not meant."""
    if facts.normalises is None or all(any(name in layer for layer in explicit) for name in ("mean", "std")):
        return
    said = strongest(found)
    for name in _ARITHMETIC:
        entry = said.get(name)
        if entry is not None and not entry.refused and set(entry.value) != set(facts.stated[name].value):
            reason = f"{entry.source} states {name}, but the graph normalises by itself ({facts.normalises})"
            low, high = facts.stated["range"].value
            right = f"--range {low:g}-{high:g} --mean 0 --std 1"
            way_out = f"If the graph is right: {right}; else give --range --mean --std."
            raise PreprocessingError(model, reason, way_out)


def refuse_missing(chosen: Mapping[str, Stated], model: str) -> None:
    """Refuse to guess: the message names each field that is stated nowhere or was refused."""
    optional = ("resize", "crop_pct", "interpolation", "channels")
    refused = {name: entry for name, entry in chosen.items() if entry.refused}
    missing = [name for name in PARSERS if name in refused or (name not in chosen and name not in optional)]
    if not missing:
        return
    reasons = "; ".join(dict.fromkeys(f"{entry.source}: {entry.refused}" for entry in refused.values()))
    told = f" ({reasons})" if reasons else ""
    named = "/".join(missing)
    reason = f"how pixels become its input is not stated: {named} missing{told}; looked at {_LOOKED_AT}"
    way_out = f"Add {' '.join(flag(name) for name in missing)}, or write them under [preprocess] in geoaudit.toml."
    if set(missing) & set(_ARITHMETIC):
        way_out += f" --preset sets range, mean and std at once: {', '.join(PRESETS)}."
    raise PreprocessingError(model, reason, way_out)


def refuse_mixed_units(layers: Sequence[Layer], chosen: Mapping[str, Stated], model: str) -> None:
    """Refuse mean or std from a source that states them for another range: the units would be wrong."""
    value_range = chosen["range"]
    for name in ("mean", "std"):
        layer = next(layer for layer in layers if name in layer)
        own = layer.get("range")
        neutral = set(chosen[name].value) == {0.0 if name == "mean" else 1.0}
        if own is not None and not own.refused and own.value != value_range.value and not neutral:
            low, high = own.value
            reason = (
                f"{value_range.source} sets another range than the {low:g}..{high:g} "
                f"that {name} is stated for by {chosen[name].source}"
            )
            raise PreprocessingError(model, reason, "Add --range --mean --std together.")


def refuse_wrong_units(chosen: Mapping[str, Stated], model: str) -> None:
    """Refuse mean and std that belong to another range: 0.485 for 0..255, or 127 for 0..1."""
    low, high = chosen["range"].value
    mean, std = chosen["mean"].value, chosen["std"].value
    told = f"is in other units than the range {low:g}..{high:g} ({chosen['range'].source})"
    way_out = "Give --range --mean --std in the same units."
    if any(mean) and (min(mean) < low or max(mean) > high):
        raise PreprocessingError(f"{model}, {chosen['mean'].source}", f"mean {max(mean):g} {told}", way_out)
    if high - low > 100 and max(std) < 1:
        raise PreprocessingError(f"{model}, {chosen['std'].source}", f"std {max(std):g} {told}", way_out)
