"""Quantised graphs written out in floating point, where every rounding is a node of its own.

Whole numbers travel as floats that hold them, as in the converted model; what onnxruntime computes is the same up
to the last bits of float32.  A graph in this form can be run between the levels too, once its roundings are replaced.
"""

from __future__ import annotations

from geoaudit.model.spelled.builder import NotSpelledError, Range, Rounding
from geoaudit.model.spelled.walk import Spelled, spell

__all__ = ["NotSpelledError", "Range", "Rounding", "Spelled", "spell"]
