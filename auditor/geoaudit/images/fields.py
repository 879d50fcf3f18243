"""The fields of a preprocessing, how each is written down, and the named presets."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoaudit.errors import PreprocessingError

INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
RESIZES = ("shortest-edge", "warp")
CHANNELS = ("RGB", "BGR", "grey")
LAYOUTS = ("NCHW", "NHWC")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Stated:
    """A value and where it was stated; `refused` says why a source that should know it cannot give it."""

    value: Any
    source: str
    refused: str | None = None


Layer = Mapping[str, Stated]
"""What one source states: field name to value."""


def parse(field: str, raw: Any, where: str) -> Any:
    """`raw` (text, number or list, as found in options, TOML, JSON or metadata) as a value of `field`.

    Args:
        field: a key of `PARSERS`.
        raw: how it was written: size "224", "224x256" (height first) or [224, 256]; range "0-255", "-1-1",
            "0..1" or [0, 1]; mean and std "0.5" or "0.485,0.456,0.406" or a list, in the model's own channel
            order.
        where: named in the error message, such as "--mean".

    Raises:
        PreprocessingError: it cannot be read as such a value.
    """
    parser, expected = PARSERS[field]
    try:
        return parser(raw)
    except (ValueError, TypeError):
        raise PreprocessingError(where, f"{raw!r} is not a {field}", f"Expected {expected}.") from None


def stated(values: Mapping[str, Any], where: Callable[[str], str]) -> tuple[Layer, Layer]:
    """The fields among `values` as a layer, and the layer of the preset that they name (empty without).

    Args:
        values: field name, or "preset", to what was written; None counts as not written.  "_" and "-" are the
            same.
        where: the source to record for a field.

    Raises:
        PreprocessingError: a value cannot be read, or there is no such preset.
    """
    written = {key.replace("-", "_"): raw for key, raw in values.items() if raw is not None}
    explicit = {key: Stated(parse(key, raw, where(key)), where(key)) for key, raw in written.items() if key in PARSERS}
    if "preset" not in written:
        return explicit, {}
    return explicit, preset_layer(str(written["preset"]), where("preset"))


def preset_layer(name: str, where: str) -> Layer:
    """The fields that the preset `name` sets.

    Raises:
        PreprocessingError: there is no such preset.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise PreprocessingError(where, f"no preset {name!r}", f"{hint}Presets: {', '.join(PRESETS)}.")
    return {field: Stated(value, f"{where} {name}") for field, value in PRESETS[name].items()}


def _floats(raw: Any) -> tuple[float, ...]:
    if isinstance(raw, str):
        parts: Sequence[Any] = re.split(r"[,\s]+", raw.strip().strip("[]()"))
    else:
        parts = raw if isinstance(raw, Sequence) else [raw]
    values = tuple(float(part) for part in parts)
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError
    return values


def _mean(raw: Any) -> tuple[float, ...]:
    values = _floats(raw)
    if len(values) not in (1, 3):
        raise ValueError
    return values


def _std(raw: Any) -> tuple[float, ...]:
    values = _mean(raw)
    if min(values) <= 0:
        raise ValueError
    return values


def _range(raw: Any) -> tuple[float, float]:
    if isinstance(raw, str):
        match = re.fullmatch(rf"\s*\[?({_NUMBER})\s*(?:\.\.|[-,:\s])\s*({_NUMBER})\]?\s*", raw)
        if match is None:
            raise ValueError
        raw = match.groups()
    low, high = _floats(list(raw))
    if low >= high:
        raise ValueError
    return low, high


def _size(raw: Any) -> tuple[int, int]:
    if isinstance(raw, str):
        raw = re.split(r"[x×,\s]+", raw.strip().strip("[]()"))
    values = list(raw) if isinstance(raw, Sequence) else [raw]
    numbers = [int(value) for value in values * (2 if len(values) == 1 else 1)]
    height, width = numbers
    if not (0 < height <= 8192 and 0 < width <= 8192):
        raise ValueError
    return height, width


def _crop_pct(raw: Any) -> float:
    value = float(raw)
    if not 0 < value <= 1:
        raise ValueError
    return value


def _one_of(allowed: Sequence[str], spellings: Mapping[str, str] | None = None) -> Callable[[Any], str]:
    known = {name.lower(): name for name in allowed} | dict(spellings or {})

    def read(raw: Any) -> str:
        name = known.get(str(raw).strip().lower())
        if name is None:
            raise ValueError
        return name

    return read


PARSERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "layout": (_one_of(LAYOUTS), "NCHW or NHWC"),
    "size": (_size, "height x width in pixels, such as 224 or 224x256"),
    "resize": (_one_of(RESIZES), "shortest-edge (keeps the aspect ratio, then crops the centre) or warp"),
    "crop_pct": (_crop_pct, "the side of the centre crop as a share of the resized picture, in (0, 1]"),
    "interpolation": (_one_of(INTERPOLATIONS), f"one of {', '.join(INTERPOLATIONS)}"),
    "channels": (_one_of(CHANNELS, {"gray": "grey", "l": "grey"}), f"one of {', '.join(CHANNELS)}"),
    "range": (_range, "what pixel 0 and pixel 255 become before mean and std, such as 0-1, 0-255 or -1-1"),
    "mean": (_mean, "one number or one a channel, in the units of the range"),
    "std": (_std, "one positive number or one a channel, in the units of the range"),
}
"""How each field is read, and what to write; the fields' names are the keys, in the report's order."""

_UNIT = {"range": (0.0, 1.0), "mean": (0.0,), "std": (1.0,)}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # torchvision's and timm's constants for ImageNet, with the customary 256 -> 224 crop
    "imagenet": {
        "range": (0.0, 1.0),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "channels": "RGB",
        "resize": "shortest-edge",
        "crop_pct": 0.875,
        "interpolation": "bilinear",
    },
    # Inception, many vision transformers: -1..1
    "imagenet-inception": {
        "range": (0.0, 1.0),
        "mean": (0.5,),
        "std": (0.5,),
        "channels": "RGB",
        "resize": "shortest-edge",
        "crop_pct": 0.875,
        "interpolation": "bicubic",
    },
    # the constants published with OpenAI's CLIP
    "clip": {
        "range": (0.0, 1.0),
        "mean": (0.48145466, 0.4578275, 0.40821073),
        "std": (0.26862954, 0.26130258, 0.27577711),
        "channels": "RGB",
        "resize": "shortest-edge",
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    },
    "zero-one": _UNIT,
    "raw": {**_UNIT, "range": (0.0, 255.0)},
}
"""What each `--preset` sets; size and layout always come from elsewhere."""


def flag(field: str) -> str:
    """The command line's option for `field`, such as "--crop-pct"."""
    return "--" + field.replace("_", "-")
