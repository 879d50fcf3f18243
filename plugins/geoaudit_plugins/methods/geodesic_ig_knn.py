"""Geodesic Integrated Gradients by nearest neighbours: the shortest walk over a graph of real pictures.

The straight line from the baseline to the image may cross regions where the model's gradient is large and says
little about the image.  Here the walk may instead go from picture to picture.  Walks are compared by their conformal
length, the Euclidean length weighted by the gradient's size,

    C = integral of |grad f| |gamma'| dt,

and the shortest one is integrated.  C bounds from above the sum of the attributions' magnitudes, S, so that a
shorter walk leaves less room for attributions that cancel each other (S - |delta f| <= C - |delta f|).  That is all
that is promised: C is not the length in the metric that the paper names, |grad f . gamma'|, and a walk that is
shortest by C need not be the one with the least cancellation.  A graph's shortest walk is no geodesic either.

The graph.  Nodes are a bank of at most `bank` pictures of the calibration set, evenly spread, each different
picture once; `anchors` points of the straight line; and the line's two ends.  Edges join each picture of the bank,
each anchor and each end with its `neighbours` nearest pictures, in model input space or in the space of the bank's
first `pca` principal components.  Parts of the bank that are left apart are joined by their closest pairs.  The
straight line itself is an edge, and so are its stretches from anchor to anchor.  An image that belongs to the bank
is the bank's node.

Edge costs.  An edge costs its length times the mean of |grad f| at the midpoints of equal parts: `edge_nodes` of them
on an edge as long as the straight line or longer, fewer in proportion on a shorter one.  It costs at least the change
of f between its ends, and at least 1e-12 of its length, so that in flat regions the shorter walk wins.  The line's
stretches are measured with all gradients that integrated-gradients takes on it; these are shared.  Gradients are
evaluated only where they can still matter: see `geoaudit_plugins.geodesics.search`.  After `search` gradients for an
image the shortest walk known by then is taken; a note says where that happened.

Integration.  The chosen walk is integrated again as a polyline, refined until the error bar is met; the coarse
gradients of the search are not used.  If the walk's conformal length then turns out longer than the straight line's,
the straight line is taken after all.  So by its own criterion no map is worse than integrated gradients',
each is complete, and with a bank of no pictures the method is integrated gradients.

What to expect.  In few dimensions, with a bank that covers the data, walks along the data avoid what the line
crosses.  In many dimensions the nearest picture is hardly closer than the baseline, and the line usually is the
shortest walk (on digits of 8 x 8 pixels for 29 of 30); the map is then that of integrated-gradients, and the search
is the price of knowing it.  Which walks there are depends on the bank, so maps made with different calibration sets
differ.

`distance="euclidean"` measures nothing but lengths: the walk that stays closest to the pictures, whatever the model
does between them.  The straight line is always the shortest one then and is therefore left out of this graph.  The
authors' code offers the same for comparison.  Only the integration costs gradients, C is not bounded by the line's,
and on half-moons as well as on digits such walks left more cancellation than conformal ones.

Differences from the released code: the bank is the same for all images (there, without one, an image's map depends
on the batch); the line and its points are in the graph (walks over pictures alone come out longer than it, by their
own measure, on images); edges are evaluated once, when needed (there all of them, in both directions); the walk
is integrated again (there 5 nodes an edge are all); edges of cost 0 do not vanish; a missing end is no error.
The record of an image counts its own evaluations; those within the bank are shared by all images of a class and
appear in the method's cost alone.

Defaults: 5 neighbours are the fewest, and 5 points an edge the default, in the authors' experiments; 4 midpoints are
as many as needed to rank edges.  Bank, anchors and limit are ours: a search takes at most about twice the gradients
that integrated-gradients takes.  Where gradients are cheap, a larger `search` and `bank` find better walks.

Source: Salek, Enguehard, Using the Path of Least Resistance to Explain Deep Networks, 2025, arXiv 2502.12108, and
the authors' code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Cost,
    Flag,
    Method,
    Parameters,
    PathMethod,
    Polyline,
    Probe,
    Problems,
    Quadrature,
    Recorded,
    WalkRecord,
)
from geoaudit.paths.integrator import integrate
from geoaudit.paths.recording import integrate_recorded
from geoaudit_plugins.geodesics.bank import Bank, connect, gather
from geoaudit_plugins.geodesics.choose import Choice, Plan, shortest_conformal, shortest_euclidean
from geoaudit_plugins.geodesics.explore import Findings


class GeodesicIGKnnParameters(Parameters):
    """The graph and how far it is searched."""

    bank: int = Field(128, ge=0, le=4096, description="calibration pictures in the graph at most, all held in memory")
    neighbours: int = Field(5, ge=0, description="nearest pictures that each node is joined with (authors: 5 to 15)")
    anchors: int = Field(3, ge=0, description="points of the straight line in the graph, besides its ends")
    edge_nodes: int = Field(4, ge=1, description="gradients along an edge as long as the straight line (authors: 5)")
    search: int = Field(96, ge=0, description="gradients after which an image's search ends")
    pca: int | None = Field(None, ge=1, description="principal components that nearness is measured in; none: pixels")
    distance: Literal["conformal", "euclidean"] = Field(
        "conformal", description="what is shortest: length weighted by the gradient, or length over pictures alone"
    )


class GeodesicIGKnn(PathMethod):
    """Integrated gradients along the shortest walk over a bank of pictures and the straight line."""

    id: ClassVar[str] = "geodesic-ig-knn"
    title: ClassVar[str] = "Geodesic IG (nearest neighbours)"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Salek and Enguehard, 2025, arXiv 2502.12108"
    flags: ClassVar[frozenset[Flag]] = frozenset({"needs-calibration-set"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"search": 48},
        "thorough": {"neighbours": 10, "anchors": 7, "search": 1000},
    }
    Parameters: ClassVar[type[Parameters]] = GeodesicIGKnnParameters
    parameters: GeodesicIGKnnParameters

    def __init__(self, parameters: GeodesicIGKnnParameters | None = None, base: Method | None = None) -> None:
        super().__init__(parameters, base)
        self.shares_line = self.parameters.distance == "conformal"

    def walk(self, problems: Problems, probe: Probe) -> Polyline:
        """The shortest walks in the graph."""
        return _polyline(self.choose(problems, probe), problems)

    def choose(self, problems: Problems, probe: Probe) -> list[Choice]:
        """The shortest walks in the graph with what is known of them, one a problem."""
        p = self.parameters
        bank = self._bank(problems, probe)
        if bank is None or (p.search == 0 and p.distance == "conformal"):
            return [Choice()] * len(problems)
        pieces = probe.quadrature.first_nodes
        if p.distance == "euclidean":
            return shortest_euclidean(problems, bank, pieces)
        findings = probe.once(f"{self.id}/findings/{self._graph_key(problems)}/{p.edge_nodes}", Findings)
        return shortest_conformal(problems, probe, bank, findings, Plan(p.anchors, p.edge_nodes, p.search, pieces))

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate along the shortest walks; the straight ones are shared."""
        choices = self.choose(problems, probe)
        if self.parameters.distance == "euclidean":
            made = integrate(_polyline(choices, problems), problems, probe)
            return replace(made, notes=self._notes(choices, _away(choices), problems, probe))
        line, away = probe.straight_line(problems), _away(choices)
        if not away:
            return self._merged(line, line, {}, choices, problems, probe)
        part = problems.select(away)
        made = integrate(_polyline([choices[i] for i in away], part), part, probe)
        return self._merged(line, made, _kept(away, made, line), choices, problems, probe)

    def recorded(self, problems: Problems, probe: Probe) -> tuple[Attributions, Recorded]:
        """The maps and the nodes of the walks."""
        choices = self.choose(problems, probe)
        if self.parameters.distance == "euclidean":
            made, nodes = integrate_recorded(_polyline(choices, problems), problems, probe)
            return replace(made, notes=self._notes(choices, _away(choices), problems, probe)), nodes
        line, nodes, away = probe.straight_line(problems), probe.recorded_line(problems), _away(choices)
        if not away:
            return self._merged(line, line, {}, choices, problems, probe), nodes
        part = problems.select(away)
        made, walked = integrate_recorded(_polyline([choices[i] for i in away], part), part, probe)
        kept = _kept(away, made, line)
        vertices, gradients, values = list(nodes.vertices), list(nodes.gradients), list(nodes.values)
        for i, place in kept.items():
            vertices[i], gradients[i], values[i] = walked.vertices[place], walked.gradients[place], walked.values[place]
        return self._merged(line, made, kept, choices, problems, probe), Recorded(vertices, gradients, values)

    def _merged(
        self, line: Attributions, made: Attributions, kept: Mapping[int, int], choices: Sequence[Choice],
        problems: Problems, probe: Probe,
    ) -> Attributions:  # fmt: skip
        """The kept walks' maps and the line's, each record with all that was evaluated for its image."""
        values, records = line.values.copy(), list(line.records)
        walked = dict(zip(_away(choices), made.records, strict=False))
        for i, place in kept.items():
            values[i] = made.values[place]
        for i, choice in enumerate(choices):
            records[i] = _with_search(line.records[i], walked.get(i), choice, i in kept)
        return Attributions(values, tuple(records), self._notes(choices, kept, problems, probe))

    def _notes(
        self, choices: Sequence[Choice], kept: Collection[int], problems: Problems, probe: Probe
    ) -> tuple[str, ...]:
        """Where the bank comes from, who walked through it, and where the search was cut short."""
        bank = self._bank(problems, probe)
        if bank is None:
            return ("The bank holds no pictures to walk through: every map is that of integrated-gradients.",)
        notes = [f"The walks may go through a bank of {len(bank)} pictures, from {probe.calibration.source}."]
        named = ", ".join(f"{problems.ids[i]} ({choices[i].pictures})" for i in sorted(kept))
        if named:
            notes.append(f"Images whose walk leaves the straight line, and through how many pictures: {named}.")
        if len(kept) < len(choices):
            found = "no shorter walk" if self.parameters.distance == "conformal" else "no walk over pictures"
            notes.append(f"All images not named as leaving it took the straight line: {found} was found.")
        if any(choice.cut_short for choice in choices):
            limit = self.parameters.search
            notes.append(f"For some images the search ended at its limit of {limit} gradients: it may have missed one.")
        return tuple(notes)

    def cost(self, quadrature: Quadrature) -> Cost:
        """The straight line, most of a search, and every fourth image a walk of its own."""
        line = super().cost(quadrature)
        if self.parameters.bank == 0 or self.parameters.neighbours == 0:
            return line
        if self.parameters.distance == "euclidean":
            return line
        p = self.parameters
        own = (p.anchors + 2) * p.neighbours * p.edge_nodes
        return line * 1.25 + Cost(gradients=0.75 * min(p.search, own), forwards=p.bank / 4)

    def memory(self, quadrature: Quadrature) -> int:
        """The line's points and the walk's gradients; the points of one round of the search."""
        return 16 + 2 * quadrature.node_limit

    def _bank(self, problems: Problems, probe: Probe) -> Bank | None:
        """The run's bank; None where it has no edges."""
        p = self.parameters
        if p.bank == 0 or p.neighbours == 0:
            return None

        def make() -> Bank | None:
            pictures = gather(probe.calibration, p.bank, problems.x.dtype)
            return connect(pictures, p.neighbours, p.pca) if len(pictures) else None

        return probe.once(f"{self.id}/bank/{self._graph_key(problems)}", make)

    def _graph_key(self, problems: Problems) -> str:
        p = self.parameters
        return f"{p.bank}/{p.neighbours}/{p.pca}/{problems.x.dtype}"


