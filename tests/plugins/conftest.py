"""Small scenes for every plugin: a smooth formula and a tiny convolutional network, with pictures for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from geoaudit import Cost, InputSpace, Problems, Quadrature
from geoaudit.analytic import AnalyticProbe
from geoaudit.api import Calibration
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import PluginError
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.explain import Space
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

SIDE, CLASSES, PICTURES, CALIBRATION = 8, 4, 5, 6
QUADRATURE = Quadrature(node_limit=64, scan=33, first_nodes=16)
Engine = Literal["formula", "network"]
Roles = Literal["ordinary", "twins"]
"""Of the colour channels: in "twins" the first two are interchangeable and the third has no influence."""
Probe = Any  # AnalyticProbe or ModelProbe; both are a geoaudit.api.Probe


@dataclass(frozen=True)
class Scene:
    """Problems and the probe that answers them; nothing evaluated yet."""

    problems: Problems
    probe: Probe


class TinyModel(AnalyticProbe):
    """A smooth model of pictures with four classes; sums run row by row, so that no number depends on the batch."""

    def __init__(self, w: Any, v: Any, calibration: Any, seed: int, gradients: bool, offset: float) -> None:
        super().__init__(None, None, QUADRATURE, calibration)  # type: ignore[arg-type]
        self._w, self._v, self._seed, self._gradients, self._offset = w, v, seed, gradients, offset

    def outputs(self, points: Any, targets: Any) -> Any:
        self.spent += Cost(forwards=len(points))
        return self._values(points.reshape(len(points), -1).astype(np.float64), targets)

    def scores(self, points: Any) -> Any:
        self.spent += Cost(forwards=len(points))
        flat = points.reshape(len(points), -1).astype(np.float64)
        return np.stack([self._values(flat, np.full(len(flat), c)) for c in range(CLASSES)], axis=1)

    def value_and_gradient(self, points: Any, targets: Any) -> Any:
        if not self._gradients:
            raise PluginError("gradients", "were asked for by a plugin that does not declare the need")
        self.spent += Cost(gradients=len(points))
        flat = points.reshape(len(points), -1).astype(np.float64)
        w, v = self._w[targets], self._v[targets]
        gradient = 2 * (1 - np.tanh((flat * w).sum(axis=1)) ** 2)[:, None] * w + np.cos(flat * v) * v
        return self._values(flat, targets), gradient.reshape(points.shape).astype(points.dtype)

    def _values(self, flat: Any, targets: Any) -> Any:
        w, v = self._w[targets], self._v[targets]
        return 2 * np.tanh((flat * w).sum(axis=1)) + np.sin(flat * v).sum(axis=1) + self._offset

    def rng(self, *key: str) -> np.random.Generator:
        return np.random.default_rng(list(sha256("/".join((str(self._seed), *key)).encode()).digest()))


def network(space: InputSpace, dtype: Any, roles: Roles) -> ModelProto:
    """Conv, Relu, MaxPool, Conv, Relu, GlobalAveragePool, Gemm to four classes."""
    rng = np.random.default_rng(3)
    kernel = rng.standard_normal((6, space.channels, 3, 3)) / np.sqrt(9 * space.channels)
    if roles == "twins":
        kernel[:, 1], kernel[:, 2] = kernel[:, 0], 0
    weights = {
        "kernel": kernel * 2,
        "bias": rng.standard_normal(6) * 0.2,
        "kernel2": rng.standard_normal((8, 6, 3, 3)) * 2 / np.sqrt(54),
        "bias2": rng.standard_normal(8) * 0.2,
        "matrix": rng.standard_normal((8, CLASSES)) * 2,
        "offset": rng.standard_normal(CLASSES) * 0.2,
    }
    kind = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    first = "image" if space.layout == "NCHW" else "planes"
    nodes = [
        *([] if first == "image" else [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])]),
        helper.make_node("Conv", [first, "kernel", "bias"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool", "kernel2", "bias2"], ["conv2"], pads=[1] * 4),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("GlobalAveragePool", ["relu2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "offset"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, ["N", *space.shape])],
        [helper.make_tensor_value_info("logits", kind, ["N", CLASSES])],
        [numpy_helper.from_array(values.astype(dtype), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests")


@lru_cache
def engines(space: InputSpace, dtype: Any, roles: Roles) -> tuple[Runtime, Twin]:
    """onnxruntime and the twin on the network's file."""
    with TemporaryDirectory(prefix="geoaudit-tests-") as folder:
        path = Path(folder) / "tiny.onnx"
        onnx.save(network(space, dtype, roles), str(path))
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        runtime = Runtime(artifact, head, "cpu", threads=1)
    return runtime, Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=16)


