"""What files beside the model and the model's own metadata state about its preprocessing.

Each function returns a layer: the fields that its source states, in its own words.  A source that should know
a field but says it in a way that is not understood states a refusal instead, so that a weaker source or a
default is not taken in its place.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoaudit.errors import ModelError, PreprocessingError
from geoaudit.images.fields import Layer, Stated, parse, stated

_ALL = ("resize", "crop_pct", "interpolation", "range", "mean", "std")
_PIXEL_FORMATS = {"gray8": "grey", "rgb8": "RGB", "bgr8": "BGR"}
_NOMINAL_RANGES = {"nominalrange_0_255": (0, 255), "normalized_0_1": (0, 1), "normalized_1_1": (-1, 1)}


def geoaudit_metadata(metadata: Mapping[str, str]) -> tuple[Layer, Layer]:
    """The entries `geoaudit.<field>` of the ONNX metadata, and the layer of a `geoaudit.preset` among them.

    Raises:
        PreprocessingError: such an entry cannot be read.
    """
    own = {key.removeprefix("geoaudit."): value for key, value in metadata.items() if key.startswith("geoaudit.")}
    return stated(own, lambda field: f"ONNX metadata geoaudit.{field}")


def beside(model_path: Path, name: str) -> tuple[Path, str] | None:
    """The file `name` in the model's folder or the one above, and what to call it; None if neither has it."""
    folder = model_path.resolve().parent
    for candidate, called in ((folder / name, name), (folder.parent / name, f"../{name}")):
        if candidate.is_file():
            return candidate, called
    return None


def read_json(path: Path) -> Any:
    """The JSON content of `path`.

    Raises:
        ValueError: it is not JSON or not UTF-8.
        OSError: it cannot be read.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def sidecar(model_path: Path, name: str) -> tuple[Mapping[str, Any], str] | Layer:
    """The JSON object in the file `name` and what to call it; a layer (of refusals) where there is none."""
    found = beside(model_path, name)
    if found is None:
        return {}
    path, called = found
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        return refuse(called, f"cannot be read as JSON ({error})")
    return (content, called) if isinstance(content, dict) else {}


def refuse(source: str, reason: str, fields: tuple[str, ...] = _ALL) -> dict[str, Stated]:
    """A layer in which `source` refuses `fields`."""
    return {field: Stated(None, source, reason) for field in fields}


def timm(model_path: Path) -> Layer:
    """The `pretrained_cfg` of a timm `config.json` in the model's folder or the one above.

    Source: timm's data configuration (input_size is (C, H, W); crop_mode "center" or "squash").
    """
    loaded = sidecar(model_path, "config.json")
    if not isinstance(loaded, tuple):
        # config.json is a common name: only one that can be read says whether it is about preprocessing
        return {}
    content, called = loaded
    config = content.get("pretrained_cfg")
    if not isinstance(config, dict):
        return {}
    source = f"{called} (timm pretrained_cfg)"
    layer: dict[str, Stated] = {"range": Stated((0.0, 1.0), source)}
    for field in ("mean", "std", "crop_pct", "interpolation"):
        if config.get(field) is not None:
            layer |= _field(field, config[field], source)
    if isinstance(config.get("input_size"), list) and len(config["input_size"]) == 3:
        layer |= _field("size", config["input_size"][1:], source)
    mode = {"center": "shortest-edge", "squash": "warp"}.get(config.get("crop_mode") or "center")
    layer |= _field("resize", mode or config["crop_mode"], source)
    return layer


def ultralytics(metadata: Mapping[str, str], model: str) -> Layer:
    """What an Ultralytics export states: imgsz, and by its convention RGB in 0..1 without mean and std.

    Raises:
        ModelError: the export is a detector or otherwise no classifier.
    """
    if "task" not in metadata or not {"stride", "imgsz", "names"} & metadata.keys():
        return {}
    task = metadata["task"].strip("'\" ")
    if task != "classify":
        name = "detector" if task in ("detect", "obb") else f"model for the task {task!r}"
        reason = f"its Ultralytics metadata (task: {task}) says that it is a {name}, not an image classifier"
        raise ModelError(model, reason, "geoaudit audits classifiers: export one with task 'classify'.")
    source = "Ultralytics metadata"
    values = {
        "range": (0.0, 1.0), "mean": (0.0,), "std": (1.0,), "channels": "RGB",
        "resize": "shortest-edge", "crop_pct": 1.0, "interpolation": "bilinear",
    }  # fmt: skip
    layer = {field: Stated(value, source) for field, value in values.items()}
    if "imgsz" in metadata:
        try:
            layer |= _field("size", ast.literal_eval(metadata["imgsz"]), source)
        except (ValueError, SyntaxError):
            layer |= refuse(source, f"imgsz {metadata['imgsz']!r} is not a size", ("size",))
    return layer


def onnx_image(metadata: Mapping[str, str], denoted: bool) -> Layer:
    """ONNX's own `Image.*` metadata (ONNX specification, "Metadata", experimental).

    Args:
        metadata: the model's metadata_props.
        denoted: whether the input's type denotation is IMAGE.  Only then is the model input an image in the
            stated range, with nothing left to subtract or divide by; without it mean and std stay open.
    """
    props = {key.lower(): value.strip().lower() for key, value in metadata.items()}
    layer: dict[str, Stated] = {}
    pixel_format = props.get("image.bitmappixelformat")
    if pixel_format is not None:
        source = "ONNX metadata Image.BitmapPixelFormat"
        if pixel_format in _PIXEL_FORMATS:
            layer["channels"] = Stated(_PIXEL_FORMATS[pixel_format], source)
        else:
            layer |= refuse(source, f"{pixel_format!r} is not supported", ("channels",))
    nominal = props.get("image.nominalpixelrange")
    if nominal is not None:
        source = "ONNX metadata Image.NominalPixelRange"
        if nominal not in _NOMINAL_RANGES:
            return layer | refuse(source, f"{nominal!r} is not supported", ("range",))
        layer["range"] = Stated(parse("range", _NOMINAL_RANGES[nominal], source), source)
        if denoted:
            layer |= {"mean": Stated((0.0,), source), "std": Stated((1.0,), source)}
    return layer


def _field(field: str, raw: Any, source: str) -> dict[str, Stated]:
    try:
        return {field: Stated(parse(field, raw, source), source)}
    except PreprocessingError as error:
        return refuse(source, error.reason, (field,))
