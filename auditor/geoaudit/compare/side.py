"""A comparison from two reports: a pure function of them and their maps."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit import __version__
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import Gate, MethodResult, NamedFile, Report, Tool
from geoaudit.compare import facts, ranks, scores
from geoaudit.compare.checks import checks
from geoaudit.compare.conclusions import conclusions
from geoaudit.compare.pairing import pair_images
from geoaudit.compare.predictions import predictions
from geoaudit.compare.result import Absent, Comparison, MethodChange, MetricChange, Pair, Source
from geoaudit.compare.similarity import Maplike, Maps, similarity
from geoaudit.scoring.contenders import ENOUGH
from geoaudit.scoring.separation import FEWEST

_INVERTED = "inverted:"


@dataclass(frozen=True)
class Side:
    """One report and what lies beside it.

    Attributes:
        report: the report.
        file: how it was named.
        sha256: of report.json.
        maps: its maps; None where there are none.
        maps_file: their file, as it is now.
    """

    report: Report
    file: str
    sha256: str
    maps: Maps | None = None
    maps_file: NamedFile | None = None


def compare(a: Side, b: Side, observer: Observer) -> Comparison:
    """Compare two reports.

    Args:
        a: the earlier, or the reference.
        b: the later; differences are B minus A.
        observer: is told how far the comparison of maps has come.

    Returns:
        The comparison, not gated; with fewer than two common images its status is "inconclusive".
    """
    pairing = pair_images(a.report, b.report)
    pairs = pairing.pairs
    failed = scores.failed_metrics((a.report, b.report))
    table = ranks.rerank(a.report, b.report, pairs, frozenset(failed))
    n = pairing.n
    found = Comparison(
        tool=Tool(name="geoaudit", version=__version__),
        status="inconclusive" if n < FEWEST else "indicative" if n < ENOUGH else "compared",
        reason=_reason(n),
        subject=facts.subject(a.report.model, b.report.model),
        a=_source(a),
        b=_source(b),
        pairing=pairing,
        settings=facts.settings(a.report, b.report),
        model=facts.model(a.report.model, b.report.model),
        predictions=predictions(a.report, b.report, pairs),
        ranking=ranks.ranking_change(table, a.report, b.report),
        methods=_methods(a, b, pairs, table, failed, observer),
        absent=_absent(a.report, b.report),
        checks=checks(a.report, b.report),
        conclusions=[],
        gate=Gate(configured=False, status="not gated", policy=None, results=[]),
        exit_code=0,
    )
    return found.model_copy(update={"conclusions": conclusions(found)})


def _reason(n: int) -> str:
    images = f"{n} common {'image' if n == 1 else 'images'}"
    if n < FEWEST:
        return f"{images}: below {FEWEST} no difference can be shown"
    return f"{images}: below {ENOUGH} an indication" if n < ENOUGH else images


def _source(side: Side) -> Source:
    report = side.report
    return Source(
        file=side.file,
        sha256=side.sha256,
        tool=report.tool,
        started=report.run.started,
        model=NamedFile(file=report.model.file, sha256=report.model.sha256),
        images=report.data.count,
        ranking=report.ranking.status,
        parity=report.parity,
        maps=side.maps_file,
    )


def _common(a: Report, b: Report) -> list[tuple[MethodResult, MethodResult]]:
    """Methods and controls that ran in both: in the order of A's ranking, then by id, controls last."""
    place = {entry.method: i for i, entry in enumerate(a.ranking.entries)}
    ran = {m.id: m for m in b.methods if m.status == "ok" and not m.id.startswith(_INVERTED)}
    both = [(m, ran[m.id]) for m in a.methods if m.status == "ok" and m.id in ran]
    return sorted(both, key=lambda m: (m[0].kind == "control", place.get(m[0].id, len(place)), m[0].id))


def _absent(a: Report, b: Report) -> list[Absent]:
    """Methods that did not run in both reports."""
    found = [{m.id: m for m in report.methods if m.kind == "method"} for report in (a, b)]
    told = []
    for name in sorted({*found[0], *found[1]}):
        reasons, ran = [], []
        for side, methods in zip("AB", found, strict=True):
            method = methods.get(name)
            if method is None:
                reasons.append(f"not in {side}")
            elif method.status != "ok":
                reasons.append(f"{method.status} in {side}: {method.reason or 'no reason was recorded'}")
            else:
                ran.append(side)
        if reasons:
            told.append(Absent.model_validate({"id": name, "ran": ran, "reason": "; ".join(reasons)}))
    return told


def _methods(
    a: Side, b: Side, pairs: list[Pair], table: ranks.Reranked, failed: dict[str, str], observer: Observer
) -> list[MethodChange]:
    common = _common(a.report, b.report)
    metrics = _metrics(a.report, b.report, common, pairs, failed)
    maps = Maplike(a.maps, b.maps, (a.report, b.report))
    observer.stage("comparing maps", sum(first.kind == "method" for first, _ in common))
    told = []
    for first, second in common:
        places = [ranks.standing(report, first.id) for report in (a.report, b.report)]
        method = first.kind == "method"
        told.append(
            MethodChange(
                id=first.id,
                title=first.title,
                kind=first.kind,
                flags=sorted({*first.flags, *second.flags}),
                a=places[0],
                b=places[1],
                tier_change=ranks.tier_change(*places),
                rank=ranks.change(table, first.id),
                metrics=metrics[first.id],
                maps=similarity(first, second, pairs, maps) if method else None,
            )
        )
        observer.advance(float(method))
    return told


def _metrics(
    a: Report,
    b: Report,
    common: list[tuple[MethodResult, MethodResult]],
    pairs: list[Pair],
    failed: dict[str, str],
) -> dict[str, list[MetricChange]]:
    """Every metric's change by method, corrected over the methods of a metric; controls stay uncorrected."""
    read = (scores.by_image(a), scores.by_image(b))
    changes: dict[str, dict[str, MetricChange]] = {}
    for first, second in common:
        for metric in scores.metric_ids(first, second):
            values = scores.columns(pairs, first.id, metric, *read)
            better = first.scores[metric].higher_is_better
            why = scores.unfit(metric, {*first.flags, *second.flags}, failed)
            changes.setdefault(metric, {})[first.id] = scores.change(metric, better, *values, why)
    methods = {first.id for first, _ in common if first.kind == "method"}
    for found in changes.values():
        names = [name for name in found if name in methods]
        found.update(zip(names, scores.corrected([found[name] for name in names]), strict=True))
    return {
        first.id: [changes[metric][first.id] for metric in scores.metric_ids(first, second)] for first, second in common
    }
