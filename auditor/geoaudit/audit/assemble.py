"""From what was measured to the report model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geoaudit import __version__
from geoaudit.api import Finding, Method, Problems, Status, Subject, WalkRecord
from geoaudit.audit import provenance
from geoaudit.audit.describe import describe_model
from geoaudit.audit.image_results import finite, per_image
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.limits import limitations
from geoaudit.audit.method_results import idle_method, mean_sweep, not_applicable, scored_method, skipped_method
from geoaudit.audit.opening import Engines
from geoaudit.audit.plan import Plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import (
    CalibrationCase,
    CheckResult,
    Gate,
    ModelInfo,
    Parity,
    Report,
    Run,
    SignOff,
    Tool,
)
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Tally
from geoaudit.errors import ExitCode
from geoaudit.images.baseline import describe
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.health import TESTED, Inversion, assess
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
    sample: Problems
    estimate: float


def assemble(facts: Facts, probe: ModelProbe, started: str, seconds: Callable[[], float]) -> Report:
    """The report.  Ranking and checks are computed here, from the tallies alone."""
    engines, plan, seed = facts.engines, facts.plan, facts.settings.seed
    tallies = {name: t for name, t in sorted(facts.tallies.items()) if t.skipped is None}
    images = len(facts.inputs.files)
    health = assess(_inversions(facts, tallies), seed)
    findings = _check(facts, tallies, probe)
    ranking = rank([_contender(t, facts, findings) for t in tallies.values()], health, seed)
    methods = [
        *(scored_method(t, plan, seed) for t in tallies.values()),
        *(skipped_method(t, plan, images) for t in facts.tallies.values() if t.skipped is not None),
        *(idle_method(m, plan, images, not_applicable(m.needs)) for m in plan.idle_methods),
    ]
    methods.sort(key=lambda method: method.id)
    model = _model(facts)
    failed = any(s.status == Status.ERROR for m in methods for s in m.scores.values())
    exit_code = ExitCode.INCOMPLETE if failed else ExitCode.OK
    return Report(
        tool=Tool(name="geoaudit", version=__version__),
        model=model,
        parity=facts.parity,
        data=facts.inputs.data,
        baseline=describe(facts.settings.baseline, facts.inputs.preprocessing),
        config=dict(sorted(facts.settings.sources.items())),
        methods=methods,
        per_image=[per_image(row, t) for t in tallies.values() for row in sorted(t.rows, key=lambda r: r.image)],
        curves=[curve for t in tallies.values() for curve in mean_sweep(t)],
        ranking=ranking,
        checks=[_finding(f) for f in findings],
        metric_health=health,
        calibration=list(facts.calibration),
        gate=Gate(configured=False, status="not gated", policy=None, results=[]),
        limitations=limitations(
            facts.settings,
            facts.inputs.data,
            dict(sorted(facts.tallies.items())),
            engines.head,
            model.conversion,
            engines.notes,
        ),
        sign_off=SignOff(),
        exit_code=int(exit_code),
        run=_run(facts, started, seconds()),
    )


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
        engine={} if engines.twin is None else engines.twin.engine,
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


def _contender(tally: Tally, facts: Facts, findings: Sequence[Finding]) -> Contender:
    n = len(facts.inputs.files)
    method, ok = tally.method, tally.error is None
    ncc = tally.column("ncc-violation") if ok else np.full(n, np.nan)
    srg = tally.column("srg") if ok else np.full(n, np.nan)
    reasons = Counter(row.reasons.get("ncc-violation") for row in tally.rows if row.reasons.get("ncc-violation"))
    imputers = len(facts.plan.budget.sweep.imputers)
    return Contender(
        id=method.id,
        kind=method.kind,
        flags=frozenset(method.flags),
        status="ok" if ok else "error",
        reason=tally.error,
        ncc=ncc,
        srg=srg,
        srg_by_imputer=tally.srg_by_imputer(imputers) if ok else np.full((n, imputers), np.nan),
        ncc_reason=reasons.most_common(1)[0][0] if reasons else None,
        inconclusive=tuple(f.check for f in findings if f.method == method.id and f.status == Status.INCONCLUSIVE),
    )


def _inversions(facts: Facts, tallies: Mapping[str, Tally]) -> list[Inversion]:
    random = tallies.get("random")
    methods = [t for t in tallies.values() if t.method.kind == "method" and t.error is None]
    return [
        Inversion(
            metric.id,
            metric.higher_is_better,
            {t.method.id: t.column(metric.id) for t in methods},
            {t.method.id: tallies[f"inverted:{t.method.id}"].column(metric.id) for t in methods},
            random.column(metric.id) if random is not None and random.error is None else None,
        )
        for metric in facts.plan.metrics
        if metric.id in TESTED and metric.higher_is_better is not None
    ]


def _check(facts: Facts, tallies: Mapping[str, Tally], probe: ModelProbe) -> list[Finding]:
    """Every check on the model or on every method; sorted."""
    ids = tuple(info.id for info in facts.inputs.infos)
    findings = [
        Finding(check.id, None, Status.SKIP, f"{not_applicable(check.needs).capitalize()}.")
        for check in facts.plan.idle_checks
    ]
    for check in facts.plan.checks:
        subjects: list[tuple[Method | None, tuple[WalkRecord | None, ...]]] = [(None, ())]
        if check.examines == "method":
            subjects = [
                (t.method, tuple(row.record for row in t.rows))
                for t in tallies.values()
                if t.method.kind == "method" and t.error is None
            ]
        for method, records in subjects:
            subject = Subject(
                method=method,
                image_ids=ids,
                records=records,
                parity=facts.parity.model_dump(mode="json"),
                labels=facts.inputs.data.labels.model_dump(mode="json"),
                classes=facts.engines.head.classes,
            )
            findings += _examined(check, subject, facts.sample, probe)
    return sorted(findings, key=lambda f: (f.check, f.method or ""))


def _examined(check: object, subject: Subject, sample: Problems, probe: ModelProbe) -> list[Finding]:
    from geoaudit.api import Check

    assert isinstance(check, Check)
    try:
        return check.examine(subject, sample, probe)
    except Exception as error:
        method = subject.method.id if subject.method is not None else None
        reason = f"The check itself failed ({type(error).__name__}: {error})."
        return [Finding(check.id, method, Status.ERROR, reason)]


def _finding(finding: Finding) -> CheckResult:
    values = {f: getattr(finding, f) for f in ("estimate", "ci_low", "ci_high", "threshold")}
    return CheckResult(
        id=finding.check,
        method=finding.method,
        status=finding.status,
        reason=finding.reason,
        details=dict(finding.details),
        **{name: None if value is None else finite(value) for name, value in values.items()},
    )
