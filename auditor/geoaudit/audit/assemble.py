"""From what was measured to the report model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from geoaudit import __version__
from geoaudit.api import Series, Status
from geoaudit.audit import provenance
from geoaudit.audit.describe import describe_model
from geoaudit.audit.detail import RULE
from geoaudit.audit.examine import Examined
from geoaudit.audit.image_results import finite, per_image
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.limits import limitations, unchecked
from geoaudit.audit.method_results import idle_method, mean_sweep, not_applicable, scored_method, skipped_method
from geoaudit.audit.opening import Engines
from geoaudit.audit.plan import Plan
from geoaudit.audit.result import (
    CalibrationCase,
    CheckCurve,
    CheckResult,
    CostInfo,
    Data,
    Detail,
    EngineTrial,
    Gate,
    ModelInfo,
    NamedFile,
    Parity,
    Ranking,
    Report,
    Resumed,
    Run,
    SignOff,
    Tool,
)
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Array, Tally
from geoaudit.errors import ExitCode
from geoaudit.images.baseline import describe
from geoaudit.scoring.adaptive_judge import NOT_PURSUED
from geoaudit.scoring.adaptive_stopping import FIRST_LOOK, is_unread
from geoaudit.scoring.contenders import Contender, Scale
from geoaudit.scoring.health import Inversion, assess
from geoaudit.scoring.ranking import rank


@dataclass(frozen=True)
class Facts:
    """Everything that the report is made of."""

    settings: Settings
    plan: Plan
    engines: Engines
    inputs: Inputs
    parity: Parity
    calibration: Sequence[CalibrationCase]
    tallies: Mapping[str, Tally]
    examined: Sequence[Examined]
    estimate: float
    spending: Sequence[str]
    resumed: Resumed | None = None
    shown: frozenset[str] | None = None
    files: Sequence[NamedFile] = ()


def assemble(facts: Facts, started: str, seconds: Callable[[], float]) -> Report:
    """The report.  The ranking is computed here, from the tallies and the checks' findings alone."""
    engines, plan, seed = facts.engines, facts.plan, facts.settings.seed
    tallies = {name: t for name, t in sorted(facts.tallies.items()) if t.skipped is None}
    images = len(facts.inputs.files)
    health = assess(_inversions(facts, tallies), seed)
    contenders = [_contender(t, facts) for t in tallies.values()]
    ranking = rank(contenders, health, seed, _scales(facts), adaptive=_adaptive(facts))
    methods = [
        *(scored_method(t, plan, seed) for t in tallies.values()),
        *(skipped_method(t, plan, images) for t in facts.tallies.values() if t.skipped is not None),
        *(idle_method(m, plan, images, not_applicable(m.needs)) for m in plan.idle_methods),
    ]
    methods.sort(key=lambda method: method.id)
    model, data = _model(facts), _data(facts)
    failed = any(s.status == Status.ERROR for m in methods for s in m.scores.values())
    failed |= any(e.finding.status == Status.ERROR for e in facts.examined)
    exit_code = ExitCode.INCOMPLETE if failed else ExitCode.OK
    return Report(
        tool=Tool(name="geoaudit", version=__version__),
        model=model,
        parity=facts.parity,
        data=data,
        baseline=describe(facts.settings.baseline, facts.inputs.preprocessing),
        config=dict(sorted(facts.settings.sources.items())),
        methods=methods,
        per_image=[
            per_image(row, t)
            for t in tallies.values()
            for row in sorted((r for r in t.rows if _is_listed(r.image, facts)), key=lambda r: r.image)
        ],
        curves=[curve for t in tallies.values() for curve in mean_sweep(t)],
        ranking=ranking,
        checks=[_finding(e) for e in facts.examined],
        metric_health=health,
        calibration=list(facts.calibration),
        gate=Gate(configured=False, status="not gated", policy=None, results=[]),
        limitations=limitations(
            facts.settings,
            data,
            dict(sorted(facts.tallies.items())),
            engines.head,
            model.conversion,
            (*_early(ranking), *engines.notes),
            unchecked(plan, facts.settings, [e.finding for e in facts.examined]),
        ),
        context=facts.settings.context,
        sign_off=SignOff(),
        exit_code=int(exit_code),
        run=_run(facts, started, seconds()),
    )


def _is_listed(image: str, facts: Facts) -> bool:
    return facts.shown is None or image in facts.shown


def _data(facts: Facts) -> Data:
    """The images, or those of them that are listed."""
    data = facts.inputs.data
    if facts.shown is None:
        return data
    listed = [image for image in data.images if image.id in facts.shown]
    detail = Detail(listed=len(listed), rule=RULE, files=list(facts.files))
    return data.model_copy(update={"images": listed, "detail": detail})


def _run(facts: Facts, started: str, seconds: float) -> Run:
    engines, settings = facts.engines, facts.settings
    return Run(
        started=started,
        finished=provenance.now(),
        seconds=round(seconds, 3),
        command=list(settings.command),
        seed=settings.seed,
        budget=settings.budget,
        device=_device(engines),
        host=provenance.host(),
        packages=provenance.packages(set(facts.plan.providers.values())),
        estimate_seconds=round(facts.estimate, 3),
        spending=list(facts.spending),
        resumed=facts.resumed,
        engine={} if engines.twin is None else engines.twin.engine,
        engine_trials=[] if engines.twin is None else [EngineTrial(**asdict(t)) for t in engines.twin.trials],
    )


