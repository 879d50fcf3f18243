"""geoaudit: can the heat maps of this ONNX image classifier be trusted?

The names below are what a plugin author imports; everything else is the engine's own.  They load on first
use, so that `geoaudit --help` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_API = (
    *("Attributions", "Autoencoder", "Bundle", "Calibration", "Check", "Control", "Cost", "Curve", "Evidence"),
    *("Filler", "FillImputer", "Finding", "Group", "Imputer", "InputSpace", "Layers", "Method", "Metric", "Need"),
    *("Parameters", "Part", "PathMethod", "Polyline", "Probe", "Problems", "Quadrature", "Recorded", "Removed"),
    *("Runs", "Scores", "Series", "Status", "Subject", "SweepCurves", "Walk", "WalkRecord"),
)

if TYPE_CHECKING:
    from geoaudit.api import *  # noqa: F403

__all__ = ["__version__", *_API]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module("geoaudit.api"), name)
    raise AttributeError(f"module 'geoaudit' has no attribute {name!r}")
