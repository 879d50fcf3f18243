"""When a map's cancellation can be judged at all; shared by the NCC metrics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit import Attributions, Problems, WalkRecord

TOLERANCE = 0.10
"""Largest error bar, and largest change from half the nodes, at which NCC is reported."""


def sums(attributions: Attributions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum A and S = sum|A| of each map, float64, shape (n,), in explained-output units."""
    flat = attributions.values.reshape(len(attributions.values), -1)
    return flat.sum(axis=1, dtype=np.float64), np.abs(flat).sum(axis=1, dtype=np.float64)


def reasons(attributions: Attributions, problems: Problems) -> list[str | None]:
    """For each image why NCC cannot be judged, or None where it can.

    - "degenerate baseline": |delta f| is too small to divide by.
    - "incomplete": the error bar or the walk's own miss (it does not join baseline and image) exceeds 10 %.
    - "no walk": the map comes from no walk whose integral could be judged, and does not add up to delta f
      either (|sum A - delta f| / |delta f| exceeds 10 %).
    - "not converged": see `converged`.
    """
    totals, _ = sums(attributions)
    result: list[str | None] = []
    for i, record in enumerate(attributions.records):
        if problems.degenerate[i]:
            result.append("degenerate baseline")
        elif record is None:
            miss = abs(totals[i] - problems.delta_f[i]) / abs(problems.delta_f[i])
            result.append(None if miss <= TOLERANCE else "no walk")
        elif not (record.error_bar <= TOLERANCE and record.method_error <= TOLERANCE):
            result.append("incomplete")
        else:
            result.append(None if converged(record) else "not converged")
    return result


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
