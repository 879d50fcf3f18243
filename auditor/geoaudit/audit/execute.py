"""The run: model, certificate, groups of images, methods, scores; then the report is assembled."""

from __future__ import annotations

import time
from collections.abc import Mapping

from geoaudit.api import Cost, Status
from geoaudit.audit import provenance, score_files
from geoaudit.audit.assemble import Facts, assemble
from geoaudit.audit.cluster.session import require_ray
from geoaudit.audit.detail import listed_images
from geoaudit.audit.examine import Examination
from geoaudit.audit.executor import Executor, LocalExecutor
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.make import Bench
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.opening import Engines, certify_model, open_model
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import CalibrationCase, Report
from geoaudit.audit.score import BROKEN
from geoaudit.audit.settings import Settings
from geoaudit.audit.spending import describe_spending
from geoaudit.audit.store.executor import StoredExecutor
from geoaudit.audit.store.past import Past, StoredPast
from geoaudit.audit.store.store import Store
from geoaudit.audit.tally import Tally
from geoaudit.audit.work import Work
from geoaudit.errors import GeoauditError
from geoaudit.memory import Memory, trim
from geoaudit.model.optimised import Rewriting
from geoaudit.registry import load
from geoaudit.scoring.adaptive_stopping import FIRST_LOOK, stopping
from geoaudit.selftest import described, run_selftest
from geoaudit.threads import plain_algebra
from geoaudit.words import counted, duration


@plain_algebra()
def run_audit(
    settings: Settings, maps: MapWriter, tell: Observer, *, thumbnails: bool = True, store: Store | None = None
) -> Report:
    """Audit a model.

    Args:
        settings: what was asked for.
        maps: where the maps go.
        tell: told of the progress.
        thumbnails: store the preprocessed pictures beside the maps.
        store: where an interrupted run left what it had done, and where this one keeps it; None: nowhere.

    Returns:
        The report; its exit code is not 0 where a method crashed.

    Raises:
        GeoauditError: the audit could not be completed; one message says why.
    """
    started, clock = provenance.now(), time.perf_counter()
    plan = make_plan(settings, load(settings.plugins))
    if settings.cluster is not None:
        from geoaudit.audit.cluster.luggage import absolute

        require_ray(settings.cluster)
        settings = absolute(settings)
    past = Past() if store is None else StoredPast(store, settings, plan, tell, pictures=thumbnails)
    engines, inputs = open_model(past.opening() or settings, tell)
    calibration = past.calibrated(lambda: _calibrate(settings, tell))
    probe = ModelProbe(
        engines.runtime, engines.twin, settings.explain, engines.head.tail, plan.budget.quadrature, settings.seed,
        inputs.calibration, engines.autoencoder,
        None if engines.twin is None else Rewriting(engines.artifact, engines.twin, settings.custom_ops),
    )  # fmt: skip
    tell.meter(lambda: probe.spent)
    (parity, speed), shelf = past.certified(engines, inputs, lambda: certify_model(engines, inputs, settings, tell))
    trim()  # opening, calibrating and comparing took memory that the audit may need elsewhere
    probe.memory = Memory(settings.memory).arrays()
    cost = plan.total(inputs.preprocessing.space, len(inputs.files), len(inputs.calibration))
    estimate = speed.seconds(cost)
    spending = describe_spending(plan, settings.budget, inputs.preprocessing.space, len(inputs.files))
    if settings.adaptive:
        spending.append(f"Adaptive: from {FIRST_LOOK} images on, masked images only of what is not settled")
    for line in spending:
        tell.say(line)
    spent = time.perf_counter() - clock
    tell.say(_announcement(plan, inputs, cost, estimate, spent, adaptive=settings.adaptive))
    stops = stopping(plan.methods, len(inputs.files), adaptive=settings.adaptive, stops=settings.stops)
    listed = listed_images(settings, inputs.infos, tell)
    bench = Bench(settings, plan, probe, thumbnails, listed, shelf=shelf, stopping=stops)
    executor = _executor(settings, engines, bench, inputs, tell)
    work = Work(settings, plan, inputs, executor, maps, tell, speed, thumbnails, stopping=stops)
    sample = work.run()
    for metric, reason in sorted(_broken_metrics(work.tallies).items()):
        tell.warn(f"{metric}: {reason}")
    shown = Examination(plan, inputs, parity, engines.head.classes, sample, probe, speed, tell, work.ledger, shelf)
    examined = shown.run(work.tallies)
    facts = Facts(
        settings, plan, engines, inputs, parity, calibration, work.tallies, examined, estimate, spending, past.told(),
        shown=listed,
        files=score_files.settled(maps.path.parent, settings, listed, inputs.infos, work.tallies, plan.metrics),
    )  # fmt: skip
    tell.stage("ranking", 1)
    return assemble(facts, started, lambda: time.perf_counter() - clock)


def _executor(settings: Settings, engines: Engines, bench: Bench, inputs: Inputs, tell: Observer) -> Executor:
    """What makes the units: this process, or a cluster."""
    if settings.cluster is None:
        return LocalExecutor(bench, inputs)
    from geoaudit.audit.cluster.executor import RayExecutor
    from geoaudit.audit.cluster.luggage import pack

    made = RayExecutor(settings.cluster, pack(settings, bench, engines, inputs), bench, inputs, tell)
    return StoredExecutor(made, bench.shelf, bench.plan)


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


def _announcement(plan: Plan, inputs: Inputs, cost: Cost, estimate: float, spent: float, *, adaptive: bool) -> str:
    controls = sum(m.kind == "control" for m in plan.methods)
    return (
        f"{counted(len(inputs.files), 'image')}, {counted(len(plan.methods) - controls, 'method')}, "
        f"{counted(controls, 'control')}: {'at most ' if adaptive else ''}about "
        f"{counted(round(cost.gradients), 'gradient')} and {counted(round(cost.forwards), 'forward')}, "
        f"{duration(estimate)} from here ({spent:.0f} s so far)"
    )


def _broken_metrics(tallies: Mapping[str, Tally]) -> dict[str, str]:
    """Metrics that could not be computed, and why."""
    reasons = (row.reasons.items() for tally in tallies.values() for row in tally.rows)
    return {name: why for pairs in reasons for name, why in pairs if why is not None and why.startswith(BROKEN)}


__all__ = ["Engines", "run_audit"]
