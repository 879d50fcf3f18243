"""What needs a small audit of its own: metrics that evaluate the model themselves, and the randomisation check."""

from __future__ import annotations

import numpy as np

from geoaudit.api import Metric, Status
from geoaudit.audit.result import CalibrationCase
from geoaudit.registry import Registry
from geoaudit.selftest.judging import judge
from geoaudit.selftest.planted import formulas, patches
from geoaudit.selftest.planted.formulas import Formulas
from geoaudit.selftest.planted.patches import PlantedMap
from geoaudit.selftest.planted.pipeline import audit
from geoaudit.selftest.planted.subjects import Conditions, Outcome, Subject

RANDOMIZATION = "model-randomization"
_TRUE, _PICTURES = "planted-true", 3
_UNTESTED = ("patch-degradation", "pic-aic", "pic-sic")
"""Metrics that the patch classifier cannot test: a patch of a coloured square has the square's colour for its mean,
and on three pictures the information that a random map shows scatters too far."""


def metric_cases(conditions: Conditions, budget: str = "quick") -> list[CalibrationCase]:
    """Metrics that read importance by evaluations of their own put the true map above a random one and its inversion.

    Args:
        conditions: the plugins under test, and the seed.
        budget: metrics that run under it without being named.
    """
    metrics = own_metrics(conditions.registry, budget)
    if not metrics:
        return []
    drawn = patches.pictures(_PICTURES)
    outcome = audit(
        Subject(
            "patch classifier", patches.file("NCHW", np.float32), "NCHW", drawn, ("occlusion",), metrics,
            (PlantedMap(_TRUE, patches.true_maps(drawn)),), least=("random",),
        ),
        conditions,
    )  # fmt: skip
    return [_first(name, conditions.registry.metrics[name].cls, outcome) for name in metrics]


def own_metrics(registry: Registry, budget: str) -> tuple[str, ...]:
    """Ids of the metrics that read importance, but not from the masking sweep, and that the classifier can test."""
    found = {name: registry.metrics[name].cls for name in registry.within("metrics", budget)}
    return tuple(
        name
        for name, cls in found.items()
        if cls.reads_importance and cls.higher_is_better is not None and "sweep" not in cls.needs
        and name not in _UNTESTED
    )  # fmt: skip


def _first(metric: str, cls: type[Metric], outcome: Outcome) -> CalibrationCase:
    """The true map's place among three by the mean score; a metric that lacks a score puts it last."""
    scores = {name: outcome.scores(name, metric) for name in (_TRUE, "random", f"inverted:{_TRUE}")}
    sign = 1.0 if cls.higher_is_better else -1.0
    true, *rivals = (sign * float(found.mean()) for found in scores.values())
    key = "place of the true map among itself, a random map and its inversion"
    place = 1.0 + sum(not true > rival for rival in rivals)
    return judge(f"patch classifier: {metric}", {key: 1.0}, {key: place}, 0.0)


def randomization_cases(conditions: Conditions) -> list[CalibrationCase]:
    """A picture's edges fail model randomisation, the gradient does not."""
    if not conditions.gradients or RANDOMIZATION not in conditions.registry.checks:
        return []
    outcome = audit(
        Subject(
            "classifier made of formulas", Formulas().file("NCHW", np.float32), "NCHW", formulas.pictures(1),
            ("gradient",), ("completeness-error",), checks=(RANDOMIZATION,), least=("edges", "gradient"),
        ),
        conditions,
    )  # fmt: skip
    found = {e.finding.method: e.finding.status for e in outcome.facts.examined}
    failed, passed = "edges of the picture fail (1: yes)", "gradient passes (1: yes)"
    return [
        judge(
            f"formulas: {RANDOMIZATION}",
            {failed: 1.0, passed: 1.0},
            {failed: float(found.get("edges") == Status.FAIL), passed: float(found.get("gradient") == Status.PASS)},
            0.0,
        )
    ]