def make_scene(
    engine: Engine = "formula",
    *,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    channels: int = 3,
    dtype: Any = np.float32,
    roles: Roles = "ordinary",
    seed: int = 0,
    pictures: int = CALIBRATION,
    gradients: bool = True,
    explain: Space = "logit",
    offset: float = 0.0,
) -> Scene:
    """Five pictures, a part of the last one equal to its baseline.

    Args:
        engine: the smooth formula, or the network behind onnxruntime and torch.
        layout, channels, dtype: of the pictures.
        roles: what the colour channels mean.
        seed: of the run.
        pictures: number of calibration pictures.
        gradients: False refuses them.
        explain: the explained scalar of the network.
        offset: added to the formula's output.
    """
    shape = (channels, SIDE, SIDE) if layout == "NCHW" else (SIDE, SIDE, channels)
    space = InputSpace(layout, shape, (-1.0,) * channels, (1.0,) * channels)
    drawn = np.random.default_rng(1).uniform(-1, 1, (PICTURES + pictures, channels, SIDE, SIDE))
    drawn[PICTURES - 1, :, 1:5, 1:5] = -1.0
    if roles == "twins":
        drawn[:, 1] = drawn[:, 0]
    drawn = (drawn if layout == "NCHW" else drawn.transpose(0, 2, 3, 1)).astype(dtype)
    x, known = np.ascontiguousarray(drawn[:PICTURES]), drawn[PICTURES:]
    probe = _formula(space, known, roles, seed, gradients, offset) if engine == "formula" else None
    if probe is None:
        runtime, twin = engines(space, dtype, roles)
        calibration = Calibration("given pictures", tuple(map(str, range(pictures))), lambda i: known[list(i)])
        probe = ModelProbe(runtime, twin if gradients else None, explain, None, QUADRATURE, seed, calibration)
    scores = np.stack([probe.outputs(x, np.full(PICTURES, c)) for c in range(CLASSES)])
    targets = scores.argmax(axis=0).astype(np.int64)
    baseline = np.full_like(x, -1.0)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    _forget(probe)
    ids = ("a/1.png", "b.png", "c.png", "d.png", "e/1.png")
    return Scene(Problems(ids, x, baseline, targets, f_x, f_baseline, space), probe)


def _formula(space: InputSpace, known: Any, roles: Roles, seed: int, gradients: bool, offset: float) -> TinyModel:
    size = int(np.prod(space.shape))
    weights = np.random.default_rng(7).normal(size=(2, CLASSES, space.channels, SIDE, SIDE)) / np.sqrt(size)
    weights += 0.02  # every picture is brighter than its baseline: the output moves
    if roles == "twins":
        weights[:, :, 1], weights[:, :, 2] = weights[:, :, 0], 0
    if space.layout == "NHWC":
        weights = weights.transpose(0, 1, 3, 4, 2)
    w, v = weights.reshape(2, CLASSES, size)
    return TinyModel(w, v, known, seed, gradients, offset)


def _forget(probe: Probe) -> None:
    """Nothing has been evaluated yet."""
    if isinstance(probe, ModelProbe):
        probe._spent[0] = Cost()
    else:
        probe.spent = Cost()


@pytest.fixture(scope="session")
def scene() -> Callable[..., Scene]:
    """`scene(engine, **changes)`: see `make_scene`."""
    return make_scene
