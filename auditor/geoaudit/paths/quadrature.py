"""Where the integrator puts its gradient nodes.

A path integral of the gradient has a known target on every piece of the walk: the change of the output
between the piece's ends, which onnxruntime gives for a fraction of a gradient's cost. So nodes are first
placed where a forward scan shows the output moving, each piece's miss is measured, and pieces are halved,
worst first, until the root of the summed squared misses (the error bar) is small against the output
difference. The rule is the trapezoid rule on the nodes: halving a piece keeps every gradient already paid
for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NARROWEST = 1e-6
"""Pieces narrower than this in t are not halved: a jump of the output has no integrable gradient."""

DRIFT = 2.0
"""The misses' sum may be this many times the error bar that is asked for.

Independent misses add up like their root of squares.  A walk that follows gradients is bent where they are steep,
its misses have one sign, and a small error bar would hide a large sum."""

EVEN = 0.2
"""Share of the first nodes that is spread evenly: a curve may run where the output stands still."""


def first_nodes(scan_t: Array, scan_f: Array, count: int) -> npt.NDArray[np.int64]:
    """Nodes among the scan's points, in proportion to the square root of the output's movement.

    The square root is the compromise between spreading nodes evenly (best for the map) and following the
    output (best for its sum).  A share of the nodes (`EVEN`) goes along whatever the output does: on a curve
    that follows a level set the features' attributions are not zero although the output stands still.

    Args:
        scan_t: parameters of the scan, ascending from 0 to 1, shape (s,).
        scan_f: explained output there, shape (s,).
        count: pieces wanted; fewer come back where several fall on one scan point.

    Returns:
        Indices into the scan, ascending, both ends included.
    """
    density = np.sqrt(np.abs(np.diff(scan_f)))
    if density.sum() <= 0:
        density = np.ones_like(density)
    density = (1.0 - EVEN) * density / density.sum() + EVEN / len(density)
    progress = np.concatenate([[0.0], np.cumsum(density)])
    wanted = np.interp(np.linspace(0.0, 1.0, count + 1), progress, scan_t)
    nearest = np.abs(scan_t[None, :] - wanted[:, None]).argmin(axis=1)
    chosen: npt.NDArray[np.int64] = np.unique(np.concatenate([[0], nearest, [len(scan_t) - 1]]))
    return chosen


def to_halve(t: Array, misses: Array, allowed: float, most: int, drift: float | None = None) -> npt.NDArray[np.int64]:
    """The pieces to halve next: the worst ones, until the rest alone would meet half the allowed square.

    Where the square is met but the misses' sum is not (see `DRIFT`), the worst ones of the sum's sign, until the rest
    would meet it.

    Args:
        t: nodes, ascending, shape (k + 1,).
        misses: each piece's miss, shape (k,).
        allowed: error bar to reach, in output units.
        most: pieces that may still be halved.
        drift: what the misses may add up to, in output units; `DRIFT` times `allowed` if None.

    Returns:
        Indices of pieces, worst first; empty where the bar is met or nothing more can be done.
    """
    drift = DRIFT * allowed if drift is None else drift
    if most <= 0:
        return np.empty(0, dtype=np.int64)
    squares = misses**2
    if squares.sum() <= allowed**2:
        return _against_the_drift(t, misses, drift, most)
    order = np.argsort(-squares, kind="stable")
    order = order[np.diff(t)[order] > NARROWEST]
    reachable = squares[order].sum()  # not the jumps: halving everything else would not make up for them
    if reachable <= 0.5 * allowed**2:
        return np.empty(0, dtype=np.int64)
    remaining = reachable - np.cumsum(squares[order])
    enough = np.flatnonzero(remaining <= 0.5 * allowed**2)
    count = int(enough[0]) + 1 if len(enough) else len(order)
    return order[: min(count, most)].astype(np.int64)


def _against_the_drift(t: Array, misses: Array, drift: float, most: int) -> npt.NDArray[np.int64]:
    """The largest misses of the sum's sign, until the others would add up to half of `drift`.

    None where the sum is no larger than `drift`.
    """
    total = misses.sum()
    if abs(total) <= drift:
        return np.empty(0, dtype=np.int64)
    along = misses * np.sign(total)
    order = np.argsort(-along, kind="stable")
    order = order[(along[order] > 0) & (np.diff(t)[order] > NARROWEST)]
    left = abs(total) - np.cumsum(along[order])
    enough = np.flatnonzero(left <= 0.5 * drift)
    count = int(enough[0]) + 1 if len(enough) else len(order)
    chosen: npt.NDArray[np.int64] = order[: min(count, most)].astype(np.int64)
    return chosen
