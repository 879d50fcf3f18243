"""What a plugin sees: the two values it is given, the shapes it returns, and the classes it derives from.

A plugin is one class in one file.  It declares facts about itself as class attributes (id, title, reference,
parameters, cost) and implements one abstract method.  It never opens a file, never prints, and reaches the
model only through the `Probe`.
"""

from geoaudit.api.checks import Check, Finding, Series, Status, Subject
from geoaudit.api.imputers import Filler, FillImputer, Imputer, Removed
from geoaudit.api.methods import Control, Flag, Method, PathMethod, Runs
from geoaudit.api.metrics import BudgetName, Evidence, Group, Metric, Scores, SweepCurves
from geoaudit.api.parameters import Parameters
from geoaudit.api.probe import Autoencoder, Calibration, Cost, Equivalent, Layers, Need, Probe, Quadrature
from geoaudit.api.problems import Floats, InputSpace, Ints, Problems
from geoaudit.api.walks import Attributions, Bundle, Curve, Part, Polyline, Recorded, Walk, WalkRecord

__all__ = [
    "Attributions",
    "Autoencoder",
    "BudgetName",
    "Bundle",
    "Calibration",
    "Check",
    "Control",
    "Cost",
    "Curve",
    "Equivalent",
    "Evidence",
    "FillImputer",
    "Filler",
    "Finding",
    "Flag",
    "Floats",
    "Group",
    "Imputer",
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
    "Removed",
    "Runs",
    "Scores",
    "Series",
    "Status",
    "Subject",
    "SweepCurves",
    "Walk",
    "WalkRecord",
]
