"""The integrator: a walk in; the attribution, and what was measured on the walk, out.

A_i is the integral of the i-th partial derivative along the walk (Sundararajan et al. 2017, eq. 1, for any
path).  Batches are filled across images and nodes.  Nothing here knows which method the walk came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from geoaudit.api import Attributions, Floats, Ints, Probe, Problems, Quadrature, Recorded, Walk
from geoaudit.paths.measures import Rule, measure
from geoaudit.paths.quadrature import first_nodes, to_halve
from geoaudit.paths.strand import Strand
from geoaudit.paths.walk import tracks

Place = tuple[Strand, float]

CHUNK = 64
"""Points that are built at a time; bounds memory, and is a multiple of the usual engine batches."""


def integrate(walk: Walk, problems: Problems, probe: Probe, quadrature: Quadrature | None = None) -> Attributions:
    """Integrate the gradient along each problem's walk.

    Args:
        walk: the walks, one a problem.
        problems: n problems.
        probe: the model.
        quadrature: tolerance and limits; the run's own if None.

    Returns:
        Maps (n, *shape) in explained-output units and one record an image.  Problems whose image equals the
        baseline get zeros.
    """
    limits = quadrature or probe.quadrature
    strands = [
        Strand(track, float(problems.f_baseline[i]), float(problems.f_x[i]), int(problems.targets[i]), moving)
        for i, (track, moving) in enumerate(zip(tracks(walk, problems), _moving(problems), strict=True))
    ]
    moving = [s for s in strands if s.moving]
    evaluate = Evaluator(probe)
    if isinstance(walk, Recorded):
        _load(walk, strands, evaluate)
    else:
        _place(moving, evaluate, limits)
    if not isinstance(walk, Recorded) or walk.rule == "refined":
        _refine(moving, evaluate, limits, recorded=isinstance(walk, Recorded))
    rule: Rule = "left" if isinstance(walk, Recorded) and walk.rule == "left" else "trapezoid"
    values = np.empty_like(problems.x)
    records = []
    for i, strand in enumerate(strands):
        values[i], record = measure(strand, problems, i, limits.tolerance, rule)
        strand.gradients.clear()  # each as large as the image
        records.append(record)
    return Attributions(values, tuple(records))


def _moving(problems: Problems) -> list[bool]:
    return [bool(np.any(x != b)) for x, b in zip(problems.x, problems.baseline, strict=True)]


class Evaluator:
    """Values and gradients at (strand, t) places, in batches that mix strands."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    def outputs(self, wanted: Sequence[Place]) -> None:
        """Put the explained outputs at the wanted places into the strands."""
        missing = [(s, t) for s, t in wanted if t not in s.outputs]
        for part, points, targets in _chunks(missing):
            for (strand, t), value in zip(part, self.probe.outputs(points, targets), strict=True):
                strand.outputs[t] = float(value)
                strand.forwards += 1

    def gradients(self, wanted: Sequence[Place]) -> None:
        """Put the gradients at the wanted places into the strands."""
        missing = [(s, t) for s, t in wanted if t not in s.gradients]
        for part, points, targets in _chunks(missing):
            _, gradients = self.probe.value_and_gradient(points, targets)
            for (strand, t), gradient in zip(part, gradients, strict=True):
                strand.gradients[t] = gradient.copy()  # not a view that would keep the whole batch alive
                strand.spent += 1


def _chunks(wanted: Sequence[Place]) -> Iterator[tuple[Sequence[Place], Floats, Ints]]:
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        points = np.concatenate([strand.track.at(np.array([t])) for strand, t in part])
        yield part, points, np.array([strand.target for strand, _ in part], dtype=np.int64)


def _load(walk: Recorded, strands: Sequence[Strand], evaluate: Evaluator) -> None:
    """Take over what an adaptive walk has paid for, and evaluate the last vertex where that was not."""
    for strand, gradients, values in zip(strands, walk.gradients, walk.values, strict=True):
        for t, gradient, value in zip(strand.track.corners.tolist(), gradients, values, strict=False):
            strand.gradients[t] = gradient
            strand.outputs[t] = float(value)
        strand.spent = strand.recorded = len(gradients)
    last = [(s, 1.0) for s in strands if s.moving]
    evaluate.outputs(last)
    if walk.rule != "left":
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
    evaluate.outputs(wanted)
    evaluate.gradients(wanted)


def _refine(strands: Sequence[Strand], evaluate: Evaluator, limits: Quadrature, *, recorded: bool) -> None:
    """Halve the worst pieces until every strand's error bar is met or its limit is reached.

    After a recording the first round halves every piece: an adaptive walk chose its direction by the very
    gradients at the vertices, so these alone are a biased sample.
    """
    active, everything = list(strands), recorded
    while active:
        wanted: list[Place] = []
        still = []
        for strand in active:
            t, misses = strand.pieces()
            most = limits.node_limit - (strand.spent - strand.recorded)
            if everything:
                halved = np.arange(len(misses))[: max(most, 0)]
            else:
                halved = to_halve(t, misses, limits.tolerance * strand.scale, most)
            if len(halved):
                still.append(strand)
            wanted += [(strand, float((t[k] + t[k + 1]) / 2)) for k in halved]
        active, everything = still, False
        evaluate.outputs(wanted)
        evaluate.gradients(wanted)
