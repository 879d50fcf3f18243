"""Guided Integrated Gradients, without a bound.

The walk starts at the baseline and moves towards the image in steps of equal L1 length. In each step only
the features whose partial derivatives are smallest in magnitude move, so that the walk avoids the steep,
noisy regions that the straight line crosses. The walk depends on the model: it is recorded first (one
gradient a step) and then integrated like any other walk.

Integration. The released code multiplies each step by the gradient at its start ("left" rule). A large share
of the features jumps in one step, so this sum misses the output difference by tens of percent on
photographs. By default the recorded walk is therefore integrated again as a fixed polyline, with gradient
nodes added where the output moves until the error bar is met. `rule="left"` reproduces the published
numbers.

Bookkeeping is in progress coordinates t = (position - baseline) / (image - baseline) in float64: with
float32 positions the published loop can fail to end.

Source: Kapishnikov et al., Guided Integrated Gradients: An Adaptive Path Method for Removing Noise, CVPR
2021, arXiv 2106.09788; parameters of the authors' released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Cost, Floats, Parameters, PathMethod, Probe, Problems, Quadrature, Recorded
from geoaudit.paths.keeping import block, let_go
from geoaudit.threads import each

Progress = npt.NDArray[np.float64]


class GuidedIGParameters(Parameters):
    """How the walk is recorded and integrated."""

    steps: int = Field(60, ge=1, description="equal L1 steps of the walk; the released code uses 200")
    fraction: float = Field(0.25, gt=0, le=1, description="share of the features that may move (released code)")
    max_dist: float = Field(1.0, ge=0, le=1, description="bound on a feature's lead or lag in progress; 1: none")
    rule: Literal["refined", "trapezoid", "left"] = Field(
        "refined", description="how the recorded walk is integrated; the released code uses left"
    )


class GuidedIG(PathMethod):
    """Guided IG: always move the features that matter least right now."""

    id: ClassVar[str] = "guided-ig"
    title: ClassVar[str] = "Guided IG (unbounded)"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Kapishnikov et al., CVPR 2021, arXiv 2106.09788"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": 30}, "thorough": {"steps": 200}}
    Parameters: ClassVar[type[Parameters]] = GuidedIGParameters
    parameters: GuidedIGParameters

    def walk(self, problems: Problems, probe: Probe) -> Recorded:
        """Record the adaptive walk: one gradient a step for every image, images batched."""
        n, p = len(problems), self.parameters
        start = problems.baseline.astype(np.float64).reshape(n, -1)
        way = problems.x.astype(np.float64).reshape(n, -1) - start
        lengths, progress = np.abs(way), np.where(way == 0, 1.0, 0.0)
        moving = np.flatnonzero(way.any(axis=1))  # an image that equals its baseline costs nothing
        vertices = block((p.steps + 1, *problems.x.shape), problems.x.dtype)
        gradients = block((p.steps, *problems.x.shape), problems.x.dtype)
        values = np.zeros((p.steps, n))
        vertices[0] = problems.baseline

        def move(step: int, i: int) -> None:
            slopes = np.abs(gradients[step - 1, i].ravel())
            advance(progress[i], slopes, lengths[i], step / p.steps, p.fraction, p.max_dist)
            vertices[step, i] = (start[i] + way[i] * progress[i]).reshape(problems.space.shape)

        for step in range(p.steps):
            if len(moving):
                values[step, moving], gradients[step, moving] = probe.value_and_gradient(
                    vertices[step, moving], problems.targets[moving]
                )
            each(partial(move, step + 1), range(n), way.shape[1])
            let_go((vertices, gradients))
        vertices[-1] = problems.x
        return Recorded(
            vertices=[vertices[:, i] for i in range(n)],
            gradients=[gradients[:, i] for i in range(n)],
            values=[values[:, i] for i in range(n)],
            rule=p.rule,
        )

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a step, then the refinement."""
        if self.parameters.rule != "refined":
            return Cost(gradients=self.parameters.steps)
        limit = quadrature.node_limit
        return Cost(gradients=self.parameters.steps + 0.75 * limit, forwards=self.parameters.steps + 1.5 * limit)

    def memory(self, quadrature: Quadrature) -> int:
        """Positions in float64; the recording may lie on the disk, see `block`."""
        return 24


def advance(progress: Progress, slopes: Floats, way: Progress, goal: float, fraction: float, max_dist: float) -> None:
    """Move one image's `progress` in place until a share `goal` of the L1 way is done.

    Args:
        progress: t in [0, 1], shape (d,), float64; 1 where the feature does not move at all.
        slopes: magnitudes of the partial derivatives, shape (d,); nan counts as infinite.
        way: |image - baseline|, shape (d,).
        goal: share of the L1 distance to have travelled, in (0, 1].
        fraction: the order statistic of `slopes` up to which features move; finished features count too.
        max_dist: features stay within [goal - max_dist, goal + max_dist].
    """
    low, high = max(goal - max_dist, 0.0), min(goal + max_dist, 1.0)
    np.maximum(progress, low, out=progress)
    total = way.sum()
    index = int(fraction * (len(way) - 1))
    need = goal * total - _dot(way, progress)
    open_ = np.flatnonzero((progress < high) & (way > 0))
    while need > 1e-9 * total and len(open_):
        steepness = slopes.take(open_)
        steepness[np.isnan(steepness)] = np.inf  # a nan is below nothing: no group opens
        group = steepness <= (np.partition(steepness, index)[index] if index < len(open_) else np.inf)
        chosen = open_.take(np.flatnonzero(group))  # four times as quick as indexing by the mask itself
        done = progress.take(chosen)
        room = _dot(way.take(chosen), high - done)
        if need <= room:
            progress[chosen] = done + need / room * (high - done)
            return
        progress[chosen] = high  # not enough: these arrive, and the next-lowest group opens, same gradient
        open_ = open_.take(np.flatnonzero(~group))
        need = goal * total - _dot(way, progress)


def _dot(a: Progress, b: Progress) -> float:
    """The inner product of two vectors, by one thread.

    BLAS splits a float64 product over all cores: beside torch's own threads that takes milliseconds instead of
    a tenth of one, and the last bits come to depend on the number of cores.
    """
    return float(np.einsum("i,i->", a, b))
