"""The ranking's rows: order, shared positions, P(best) and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.audit.result import RankingEntry, RankInterval
from geoaudit.scoring.contenders import BY_CONSTRUCTION, Contender, covers
from geoaudit.scoring.standings import Standings
from geoaudit.scoring.statistics import Array
from geoaudit.scoring.tiers import Tier

NO_POSITION = "–"
"""Position of a method without any rank."""

_TIERS: tuple[Tier, ...] = ("recommended", "caution", "rejected")
_ROUNDING = 9
_NO_RANK = RankInterval(rank=None, rank_low=None, rank_high=None)


@dataclass(frozen=True)
class Field:
    """The scored methods and everything known about them.

    Attributes:
        scored: the k methods that did not crash, in the order of the columns below.
        judged: tier and reasons of every method, crashed ones included, by id.
        ncc: NCC violation, shape (n, k), nan where null or not the method's merit.
        srg: SRG, shape (n, k), nan where missing.
        table: the ranks.
        srg_healthy: whether SRG may be used.
        apart: which of the columns, given best first, are told apart, shape (m, m).
    """

    scored: Sequence[Contender]
    judged: dict[str, tuple[Tier, list[str]]]
    ncc: Array
    srg: Array
    table: Standings
    srg_healthy: bool
    apart: Callable[[Sequence[int]], npt.NDArray[np.bool_]]


def entries(methods: Sequence[Contender], field: Field) -> list[RankingEntry]:
    """One row a method: tier by tier, best first, those without any rank at the end of their tier."""
    front = pareto(field)
    rows: list[RankingEntry] = []
    for name in _TIERS:
        members = [m for m in methods if field.judged[m.id][0] == name]
        rows += _ranked(name, members, field, front, sum(row.position != NO_POSITION for row in rows))
        present = {row.method for row in rows}
        rows += [
            RankingEntry(
                position=NO_POSITION, tier=name, method=m.id, reasons=field.judged[m.id][1], pareto=False,
                ncc=_NO_RANK, faithfulness=_NO_RANK, p_best=None,
            )
            for m in members if m.id not in present
        ]  # fmt: skip
    return rows


def _ranked(name: Tier, members: Sequence[Contender], field: Field, front: set[str], before: int) -> list[RankingEntry]:
    """Rows of one tier's methods that have a rank; `before` such rows stand above."""
    table, combined = field.table, field.table.combined
    wanted = {m.id for m in members}
    columns = [i for i, m in enumerate(field.scored) if m.id in wanted and np.isfinite(combined[i])]
    columns.sort(key=lambda i: (round(float(combined[i]), _ROUNDING), -_tie_break(i, field), field.scored[i].id))
    shares = first_shares(table, columns) if name != "rejected" else [None] * len(columns)
    places = positions(field.apart(columns), before)
    return [
        RankingEntry(
            position=place, tier=name, method=field.scored[i].id, reasons=field.judged[field.scored[i].id][1],
            pareto=field.scored[i].id in front, ncc=table.interval(table.ncc, table.ncc_draws, i),
            faithfulness=table.interval(table.srg, table.srg_draws, i), p_best=share,
        )
        for i, place, share in zip(columns, places, shares, strict=True)
    ]  # fmt: skip


def positions(told: npt.NDArray[np.bool_], before: int) -> list[str]:
    """Positions of methods given best first: one opens a new position when it is told apart from the group's first.

    Args:
        told: which pairs of them can be told apart, shape (k, k).
        before: methods numbered above these.
    """
    leaders: list[int] = []
    for i in range(len(told)):
        leaders.append(i if not leaders or told[leaders[-1], i] else leaders[-1])
    return [f"{before + first + 1}{'=' if leaders.count(first) > 1 else ''}" for first in leaders]


def first_shares(table: Standings, columns: Sequence[int]) -> list[float | None]:
    """Share of resamples in which each of `columns` has the best mean rank, ties split; they add up to 1.

    Null below 3 images, and without SRG: first by NCC alone means nothing.
    """
    draws = table.combined_draws[:, columns]
    draws = draws[np.isfinite(draws).all(axis=1)]
    if table.images < 3 or not columns or not len(draws) or not np.isfinite(table.srg).any():
        return [None] * len(columns)
    draws = np.round(draws, _ROUNDING)  # equal means are ties, however they were added
    first = draws == draws.min(axis=1, keepdims=True)
    return [float(v) for v in (first / first.sum(axis=1, keepdims=True)).mean(axis=0)]


def pareto(field: Field) -> set[str]:
    """Methods that no other matches in both mean NCC violation and mean SRG and beats in one of them.

    Means are over the images that all of them have.  Rejected methods, those whose NCC holds by construction
    and those without one of the two numbers take no part; without a healthy SRG there is no front.
    """
    part = [i for i, m in enumerate(field.scored) if field.srg_healthy and _on_both(m, field)]
    rows = ~(np.isnan(field.ncc[:, part]) | np.isnan(field.srg[:, part])).any(axis=1)
    if not part or not rows.any():
        return set()
    points = np.stack([scores[rows][:, part].mean(axis=0) for scores in (field.ncc, -field.srg)], axis=1)
    beaten = [((points <= p).all(axis=1) & (points < p).any(axis=1)).any() for p in points]
    return {field.scored[i].id for i, lost in zip(part, beaten, strict=True) if not lost}


def _on_both(method: Contender, field: Field) -> bool:
    earned = BY_CONSTRUCTION not in method.flags and field.judged[method.id][0] != "rejected"
    return earned and method.assessable and covers(method.asked(method.srg))


def _tie_break(column: int, field: Field) -> float:
    """A method's mean SRG; a broken SRG decides nothing, not even ties."""
    known = field.srg[~np.isnan(field.srg[:, column]), column]
    return float(known.mean()) if len(known) and field.srg_healthy else -np.inf
