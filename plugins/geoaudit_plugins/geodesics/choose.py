"""From problems to the walks that are shortest in their graphs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Probe, Problems
from geoaudit_plugins.geodesics.bank import Bank
from geoaudit_plugins.geodesics.explore import Findings, Quest, explore, point_of
from geoaudit_plugins.geodesics.graph import Graph, conformal_graph, euclidean_graph
from geoaudit_plugins.geodesics.line import Line, straight
from geoaudit_plugins.geodesics.search import Search

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The walk of one image.

    Attributes:
        vertices: shape (k, *shape), baseline and image included; None: the straight line.
        pictures: pictures of the bank on the way, baseline and image aside.
        cost: the walk's cost in the graph.
        line_cost: the straight line's by the same measure.
        gradients: evaluated for this image alone.
        cut_short: whether the search ended at its limit.
    """

    vertices: Floats | None = None
    pictures: int = 0
    cost: float = 0.0
    line_cost: float = 0.0
    gradients: int = 0
    cut_short: bool = False


@dataclass(frozen=True)
class Plan:
    """How far a conformal search goes.

    Attributes:
        anchors: points of the straight line between its ends.
        edge_nodes: gradients along an edge.
        limit: gradients for one image.
        pieces: parts into which a walk is cut before it is integrated, about.
    """

    anchors: int
    edge_nodes: int
    limit: int
    pieces: int


def shortest_conformal(problems: Problems, probe: Probe, bank: Bank, findings: Findings, plan: Plan) -> list[Choice]:
    """The walks of least conformal length; none is longer than the straight line.

    Where the straight line has no finite length (a gradient that is not finite), there is nothing to compare with.
    """
    moving = [i for i in range(len(problems)) if np.any(problems.x[i] != problems.baseline[i])]
    choices = [Choice()] * len(problems)
    if not moving:
        return choices
    lines = straight(problems.select(moving), probe, plan.anchors)
    measured = [(i, line) for i, line in zip(moving, lines, strict=True) if 0 < line.costs.sum() < np.inf]
    quests = [_quest(n, int(problems.targets[i]), line, bank, plan) for n, (i, line) in enumerate(measured)]
    explore(quests, bank, findings, probe)
    for (i, line), quest in zip(measured, quests, strict=True):
        choices[i] = _chosen(line, quest, bank, plan)
    return choices


def _quest(number: int, target: int, line: Line, bank: Bank, plan: Plan) -> Quest:
    graph = conformal_graph(bank, line)
    return Quest(Search(graph, line.outputs, plan.edge_nodes, plan.limit), line.points, target, number)


def _chosen(line: Line, quest: Quest, bank: Bank, plan: Plan) -> Choice:
    search = quest.search
    costs = search.known()
    way = search.graph.way(costs)
    vertices, pictures, cost = _walk(search.graph, way, costs, line.points, bank, plan.pieces)
    return Choice(vertices, pictures, cost, float(line.costs.sum()), search.own, search.cut_short)


def shortest_euclidean(problems: Problems, bank: Bank, pieces: int) -> list[Choice]:
    """The shortest walks over pictures, whatever the model; the straight line is no edge of the graph."""
    choices = []
    for start, end in zip(problems.baseline, problems.x, strict=True):
        ends = np.stack([start, end])
        if np.array_equal(start, end):
            choices.append(Choice())
            continue
        graph = euclidean_graph(bank, ends)
        way = graph.way(graph.lengths)
        vertices, pictures, cost = _walk(graph, way, graph.lengths, ends, bank, pieces)
        choices.append(Choice(vertices, pictures, cost, float(np.linalg.norm((end - start).ravel()))))
    return choices


def _walk(
    graph: Graph, way: tuple[int, ...], weights: Array, line: Floats, bank: Bank, pieces: int
) -> tuple[Floats | None, int, float]:
    """Vertices, pictures and cost of a way; each edge is cut into pieces in proportion to its weight.

    A polyline of a few long edges would be integrated with a few gradients if these happened to add up.
    """
    by_pair = dict(zip(map(tuple, graph.pairs.tolist()), weights.tolist(), strict=True))
    costs = [by_pair[min(u, v), max(u, v)] for u, v in itertools.pairwise(way)]
    total = float(sum(costs))
    pictures = len(set(way) - set(graph.line))
    if pictures == 0:
        return None, 0, total
    corners = [point_of(bank, line, node) for node in way]
    corners[0], corners[-1] = line[0], line[-1]
    vertices = [corners[0]]
    for u, v, cost in zip(corners[:-1], corners[1:], costs, strict=True):
        count = max(1, round(pieces * cost / total))
        vertices += [u + u.dtype.type(k / count) * (v - u) for k in range(1, count)] + [v]
    return np.stack(vertices), pictures, total
