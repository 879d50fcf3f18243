"""The searches of several images side by side, their evaluations put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from geoaudit.api import Floats, Probe
from geoaudit_plugins.geodesics.bank import Bank
from geoaudit_plugins.geodesics.line import norm
from geoaudit_plugins.geodesics.search import Search

CHUNK = 64
"""Points that are built at a time."""


@dataclass
class Findings:
    """What is known of the bank for each explained class; kept for the run.

    A search asks for what it would need alone and only then looks here, so that its walk does not depend on which
    images came before.

    Attributes:
        outputs: explained output by (class, picture).
        norms: gradient norm by (class, first picture, second picture, places along the edge, which of them).
    """

    outputs: dict[tuple[int, int], float] = field(default_factory=dict)
    norms: dict[tuple[int, ...], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Quest:
    """One image's search and where its nodes are.

    Attributes:
        search: the search.
        points: points of the line, whose nodes follow the bank's.
        target: the explained class.
        number: tells the quests of one call from each other.
    """

    search: Search
    points: Floats
    target: int
    number: int

    def place(self, bank: Bank, edge: int, k: int) -> Floats:
        """The k-th place along an edge."""
        u, v = (point_of(bank, self.points, node) for node in self.search.graph.pairs[edge].tolist())
        share = (k + 0.5) / self.search.nodes[edge]  # midpoints of equal parts
        on_the_way: Floats = u + v.dtype.type(share) * (v - u)
        return on_the_way


def point_of(bank: Bank, line: Floats, node: int) -> Floats:
    """A node's point in model input space: the bank's pictures come first, then the line's points."""
    found: Floats = bank.points[node] if node < len(bank) else line[node - len(bank)]
    return found


def explore(quests: Sequence[Quest], bank: Bank, findings: Findings, probe: Probe) -> None:
    """Answer what the searches want until none wants anything more."""
    active = list(quests)
    while active:
        wanted = [(quest, *quest.search.wanted()) for quest in active]
        wanted = [(quest, nodes, places) for quest, nodes, places in wanted if nodes or places]
        _look_up_outputs([(quest, node) for quest, nodes, _ in wanted for node in nodes], bank, findings, probe)
        _look_up_norms([(quest, *place) for quest, _, places in wanted for place in places], bank, findings, probe)
        active = [quest for quest, _, _ in wanted]


def _look_up_outputs(asked: list[tuple[Quest, int]], bank: Bank, findings: Findings, probe: Probe) -> None:
    """Only pictures of the bank are ever asked for: the line's outputs are known."""
    missing = sorted({(quest.target, node) for quest, node in asked} - findings.outputs.keys())
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        targets = np.array([target for target, _ in part], dtype=np.int64)
        values = probe.outputs(bank.points[[node for _, node in part]], targets)
        findings.outputs.update(zip(part, values.tolist(), strict=True))
    for quest, node in asked:
        quest.search.tell_output(node, findings.outputs[quest.target, node])


def _look_up_norms(asked: list[tuple[Quest, int, int]], bank: Bank, findings: Findings, probe: Probe) -> None:
    """Edges within the bank are the same for every image of a class; the others are the image's own."""
    keys = [_key(*ask) for ask in asked]
    missing = [(key, ask) for key, ask in dict(zip(keys, asked, strict=True)).items() if key not in findings.norms]
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        points = np.stack([quest.place(bank, edge, k) for _, (quest, edge, k) in part])
        targets = np.array([quest.target for _, (quest, _, _) in part], dtype=np.int64)
        _, gradients = probe.value_and_gradient(points, targets)
        findings.norms.update((key, norm(gradient)) for (key, _), gradient in zip(part, gradients, strict=True))
    for key, (quest, edge, _) in zip(keys, asked, strict=True):
        shared = quest.search.graph.in_bank[edge]
        quest.search.tell_norm(edge, findings.norms[key] if shared else findings.norms.pop(key))


def _key(quest: Quest, edge: int, k: int) -> tuple[int, ...]:
    """By what a norm is found again: an edge within the bank by its class alone."""
    graph = quest.search.graph
    u, v = graph.pairs[edge].tolist()
    place = quest.target, u, v, int(quest.search.nodes[edge]), k
    return place if graph.in_bank[edge] else (*place, quest.number)
