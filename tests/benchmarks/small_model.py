"""Small convolutional classifiers of any size, and pictures for them: what scaling is measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image
from scipy.ndimage import gaussian_filter

CLASSES = 10


def write_classifier(path: Path, side: int, width: int, stages: int = 4) -> int:
    """Convolutions that halve the picture and double the channels, global average, one linear layer; He weights.

    Args:
        path: the ONNX file.
        side: of the square picture.
        width: channels of the first convolution.
        stages: convolutions.

    Returns:
        The number of its parameters.
    """
    rng = np.random.default_rng(width)
    nodes, weights, name, channels = [], [], "image", 3
    for stage in range(stages):
        wide = width * 2**stage
        kernel = rng.standard_normal((wide, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        weights += [_tensor(f"w{stage}", kernel), _tensor(f"b{stage}", 0.1 * rng.standard_normal(wide))]
        nodes.append(
            helper.make_node("Conv", [name, f"w{stage}", f"b{stage}"], [f"c{stage}"], strides=[2, 2], pads=[1, 1, 1, 1])
        )
        nodes.append(helper.make_node("Relu", [f"c{stage}"], [f"r{stage}"]))
        name, channels = f"r{stage}", wide
    weights += [_tensor("w", rng.standard_normal((CLASSES, channels)) * 3), _tensor("b", rng.standard_normal(CLASSES))]
    nodes += [
        helper.make_node("GlobalAveragePool", [name], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], transB=1),
    ]
    shape = ["batch", 3, side, side]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", CLASSES])], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = {"size": str(side), "range": "0-1", "mean": "0.5", "std": "0.5", "channels": "RGB", "resize": "warp"}
    helper.set_model_props(model, {f"geoaudit.{key}": value for key, value in facts.items()})
    onnx.save(model, str(path))
    return sum(int(np.prod(tensor.dims)) for tensor in weights)


def write_pictures(folder: Path, side: int, count: int) -> None:
    """Different pictures of soft coloured blobs, each the same whatever their number."""
    folder.mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).standard_normal((side, side, 3))
        soft = gaussian_filter(noise, sigma=(side / 16, side / 16, 0))
        low, high = soft.min(), soft.max()
        Image.fromarray(np.uint8(255 * (soft - low) / (high - low))).save(folder / f"{number:04d}.png")


def _tensor(name: str, values: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(values.astype(np.float32), name)
