"""The run: model, certificate, groups of images, methods, scores; then the report is assembled."""

from __future__ import annotations

import time
from collections.abc import Mapping

from geoaudit.api import Cost
from geoaudit.audit import provenance
from geoaudit.audit.assemble import Facts, assemble
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.opening import Engines, certify_model, open_model
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import CalibrationCase, Report
from geoaudit.audit.score import BROKEN
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Tally
from geoaudit.audit.work import Work
from geoaudit.errors import GeoauditError
from geoaudit.registry import load
from geoaudit.selftest import run_selftest


def run_audit(settings: Settings, maps: MapWriter, tell: Observer, *, thumbnails: bool = True) -> Report:
    """Audit a model.

    Args:
        settings: what was asked for.
        maps: where the maps go.
        tell: told of the progress.
        thumbnails: store the preprocessed pictures beside the maps.

    Returns:
        The report; its exit code is not 0 where a method crashed.

    Raises:
        GeoauditError: the audit could not be completed; one message says why.
    """
    started, clock = provenance.now(), time.perf_counter()
    plan = make_plan(settings, load(settings.plugins))
    engines, inputs = open_model(settings, tell)
    calibration = _calibrate(tell)
    probe = ModelProbe(
        engines.runtime, engines.twin, settings.explain, engines.head.tail, plan.budget.quadrature, settings.seed,
        inputs.calibration, engines.autoencoder,
    )  # fmt: skip
    parity, speed = certify_model(engines, inputs, settings, tell)
    cost = plan.total(inputs.preprocessing.space, len(inputs.files), len(inputs.calibration))
    estimate = speed.seconds(cost)
    tell.say(_announcement(plan, inputs, cost, estimate, time.perf_counter() - clock))
    work = Work(settings, plan, inputs, probe, maps, tell, speed, thumbnails)
    sample = work.run()
    for metric, reason in sorted(_broken_metrics(work.tallies).items()):
        tell.warn(f"{metric}: {reason}")
    facts = Facts(settings, plan, engines, inputs, parity, calibration, work.tallies, sample, estimate)
    tell.stage("ranking", 1)
    return assemble(facts, probe, started, lambda: time.perf_counter() - clock)


def _calibrate(tell: Observer) -> list[CalibrationCase]:
    """The closed-form cases, in this very process; a wrong instrument measures nothing."""
    tell.stage("calibrating", 1)
    cases = run_selftest(quick=True)
    wrong = [case.case for case in cases if case.status != "PASS"]
    if wrong:
        raise GeoauditError(
            "calibration", f"closed-form cases came out wrong: {', '.join(wrong)}",
            "This is a defect of geoaudit or of a numerical library; `geoaudit selftest` shows the numbers.",
        )  # fmt: skip
    return cases


def _announcement(plan: Plan, inputs: Inputs, cost: Cost, estimate: float, spent: float) -> str:
    controls = sum(m.kind == "control" for m in plan.methods)
    return (
        f"{counted(len(inputs.files), 'image')}, {counted(len(plan.methods) - controls, 'method')}, "
        f"{counted(controls, 'control')}: about "
        f"{cost.gradients:,.0f} gradients and {cost.forwards:,.0f} forwards, {minutes(estimate)} from here "
        f"({spent:.0f} s so far)"
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 image", "8 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def minutes(seconds: float) -> str:
    """Seconds as a person says them."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _broken_metrics(tallies: Mapping[str, Tally]) -> dict[str, str]:
    """Metrics that could not be computed, and why."""
    reasons = (row.reasons.items() for tally in tallies.values() for row in tally.rows)
    return {name: why for pairs in reasons for name, why in pairs if why is not None and why.startswith(BROKEN)}


__all__ = ["Engines", "minutes", "run_audit"]
