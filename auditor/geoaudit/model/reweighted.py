"""The converted graph with other weights, on onnxruntime.

A changed copy of the graph gives its scores and gradients by torch.  They could come from onnxruntime, too, which is
faster, and checks on a changed model ask for thousands of them.  Where nothing but weights was changed, the cleaned
ONNX graph with the changed tensors is the same model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from geoaudit.api import Floats, Ints
from geoaudit.errors import ModelError
from geoaudit.memory import trim
from geoaudit.model import graph
from geoaudit.model.explain import Space
from geoaudit.model.parity import OUTPUT_TOLERANCE
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

ENOUGH = 32
"""Pictures from which on a session pays; a few are quicker by torch than the session is made."""
_COMPARED = 4


class Reweighted:
    """A changed copy of the graph: by torch at first, by onnxruntime where that says the same.

    Args:
        module: the changed copy, or a module around it.
        origin: over the unchanged graph.
        runtime: onnxruntime on the audited file.
        lasting: it will be asked again and again, and is not changed any more: onnxruntime serves from the first
            picture on, gradients included where it serves the origin's.  What it answers depends on nothing that was
            asked before.

    Attributes:
        twin: the changed copy by torch.
    """

    def __init__(self, module: Any, origin: Twin, runtime: Runtime, *, lasting: bool = False) -> None:
        self.twin = origin.with_module(module)
        self._origin = origin
        self._runtime = runtime
        self._lasting = lasting
        self._seen = 0
        self._proto: Any = None
        self._session: Runtime | None = None
        self._gradients: Twin | None = None
        self._tried = False

    def logits(self, points: Floats) -> Floats:
        """As `Twin.logits`."""
        self._seen += len(points)
        if (self._lasting or self._seen > ENOUGH) and not self._tried:
            self._tried, self._session = True, self._open(points[:_COMPARED])
            trim()
        return self.twin.logits(points) if self._session is None else self._session.logits(points)

    def value_and_gradient(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[np.float64], Floats]:
        """As `Twin.value_and_gradient`."""
        if self._gradients is None:
            proto = self._changed_proto() if self._lasting else None
            self._gradients = self.twin if proto is None else self.twin.on(proto)
        return self._gradients.value_and_gradient(points, targets, space)

    def _open(self, points: Floats) -> Runtime | None:
        """A session on the changed weights; None where more was changed, or onnxruntime computes something else."""
        proto = self._changed_proto()
        if proto is None:
            return None
        try:
            session = self._runtime.on(proto)
            ours, theirs = self.twin.logits(points), session.logits(points)
        except ModelError:
            return None
        allowed = OUTPUT_TOLERANCE[self._origin.normalised.precision] * max(float(np.ptp(ours)), 1e-12)
        return session if np.abs(ours - theirs).max() <= allowed else None

    def _changed_proto(self) -> Any:
        """The cleaned graph with the changed copy's tensors; None where more was changed."""
        changed = self.twin.module
        if str(getattr(changed, "graph", None)) != str(getattr(self._origin.module, "graph", "")):
            return None
        if self._proto is None:
            self._proto = _with_weights(self._origin, changed)
        return self._proto


def _with_weights(origin: Twin, changed: Any) -> Any:
    """The cleaned graph with the changed copy's tensors, each in the type that the file gives it."""
    proto = graph.copy(origin.normalised.proto)
    places = origin.module.meta["weights"]
    for tensor in proto.graph.initializer:
        if tensor.name in places:
            before = numpy_helper.to_array(tensor)
            after = changed.get_buffer(places[tensor.name]).detach().cpu().contiguous().numpy()
            if after.size == before.size and not np.array_equal(after.reshape(before.shape), before):
                made = numpy_helper.from_array(after.reshape(before.shape).astype(before.dtype), tensor.name)
                tensor.CopyFrom(made)
    return proto
