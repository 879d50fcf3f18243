"""The order of the methods by every metric that may be believed, and what it loses with one of them left out.

Metrics that read the same evidence (the six readings of the masking sweep, the two of PIC) are near-copies of each
other.  Counting each would let one experiment outvote all others, so every source of evidence has one vote, shared
by its metrics.  Metrics that measure something else than whether the map says what matters (complexity, the
integral's error, cancellation along the path) do not vote; NCC violation does, as in the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from geoaudit.audit.result import LeaveOneOut
from geoaudit.scoring.contenders import Contender, Scale, covers
from geoaudit.scoring.standings import image_ranks
from geoaudit.scoring.statistics import Array, tau

_ROUNDING = 9


@dataclass(frozen=True)
class Panel:
    """The metrics that vote, and the methods that they order.

    Attributes:
        methods: ids, k of them.
        scales: the metrics that rank at least two methods, sorted by id.
        ranks: each metric's mean rank of the methods over images, shape (k,) each; 1 is best; one that has no rank
            by a metric counts as last by it.
        scored: the methods' mean scores by each metric, better is higher, nan where not ranked by it, shape (k,) each.
    """

    methods: tuple[str, ...]
    scales: tuple[Scale, ...]
    ranks: tuple[Array, ...]
    scored: tuple[Array, ...]

    @cached_property
    def sources(self) -> dict[str, list[str]]:
        """The voting metrics by source of evidence, both sorted."""
        names = sorted({s.source for s in self.scales})
        return {name: [s.metric for s in self.scales if s.source == name] for name in names}

    @cached_property
    def mean_ranks(self) -> Array:
        """The consensus of all metrics, shape (k,)."""
        return self.without(frozenset())

    def without(self, left_out: frozenset[str]) -> Array:
        """Mean over sources of the mean rank over a source's metrics, some metrics left out; shape (k,)."""
        votes: list[Array] = []
        for metrics in self.sources.values():
            kept = [r for s, r in zip(self.scales, self.ranks, strict=True) if s.metric in {*metrics} - left_out]
            if kept:
                votes.append(np.stack(kept).mean(axis=0))
        rounded = np.round(np.mean(votes, axis=0), _ROUNDING)  # equal means are ties, however they were added
        return np.asarray(rounded, dtype=np.float64)

    def first(self, mean_ranks: Array) -> list[str]:
        """Methods with the best mean rank, sorted."""
        best = mean_ranks.min()
        return sorted(m for m, rank in zip(self.methods, mean_ranks, strict=True) if rank == best)

    def order(self) -> list[str]:
        """Methods by the consensus, best first, equal ones by id."""
        return [self.methods[i] for i in sorted(range(len(self.methods)), key=self._place)]

    def _place(self, i: int) -> tuple[float, str]:
        return float(self.mean_ranks[i]), self.methods[i]


def panel(methods: Sequence[Contender], scales: Sequence[Scale]) -> Panel:
    """The metrics that can vote on `methods`, which are aligned on the images."""
    used, ranks, scored = [], [], []
    for scale in sorted(scales, key=lambda s: s.metric):
        scores = np.stack([m.scored_by(scale.metric) for m in methods], axis=1) if methods else np.empty((0, 0))
        found = image_ranks(scores, scale.higher_is_better)
        part = np.isfinite(found).any(axis=0)
        if part.sum() < 2:
            continue
        rows = np.isfinite(found[:, part]).any(axis=1)
        used.append(scale)
        ranks.append(np.where(part, found[rows].mean(axis=0), float(part.sum())))
        means = scores[rows].mean(axis=0) * (1.0 if scale.higher_is_better else -1.0)
        scored.append(np.where(part, means, np.nan))
    return Panel(tuple(m.id for m in methods), tuple(used), tuple(ranks), tuple(scored))


def leave_one_out(panel: Panel) -> list[LeaveOneOut]:
    """The consensus without each metric, and without all metrics of each source that has several.

    What would leave nothing is not left out.
    """
    cases: dict[str, tuple[str, ...]] = {s.metric: (s.metric,) for s in panel.scales}
    cases |= {f"all of {name}": tuple(metrics) for name, metrics in panel.sources.items() if len(metrics) > 1}
    rows = []
    for name, left_out in cases.items():
        if len(left_out) < len(panel.scales):
            rows.append(_left_out(panel, name, left_out))
    return rows


def _left_out(panel: Panel, name: str, left_out: tuple[str, ...]) -> LeaveOneOut:
    found = panel.without(frozenset(left_out))
    kept = same_order(panel.mean_ranks, found)
    first = panel.first(found)
    return LeaveOneOut(
        without=name, metrics=list(left_out), tau=tau(panel.mean_ranks, found), first=first,
        same_first=first == panel.first(panel.mean_ranks),
        pairs_kept=float(kept.mean()) if len(kept) else None,
    )  # fmt: skip


def same_order(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """For every pair of methods whether `a` and `b` order it alike (a tie is like a tie), shape (k (k - 1) / 2,)."""
    rows, columns = np.triu_indices(len(a), 1)
    return np.asarray(np.sign(a[rows] - a[columns]) == np.sign(b[rows] - b[columns]), dtype=np.bool_)


def surviving(panel: Panel, rows: Sequence[LeaveOneOut]) -> list[list[str]]:
    """Pairs [better, worse] that keep their order in every row, sorted; none where nothing could be left out."""
    if not rows:
        return []
    full = panel.mean_ranks
    kept = np.all([same_order(full, panel.without(frozenset(row.metrics))) for row in rows], axis=0)
    found = []
    for a, b, stays in zip(*np.triu_indices(len(full), 1), kept, strict=True):
        if stays and full[a] != full[b]:
            better, worse = (a, b) if full[a] < full[b] else (b, a)
            found.append([panel.methods[better], panel.methods[worse]])
    return sorted(found)


def imputer_means(methods: Sequence[Contender]) -> dict[str, Array]:
    """Mean SRG of the methods by each imputer, nan where SRG covers fewer than half of the images; shape (k,) each."""
    names = next((m.imputers for m in methods if m.imputers), ())
    columns = {}
    for p, name in enumerate(names):
        readings = [m.srg_by_imputer[:, p] if m.srg_by_imputer.shape[1] > p else np.empty(0) for m in methods]
        asked = [m.asked(r) if len(r) else r for m, r in zip(methods, readings, strict=True)]
        columns[name] = np.array([float(np.nanmean(r)) if covers(r) else np.nan for r in asked])
    return columns
