"""The integrator: a walk in; the attribution, and what was measured on the walk, out.

A_i is the integral of the i-th partial derivative along the walk (Sundararajan et al. 2017, eq. 1, for any
path).  Batches are filled across images and nodes.  Nothing here knows which method the walk came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from geoaudit.api import (
    Attributions,
    Bundle,
    Curve,
    Floats,
    Ints,
    Part,
    Polyline,
    Probe,
    Problems,
    Quadrature,
    Recorded,
    Walk,
    WalkRecord,
)
from geoaudit.paths.claim import Claim, claims
from geoaudit.paths.keeping import Keeper, let_go
from geoaudit.paths.measures import Rule, measure
from geoaudit.paths.quadrature import DRIFT, first_nodes, to_halve
from geoaudit.paths.strand import Array, Strand
from geoaudit.paths.walk import tracks
from geoaudit.threads import ahead, each

Place = tuple[Strand, float]

CHUNK = 32
"""Points that are built at a time; bounds memory, and is a multiple of the usual engine batches."""


def integrate(
    walk: Walk,
    problems: Problems,
    probe: Probe,
    quadrature: Quadrature | None = None,
    keep: Callable[[int, Strand], None] | None = None,
) -> Attributions:
    """Integrate the gradient along each problem's walk.

    Args:
        walk: the walks, one a problem.
        problems: n problems.
        probe: the model.
        quadrature: tolerance and limits; the run's own if None.  A bundle's walks share an image's node limit.
        keep: called with each problem's index and integrated walk before its gradients are let go.

    Returns:
        Maps (n, *shape) in explained-output units and one record an image.  Problems whose image equals the
        baseline get zeros.
    """
    parts = walk.parts if isinstance(walk, Bundle) else (Part(walk, problems, 1.0),)
    limits = shared(quadrature or probe.quadrature, len(parts))
    claimed = claims(parts)
    strands = [_strands(part, claimed, len(parts)) for part in parts]
    evaluate = Evaluator(probe, [array for part in parts for array in _given(part.walk)])
    for strand in (s for own in strands for s in own):
        strand.rest = evaluate.let_go
    for part, own in zip(parts, strands, strict=True):
        _begin(part.walk, own, evaluate, limits)
    _refine([s for part, own in zip(parts, strands, strict=True) if _refined(part.walk) for s in own if s.moving],
            evaluate, limits)  # fmt: skip
    values = np.empty_like(problems.x)
    rules = [_rule(part.walk) for part in parts]

    def measured(i: int) -> WalkRecord:
        bundle = [own[i] for own in strands]
        values[i], record = measure(bundle, rules, claimed[i], problems.space.shape, limits.tolerance)
        evaluate.let_go()
        return record

    records = each(measured, range(len(problems)), values[:1].size)
    for i, bundle in enumerate(zip(*strands, strict=True)):
        for strand in bundle:
            if keep is not None:
                keep(i, strand)
            strand.gradients.clear()  # each as large as the image
    return Attributions(values, tuple(records))


def shared(limits: Quadrature, walks: int) -> Quadrature:
    """The limits of each of several walks to one image: together they may spend what one may."""
    if walks == 1:
        return limits
    return replace(
        limits,
        node_limit=max(3, limits.node_limit // walks),
        scan=max(9, limits.scan // walks),
        first_nodes=max(2, limits.first_nodes // walks),
    )


def _strands(part: Part, claimed: Sequence[Claim], walks: int) -> list[Strand]:
    """The walks of one part; each may miss its share of the image's allowance."""
    found = []
    together = abs(part.weight) * np.sqrt(walks)
    for i, track in enumerate(tracks(part.walk, part.problems)):
        moving = bool(np.any(part.problems.x[i] != part.problems.baseline[i]))
        scale = claimed[i].scale / together if together > 0 else np.inf
        fair = scale / np.sqrt(walks)
        found.append(Strand(track, int(part.problems.targets[i]), moving, scale, part.weight, fair))
    return found


def _begin(walk: Walk, strands: Sequence[Strand], evaluate: Evaluator, limits: Quadrature) -> None:
    if isinstance(walk, Recorded):
        _load(walk, strands, evaluate)
    else:
        _place([s for s in strands if s.moving], evaluate, limits)


def _refined(walk: Walk) -> bool:
    return not isinstance(walk, Recorded) or walk.rule == "refined"


def _rule(walk: Walk) -> Rule:
    return "left" if isinstance(walk, Recorded) and walk.rule == "left" else "trapezoid"


def _given(walk: Curve | Polyline | Recorded) -> Sequence[Floats]:
    """The arrays that a walk came with."""
    if isinstance(walk, Curve):
        return ()
    return [*walk.vertices, *(walk.gradients if isinstance(walk, Recorded) else ())]


