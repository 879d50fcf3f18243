"""Value and gradient by onnxruntime, on a reverse-mode graph made from the cleaned one."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit.model.engines.base import EngineRefused
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised
from geoaudit.model.wording import brief


class OnnxruntimeEngine:
    """onnxruntime on the graph of the gradient; sessions are made when they are first needed.

    Args:
        normalised: the cleaned graph.
        head: where the scores are read.
        threads: processor threads.

    Raises:
        EngineRefused: an operator has no adjoint.

    Attributes:
        apart: see `GradientEngine`.
    """

    apart = True

    def __init__(self, normalised: Normalised, head: Head, threads: int) -> None:
        from geoaudit.model.adjoint import AdjointEngine, Unsupported

        self._unsupported = Unsupported
        try:
            self._adjoint = AdjointEngine(normalised, head, threads=threads)
        except Unsupported as reason:
            raise EngineRefused(str(reason)) from reason

    def evaluate(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """As `GradientEngine.evaluate`.

        Raises:
            EngineRefused: onnxruntime cannot load or run the graph.
        """
        try:
            return self._adjoint.value_and_gradient(points, targets, space)
        except self._unsupported as reason:
            raise EngineRefused(str(reason)) from reason
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise EngineRefused(f"onnxruntime cannot evaluate the gradient ({brief(error)})") from error
