"""Planted truth: models whose answers are known, as real files through the whole audit.

The file is loaded, run by onnxruntime, cleaned, converted and certified; pictures are decoded; the registry's own
methods, controls and metrics are run, scored and ranked, as for any other model.
"""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import CalibrationCase

_LEFT_OUT = CalibrationCase(
    case="planted models: what needs gradients (--gradient-free)", status=Status.SKIP, expected={}, measured={}
)


def planted_cases(quick: bool, gradients: bool, seed: int) -> list[CalibrationCase]:
    """Audit the planted models.

    Args:
        quick: a selection that takes about a second, for the calibration of every audit.
        gradients: False leaves out what needs the converted model.
        seed: of everything random.

    Raises:
        GeoauditError: an audit of a planted model broke off.
    """
    # what audits are made of imports torch and onnxruntime, which the closed-form cases can do without
    import numpy as np

    from geoaudit import registry
    from geoaudit.selftest.planted.formula_cases import formula_cases, path_methods
    from geoaudit.selftest.planted.patch_cases import patch_cases
    from geoaudit.selftest.planted.sanity_cases import metric_cases, randomization_cases
    from geoaudit.selftest.planted.subjects import Conditions

    conditions = Conditions(registry.load(()), seed, gradients)
    cases = formula_cases(conditions) + patch_cases(conditions)
    cases += metric_cases(conditions, "thorough") + randomization_cases(conditions)
    if not quick:
        cases += formula_cases(conditions, "NHWC", np.float64, path_methods(conditions.registry) if gradients else ())
        cases += patch_cases(conditions, "NCHW", ("gradient-x-input", "guided-ig"))
    return cases if gradients else [*cases, _LEFT_OUT]
