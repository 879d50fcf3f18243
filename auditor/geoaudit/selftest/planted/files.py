"""Planted models and their pictures as files, so that an audit meets them as it meets anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

Layout = Literal["NCHW", "NHWC"]
LOW, HIGH = -1.0, 1.0
"""Model input of pixel values 0 and 255, every channel."""


def model_file(
    nodes: Sequence[NodeProto], weights: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int, int], classes: int,
    layout: Layout, dtype: Any,
) -> ModelProto:  # fmt: skip
    """A classifier from a picture "image" to "scores".

    Args:
        nodes: what it computes, from the tensor "planes", the picture as (n, channels, height, width).
        weights: initializers by name; floats take `dtype`.
        shape: channels, height and width of the picture.
        classes: number of scores.
        layout: how the file takes its picture.
        dtype: float32 or float64.
    """
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    channels, height, width = shape
    taken = shape if layout == "NCHW" else (height, width, channels)
    if layout == "NCHW":
        first = helper.make_node("Identity", ["image"], ["planes"])
    else:
        first = helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])
    held = {n: v.astype(dtype) if np.issubdtype(v.dtype, np.floating) else v for n, v in weights.items()}
    graph = helper.make_graph(
        [first, *nodes],
        "planted",
        [helper.make_tensor_value_info("image", kind, ["N", *taken])],
        [helper.make_tensor_value_info("scores", kind, ["N", classes])],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="geoaudit")


def write(folder: Path, model: ModelProto, pictures: npt.NDArray[np.uint8]) -> tuple[Path, Path]:
    """The model and its pictures (n, h, w, 3) in `folder`; returns the model's path and the pictures' folder."""
    from PIL import Image

    path, images = folder / "planted.onnx", folder / "pictures"
    path.write_bytes(model.SerializeToString())
    images.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(images / f"{i:02}.png")
    return path, images


def model_input(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Pictures (n, h, w, c) as the planted models take them, but channels first and float64."""
    scaled = LOW + (HIGH - LOW) * pictures.astype(np.float64) / 255.0
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 1))


def channels_first(maps: npt.NDArray[Any], layout: Layout) -> npt.NDArray[np.float64]:
    """Maps in a model's layout as (n, channels, height, width), float64."""
    return np.asarray(maps if layout == "NCHW" else np.moveaxis(maps, -1, 1), dtype=np.float64)
