"""The run: model, certificate, groups of images, methods, scores; then the report is assembled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from geoaudit.api import Cost, Method, Problems
from geoaudit.audit import provenance
from geoaudit.audit.assemble import Facts, assemble
from geoaudit.audit.attribute import attribute
from geoaudit.audit.groups import groups
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.opening import Engines, certify_model, open_model
from geoaudit.audit.plan import Plan, Speed, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import CalibrationCase, Report
from geoaudit.audit.score import BROKEN, Scorer
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Tally
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
    space = settings.explain
    probe = ModelProbe(engines.runtime, engines.twin, space, engines.head.tail, plan.budget.quadrature, settings.seed)
    parity, speed = certify_model(engines, inputs, settings, tell)
    cost = plan.cost(inputs.preprocessing.space) * len(inputs.files)
    estimate = speed.seconds(cost)
    tell.say(_announcement(plan, inputs, cost, estimate, time.perf_counter() - clock))
    tallies, sample = _work(settings, plan, inputs, probe, maps, tell, speed, thumbnails)
    for metric, reason in sorted(_broken_metrics(tallies).items()):
        tell.warn(f"{metric}: {reason}")
    facts = Facts(
        settings, plan, engines, inputs, parity, calibration, tallies, sample, estimate,
    )  # fmt: skip
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


def _work(
    settings: Settings, plan: Plan, inputs: Inputs, probe: ModelProbe, maps: MapWriter, tell: Observer, speed: Speed,
    thumbnails: bool,
) -> tuple[dict[str, Tally], Problems]:  # fmt: skip
    """Every method on every group; returns the tallies by id and the first group."""
    tallies = {method.id: Tally(method) for method in plan.methods}
    expected = {m.id: _unit(m, plan, inputs, speed) for m in plan.methods}
    tell.stage("auditing", sum(expected.values()) * len(inputs.files))
    sample: Problems | None = None
    for problems, pictures in groups(inputs, settings, probe):
        sample = sample or problems
        if thumbnails:
            for image, picture in zip(problems.ids, pictures, strict=True):
                maps.add(f"{image}/thumbnail", picture)
        scorer = Scorer(problems, probe, plan.metrics, plan.sweeps)
        with probe.sharing():
            for method in plan.methods:
                _one(method, problems, probe, plan, tallies, scorer, maps, tell)
                tell.advance(expected[method.id] * len(problems))
    assert sample is not None  # gather() found at least one image
    return tallies, sample


def _broken_metrics(tallies: Mapping[str, Tally]) -> dict[str, str]:
    """Metrics that could not be computed, and why."""
    reasons = (row.reasons.items() for tally in tallies.values() for row in tally.rows)
    return {name: why for pairs in reasons for name, why in pairs if why is not None and why.startswith(BROKEN)}


def _unit(method: Method, plan: Plan, inputs: Inputs, speed: Speed) -> float:
    """Expected seconds of a method on one image, scores included: the progress bar's unit."""
    cost = method.cost(plan.budget.quadrature)
    for sweep in plan.sweeps:
        cost += sweep.cost(inputs.preprocessing.space)[0]
    return speed.seconds(cost)


def _one(
    method: Method, problems: Problems, probe: ModelProbe, plan: Plan, tallies: dict[str, Tally], scorer: Scorer,
    maps: MapWriter, tell: Observer,
) -> None:  # fmt: skip
    """One method on one group.  A crash is that method's result; the others go on."""
    tally = tallies[method.id]
    if tally.error is not None:
        return
    try:
        with _metered(tally, probe):
            made = attribute(method, problems, probe, plan.budget.quadrature)
        curves = scorer.score(tally, made)
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        tally.error = _why(error)
        tell.warn(f"{method.id} was given up: {tally.error}")
        return
    for image, values in zip(problems.ids, made.values, strict=True):
        maps.add(f"{image}/{method.id}", values)
    if method.kind == "method":
        from geoaudit_plugins.controls.inverted import Inverted

        control = Inverted(method, made)
        inverse = tallies.setdefault(control.id, Tally(control))
        scorer.score_inverted(inverse, control.attribute(problems, probe), curves)


@contextmanager
def _metered(tally: Tally, probe: ModelProbe) -> Iterator[None]:
    before, clock = probe.spent, time.perf_counter()
    yield
    tally.seconds += time.perf_counter() - clock
    tally.cost += probe.spent + before * -1.0


def _why(error: Exception) -> str:
    if isinstance(error, GeoauditError):
        return error.message
    return f"{type(error).__name__}: {error}"


__all__ = ["Engines", "minutes", "run_audit"]
