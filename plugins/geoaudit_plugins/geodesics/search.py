"""The search for one image's shortest walk, evaluating as few gradients as its proof needs.

An edge's cost is its length times the mean gradient norm at some nodes along it, but at least the change of the
output between its ends, which no walk can do without.  So before it is fully evaluated a part of its cost is known:
the change of the output, and the sum over the nodes seen so far, for no node takes anything away.  With these
partial costs as weights, the distances from the baseline and from the image bound every walk through an edge from
below; an edge whose bound is no less than the best walk known is never evaluated any further.  The others are taken
in the order of what they would cost if their unseen nodes were like the seen ones, so that good walks are known
early.  What is found is the very walk that Dijkstra's algorithm finds with all edges evaluated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit_plugins.geodesics.graph import Graph
from geoaudit_plugins.geodesics.line import TINY

Array = npt.NDArray[np.float64]
ROUND = 8
"""Gradients of one image that are wanted at a time: at least so many, and the same share of those told before.

More would fill batches better and be in vain more often; fewer would take a long search too many rounds.
"""
AHEAD = 8
"""Outputs are wanted for so many times more edges: they cost a fraction of a gradient."""
HOPE = 0.1
"""Gradient expected on an edge of which nothing is known, as a share of the line's: a search for better ways than the
line does well to expect some.  The default found the best walks with few gradients on half-moons and digits."""
GOLDEN = 0.6180339887
ROUNDING = 1e-9
"""A walk counts as shorter if it is so by more than this share."""


class Search:
    """One image's search; it is told what it wants to know and does not ask the model itself.

    Args:
        graph: holds the straight line's cost.
        outputs: explained outputs of the line's points, in the order of `graph.line`.
        density: gradients along an edge as long as the straight line or longer; a shorter one takes a smaller share.
        limit: gradients after which the best walk known is taken.

    Attributes:
        nodes: gradients along each edge once it is fully evaluated, shape (e,).
        seen: gradients known along each edge, shape (e,).
        gradients: gradients told, in all.
        own: those of them that lie on edges of this image alone.
        cut_short: whether the limit ended the search.
    """

    def __init__(self, graph: Graph, outputs: Array, density: int, limit: int) -> None:
        self.graph = graph
        self.nodes = _nodes(graph, density)
        self.seen = np.zeros(len(graph.pairs), dtype=np.int64)
        self.gradients = self.own = 0
        self.cut_short = False
        self._limit = limit
        self._sums = np.zeros(len(graph.pairs))
        self._outputs = np.full(graph.nodes, np.nan)
        self._outputs[list(graph.line)] = outputs
        self._given = np.isfinite(graph.costs)
        self._best = float(graph.costs[self._given].max())  # the whole line
        self._typical = float(graph.costs[self._given].sum() / graph.lengths[self._given].sum())

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Which edges' costs are known, shape (e,)."""
        result: npt.NDArray[np.bool_] = self._given | (self.seen == self.nodes)
        return result

    def bounds(self) -> Array:
        """What each edge costs at least; its cost where that is known; shape (e,)."""
        return self._weights(self._sums)

    def _weights(self, sums: Array) -> Array:
        g = self.graph
        ends = self._outputs[g.pairs]
        barred = np.isinf(ends).any(axis=1)
        ends = np.where(barred[:, None], 0.0, ends)
        changes = np.nan_to_num(np.abs(ends[:, 0] - ends[:, 1]), nan=0.0)
        floors = np.where(barred, np.inf, np.maximum(changes, TINY * g.lengths))
        return np.where(self._given, g.costs, np.maximum(floors, g.lengths * sums / self.nodes))

    def _estimates(self) -> Array:
        """What each edge would cost if its unseen nodes were like the seen ones; where none was seen, little."""
        typical = np.where(self.seen > 0, self._sums / np.maximum(self.seen, 1), HOPE * self._typical)
        return self._weights(self._sums + (self.nodes - self.seen) * typical)

    def known(self) -> Array:
        """Costs of the complete edges, inf for the others, shape (e,)."""
        return np.where(self.complete, self.bounds(), np.inf)

    def wanted(self) -> tuple[list[int], list[tuple[int, int]]]:
        """What to find out next: outputs at nodes, and gradients at (edge, place along it); nothing at the end."""
        known = self.graph.distances(self.known(), self._best * (1 + ROUNDING))
        self._best = best = min(self._best, float(known[0][self.graph.line[-1]]))
        open_ = np.flatnonzero(~self.complete & (self._through(self.bounds(), best) < best * (1 - ROUNDING)))
        allowed = self._limit - self.gradients
        self.cut_short = bool(len(open_)) and allowed <= 0
        if not len(open_) or self.cut_short:
            return [], []
        order = open_[np.argsort(self._through(self._estimates(), 2 * best)[open_], kind="stable")]
        count = max(ROUND, self.gradients // ROUND)
        unknown = np.isnan(self._outputs[self.graph.pairs[order[: AHEAD * count]]])
        nodes = np.unique(self.graph.pairs[order[: AHEAD * count]][unknown])
        ready = order[: AHEAD * count][~unknown.any(axis=1)][: min(count, allowed)]
        return nodes.tolist(), [(edge, self._next(edge)) for edge in ready.tolist()]

    def _next(self, edge: int) -> int:
        """The place along the edge to look at next: far from those seen, so that few say much."""
        return int(np.argsort((np.arange(self.nodes[edge]) + 1) * GOLDEN % 1.0)[self.seen[edge]])

    def _through(self, weights: Array, limit: float) -> Array:
        """Cost of the cheapest walk over each edge, shape (e,); inf if it is far over `limit`."""
        u, v = self.graph.pairs.T
        there, back = self.graph.distances(weights, limit)
        result: Array = weights + np.minimum(there[u] + back[v], there[v] + back[u])
        return result

    def tell_output(self, node: int, value: float) -> None:
        """The explained output at a node; no walk goes through one where it is not finite."""
        self._outputs[node] = value if np.isfinite(value) else np.inf

    def tell_norm(self, edge: int, value: float) -> None:
        """The gradient's norm at the place of the edge that was wanted."""
        self.seen[edge] += 1
        self._sums[edge] += value
        self.gradients += 1
        self.own += not self.graph.in_bank[edge]


def _nodes(graph: Graph, density: int) -> npt.NDArray[np.int64]:
    longest = graph.lengths[np.isfinite(graph.costs)].max()  # the whole line
    wanted = np.ceil(density * graph.lengths / longest).astype(np.int64)
    result: npt.NDArray[np.int64] = np.clip(wanted, 1, density)
    return result
