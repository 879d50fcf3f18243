"""A small network on scikit-learn's digits, and the digits as pictures: real scores in hundreds for seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 16
METADATA = {
    "geoaudit.range": "0-1", "geoaudit.channels": "grey", "geoaudit.resize": "warp", "geoaudit.crop_pct": "1.0",
    "geoaudit.interpolation": "nearest", "geoaudit.mean": "0", "geoaudit.std": "1",
}  # fmt: skip


def digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1797 digits, uint8, shape (n, SIDE, SIDE), and their classes (n,)."""
    found = load_digits()
    pictures = np.rint(found.images * 255 / 16).astype(np.uint8)
    return pictures.repeat(2, axis=1).repeat(2, axis=2), found.target


def trained(seed: int = 0, epochs: int = 12) -> torch.nn.Sequential:
    """Conv 3x3 to 8 maps, conv 3x3 with stride 2 to 16, a matrix to 10 classes; trained on the first 1200 digits."""
    torch.manual_seed(seed)
    pictures, classes = digits()
    x, y = torch.tensor(pictures[:1200, None] / 255.0, dtype=torch.float32), torch.tensor(classes[:1200])
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, stride=2, padding=1),
        torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16 * (SIDE // 2) ** 2, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[part]), y[part]).backward()
            optimiser.step()
    return net


def write_model(path: Path) -> Path:
    """The trained network as ONNX, with its preprocessing in the metadata."""
    net = trained()
    weights = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["image", "0.weight", "0.bias"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "2.weight", "2.bias"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "5.weight", "5.bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, METADATA)
    onnx.save(model, str(path))
    return path


def write_pictures(folder: Path, count: int) -> Path:
    """The digits that the network has not seen, in a folder a class, as people keep them."""
    pictures, classes = digits()
    for i in range(1200, 1200 + count):
        place = folder / str(classes[i])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[i]).save(place / f"{i}.png")
    return folder
