"""What became of the order of the methods, and how far chance alone would change it.

Both reports are ranked again on the paired images and the methods that they share, by the ranking's own rule: the
mean of the ranks by NCC violation and by SRG.  Each resample of images is the same for both, so what the pictures
share cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.audit.result import MethodResult, RankingEntry, Report
from geoaudit.compare.result import Flip, Pair, RankChange, RankingChange, Standing
from geoaudit.compare.scores import SEED, by_image, columns
from geoaudit.scoring.contenders import BY_CONSTRUCTION
from geoaudit.scoring.separation import FEWEST, apart
from geoaudit.scoring.standings import Standings, standings
from geoaudit.scoring.statistics import Array

_ROUNDING = 9


@dataclass(frozen=True)
class Reranked:
    """The ranks of k methods in both reports, on the same n images.

    Attributes:
        methods: their ids, in A's order.
        a, b: the ranks.
        told: which pairs of methods moved against each other beyond chance, shape (k, k).
        srg: whether SRG may be used.
    """

    methods: list[str]
    a: Standings
    b: Standings
    told: npt.NDArray[np.bool_]
    srg: bool

    @property
    def shift(self) -> Array:
        """Change of the mean rank, shape (k,); nan where a method has no rank."""
        return np.round(self.b.combined - self.a.combined, _ROUNDING)


def rerank(a: Report, b: Report, pairs: Sequence[Pair], failed: frozenset[str]) -> Reranked:
    """Rank the methods that both reports ranked, on the images that both have.

    Args:
        a, b: the reports.
        pairs: the images, in the same order for both.
        failed: metrics that failed their own test in one of the reports; they take no part.
    """
    ranked = {entry.method for entry in b.ranking.entries}
    scored = {m.id: m for m in b.methods if m.status == "ok"}
    good = {m.id: m for m in a.methods if m.status == "ok" and m.id in scored}
    names = [e.method for e in a.ranking.entries if e.method in ranked and e.method in good]
    read = (by_image(a), by_image(b))
    table: dict[str, list[Array]] = {}
    for metric in ("ncc-violation", "srg"):
        both = [_on_both(*columns(pairs, name, metric, *read)) for name in names]
        idle = [metric in failed or (metric == "ncc-violation" and _unearned(good[n], scored[n])) for n in names]
        table[metric] = [_stacked([pair[side] for pair in both], idle, len(pairs)) for side in (0, 1)]
    first, second = (standings(table["ncc-violation"][s], table["srg"][s], SEED) for s in (0, 1))
    told = apart(second.parts - first.parts, SEED)
    return Reranked(names, first, second, told, "srg" not in failed)


def _on_both(a: Array, b: Array) -> tuple[Array, Array]:
    """Values on the images that have one in both reports; else nan, so that both rank the same images."""
    gap = np.isnan(a) | np.isnan(b)
    return np.where(gap, np.nan, a), np.where(gap, np.nan, b)


def _unearned(a: MethodResult, b: MethodResult) -> bool:
    return BY_CONSTRUCTION in a.flags or BY_CONSTRUCTION in b.flags


def _stacked(values: Sequence[Array], idle: Sequence[bool], n: int) -> Array:
    stack = [np.full(n, np.nan) if off else column for column, off in zip(values, idle, strict=True)]
    return np.stack(stack, axis=1) if stack else np.empty((n, 0))


def change(table: Reranked, method: str) -> RankChange | None:
    """The change of one method's mean rank with its interval; None where it takes no part."""
    if method not in table.methods:
        return None
    i = table.methods.index(method)
    low, high = table.a.bounds(table.b.combined_draws - table.a.combined_draws, i)
    enough = table.a.images >= FEWEST
    return RankChange(
        rank_a=_number(table.a.combined[i]),
        rank_b=_number(table.b.combined[i]),
        difference=_number(table.shift[i]),
        ci_low=low if enough else None,
        ci_high=high if enough else None,
    )


