"""Value and gradient of the explained output, both by onnxruntime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit.model import explain, graph
from geoaudit.model.adjoint.explained import CHOSEN
from geoaudit.model.adjoint.reverse import value_and_gradient_graph
from geoaudit.model.adjoint.sessions import start
from geoaudit.model.boundary import own_shape
from geoaudit.model.engines.batches import fill
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.lanes import lanes
from geoaudit.model.normalise import Normalised
from geoaudit.model.sessions import Session


class AdjointEngine:
    """Gradients by a reverse-mode ONNX graph.

    Images go through one by one, several side by side.  That is faster than batches (see `lanes`), needs less memory,
    and makes an image's numbers independent of the images beside it: some models' last bits, vision transformers'
    among them, depend on an image's place in its batch.

    Args:
        normalised: the cleaned graph.
        head: where the scores are read.
        threads: processor threads.

    Attributes:
        batch_size: images that one run of the graph takes: 1, or what is built into the graph; the last batch is then
            filled up with copies of its last image.

    Raises:
        Unsupported: an operator has no adjoint.
    """

    def __init__(self, normalised: Normalised, head: Head, *, threads: int) -> None:
        self._proto = normalised.proto
        self._head = head
        self._lanes = lanes(threads)
        self._image = graph.tensor_info(graph.data_inputs(self._proto.graph)[0])
        batch, *declared = self._image.shape
        self.batch_size = batch if isinstance(batch, int) and batch > 0 else 1
        self._sessions: dict[tuple[Space, tuple[int, ...]], Session] = {}
        if all(isinstance(side, int) and side > 0 for side in declared):
            shape = (self.batch_size, *(int(side) for side in declared))
            value_and_gradient_graph(self._proto, head, "logit", shape)

    def value_and_gradient(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[np.float64], Floats]:
        """The explained scalar and its gradient with respect to the points.

        Args:
            points: model input, shape (m, *shape), any float dtype; not changed.
            targets: explained classes, int64, shape (m,).
            space: which scalar.

        Returns:
            Values, float64 (m,), and gradients, dtype and shape of `points`.

        Raises:
            Unsupported: the graph cannot be built for images of this shape.
        """
        values, gradients = np.empty(len(points), dtype=np.float64), np.empty_like(points)
        size = self.batch_size
        session = self._session(space, (size, *own_shape(points.shape[1:], len(self._image.shape))))

        def run(first: int) -> None:
            part = slice(first, min(first + size, len(points)))
            scores, found = self._batch(session, fill(points[part], size), fill(targets[part], size))
            count = part.stop - part.start
            values[part] = explain.values(scores[:count], targets[part], space, self._head.tail)
            gradients[part] = found[:count].reshape(gradients[part].shape)

        self._lanes.map(run, range(0, len(points), size))
        return values, gradients

    def _batch(self, session: Session, points: Floats, targets: Ints) -> tuple[Floats, Floats]:
        shape = (len(points), *own_shape(points.shape[1:], len(self._image.shape)))
        chosen = np.zeros((len(points), self._head.classes), dtype=np.float64)
        chosen[np.arange(len(points)), targets] = 1.0
        image = np.ascontiguousarray(points.reshape(shape), dtype=self._image.dtype)
        raw, gradient = session.engine.run(None, {self._image.name: image, CHOSEN: chosen})
        rows = explain.rows(raw.reshape(len(points), -1), self._head.kind == "binary", self._head.tail)
        return rows, gradient

    def _session(self, space: Space, shape: tuple[int, ...]) -> Session:
        if (space, shape) not in self._sessions:
            adjoint = value_and_gradient_graph(self._proto, self._head, space, shape)
            self._sessions[space, shape] = start(adjoint, self._lanes.threads)
        return self._sessions[space, shape]
