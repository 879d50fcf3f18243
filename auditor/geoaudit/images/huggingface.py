"""What a Hugging Face `preprocessor_config.json` states about preprocessing.

Source: the image processors' documented fields (transformers).  Only processors whose fields are known to
mean what this module reads into them are accepted; an unknown one is refused, not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoaudit.errors import PreprocessingError
from geoaudit.images.fields import INTERPOLATIONS, Layer, Stated, parse
from geoaudit.images.preprocess_sources import refuse, sidecar

KNOWN = frozenset(
    {"ViT", "DeiT", "Beit", "CLIP", "ConvNext", "Bit", "Levit", "MobileNetV1", "MobileNetV2", "MobileViT",
     "PoolFormer", "Pvt", "Siglip"}
)  # fmt: skip
_ENDINGS = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")
_PILLOW_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
_LEVIT_MARGIN = 256 / 224  # LeViT's processor enlarges its shortest edge by this before the crop


def huggingface(model_path: Path) -> Layer:
    """The layer of `preprocessor_config.json` in the model's folder or the one above; empty without."""
    loaded = sidecar(model_path, "preprocessor_config.json")
    if not isinstance(loaded, tuple):
        return loaded
    config, source = loaded
    processor = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    if processor.startswith("TimmWrapper"):
        return {}  # by design the timm config.json holds the fields
    kind = next((processor.removesuffix(end) for end in _ENDINGS if processor.endswith(end)), processor)
    if kind not in KNOWN:
        return refuse(source, f"image processor {processor or '(not named)'} is not known")
    try:
        return {
            field: Stated(value, source)
            for field, value in {**_geometry(config, kind), **_arithmetic(config, source)}.items()
        }
    except (PreprocessingError, TypeError, ValueError, KeyError) as error:
        told = error.reason if isinstance(error, PreprocessingError) else str(error) or "malformed"
        return refuse(source, told)


def _arithmetic(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Range, mean and std; mean and std are in the units of the rescaled pixels."""
    factor = 1.0
    if config.get("do_rescale", True):  # older files have no such key and imply 1/255
        factor = float(config.get("rescale_factor", 1 / 255))
    fields: dict[str, Any] = {"range": (0.0, 1.0 if math.isclose(factor, 1 / 255) else 255 * factor)}
    if config.get("do_normalize", "image_mean" in config):
        fields |= {key: parse(key, config[f"image_{key}"], source) for key in ("mean", "std")}
    else:
        fields |= {"mean": (0.0,), "std": (1.0,)}
    if "resample" in config:
        resample = config["resample"]
        name = _PILLOW_FILTERS.get(resample) if isinstance(resample, int) else str(resample).lower()
        if name not in INTERPOLATIONS:
            raise ValueError(f"resample {resample!r} is not known")
        fields["interpolation"] = name
    if config.get("do_flip_channel_order", config.get("do_flip_channels", False)):
        fields["channels"] = "BGR"
    return fields


def _geometry(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Size, resize rule and crop."""
    if not config.get("do_resize", True):
        raise ValueError("do_resize is false: how pictures of other sizes are treated is not stated")
    size = config["size"]
    # an int is the shortest edge where the centre is cropped, and both sides where it is not
    crops = bool(config.get("do_center_crop", "crop_size" in config))
    if isinstance(size, int):
        keeps_ratio = crops or kind in ("ConvNext", "Levit", "PoolFormer")
        size = {"shortest_edge": size} if keeps_ratio else {"height": size, "width": size}
    if kind in ("ConvNext", "PoolFormer") and "shortest_edge" in size:
        return _crop_by_share(int(size["shortest_edge"]), config, kind)
    if "shortest_edge" in size:
        edge = int(int(size["shortest_edge"]) * (_LEVIT_MARGIN if kind == "Levit" else 1))
        if not crops:
            raise ValueError("a shortest edge without a centre crop gives no fixed size")
        crop = _pair(config.get("crop_size", size["shortest_edge"]))
        return _cropped("shortest-edge", crop, (edge * crop[0] // min(crop), edge * crop[1] // min(crop)))
    whole = _pair(size)
    return _cropped("warp", _pair(config["crop_size"]) if crops and "crop_size" in config else whole, whole)


def _crop_by_share(edge: int, config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """ConvNeXt and PoolFormer: the crop is a share of the resized edge; ConvNeXt warps from 384 pixels on."""
    if kind == "ConvNext" and edge >= 384:
        return {"size": (edge, edge), "resize": "warp", "crop_pct": 1.0}
    share = config.get("crop_pct")
    share = (224 / 256 if kind == "ConvNext" else 0.9) if share is None else float(share)
    return {"size": (edge, edge), "resize": "shortest-edge", "crop_pct": share}


def _cropped(resize: str, crop: tuple[int, int], resized: tuple[int, int]) -> dict[str, Any]:
    shares = (crop[0] / resized[0], crop[1] / resized[1])
    if max(shares) > 1 or not math.isclose(*shares, rel_tol=0.01):
        raise ValueError(f"a crop of {crop[0]}x{crop[1]} from {resized[0]}x{resized[1]} is not supported")
    return {"size": crop, "resize": resize, "crop_pct": shares[0]}


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        if "shortest_edge" in size:
            return int(size["shortest_edge"]), int(size["shortest_edge"])
        return int(size["height"]), int(size["width"])
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
