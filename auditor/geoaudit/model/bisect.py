"""Which tensor of the graph is the first that the converted model computes differently?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from geoaudit.api import Floats
from geoaudit.model import graph
from geoaudit.model.boundary import own_shape
from geoaudit.model.twin import Twin

Arrays = dict[str, npt.NDArray[Any]]


class _Recorder(torch.fx.Interpreter):
    """Runs a converted graph node by node and keeps every tensor under its ONNX name."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.tensors: Arrays = {}
        self.failed: str | None = None

    def run_node(self, n: torch.fx.Node) -> Any:
        """Run one node; remember its outputs, or that it failed."""
        names: tuple[str, ...] = ()
        if n.op == "call_module":
            names = self.submodules[str(n.target)].onnx_mapping.outputs
        try:
            result = super().run_node(n)
        except Exception:
            self.failed = names[0] if names else None
            raise
        given = result if isinstance(result, (tuple, list)) else (result,)
        for name, value in zip(names, given, strict=False):
            if isinstance(value, torch.Tensor):
                self.tensors[name] = value.detach().cpu().numpy()
        return result


def first_difference(twin: Twin, point: Floats, tolerance: float) -> str | None:
    """The first tensor, in graph order, on which onnxruntime and the converted model differ for one image.

    Args:
        twin: the converted model with its normalised graph.
        point: one sample, shape (*shape).
        tolerance: allowed |difference| as a share of the range of the tensor's values.

    Returns:
        Tensor, operator and node in words; None if every tensor agrees, or if the graph is too large to run
        with all its tensors as outputs.
    """
    proto = twin.normalised.proto
    if not graph.fits_one_message(proto):
        return None
    image = graph.tensor_info(graph.data_inputs(proto.graph)[0])
    size = image.shape[0] if isinstance(image.shape[0], int) and image.shape[0] > 0 else 1
    shaped = np.asarray(point).reshape(own_shape(point.shape, len(image.shape)))
    batch = np.repeat(shaped[None], size, axis=0).astype(image.dtype)
    expected = _onnxruntime(twin, image.name, batch)
    recorder = _Recorder(twin.converted.module)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converted modules warn about their own code
            recorder.run(torch.from_numpy(batch.astype(np.promote_types(image.dtype, np.float32))).to(twin.device))
    except Exception:  # a node that cannot run is the first difference; found below
        pass
    for node in proto.graph.node:
        for name in node.output:
            if name == recorder.failed or _differ(expected.get(name), recorder.tensors.get(name), tolerance):
                return f"'{name}' ({node.op_type}, node '{node.name or node.output[0]}')"
    return None


def _onnxruntime(twin: Twin, image: str, batch: npt.NDArray[Any]) -> Arrays:
    """Every tensor of the normalised graph, computed without onnxruntime's own optimisations."""
    exposed = graph.copy(twin.normalised.proto)
    present = {value.name for value in exposed.graph.output}
    for node in twin.normalised.proto.graph.node:
        for name in node.output:
            if name and name not in present:
                exposed.graph.output.add(name=name)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = twin.threads
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {image: batch}), strict=True))


def _differ(expected: npt.NDArray[Any] | None, found: npt.NDArray[Any] | None, tolerance: float) -> bool:
    if expected is None or found is None or expected.dtype.kind not in "fiub":
        return False
    if expected.size != found.size:
        return True
    if not expected.size:
        return False
    a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    scale = max(float(np.ptp(a)), float(np.abs(a).max()) * 1e-3, 1e-12)
    return not float(np.abs(a - b).max()) <= tolerance * scale
