"""When a map's cancellation can be judged at all; shared by the NCC metrics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit import Attributions, Problems, WalkRecord
from geoaudit.api.problems import smallest_difference

TOLERANCE = 0.10
"""Largest error bar, and largest change from half the nodes, at which NCC is reported."""


def sums(attributions: Attributions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum A and S = sum|A| of each map, float64, shape (n,), in explained-output units."""
    flat = attributions.values.reshape(len(attributions.values), -1)
    return flat.sum(axis=1, dtype=np.float64), np.abs(flat).sum(axis=1, dtype=np.float64)


def claims(attributions: Attributions, problems: Problems) -> npt.NDArray[np.float64]:
    """What each map should add up to, nan where that is too small to divide by; float64, shape (n,).

    The walk's own claim where there is a walk, for a method may start elsewhere than the run's baseline; else what
    the method says, and delta f where it says nothing.
    """
    found = np.where(problems.degenerate, np.nan, problems.delta_f)
    if attributions.claims is not None:
        smallest = smallest_difference(problems.f_x, problems.f_x - attributions.claims)
        found = np.where(np.abs(attributions.claims) < smallest, np.nan, attributions.claims)
    for i, record in enumerate(attributions.records):
        if record is not None:
            found[i] = np.nan if np.isnan(record.completeness_error) else record.delta_f
    return found


def reasons(attributions: Attributions, problems: Problems) -> list[str | None]:
    """For each image why NCC cannot be judged, or None where it can.

    - "degenerate baseline": what the map should add up to is too small to divide by.
    - "no claim": the map is not said to add up to anything.
    - "incomplete": the error bar, the walk's own miss (it does not join its start and the image) or the whole miss
      exceeds 10 %.  A total may be right by chance, so the error bar is asked; it is not wrong by chance.
    - "no walk": the map comes from no walk whose integral could be judged, and misses its claim by more than
      10 % besides.
    - "not converged": see `converged`.
    """
    totals, _ = sums(attributions)
    claimed = claims(attributions, problems)
    result: list[str | None] = []
    for i, record in enumerate(attributions.records):
        if np.isnan(claimed[i]):
            result.append(unclaimed(attributions, i))
        elif record is None:
            miss = abs(totals[i] - claimed[i]) / abs(claimed[i])
            result.append(None if miss <= TOLERANCE else "no walk")
        elif not max(record.error_bar, record.method_error, record.completeness_error) <= TOLERANCE:
            result.append("incomplete")
        else:
            result.append(None if converged(record) else "not converged")
    return result


def unclaimed(attributions: Attributions, i: int) -> str:
    """Why there is nothing that map i should add up to."""
    told, walk = attributions.claims, attributions.records[i]
    return "no claim" if told is not None and walk is None and np.isnan(told[i]) else "degenerate baseline"


def converged(record: WalkRecord) -> bool:
    """Whether S/|delta f| at half the nodes is within 10 % of its value at all nodes.

    The violation itself cannot be compared: on photographs it is .98 to .999, where even a doubled sum|A|
    moves it by less than 1 %, so such a test would never fail.  S/|delta f| carries the same information on a
    scale where quadrature noise, which inflates S, shows.  |delta f| is known exactly and cancels out of the
    comparison; the sum at half the nodes takes no part, because its error is the error bar's business and
    would drown the change in S (at 40 nodes it is off by 10 % where S has settled to 1 %).  A walk with too
    few nodes to halve has shown nothing and does not count as converged.
    """
    return abs(record.magnitude_half - record.magnitude) <= TOLERANCE * record.magnitude