class Evaluator:
    """Values and gradients at (strand, t) places, in batches that mix strands.

    Args:
        probe: the model.
        given: arrays that the walks came with and that may lie on the disk.
    """

    def __init__(self, probe: Probe, given: Sequence[Floats] = ()) -> None:
        self.probe = probe
        self._given = given
        self._memory: list[Floats] = []
        self._keeper = Keeper()

    def outputs(self, wanted: Sequence[Place]) -> None:
        """Put the explained outputs at the wanted places into the strands."""
        missing = [(s, t) for s, t in wanted if t not in s.outputs]
        for part, points, targets in self._chunks(missing):
            self._evaluate_outputs(part, points, targets)

    def gradients(self, wanted: Sequence[Place]) -> None:
        """Put the gradients at the wanted places into the strands, and the explained outputs that are missing."""
        missing = [(s, t) for s, t in wanted if t not in s.gradients]
        for part, points, targets in self._chunks(missing):
            unseen = [k for k, (s, t) in enumerate(part) if t not in s.outputs]
            if unseen:
                some = points if len(unseen) == len(part) else points[unseen]
                self._evaluate_outputs([part[k] for k in unseen], some, targets[unseen])
            _, gradients = self.probe.value_and_gradient(points, targets)
            for (strand, t), gradient in zip(part, gradients, strict=True):
                strand.gradients[t] = self._keeper.keep(gradient)
                strand.spent += 1
            self.let_go()

    def let_go(self) -> None:
        """Let the pages go of everything that lies on the disk."""
        self._keeper.let_go()
        let_go(self._given)

    def _evaluate_outputs(self, part: Sequence[Place], points: Floats, targets: Ints) -> None:
        for (strand, t), value in zip(part, self.probe.outputs(points, targets), strict=True):
            strand.outputs[t] = float(value)
            strand.forwards += 1

    def _chunks(self, wanted: Sequence[Place]) -> Iterator[tuple[Sequence[Place], Floats, Ints]]:
        """The places, `CHUNK` at a time, with their points and targets; the points hold until the next chunk.

        The next chunk's points are made while this one's are evaluated.
        """
        parts = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
        made = (self._points(part, turn % 2) for turn, part in enumerate(parts))
        for part, points in zip(parts, made if len(parts) < 2 else ahead(made), strict=True):
            yield part, points, np.array([strand.target for strand, _ in part], dtype=np.int64)

    def _points(self, part: Sequence[Place], turn: int) -> Floats:
        """The places' points, in memory that every other chunk uses: the system takes its time to hand out new pages.

        The first chunk's points are there before the second's are begun, whose memory is appended.
        """
        for k, (strand, t) in enumerate(part):
            point = strand.track.at(np.array([t]))[0]
            if len(self._memory) == turn:
                self._memory.append(np.empty((CHUNK, *point.shape), dtype=point.dtype))
            if self._memory[turn].shape[1:] != point.shape or self._memory[turn].dtype != point.dtype:
                self._memory[turn] = np.empty((CHUNK, *point.shape), dtype=point.dtype)
            self._memory[turn][k] = point
        return self._memory[turn][: len(part)]


def _load(walk: Recorded, strands: Sequence[Strand], evaluate: Evaluator) -> None:
    """Take over what an adaptive walk has paid for, and evaluate the last vertex where that was not."""
    for strand, gradients, values in zip(strands, walk.gradients, walk.values, strict=True):
        for t, gradient, value in zip(strand.track.corners.tolist(), gradients, values, strict=False):
            strand.gradients[t] = gradient
            strand.outputs[t] = float(value)
        strand.spent = strand.recorded = len(gradients)
    last = [(s, 1.0) for s in strands if s.moving]
    if walk.rule == "left":
        evaluate.outputs(last)
    else:
        evaluate.gradients(last)


def _place(strands: Sequence[Strand], evaluate: Evaluator, limits: Quadrature) -> None:
    """Scan curves and put the first nodes where the output moves; polylines start at their corners."""
    plain = [s for s in strands if len(s.track.corners) == 2]
    scan = np.linspace(0.0, 1.0, limits.scan)
    evaluate.outputs([(s, float(t)) for s in plain for t in scan])
    wanted = []
    for strand in strands:
        nodes = strand.track.corners
        if len(nodes) == 2:
            outputs = np.array([strand.outputs[float(t)] for t in scan])
            nodes = scan[first_nodes(scan, outputs, min(limits.first_nodes, limits.node_limit - 1))]
        wanted += [(strand, float(t)) for t in nodes]
    evaluate.gradients(wanted)


def _refine(strands: Sequence[Strand], evaluate: Evaluator, limits: Quadrature) -> None:
    """Halve the worst pieces until every strand's error bar and sum are met or its limit is reached.

    After a recording the first round halves every piece: an adaptive walk chose its direction by the very
    gradients at the vertices, so these alone are a biased sample.
    """

    def summed(strand: Strand) -> tuple[Array, Array]:
        found = strand.pieces()
        evaluate.let_go()
        return found

    active, first = list(strands), True
    while active:
        wanted: list[Place] = []
        still = []
        pieces = each(summed, active, next(iter(active[0].gradients.values())).size)
        for strand, (t, misses) in zip(active, pieces, strict=True):
            most = limits.node_limit - (strand.spent - strand.recorded)
            if first and strand.recorded:
                halved = np.arange(len(misses))[: max(most, 0)]
            else:
                allowed, drift = limits.tolerance * strand.scale, DRIFT * limits.tolerance * strand.fair
                halved = to_halve(t, misses, allowed, most, drift)
            if len(halved):
                still.append(strand)
            wanted += [(strand, float((t[k] + t[k + 1]) / 2)) for k in halved]
        active, first = still, False
        evaluate.gradients(wanted)
