"""From what was measured to the report model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from geoaudit import __version__
from geoaudit.api import Finding, Method, Metric, Problems, Status, Subject, WalkRecord
from geoaudit.audit import provenance
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.limits import limitations
from geoaudit.audit.plan import Plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import (
    CalibrationCase,
    CheckResult,
    Conversion,
    CostInfo,
    Curve,
    ExplainedOutput,
    Gate,
    MethodResult,
    ModelInfo,
    Parity,
    PerImage,
    ProfilePoint,
    Reading,
    Report,
    Run,
    ScoreSummary,
    SignOff,
    Tool,
    WalkInfo,
)
from geoaudit.audit.score import BROKEN, mean_curves
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Array, Row, Tally
from geoaudit.errors import ExitCode
from geoaudit.images.baseline import describe
from geoaudit.model.artifact import Artifact
from geoaudit.model.head import Head
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.health import TESTED, Inversion, assess
from geoaudit.scoring.ranking import rank
from geoaudit.scoring.statistics import bootstrap_mean


@dataclass(frozen=True)
class Facts:
    """Everything that the report is made of."""

    settings: Settings
    plan: Plan
    artifact: Artifact
    head: Head
    twin: Twin
    runtime: Runtime
    inputs: Inputs
    parity: Parity
    calibration: Sequence[CalibrationCase]
    tallies: Mapping[str, Tally]
    sample: Problems
    notes: tuple[str, ...]
    estimate: float


def assemble(facts: Facts, probe: ModelProbe, started: str, seconds: Callable[[], float]) -> Report:
    """The report.  Ranking and checks are computed here, from the tallies alone."""
    tallies = dict(sorted(facts.tallies.items()))
    health = assess(_inversions(facts, tallies), facts.settings.seed)
    findings = _check(facts, tallies, probe)
    ranking = rank([_contender(t, facts, findings) for t in tallies.values()], health, facts.settings.seed)
    methods = [_method(t, facts) for t in tallies.values()]
    failed = any(s.status == Status.ERROR for m in methods for s in m.scores.values())
    exit_code = ExitCode.INCOMPLETE if failed else ExitCode.OK
    return Report(
        tool=Tool(name="geoaudit", version=__version__),
        model=_model(facts),
        parity=facts.parity,
        data=facts.inputs.data,
        baseline=describe(facts.settings.baseline, facts.inputs.preprocessing),
        config=dict(sorted(facts.settings.sources.items())),
        methods=methods,
        per_image=[_per_image(row, t) for t in tallies.values() for row in sorted(t.rows, key=lambda r: r.image)],
        curves=[curve for t in tallies.values() for curve in _curves(t)],
        ranking=ranking,
        checks=[_finding(f) for f in findings],
        metric_health=health,
        calibration=list(facts.calibration),
        gate=Gate(configured=False, status="not gated", policy=None, results=[]),
        limitations=limitations(facts.settings, facts.inputs.data, tallies, facts.head, facts.notes),
        sign_off=SignOff(),
        exit_code=int(exit_code),
        run=Run(
            started=started,
            finished=provenance.now(),
            seconds=round(seconds(), 3),
            command=list(facts.settings.command),
            seed=facts.settings.seed,
            budget=facts.settings.budget,
            device=f"torch {facts.twin.device.type}, onnxruntime {facts.runtime.device}",
            host=provenance.host(),
            packages=provenance.packages(set(facts.plan.providers.values())),
            estimate_seconds=round(facts.estimate, 3),
            engine=facts.twin.engine,
        ),
    )


def _model(facts: Facts) -> ModelInfo:
    artifact = facts.artifact
    return ModelInfo(
        file=artifact.path.name,
        sha256=artifact.sha256,
        bytes=artifact.bytes,
        external_data=list(artifact.external_data),
        producer=artifact.producer,
        ir_version=artifact.ir_version,
        opsets=dict(sorted(artifact.opsets.items())),
        inputs=list(artifact.inputs),
        outputs=list(artifact.outputs),
        metadata=dict(sorted(artifact.metadata.items())),
        classes=facts.head.classes,
        conversion=Conversion(
            passes=list(facts.twin.normalised.passes),
            ops=dict(sorted(facts.twin.converted.ops.items())),
            extensions=[],
        ),
        explained_output=ExplainedOutput(
            name=facts.head.logits, space=facts.settings.explain, tail_removed=facts.head.tail
        ),
    )


# ------------------------------------------------------------------------------------------------- methods


def _method(tally: Tally, facts: Facts) -> MethodResult:
    method = tally.method
    metrics = facts.plan.metrics
    return MethodResult(
        id=method.id,
        title=method.title,
        kind=method.kind,
        family=method.family,
        reference=method.reference,
        parameters=method.parameters.model_dump(mode="json"),
        plugin=facts.plan.providers.get(method.id, f"geoaudit {__version__}"),
        status="error" if tally.error else "ok",
        reason=tally.error,
        flags=sorted(method.flags),
        scores={m.id: _summary(m, tally, facts.settings.seed) for m in metrics},
        ncc_profile=_profile(tally),
        readings=[
            Reading(region=side, order="signed" if order == "signed" else "magnitude", srg=float(np.mean(gains)))
            for (side, order), gains in sorted(tally.readings.items())
        ],
        cost=CostInfo(gradients=tally.cost.gradients, forwards=tally.cost.forwards, seconds=round(tally.seconds, 3)),
    )


def _summary(metric: Metric, tally: Tally, seed: int) -> ScoreSummary:
    column = tally.column(metric.id)
    known = column[np.isfinite(column)]
    reasons = Counter(
        row.reasons.get(metric.id) or "not scored"
        for row in tally.rows
        if not np.isfinite(row.scores.get(metric.id, np.nan))
    )
    reason = tally.error or "; ".join(f"{text} ({count})" for text, count in sorted(reasons.items())) or None
    if tally.error or any(text.startswith(BROKEN) for text in reasons):
        status = Status.ERROR
    elif not len(known):
        status = Status.SKIP if set(reasons) == {"no walk"} else Status.INCONCLUSIVE
    else:
        status = Status.WARN if reasons else Status.PASS
    interval = bootstrap_mean(known, seed) if len(known) else None
    return ScoreSummary(
        median=float(np.median(known)) if len(known) else None,
        mean=interval.estimate if interval else None,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        n=len(known),
        missing=len(column) - len(known),
        higher_is_better=metric.higher_is_better,
        status=status,
        reason=reason,
    )


def _profile(tally: Tally) -> list[ProfilePoint]:
    """Medians over the images whose NCC can be assessed; without one there is no profile to show."""
    rows = [row.ncc_profile for row in tally.rows if np.isfinite(row.scores.get("ncc-violation", np.nan))]
    if not rows:
        return []
    return [
        ProfilePoint(granularity=name, ncc_violation=float(np.median([row[name] for row in rows]))) for name in rows[0]
    ]


def _curves(tally: Tally) -> list[Curve]:
    if not tally.curves or tally.error:
        return []
    mean = mean_curves(tally.curves)
    orders: tuple[tuple[Literal["lerf", "morf"], Array], ...] = (("lerf", mean.lerf), ("morf", mean.morf))
    return [
        Curve(
            method=tally.method.id,
            imputer=imputer,
            order=order,
            fractions=mean.fractions.tolist(),
            mean=values[0, p].tolist(),
        )
        for p, imputer in enumerate(mean.imputers)
        for order, values in orders
    ]


# ------------------------------------------------------------------------------------------------ per image


def _per_image(row: Row, tally: Tally) -> PerImage:
    missing = {name: reason for name, reason in row.reasons.items() if reason is not None}
    ncc = missing.get("ncc-violation")
    inconclusive = ncc in ("degenerate baseline", "incomplete", "not converged") and row.record is not None
    late = row.record is not None and not row.record.met
    reasons = [f"NCC {ncc}"] if inconclusive else []
    if late:
        reasons.append("the node limit was reached before the error bar's tolerance")
    status = Status.INCONCLUSIVE if inconclusive else (Status.WARN if late else Status.PASS)
    return PerImage(
        image=row.image,
        method=tally.method.id,
        scores={name: finite(value) for name, value in sorted(row.scores.items())},
        reasons=dict(sorted(missing.items())),
        status=status,
        reason="; ".join(reasons) or None,
        walk=None if row.record is None else _walk(row.record),
        delta_f=row.delta_f,
    )


def _walk(record: WalkRecord) -> WalkInfo:
    values = asdict(record)
    values.pop("sum_half")
    return WalkInfo.model_validate({k: finite(v) if isinstance(v, float) else v for k, v in values.items()})


def finite(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None


# ---------------------------------------------------------------------------------------- ranking and checks


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
    findings: list[Finding] = []
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
                classes=facts.head.classes,
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
