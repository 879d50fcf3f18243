"""The run: model, certificate, groups of images, methods, scores; then the report is assembled."""

from __future__ import annotations

import time
from collections.abc import Mapping

from geoaudit.api import Cost, Status
from geoaudit.audit import provenance
from geoaudit.audit.assemble import Facts, assemble
from geoaudit.audit.examine import Examination
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.opening import Engines, certify_model, open_model
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import CalibrationCase, Report
from geoaudit.audit.score import BROKEN
from geoaudit.audit.settings import Settings
from geoaudit.audit.spending import describe_spending
from geoaudit.audit.tally import Tally
from geoaudit.audit.work import Work
from geoaudit.errors import GeoauditError
from geoaudit.model.optimised import Rewriting
from geoaudit.registry import load
from geoaudit.selftest import described, run_selftest
from geoaudit.words import counted, duration


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
    calibration = _calibrate(settings, tell)
    probe = ModelProbe(
        engines.runtime, engines.twin, settings.explain, engines.head.tail, plan.budget.quadrature, settings.seed,
        inputs.calibration, engines.autoencoder,
        None if engines.twin is None else Rewriting(engines.artifact, engines.twin, settings.custom_ops),
    )  # fmt: skip
    tell.meter(lambda: probe.spent)
    parity, speed = certify_model(engines, inputs, settings, tell)
    cost = plan.total(inputs.preprocessing.space, len(inputs.files), len(inputs.calibration))
    estimate = speed.seconds(cost)
    spending = describe_spending(plan, settings.budget, inputs.preprocessing.space, len(inputs.files))
    for line in spending:
        tell.say(line)
    tell.say(_announcement(plan, inputs, cost, estimate, time.perf_counter() - clock))
    work = Work(settings, plan, inputs, probe, maps, tell, speed, thumbnails)
    sample = work.run()
    for metric, reason in sorted(_broken_metrics(work.tallies).items()):
        tell.warn(f"{metric}: {reason}")
    shown = Examination(plan, inputs, parity, engines.head.classes, sample, probe, speed, tell)
    examined = shown.run(work.tallies)
    facts = Facts(settings, plan, engines, inputs, parity, calibration, work.tallies, examined, estimate, spending)
    tell.stage("ranking", 1)
    return assemble(facts, started, lambda: time.perf_counter() - clock)


def _calibrate(settings: Settings, tell: Observer) -> list[CalibrationCase]:
    """The closed-form cases and the planted models, in this very process; a wrong instrument measures nothing."""
    tell.stage("calibrating", 1)
    cases = run_selftest(quick=True, gradients=not settings.gradient_free, seed=settings.seed)
    wrong = [described(case) for case in cases if case.status == Status.FAIL]
    if wrong:
        raise GeoauditError(
            "calibration", f"cases with known answers came out wrong: {', '.join(wrong)}",
            "This is a defect of geoaudit, of a plugin or of a numerical library; `geoaudit selftest` shows all "
            "numbers.",
        )  # fmt: skip
    for case in cases:
        if case.status == Status.SKIP:
            tell.say(f"calibration: left out: {case.case}")
    return cases


def _announcement(plan: Plan, inputs: Inputs, cost: Cost, estimate: float, spent: float) -> str:
    controls = sum(m.kind == "control" for m in plan.methods)
    return (
        f"{counted(len(inputs.files), 'image')}, {counted(len(plan.methods) - controls, 'method')}, "
        f"{counted(controls, 'control')}: about "
        f"{counted(round(cost.gradients), 'gradient')} and {counted(round(cost.forwards), 'forward')}, "
        f"{duration(estimate)} from here ({spent:.0f} s so far)"
    )


def _broken_metrics(tallies: Mapping[str, Tally]) -> dict[str, str]:
    """Metrics that could not be computed, and why."""
    reasons = (row.reasons.items() for tally in tallies.values() for row in tally.rows)
    return {name: why for pairs in reasons for name, why in pairs if why is not None and why.startswith(BROKEN)}


__all__ = ["Engines", "run_audit"]