def ranking_change(table: Reranked, a: Report, b: Report) -> RankingChange:
    """Whether the order changed beyond chance, and where."""
    n, k = table.a.images, len(table.methods)
    whole = table.a.combined[None]
    taus = _taus(table.a.combined_draws, table.b.combined_draws)
    alone = _taus(whole, table.a.combined_draws)
    moved = [
        [table.methods[i] for i in sorted(pair, key=lambda i: table.shift[i])]
        for pair in combinations(range(k), 2)
        if table.told[pair]
    ]
    verdict, reason = _verdict(n, k, bool(moved))
    enough = n >= FEWEST
    return RankingChange(
        verdict=verdict,
        reason=reason,
        methods=k,
        n=n,
        tau=_quantile(_taus(whole, table.b.combined[None]), 0.5),
        tau_low=_quantile(taus, 0.025) if enough else None,
        tau_high=_quantile(taus, 0.975) if enough else None,
        tau_chance=_quantile(alone, 0.5) if enough else None,
        moved=sorted(moved),
        flips=_flips(table, a, b),
    )


def _verdict(n: int, k: int, moved: bool) -> tuple[Literal["changed", "no change shown", "inconclusive"], str]:
    if k < 2:
        return "inconclusive", f"{k} {'method' if k == 1 else 'methods'} in both rankings: there is no order to compare"
    if n < FEWEST:
        return "inconclusive", f"{n} {'pair is' if n == 1 else 'pairs are'} fewer than {FEWEST}: no change can be shown"
    if moved:
        return "changed", "methods moved against each other beyond chance (sign flips over images, family-wise 5 %)"
    return "no change shown", "no two methods moved against each other beyond chance"


def _flips(table: Reranked, a: Report, b: Report) -> list[Flip]:
    """Pairs whose order in the rankings is not the same, in A's order."""
    places = [{e.method: (i, e) for i, e in enumerate(report.ranking.entries)} for report in (a, b)]
    found = []
    for i, j in combinations(range(len(table.methods)), 2):
        one, other = table.methods[i], table.methods[j]
        if places[1][one][0] > places[1][other][0]:
            apart_in = [_separated(place[one][1], place[other][1]) for place in places]
            found.append(
                Flip(
                    first_a=one,
                    first_b=other,
                    separated_a=apart_in[0],
                    separated_b=apart_in[1],
                    shown=bool(table.told[i, j]),
                )
            )
    return found


def _separated(one: RankingEntry, other: RankingEntry) -> Literal["tier", "position", "no"]:
    if one.tier != other.tier:
        return "tier"
    return "position" if one.position != other.position else "no"


def standing(report: Report, method: str) -> Standing | None:
    """A method's place in a report's ranking; None where it has none."""
    for place, entry in enumerate(report.ranking.entries, 1):
        if entry.method == method:
            return Standing(
                place=place, position=entry.position, tier=entry.tier, reasons=entry.reasons, ncc=entry.ncc,
                faithfulness=entry.faithfulness,
            )  # fmt: skip
    return None


def tier_change(a: Standing | None, b: Standing | None) -> Literal["same", "better", "worse"] | None:
    """Whether a method's tier rose or fell."""
    if a is None or b is None:
        return None
    order = ("recommended", "caution", "rejected")
    before, after = order.index(a.tier), order.index(b.tier)
    return "same" if before == after else "better" if after < before else "worse"


def _taus(a: Array, b: Array) -> Array:
    """Kendall's tau-b of each row of mean ranks with its counterpart, shape (r,); nan where a row ties everything.

    Args:
        a, b: mean ranks, shape (r, k) or (1, k); a method without a rank counts for nothing.
    """
    first, second = np.triu_indices(a.shape[1], 1)
    signs = [np.sign(np.nan_to_num(np.round(x[:, first] - x[:, second], _ROUNDING))) for x in (a, b)]
    size = np.sqrt(np.abs(signs[0]).sum(axis=1) * np.abs(signs[1]).sum(axis=1))
    agreed = (signs[0] * signs[1]).sum(axis=1)
    result: Array = np.where(size > 0, agreed / np.where(size > 0, size, 1.0), np.nan)
    return result


def _quantile(values: Array, share: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
