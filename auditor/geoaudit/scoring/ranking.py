"""The ranking: which explanation method can be relied on for this model.  A pure function of scores.

Tiers first, then the mean of two ranks; the rule is printed with the result (`rule_text`).  The unit is the
image: Demsar 2006 for Friedman's test, Benavoli et al. 2016 for paired Wilcoxon tests with Holm instead of
mean-rank post-hoc tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from geoaudit.api import Status
from geoaudit.audit.result import (
    FriedmanTest,
    MetricHealth,
    PairTest,
    Ranking,
    Tests,
)
from geoaudit.scoring import statistics
from geoaudit.scoring.contenders import ENOUGH, Contender, canonical, covers
from geoaudit.scoring.entries import Field, entries
from geoaudit.scoring.rule import rule_text
from geoaudit.scoring.standings import standings
from geoaudit.scoring.statistics import Array
from geoaudit.scoring.tiers import ALPHA, against, pairwise, tier

Outcome = Literal["ranked", "indicative", "inconclusive"]


def rank(contenders: Sequence[Contender], health: Sequence[MetricHealth], seed: int) -> Ranking:
    """Rank the methods by NCC violation and SRG.

    Args:
        contenders: every method, and the controls `random` and `edges` where they were run.
        health: the metrics' health; where `srg` has failed, the ranking rests on NCC alone.
        seed: of the bootstrap over images.

    Returns:
        The report's ranking: one entry a method, best first.  The order of `contenders` and of the images
        changes nothing.

    Raises:
        ValueError: an id occurs twice, or the arrays are not aligned on the same images.
    """
    everyone = canonical(contenders)
    methods = [c for c in everyone if c.kind == "method"]
    scored = [c for c in methods if c.status == "ok"]
    control = {c.id: c for c in everyone if c.kind == "control"}
    failed = {h.metric for h in health if h.status == Status.FAIL}
    healthy = "srg" not in failed
    random, edges = (against(scored, control.get(name)) for name in ("random", "edges"))
    judged = {m.id: tier(m, random.get(m.id), edges.get(m.id), healthy) for m in methods}
    n = len(everyone[0].srg) if everyone else 0
    ncc, srg = _matrix(scored, "ncc", n), _matrix(scored, "srg", n)
    table = standings(ncc, srg if healthy else np.full_like(srg, np.nan), seed)
    friedman = [_friedman(metric, scores) for metric, scores in (("ncc-violation", ncc), ("srg", srg))]
    status, reason = _status(scored, n, friedman[1], next((h for h in health if h.metric == "srg"), None))
    tests = [*pairwise(scored), *(a.test for a in random.values()), *(a.test for a in edges.values())]
    return Ranking(
        status=status,
        rule=rule_text(failed),
        reason=reason,
        entries=entries(methods, Field(scored, judged, ncc, srg, table, healthy)),
        tests=Tests(friedman=friedman, pairwise=sorted(tests, key=_pair_key)),
        smallest_detectable_difference=_detectable(srg),
        reliability=statistics.kendalls_w(srg[:, _taking_part(srg)]),
        agreement=_agreement(scored),
    )


def _matrix(methods: Sequence[Contender], field: str, n: int) -> Array:
    columns = [getattr(m, field) for m in methods]
    return np.stack(columns, axis=1) if columns else np.empty((n, 0))


def _taking_part(scores: Array) -> list[int]:
    return [i for i, column in enumerate(scores.T) if covers(column)]


def _friedman(metric: str, scores: Array) -> FriedmanTest:
    statistic, p, n = statistics.friedman(scores[:, _taking_part(scores)])
    return FriedmanTest(metric=metric, n=n, statistic=statistic, p=p)


def _pair_key(test: PairTest) -> tuple[str, str, str]:
    return test.metric, test.a, test.b


def _status(scored: Sequence[Contender], n: int, srg: FriedmanTest, health: MetricHealth | None) -> tuple[Outcome, str]:
    """Whether the ranking stands, and why in a sentence or two."""
    if not scored or not n:
        return "inconclusive", "No method was scored."
    if health is not None and health.status == Status.FAIL:
        return "inconclusive", f"Faithfulness was not judged: SRG {health.reason}."
    if not any(covers(m.srg) for m in scored):
        return "inconclusive", "No method has SRG on at least half of the images."
    doubt = ""
    if health is not None and health.status != Status.PASS:
        doubt = f" SRG's own test did not pass ({health.status}: {health.reason})."
    if n < ENOUGH:
        return "indicative", f"{n} images are fewer than {ENOUGH}: read the order as an indication.{doubt}"
    if srg.p is not None and srg.p >= ALPHA:
        text = f"The methods' SRG cannot be told apart on {n} images (Friedman's test, p = {srg.p:.3g})."
        return "inconclusive", text + doubt
    return "ranked", f"{n} images.{doubt}"


def _detectable(srg: Array) -> float | None:
    """Smallest detectable mean SRG difference, for the median deviation of all pairs' differences."""
    rows = statistics.complete_rows(srg[:, _taking_part(srg)])
    n, k = rows.shape
    if n < 3 or k < 2:
        return None
    spreads = [np.std(rows[:, i] - rows[:, j], ddof=1) for i in range(k) for j in range(i)]
    return statistics.smallest_difference(float(np.median(spreads)), n)


def _agreement(scored: Sequence[Contender]) -> float | None:
    """Kendall's tau between the imputers' mean SRG of the methods."""
    part = [m.srg_by_imputer for m in scored if covers(m.srg) and m.srg_by_imputer.size]
    return statistics.kendalls_tau(np.stack([np.nanmean(scores, axis=0) for scores in part])) if part else None
