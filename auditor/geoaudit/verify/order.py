"""Does the ranking follow from the report's scores and checks?  It is made again by the function that made it.

Rank intervals, P(best) and the imputers' agreement rest on scores of single imputers, which the report does not
hold; only a whole re-run repeats them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from geoaudit.api import Status
from geoaudit.audit.drawing import drawn
from geoaudit.audit.result import MethodResult, Ranking, RankingEntry, Report
from geoaudit.scoring.adaptive_stopping import is_unread
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.health import Inversion, assess
from geoaudit.scoring.ranking import rank
from geoaudit.scoring.separation import EXACT
from geoaudit.scoring.statistics import Array
from geoaudit.verify.findings import failed, settled, skipped
from geoaudit.verify.numbers import not_listed
from geoaudit.verify.result import Finding
from geoaudit.words import counted

_HEALTH, _RANKING = "numbers.health", "numbers.ranking"
_INVERTED = "inverted:"
_WITHIN = 1e-6

Columns = Mapping[tuple[str, str], Array]
"""(method, metric) to the scores of the listed pictures, nan where there is none, shape (n,)."""


def check_order(report: Report) -> Iterator[Finding]:
    """The metrics' health, then the ranking's order, tiers, ranks and tests."""
    if report.data.detail is not None:
        yield skipped(_HEALTH, "metric health", not_listed(report))
        yield skipped(_RANKING, "ranking", not_listed(report))
        return
    columns = _columns(report)
    many = counted(len(report.metric_health), "metric")
    yield from settled(_HEALTH, "metric health", f"statuses of {many} follow from the scores", _health(report, columns))
    contenders = [_contender(method, report, columns) for method in report.methods if method.status != "skipped"]
    made = rank(contenders, report.metric_health, report.run.seed, adaptive=report.ranking.adaptive is not None)
    many = counted(len(report.ranking.entries), "method")
    reason = f"order, tiers and ranks of {many} follow from the scores and checks"
    yield from settled(_RANKING, "ranking", reason, _ranking(report.ranking, made, len(report.data.images)))


def _columns(report: Report) -> Columns:
    places = {name: i for i, name in enumerate(_in_order(report))}
    found: defaultdict[tuple[str, str], Array] = defaultdict(lambda: np.full(len(places), np.nan))
    for row in report.per_image:
        for metric, value in row.scores.items():
            if value is not None and row.image in places:
                found[row.method, metric][places[row.image]] = value
    return found


def _in_order(report: Report) -> list[str]:
    """Ids of the pictures in the order in which the audit read them."""
    ids = [image.id for image in report.data.images]
    return ids if report.ranking.adaptive is None else [ids[i] for i in drawn(ids, report.run.seed)]


def _read(method: str, report: Report) -> npt.NDArray[np.bool_] | None:
    """The pictures on which an adaptive audit spent masked forwards; None in others."""
    if report.ranking.adaptive is None:
        return None
    unread = {row.image for row in report.per_image if row.method == method and is_unread(row.reasons.get("srg"))}
    return np.array([name not in unread for name in _in_order(report)], dtype=np.bool_)


def _health(report: Report, columns: Columns) -> Iterator[Finding]:
    methods = [m.id for m in report.methods if m.kind == "method" and m.status == "ok"]
    random = any(m.id == "random" and m.status == "ok" for m in report.methods)
    stated = {health.metric: health.status for health in report.metric_health}
    cases = []
    for metric in stated:
        directions = {m.scores[metric].higher_is_better for m in report.methods if metric in m.scores} - {None}
        if len(directions) == 1:
            cases.append(
                Inversion(
                    metric, bool(directions.pop()), {m: columns[m, metric] for m in methods},
                    {m: columns[_INVERTED + m, metric] for m in methods},
                    columns["random", metric] if random else None,
                )
            )  # fmt: skip
    for health in assess(cases, report.run.seed):
        if health.status != stated[health.metric]:
            reason = "status does not follow from the scores of methods and inverted controls"
            yield failed(_HEALTH, health.metric, reason, stated[health.metric], health.status)


def _contender(method: MethodResult, report: Report, columns: Columns) -> Contender:
    ok, n = method.status == "ok", len(report.data.images)
    nothing = np.full(n, np.nan)
    found = [check for check in report.checks if check.method == method.id]
    reasons = Counter(r.reasons["ncc-violation"] for r in report.per_image if r.method == method.id and
                      r.reasons.get("ncc-violation"))  # fmt: skip

    def of(status: Status, gate: bool) -> list[tuple[str, str]]:
        return [(check.id, check.reason) for check in found if check.status == status and check.gate == gate]

    return Contender(
        id=method.id,
        kind=method.kind,
        flags=frozenset(method.flags),
        status="ok" if ok else "error",
        reason=method.reason,
        ncc=columns[method.id, "ncc-violation"] if ok else nothing,
        srg=columns[method.id, "srg"] if ok else nothing,
        srg_by_imputer=np.empty((n, 0)),
        ncc_reason=min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else None,
        failed=tuple(of(Status.FAIL, gate=True)),
        doubted=tuple(name for name, _ in of(Status.FAIL, gate=False)),
        warned=tuple(of(Status.WARN, gate=True)),
        inconclusive=tuple(check.id for check in found if check.status == Status.INCONCLUSIVE),
        unchecked=tuple(check.id for check in found if check.status == Status.ERROR),
        read=_read(method.id, report) if ok else None,
    )


def _ranking(stated: Ranking, made: Ranking, images: int) -> Iterator[Finding]:
    if stated.status != made.status:
        yield failed(_RANKING, "status of the ranking", "does not follow from the scores", stated.status, made.status)
    order, found = [e.method for e in stated.entries], [e.method for e in made.entries]
    if order != found:
        reason = "does not follow from the scores and checks"
        yield failed(_RANKING, "order of the methods", reason, ", ".join(order), ", ".join(found))
    entries = {entry.method: entry for entry in made.entries}
    for entry in stated.entries:
        if entry.method in entries:
            yield from _entry(entry, entries[entry.method], images)
    yield from _tests(stated, made)


def _entry(stated: RankingEntry, made: RankingEntry, images: int) -> Iterator[Finding]:
    reason = "does not follow from the scores and checks"
    facts: dict[str, tuple[object, object]] = {
        "tier": (stated.tier, made.tier),
        "Pareto front": (stated.pareto, made.pareto),
    }
    if images <= EXACT:  # with more images positions rest on drawn turns, in an order that the report does not hold
        facts["position"] = (stated.position, made.position)
    for name, (said, found) in facts.items():
        if said != found:
            yield failed(_RANKING, f"{name} of {stated.method}", reason, said, found)
    for name, said, found in (
        ("NCC rank", stated.ncc.rank, made.ncc.rank),
        ("SRG rank", stated.faithfulness.rank, made.faithfulness.rank),
    ):
        if _apart(said, found):
            yield failed(_RANKING, f"{name} of {stated.method}", reason, said, found)


def _tests(stated: Ranking, made: Ranking) -> Iterator[Finding]:
    found = {(t.metric, t.a, t.b): t for t in made.tests.pairwise}
    for test in stated.tests.pairwise:
        other = found.get((test.metric, test.a, test.b))
        if other is None or test.n != other.n or _apart(test.p_holm, other.p_holm):
            subject = f"test of {test.a} against {test.b} by {test.metric}"
            said = (test.p_holm, None if other is None else other.p_holm)
            yield failed(_RANKING, subject, "does not follow from the scores", *said)


def _apart(stated: float | None, found: float | None) -> bool:
    if stated is None or found is None:
        return stated is not found
    return abs(stated - found) > _WITHIN * max(1.0, abs(stated))
