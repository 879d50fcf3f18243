"""The self-test: known answers through the very code that audits use.

A measuring instrument is calibrated before it is believed.  The closed-form cases are functions of one or two
features on walks whose attributions follow from a formula; they need no model file, torch or onnxruntime.  The
planted-truth cases (`planted`) are real model files with known answers, audited from the file to the ranking.
"""

from __future__ import annotations

import numpy as np

from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.api import Curve, Polyline, Problems, Quadrature, Walk
from geoaudit.audit.result import CalibrationCase
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line
from geoaudit.selftest.guided import CASES, GuidedCase
from geoaudit.selftest.judging import Numbers, described, judge
from geoaudit.selftest.planted import planted_cases
from geoaudit.selftest.walks import WALKS, WalkCase

__all__ = ["QUADRATURE", "as_walk", "closed_form", "described", "run_selftest"]

QUADRATURE = Quadrature(tolerance=1e-4, node_limit=4096, scan=1025, first_nodes=256)
"""Much finer than an audit's, so that the expected digits can be held against the measured ones."""

SUMS_WITHIN = 1e-3
"""Allowed difference of sums, as a share of max(1, |expected|): ten times the error bar that is asked for."""

LENGTHS_WITHIN = 4e-3
"""The same for the two integrals of magnitudes.  Refinement follows the sums, which have a known target on
every piece; magnitudes have none, so they are only as good as the first nodes."""

_LENGTHS = ("absolute_integral", "conformal_length")
_PIECES = 64
"""Pieces that each leg of a walk with corners is cut into: variation and lengths are seen at its vertices."""


def run_selftest(quick: bool = False, gradients: bool = True, seed: int = 0) -> list[CalibrationCase]:
    """Run the closed-form cases and the planted models.

    Args:
        quick: a selection that takes about a second, for the calibration of every audit.
        gradients: False leaves out what needs a converted model, which a gradient-free audit does not use either.
        seed: of everything random in the audits of the planted models.

    Returns:
        One case each with what was expected and measured, PASS or FAIL; SKIP for what was left out.  A number that
        came out as nan or infinite is left out of `measured`, and the case fails.

    Raises:
        GeoauditError: the audit of a planted model broke off; one message names the model and the reason.
    """
    return closed_form(quick) + planted_cases(quick, gradients, seed)


def closed_form(quick: bool = False) -> list[CalibrationCase]:
    """Run the closed-form cases.

    Args:
        quick: a selection that takes under half a second.
    """
    walks = [_walk(case) for case in WALKS if case.quick or not quick]
    guided = [case for case in CASES if case.quick or not quick]
    return walks + _guided(guided)


def _walk(case: WalkCase) -> CalibrationCase:
    probe = AnalyticProbe(case.model.f, case.model.gradient, QUADRATURE)
    problems = feature_problems(probe, case.corners[0], case.corners[-1])
    attributions = integrate(as_walk(case, problems), problems, probe)
    record = attributions.records[0]
    found: Numbers = {
        "delta_f": float(problems.delta_f[0]),
        "attribution": attributions.values[0].ravel().tolist(),
    }
    expected = case.expected
    measured: Numbers = {key: found[key] if key in found else getattr(record, key) for key in expected}
    within = {key: LENGTHS_WITHIN if key in _LENGTHS else SUMS_WITHIN for key in expected}
    return judge(f"{case.name}: {case.model.formula}", expected, measured, within)


def as_walk(case: WalkCase, problems: Problems) -> Walk:
    """The case's walk from its first corner, the baseline of `problems`, to its last."""
    along = case.along
    if along is not None:
        return Curve(lambda i, t: along(t)[:, None, None, :])
    if len(case.corners) == 2:
        return straight_line(problems)
    corners = np.array(case.corners, dtype=np.float64)
    position = np.linspace(0, len(corners) - 1, (len(corners) - 1) * _PIECES + 1)
    features = [np.interp(position, np.arange(len(corners)), column) for column in corners.T]
    return Polyline([np.stack(features, axis=1)[:, None, None, :]])


def _guided(cases: list[GuidedCase]) -> list[CalibrationCase]:
    # the engine may not import plugins; the registry does, when it is asked
    from geoaudit import registry

    entry = registry.load(()).methods["guided-ig"]
    results = []
    for case in cases:
        method = registry.create(entry, "standard", case.settings)
        probe = AnalyticProbe(case.model.f, case.model.gradient, QUADRATURE)
        problems = feature_problems(probe, (0.0, 0.0), (3.0, 3.0))
        values = method.attribute(problems, probe).values[0]
        name = f"guided-ig, {case.name}: {case.model.formula}"
        results.append(
            judge(
                name,
                {"attribution": list(case.attribution)},
                {"attribution": values.ravel().tolist()},
                {"attribution": case.within},
                relative=False,
            )
        )
    return results
