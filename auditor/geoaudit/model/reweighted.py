"""The converted graph with other weights, on onnxruntime.

A changed copy of the graph gives its gradients by torch.  Its outputs could come from torch too, but onnxruntime is
several times faster, and checks on a changed model ask for thousands of them.  Where nothing but weights was changed,
the cleaned ONNX graph with the changed tensors is the same model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper

from geoaudit.api import Floats
from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.parity import OUTPUT_TOLERANCE
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

ENOUGH = 32
"""Pictures from which on a session pays; a few are quicker by torch than the session is made."""
_COMPARED = 4


class Reweighted:
    """The scores of a changed copy of the graph: by torch at first, by onnxruntime where that says the same.

    Args:
        twin: over the changed copy.
        origin: over the unchanged graph.
        runtime: onnxruntime on the audited file.
    """

    def __init__(self, twin: Twin, origin: Twin, runtime: Runtime) -> None:
        self._twin = twin
        self._origin = origin
        self._runtime = runtime
        self._seen = 0
        self._session: Runtime | None = None
        self._tried = False

    def logits(self, points: Floats) -> Floats:
        """As `Twin.logits`."""
        self._seen += len(points)
        if self._seen > ENOUGH and not self._tried:
            self._tried, self._session = True, self._open(points[:_COMPARED])
        return self._twin.logits(points) if self._session is None else self._session.logits(points)

    def _open(self, points: Floats) -> Runtime | None:
        """A session on the changed weights; None where more was changed, or onnxruntime computes something else."""
        changed = self._twin.module
        if str(getattr(changed, "graph", None)) != str(getattr(self._origin.module, "graph", "")):
            return None
        try:
            session = self._runtime.on(_with_weights(self._origin, changed))
            ours, theirs = self._twin.logits(points), session.logits(points)
        except ModelError:
            return None
        allowed = OUTPUT_TOLERANCE[self._origin.normalised.precision] * max(float(np.ptp(ours)), 1e-12)
        return session if np.abs(ours - theirs).max() <= allowed else None


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
