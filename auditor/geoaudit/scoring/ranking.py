"""The ranking: which explanation method can be relied on for this model.  A pure function of scores.

Tiers first, then the mean of two ranks; the rule is printed with the result (`rule_text`).  The unit is the
image: Demsar 2006 for Friedman's test, Benavoli et al. 2016 for paired Wilcoxon tests with Holm instead of
mean-rank post-hoc tests.  Methods share a position unless they can be told apart (`separation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Status
from geoaudit.audit.result import FriedmanTest, MetricHealth, PairTest, Ranking, RankingEntry, Tests
from geoaudit.scoring import statistics
from geoaudit.scoring.adaptive_judge import Sequential
from geoaudit.scoring.adaptive_standings import unequal_standings
from geoaudit.scoring.contenders import ENOUGH, RANKED_BY, Contender, Scale, canonical, covers
from geoaudit.scoring.entries import NO_POSITION, Field, entries
from geoaudit.scoring.judge import FullSample, Judge
from geoaudit.scoring.reliability import reliability
from geoaudit.scoring.robustness import robustness
from geoaudit.scoring.rule import rule_text
from geoaudit.scoring.separation import FEWEST
from geoaudit.scoring.standings import Standings, standings
from geoaudit.scoring.statistics import Array, Interval
from geoaudit.scoring.tiers import tier

Outcome = Literal["ranked", "indicative", "inconclusive"]


def rank(
    contenders: Sequence[Contender], health: Sequence[MetricHealth], seed: int, scales: Sequence[Scale] = RANKED_BY,
    *, adaptive: bool = False,
) -> Ranking:  # fmt: skip
    """Rank the methods by NCC violation and SRG.

    Args:
        contenders: every method, and the controls `random` and `edges` where they were run.
        health: the metrics' health; where `srg` has failed, the ranking rests on NCC alone.
        seed: of the bootstrap over images.
        scales: the metrics that judge maps, for the agreement between them.
        adaptive: the number of images that a method was read on hangs on its scores: tests are used that hold all
            the same.  They need the images in the order of the audit.

    Returns:
        The report's ranking: one entry a method, best first.  The order of `contenders` and of the images
        changes nothing, but for adaptive audits, in which the order of images does.

    Raises:
        ValueError: an id occurs twice, or the arrays are not aligned on the same images.
    """
    everyone = canonical(contenders)
    judge: Judge = Sequential(sorted(contenders, key=lambda c: c.id)) if adaptive else FullSample(seed)
    methods = [c for c in everyone if c.kind == "method"]
    scored = [c for c in methods if c.status == "ok"]
    control = {c.id: c for c in everyone if c.kind == "control"}
    failed = {h.metric for h in health if h.status == Status.FAIL}
    healthy = "srg" not in failed
    random, edges = (judge.against(scored, control.get(name)) for name in ("random", "edges"))
    judged = {m.id: tier(m, random.get(m.id), edges.get(m.id), healthy) for m in methods}
    n = len(everyone[0].srg) if everyone else 0
    ncc, srg = _matrix(scored, "ncc-violation", n), _matrix(scored, "srg", n)
    table = _standings(scored, ncc, srg if healthy else np.full_like(srg, np.nan), seed)
    part = _covered(scored, srg)
    friedman = [
        _friedman("ncc-violation", ncc[:, _taking_part(ncc)], judge), _friedman("srg", srg[:, part], judge)
    ]  # fmt: skip
    agreed = reliability(srg[:, part], seed)
    own = next((h for h in health if h.metric == "srg"), None)
    status, reason = _status(ncc, srg[:, part], own, agreed, judge)
    rows = entries(methods, Field(scored, judged, ncc, srg, table, healthy, _apart(judge, scored, table)))
    tests = [*judge.pairwise(scored), *(a.test for a in random.values()), *(a.test for a in edges.values())]
    return Ranking(
        status=status,
        rule=rule_text(failed),
        reason=reason,
        entries=rows,
        tests=Tests(friedman=friedman, pairwise=sorted(tests, key=_pair_key)),
        smallest_detectable_difference=_detectable(srg[:, part]),
        reliability=agreed.estimate,
        reliability_low=agreed.low,
        reliability_high=agreed.high,
        agreement=_agreement(scored),
        robustness=robustness(scored, scales, failed, _leaders(rows)),
        adaptive=judge.told(),
    )


def _standings(scored: Sequence[Contender], ncc: Array, srg: Array, seed: int) -> Standings:
    if all(m.read_on.all() for m in scored):
        return standings(ncc, srg, seed)
    part = [covers(m.asked(column)) for m, column in zip(scored, srg.T, strict=True)]
    return unequal_standings(ncc, srg, part, seed)


def _apart(
    judge: Judge, scored: Sequence[Contender], table: Standings
) -> Callable[[Sequence[int]], npt.NDArray[np.bool_]]:
    return lambda columns: judge.apart([scored[i] for i in columns], table.parts[:, columns])


def _leaders(rows: Sequence[RankingEntry]) -> list[str]:
    """The methods that share the first position."""
    placed = [row for row in rows if row.position != NO_POSITION]
    return [row.method for row in placed if row.position == placed[0].position]


def _matrix(methods: Sequence[Contender], metric: str, n: int) -> Array:
    columns = [m.scored_by(metric) for m in methods]
    return np.stack(columns, axis=1) if columns else np.empty((n, 0))


def _taking_part(scores: Array) -> list[int]:
    return [i for i, column in enumerate(scores.T) if covers(column)]


def _covered(methods: Sequence[Contender], srg: Array) -> list[int]:
    """The methods with SRG on at least half of the images that they were read on."""
    return [i for i, m in enumerate(methods) if covers(m.asked(srg[:, i]))]


def _friedman(metric: str, scores: Array, judge: Judge) -> FriedmanTest:
    statistic, p, n = judge.friedman(scores)
    return FriedmanTest(metric=metric, n=n, statistic=statistic, p=p)


def _pair_key(test: PairTest) -> tuple[str, str, str]:
    return test.metric, test.a, test.b


def _status(ncc: Array, srg: Array, health: MetricHealth | None, agreed: Interval, judge: Judge) -> tuple[Outcome, str]:
    """Whether the ranking stands, and why in some sentences; `srg` of the methods that take part."""
    if not ncc.shape[1] or not len(srg):
        return "inconclusive", "No method was scored."
    if health is not None and health.status == Status.FAIL:
        text = f"Faithfulness was not judged: SRG {health.reason}."
        return "inconclusive", _joined(text, _left_out("NCC", ncc))
    if not srg.shape[1]:
        return "inconclusive", "No method has SRG on at least half of the images."
    n, told = len(statistics.complete_rows(srg)), judge.told()
    incomplete = _incomplete("SRG", n, len(srg)) if told is None else told.reason
    doubts = [incomplete, _left_out("NCC", ncc), _disagreement(agreed)]
    if not n:
        return "inconclusive", _joined(*doubts)
    if health is not None and health.status != Status.PASS:
        doubts.append(f"SRG's own test did not pass ({health.status}: {health.reason}).")
    if n < ENOUGH:
        images = "1 image is" if n == 1 else f"{n} images are"
        few = f"{images} fewer than {ENOUGH}: read the order as an indication."
        return "indicative", _joined(few, _missed(srg), _never(n), *doubts)
    if test := judge.tied(srg):
        text = f"The methods' SRG cannot be told apart on {n} images ({test})."
        return "inconclusive", _joined(text, _missed(srg), *doubts)
    return "ranked", _joined("" if told else f"{n} images.", *doubts)


def _common(scores: Array) -> int:
    """Number of images that the methods are ranked on by these scores."""
    part = _taking_part(scores)
    return len(statistics.complete_rows(scores[:, part])) if part else 0


def _left_out(name: str, scores: Array) -> str:
    """Said where images are left out of the ranks, because a method that is ranked lacks the score there."""
    return _incomplete(name, _common(scores), len(scores)) if _taking_part(scores) else ""


def _incomplete(name: str, n: int, of: int) -> str:
    if n == of:
        return ""
    if not n:
        return f"There are no ranks by {name}: on no image every method that could have one is scored."
    return f"Ranks by {name} rest on {n} of {of} images: those on which every method so ranked is scored."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _missed(scores: Array) -> str:
    """What the images were too few to find."""
    smallest = _detectable(scores)
    if not smallest:  # none is known, or the images differ in nothing
        return ""
    return (
        f"Between two methods named beforehand, a difference in mean SRG below {smallest:.2g} would have been "
        "missed more often than one time in five."
    )


def _never(n: int) -> str:
    return f"Below {FEWEST} images no two methods can be told apart, whatever they score." if n < FEWEST else ""


def _disagreement(agreed: Interval) -> str:
    """Said where the images might agree on the order no more than by chance."""
    if agreed.estimate is None or agreed.low is None or agreed.high is None or agreed.low > 0:
        return ""
    return (
        f"The images may agree on the order of the methods no more than by chance (Krippendorff's alpha "
        f"{agreed.estimate:.2f}, 95 % interval {agreed.low:.2f} to {agreed.high:.2f})."
    )


def _detectable(srg: Array) -> float | None:
    """Smallest detectable mean SRG difference of two methods, for the median deviation of all pairs' differences.

    Of two named beforehand: picking the largest of many differences takes more.
    """
    rows = statistics.complete_rows(srg)
    n, k = rows.shape
    if n < 3 or k < 2:
        return None
    spreads = [np.std(rows[:, i] - rows[:, j], ddof=1) for i in range(k) for j in range(i)]
    return statistics.smallest_difference(float(np.median(spreads)), n)


def _agreement(scored: Sequence[Contender]) -> float | None:
    """Kendall's tau between the imputers' mean SRG of the methods."""
    part = [m.srg_by_imputer for m in scored if covers(m.asked(m.srg)) and m.srg_by_imputer.size]
    return statistics.kendalls_tau(np.stack([np.nanmean(scores, axis=0) for scores in part])) if part else None
