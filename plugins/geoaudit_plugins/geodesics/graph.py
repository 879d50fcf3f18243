"""The graph in which one image's walk is looked for, and shortest ways through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit_plugins.geodesics.bank import Bank, distance
from geoaudit_plugins.geodesics.line import Line

Array = npt.NDArray[np.float64]
Known = dict[tuple[int, int], tuple[float, float]]
"""Length and cost of edges by their nodes, smaller one first."""


@dataclass(frozen=True)
class Graph:
    """Nodes 0 to m - 1 are the bank's pictures, the others points of the line.

    A point of the line that equals a picture of the bank is that picture's node, so that no edge has length 0.

    Attributes:
        nodes: number of nodes.
        line: nodes of the line's points, from baseline to image.
        pairs: edges, each once, smaller node first, shape (e, 2).
        lengths: Euclidean lengths, positive, shape (e,).
        costs: what is known of an edge's cost beforehand (stretches of the line), else nan, shape (e,).
        in_bank: where both nodes are pictures of the bank and the edge is no stretch of the line, shape (e,).
    """

    nodes: int
    line: tuple[int, ...]
    pairs: Ints
    lengths: Array
    costs: Array
    in_bank: npt.NDArray[np.bool_]

    def distances(self, weights: Array, limit: float) -> Array:
        """Each node's distance from the baseline (row 0) and from the image (row 1), inf where it is over `limit`.

        Args:
            weights: positive; inf takes an edge out; shape (e,).
            limit: farther nodes are not looked for.
        """
        from scipy.sparse.csgraph import dijkstra

        ends = [self.line[0], self.line[-1]]
        found: Array = dijkstra(self._matrix(weights), directed=False, indices=ends, limit=limit)
        return found

    def way(self, weights: Array) -> tuple[int, ...]:
        """Nodes of the shortest way from baseline to image; empty if there is none."""
        from scipy.sparse.csgraph import dijkstra

        start, end = self.line[0], self.line[-1]
        _, before = dijkstra(self._matrix(weights), directed=False, indices=start, return_predecessors=True)
        nodes = [end]
        while nodes[-1] != start:
            if before[nodes[-1]] < 0:
                return ()
            nodes.append(int(before[nodes[-1]]))
        return tuple(reversed(nodes))

    def _matrix(self, weights: Array) -> Any:
        from scipy.sparse import csr_array

        used = np.isfinite(weights)
        rows, columns = self.pairs[used].T.astype(np.int32)  # what scipy's searches take; 1.13 keeps what it is given
        return csr_array((weights[used], (rows, columns)), shape=(self.nodes, self.nodes))


def conformal_graph(bank: Bank, line: Line) -> Graph:
    """The bank, the line's points each joined with its nearest pictures, the line's stretches and the whole line."""
    nodes = _places(bank, line.points)
    known: Known = {_pair(nodes[0], nodes[-1]): (float(line.lengths.sum()), float(line.costs.sum()))}
    if len(nodes) > 2:
        stretches = zip(nodes[:-1], nodes[1:], line.lengths, line.costs, strict=True)
        known |= {_pair(u, v): (float(length), float(cost)) for u, v, length, cost in stretches}
    return _joined(bank, line.points, nodes, known)


def euclidean_graph(bank: Bank, ends: Floats) -> Graph:
    """The bank, and both ends (baseline, image) joined with their nearest pictures; without the straight line."""
    nodes = _places(bank, ends)
    graph = _joined(bank, ends, nodes, {})
    others = (graph.pairs != _pair(nodes[0], nodes[1])).any(axis=1)  # an end that is a picture may be the other's next
    kept = graph.pairs[others], graph.lengths[others], graph.costs[others], graph.in_bank[others]
    return Graph(graph.nodes, nodes, *kept)


def _places(bank: Bank, points: Floats) -> tuple[int, ...]:
    """The node of each point: a picture of the bank, or a new one."""
    same = [bank.index_of(point) for point in points]
    return tuple(len(bank) + i if found is None else found for i, found in enumerate(same))


def _joined(
    bank: Bank, points: Floats, nodes: tuple[int, ...], known: dict[tuple[int, int], tuple[float, float]]
) -> Graph:
    """The bank's edges, those from new points to their nearest pictures, and the known ones in the others' place."""
    near = {
        _pair(node, other): distance(bank.points[other], point)
        for node, point in zip(nodes, points, strict=True)
        if node >= len(bank)
        for other in bank.neighbours(point[None])[0].tolist()
    }
    new = {pair: (length, np.nan) for pair, length in near.items()} | known
    within = ~np.isin(_codes(bank.pairs, len(bank)), [u * len(bank) + v for u, v in known if v < len(bank)])
    pairs = np.concatenate([bank.pairs[within], np.array(list(new), dtype=np.int64).reshape(-1, 2)])
    lengths = np.concatenate([bank.lengths[within], [length for length, _ in new.values()]])
    costs = np.concatenate([np.full(within.sum(), np.nan), [cost for _, cost in new.values()]])
    apart = lengths > 0
    in_bank = np.arange(len(pairs)) < within.sum()
    return Graph(len(bank) + len(points), nodes, pairs[apart], lengths[apart], costs[apart], in_bank[apart])


def _codes(pairs: Ints, size: int) -> Ints:
    codes: Ints = pairs[:, 0] * size + pairs[:, 1]
    return codes


def _pair(u: int, v: int) -> tuple[int, int]:
    return (u, v) if u < v else (v, u)
