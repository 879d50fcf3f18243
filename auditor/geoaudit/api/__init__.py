"""What a plugin sees: the two values it is given, the shapes it returns, and the classes it derives from.

A plugin is one class in one file.  It declares facts about itself as class attributes (id, title, reference,
parameters, cost) and implements one abstract method.  It never opens a file, never prints, and reaches the
model only through the `Probe`.
"""

from geoaudit.api.checks import Check, Finding, Status, Subject
from geoaudit.api.methods import Control, Flag, Method, PathMethod, Runs
from geoaudit.api.metrics import Evidence, Metric, Scores, SweepCurves
from geoaudit.api.parameters import Parameters
from geoaudit.api.probe import Autoencoder, Calibration, Cost, Layers, Need, Probe, Quadrature
from geoaudit.api.problems import Floats, InputSpace, Ints, Problems
from geoaudit.api.walks import Attributions, Bundle, Curve, Part, Polyline, Recorded, Walk, WalkRecord

__all__ = [
    "Attributions",
    "Autoencoder",
    "Bundle",
    "Calibration",
    "Check",
    "Control",
    "Cost",
    "Curve",
    "Evidence",
    "Finding",
    "Flag",
    "Floats",
    "InputSpace",
    "Ints",
    "Layers",
    "Method",
    "Metric",
    "Need",
    "Parameters",
    "Part",
    "PathMethod",
    "Polyline",
    "Probe",
    "Problems",
    "Quadrature",
    "Recorded",
    "Runs",
    "Scores",
    "Status",
    "Subject",
    "SweepCurves",
    "Walk",
    "WalkRecord",
]