def _away(choices: Sequence[Choice]) -> list[int]:
    return [i for i, choice in enumerate(choices) if choice.vertices is not None]


def _kept(away: Sequence[int], made: Attributions, line: Attributions) -> dict[int, int]:
    """Problems whose integrated walk did not turn out longer than the line, and their places in `made`."""
    kept = {}
    for place, i in enumerate(away):
        walked, straight = made.records[place], line.records[i]
        assert walked is not None and straight is not None  # walks are measured
        if walked.conformal_length <= straight.conformal_length:
            kept[i] = place
    return kept


def _polyline(choices: Sequence[Choice], problems: Problems) -> Polyline:
    straight = [np.stack([start, end]) for start, end in zip(problems.baseline, problems.x, strict=True)]
    walks = zip(choices, straight, strict=True)
    return Polyline([line if choice.vertices is None else choice.vertices for choice, line in walks])


def _with_search(line: WalkRecord | None, walked: WalkRecord | None, choice: Choice, kept: bool) -> WalkRecord:
    """The record of the walk that was taken; evaluations are those of the line, the search and the walk."""
    assert line is not None  # walks are measured
    measured = walked if kept and walked is not None else line
    return replace(
        measured,
        gradients=choice.gradients + line.gradients + (walked.gradients if walked is not None else 0),
        forwards=line.forwards + (walked.forwards if walked is not None else 0),
    )
