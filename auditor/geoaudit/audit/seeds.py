"""How much of a stochastic method's maps and scores is its seed's doing: the same images under other seeds.

The maps alone are made again.  They are scored as in the run, and metrics that draw random numbers draw the same
ones each time, so that what differs comes from the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Cost, Metric, Quadrature
from geoaudit.audit.attribute import attribute
from geoaudit.audit.meter import Meter
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import CostInfo, SeedSpread, Spread
from geoaudit.audit.score import Scorer
from geoaudit.audit.tally import Array, Repeats, Tally
from geoaudit.errors import GeoauditError
from geoaudit.scoring.mean_ranks import mean_ranks


def repeat(
    tally: Tally, made: Attributions, scorer: Scorer, probe: ModelProbe, quadrature: Quadrature, seeds: Sequence[int]
) -> Repeats:
    """Make and score a method's maps under other seeds.

    A repeat that crashes ends the repeats, costs nothing of what there is, and is told in `Repeats.error`.

    Args:
        tally: the method and its scores so far, those of the repeated images first.
        made: its maps under the run's own seed, those of the repeated images first.
        scorer: of the repeated images, with the headline sweep alone.
        probe: the run's probe.
        quadrature: the run's.
        seeds: the run's own seed first.
    """
    method, problems = tally.method, scorer.problems
    n = len(problems)
    maps = [made.values[:n]]
    scores = [_scores(tally, scorer.metrics, n)]
    spent, seconds, error = Cost(), 0.0, None
    for seed in seeds[1:]:
        meter = Meter(probe)
        try:
            again = attribute(method, problems, probe.reseeded(seed), quadrature)
        except Exception as failure:
            why = failure.message if isinstance(failure, GeoauditError) else f"{type(failure).__name__}: {failure}"
            error = f"the repeat with seed {seed} failed ({why})"
        expense = meter.read()
        seconds += expense.seconds
        spent += expense.cost
        if error is not None:
            break
        maps.append(again.values)
        scratch = Tally(method)
        scorer.score(scratch, again)
        scores.append(_scores(scratch, scorer.metrics, n))
    return Repeats(
        seeds=list(seeds[: len(maps)]),
        images=n,
        similarity=similarity(maps) if len(maps) > 1 else np.empty(0),
        scores={m.id: np.stack([row[m.id] for row in scores]) for m in scorer.metrics},
        cost=spent,
        seconds=seconds,
        error=error,
    )


def _scores(tally: Tally, metrics: Sequence[Metric], n: int) -> dict[str, Array]:
    return {metric.id: tally.column(metric.id)[:n] for metric in metrics}


def similarity(maps: Sequence[npt.NDArray[Any]]) -> Array:
    """For each image the median over pairs of seeds of Spearman's correlation of |A|.

    Args:
        maps: one array a seed, shape (n, *shape); at least two.

    Returns:
        In [-1, 1], nan where every pair holds a constant map; shape (n,).
    """
    found = []
    for image in range(len(maps[0])):
        ranks = [mean_ranks(np.abs(seed[image]).ravel()) for seed in maps]
        pairs = [_correlation(a - a.mean(), b - b.mean()) for a, b in combinations(ranks, 2)]
        known = [pair for pair in pairs if np.isfinite(pair)]
        found.append(float(np.median(known)) if known else np.nan)
    return np.array(found, dtype=np.float64)


def _correlation(a: Array, b: Array) -> float:
    """Of two centred samples; nan where one is constant."""
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else np.nan


def seed_spread(repeats: Repeats, tally: Tally, metrics: Sequence[Metric]) -> SeedSpread:
    """What the report says of a method's repeats, beside the spread of its scores over all images."""
    known = repeats.similarity[np.isfinite(repeats.similarity)]
    reason = repeats.error
    if reason is None and not len(known):
        reason = "the maps are constant"
    return SeedSpread(
        seeds=repeats.seeds,
        images=repeats.images,
        map_similarity=float(np.median(known)) if len(known) else None,
        spread=[_spread(m.id, repeats.scores[m.id], tally.column(m.id)) for m in metrics],
        reason=reason,
        cost=CostInfo(
            gradients=repeats.cost.gradients, forwards=repeats.cost.forwards, seconds=round(repeats.seconds, 3)
        ),
    )


def _spread(metric: str, scores: Array, column: Array) -> Spread:
    """One metric: `scores` (seeds, images) of the repeated images, `column` of all images under the run's seed."""
    whole = scores[:, np.isfinite(scores).all(axis=0)]
    over_images = column[np.isfinite(column)]
    repeated = len(scores) > 1 and whole.shape[1] > 0
    return Spread(
        metric=metric,
        seed_sd=float(np.sqrt(whole.var(axis=0, ddof=1).mean())) if repeated else None,
        image_sd=float(over_images.std(ddof=1)) if len(over_images) > 1 else None,
        images=whole.shape[1] if repeated else 0,
    )