def _model(facts: Facts) -> ModelInfo:
    engines = facts.engines
    normalised, converted = None, None
    if engines.twin is not None:
        normalised, converted = engines.twin.normalised, engines.twin.converted
    return describe_model(
        engines.artifact, engines.head, normalised, converted, facts.settings.explain, engines.autoencoder_info
    )


def _device(engines: Engines) -> str:
    torch = "" if engines.twin is None else f"torch {engines.twin.device.type}, "
    return f"{torch}onnxruntime {engines.runtime.device}"


def _contender(tally: Tally, facts: Facts) -> Contender:
    n = len(facts.inputs.files)
    method, ok = tally.method, tally.error is None
    ncc = _known(tally, "ncc-violation") if ok else np.full(n, np.nan)
    srg = _known(tally, "srg") if ok else np.full(n, np.nan)
    reasons = Counter(row.reasons.get("ncc-violation") for row in tally.rows if row.reasons.get("ncc-violation"))
    imputers = facts.plan.budget.sweep.imputers
    found = [e for e in facts.examined if e.finding.method == method.id]
    return Contender(
        id=method.id,
        kind=method.kind,
        flags=frozenset(method.flags),
        status="ok" if ok else "error",
        reason=tally.error,
        ncc=ncc,
        srg=srg,
        srg_by_imputer=tally.srg_by_imputer(len(imputers)) if ok else np.full((n, len(imputers)), np.nan),
        imputers=imputers,
        ncc_reason=min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else None,
        readings={m.id: _known(tally, m.id) for m in facts.plan.metrics if m.higher_is_better is not None}
        if ok
        else {},
        failed=tuple((e.finding.check, e.finding.reason) for e in found if e.gate and e.finding.status == Status.FAIL),
        doubted=tuple(e.finding.check for e in found if not e.gate and e.finding.status == Status.FAIL),
        warned=tuple((e.finding.check, e.finding.reason) for e in found if e.gate and e.finding.status == Status.WARN),
        inconclusive=tuple(e.finding.check for e in found if e.finding.status == Status.INCONCLUSIVE),
        unchecked=tuple(e.finding.check for e in found if e.finding.status == Status.ERROR),
        read=_read(tally) if ok and _adaptive(facts) else None,
    )


def _adaptive(facts: Facts) -> bool:
    """Whether evaluations could have stopped early."""
    return facts.settings.adaptive and len(facts.inputs.files) > FIRST_LOOK


def _early(ranking: Ranking) -> list[str]:
    return [] if ranking.adaptive is None else [f"{ranking.adaptive.reason} {NOT_PURSUED}"]


def _read(tally: Tally) -> npt.NDArray[np.bool_]:
    return np.array([not is_unread(row.reasons.get("srg")) for row in tally.rows], dtype=np.bool_)


def _known(tally: Tally, metric: str) -> Array:
    """The metric's finite values; what is infinite is missing here as in the metric's summary."""
    column = tally.column(metric)
    return np.where(np.isfinite(column), column, np.nan)


_SOURCES = {"pic-aic": "pic", "pic-sic": "pic"}
"""Metrics that read the same evidence of their own; the readings of the masking sweep are known by their needs."""


def _scales(facts: Facts) -> list[Scale]:
    """The metrics that judge maps: those that read importance, and NCC violation."""
    return [
        Scale(m.id, m.higher_is_better, "sweep" if "sweep" in m.needs else _SOURCES.get(m.id, m.id))
        for m in facts.plan.metrics
        if m.higher_is_better is not None and (m.reads_importance or m.id == "ncc-violation")
    ]


def _inversions(facts: Facts, tallies: Mapping[str, Tally]) -> list[Inversion]:
    random = tallies.get("random")
    methods = [t for t in tallies.values() if t.method.kind == "method" and t.error is None]
    return [
        Inversion(
            metric.id,
            metric.higher_is_better,
            {t.method.id: _known(t, metric.id) for t in methods},
            {t.method.id: _known(tallies[f"inverted:{t.method.id}"], metric.id) for t in methods},
            _known(random, metric.id) if random is not None and random.error is None else None,
        )
        for metric in facts.plan.metrics
        if metric.reads_importance and metric.higher_is_better is not None
    ]


def _finding(examined: Examined) -> CheckResult:
    finding = examined.finding
    values = {f: getattr(finding, f) for f in ("estimate", "ci_low", "ci_high", "threshold")}
    return CheckResult(
        id=finding.check,
        title=examined.check.title,
        gate=examined.gate,
        method=finding.method,
        status=finding.status,
        reason=finding.reason,
        details=dict(finding.details),
        curves=[_curve(series) for series in finding.curves],
        cost=CostInfo(
            gradients=examined.cost.gradients, forwards=examined.cost.forwards, seconds=round(examined.seconds, 3)
        ),
        **{name: None if value is None else finite(value) for name, value in values.items()},
    )


def _curve(series: Series) -> CheckCurve:
    return CheckCurve(
        chart=series.chart, name=series.name, x_label=series.x_label, y_label=series.y_label,
        x=list(series.x), y=[finite(value) for value in series.y],
    )  # fmt: skip
