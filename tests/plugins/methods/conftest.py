"""Probes over any small ONNX graph, for methods that look inside the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from geoaudit import Cost, InputSpace, Problems, Quadrature
from geoaudit.api import Calibration
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

LIMITS = Quadrature(tolerance=1e-3, node_limit=64, scan=33, first_nodes=16)


@pytest.fixture
def probe_over(tmp_path: Path) -> Callable[..., ModelProbe]:
    """`probe_over(nodes, weights, shape, classes, calibration=None, explain="logit")`: input "x", output "y"."""

    def make(
        nodes: list[Any], weights: dict[str, Any], shape: tuple[int, ...], classes: int, calibration: Any = None,
        explain: Any = "logit",
    ) -> ModelProbe:  # fmt: skip
        graph = helper.make_graph(
            nodes,
            "given",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", *shape])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", classes])],
            [numpy_helper.from_array(np.asarray(v, np.float32 if np.asarray(v).dtype.kind == "f" else None), k)
             for k, v in weights.items()],
        )  # fmt: skip
        path = tmp_path / "given.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        runtime = Runtime(artifact, head, "cpu", threads=1)
        twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=8)
        known = None
        if calibration is not None:
            pictures = np.asarray(calibration, dtype=np.float32)
            ids = tuple(f"known{i}" for i in range(len(pictures)))
            known = Calibration("given pictures", ids, lambda indices: pictures[list(indices)])
        return ModelProbe(runtime, twin, explain, head.tail, LIMITS, 0, known)

    return make


@pytest.fixture
def posed() -> Callable[..., Problems]:
    """`posed(probe, x, targets, baseline=0.0, low=-1.0, high=1.0)`: NCHW problems named picture0, picture1, ..."""

    def make(
        probe: ModelProbe, x: Any, targets: Any, baseline: float = 0.0, low: float = -1.0, high: float = 1.0
    ) -> Problems:
        points = np.asarray(x, dtype=np.float32)
        start = np.full_like(points, baseline)
        channels = points.shape[1]
        space = InputSpace("NCHW", points.shape[1:], (low,) * channels, (high,) * channels)
        wanted = np.asarray(targets, dtype=np.int64)
        f_x, f_start = probe.outputs(points, wanted), probe.outputs(start, wanted)
        probe._spent[0] = Cost()
        return Problems(tuple(f"picture{i}" for i in range(len(points))), points, start, wanted, f_x, f_start, space)

    return make
