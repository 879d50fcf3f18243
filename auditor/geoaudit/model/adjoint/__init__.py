"""Gradients executed by onnxruntime: a reverse-mode graph, built operator by operator from the cleaned model."""

from __future__ import annotations

from geoaudit.model.adjoint.engine import AdjointEngine
from geoaudit.model.adjoint.unsupported import Unsupported

__all__ = ["AdjointEngine", "Unsupported"]
