"""IDGI: the output's own steps along a walk, shared out by the squared gradient.

On each piece of a walk, from node j to the next, the output changes by f_{j+1} - f_j, which is known exactly.  IDGI
gives feature i the share g_i^2 / |g|^2 of that change, g being the gradient at the piece's start:

    A = sum_j (g_j * g_j / |g_j|^2) (f_{j+1} - f_j).

That is the part of the movement along the gradient.  The walk's own displacement does not appear, and with it the
part of the gradient across the walk, which integrated gradients adds up as noise.

Two consequences that a reader must know.  The sum telescopes: for any number of nodes the map adds up to
f(image) - f(baseline) exactly.  And all shares are positive, so that features can only differ in sign from one
piece to another: where the output rises all along the walk, every attribution is positive and the NCC violation is
0 by construction (flag ncc-by-construction), whatever the model does.  What is left of the violation comes from the
walk: it is at most the path cancellation, 1 - |delta f| / total variation.  So a low NCC of this method is no finding,
and the ranking says so.

It is no path integral: the map of a sum of two models is not the sum of the maps, and a linear model w.x gets
w_i^2 (w.d) / |w|^2 instead of w_i d_i.  A feature that the model ignores gets 0.

Walk.  By default the straight line, with the very nodes of integrated gradients, so that it costs nothing where those
were paid for; `base` names any other path method that walks one way, and its flags are then IDGI's too.  The
published code takes equal steps; here the nodes lie where the output moves.  The error bar that is reported is the
walk's own: it says how well the nodes resolve the output, not how well the map adds up.

Where a gradient is exactly 0 the published code divides by 0.  Here such a piece's change is carried to the next
piece that has a gradient, and after the last one back to it; if there is none at all the map is 0.

Source: Yang, Wang, Bilgic, IDGI: A Framework to Eliminate Explanation Noise from Integrated Gradients, CVPR 2023,
arXiv 2303.14242.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Cost,
    Flag,
    Floats,
    Method,
    Parameters,
    PathMethod,
    Probe,
    Problems,
    Quadrature,
    WalkRecord,
)
from geoaudit.errors import UsageError
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients

Array = npt.NDArray[np.float64]


class IDGIParameters(Parameters):
    """Whose walk is used."""

    base: str = Field("integrated-gradients", description="path method whose walk and nodes are used (paper)")


class IDGI(Method):
    """Each change of the output along a walk, shared out by the squared gradient."""

    id: ClassVar[str] = "idgi"
    title: ClassVar[str] = "IDGI"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Yang et al., CVPR 2023, arXiv 2303.14242"
    flags: ClassVar[frozenset[Flag]] = frozenset({"ncc-by-construction"})
    base_parameter: ClassVar[str | None] = "base"
    Parameters: ClassVar[type[Parameters]] = IDGIParameters
    parameters: IDGIParameters

    def __init__(self, parameters: IDGIParameters | None = None, base: Method | None = None) -> None:
        walker = base if base is not None else IntegratedGradients()
        if not isinstance(walker, PathMethod):
            raise UsageError(
                f"--set {self.id}.base={walker.id}", "it walks no path", "Name a path method: `geoaudit methods`."
            )
        super().__init__(parameters, walker)
        self._walker = walker
        self.shares_line = walker.shares_line
        # What its walk depends on, its map depends on.
        self.flags = type(self).flags | walker.flags  # type: ignore[misc]

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """No evaluations besides those of the walk."""
        walked, nodes = self._walker.recorded(problems, probe)
        values, records = np.zeros_like(problems.x), []
        for i, record in enumerate(walked.records):
            assert record is not None  # a path method measures its walks
            gradients, outputs = nodes.gradients[i], nodes.values[i]
            made = shared_out(gradients, outputs, np.arange(len(outputs)), problems.space.shape)
            thinned = np.unique(np.append(np.arange(0, len(outputs), 2), max(len(outputs) - 1, 0)))
            half = shared_out(gradients, outputs, thinned, problems.space.shape) if len(outputs) >= 5 else None
            values[i] = made
            records.append(_own(record, made, half, float(outputs[-1] - outputs[0]) if len(outputs) else 0.0))
        return Attributions(values, tuple(records), walked.notes)

    def cost(self, quadrature: Quadrature) -> Cost:
        """The walk's."""
        return self._walker.cost(quadrature)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """The walk's."""
        return self._walker.preparation(quadrature, calibration)

    def memory(self, quadrature: Quadrature) -> int:
        """The walk's, and its nodes once more."""
        return 2 * (self._walker.memory(quadrature) + quadrature.node_limit)


def shared_out(gradients: Floats, outputs: Array, nodes: npt.NDArray[np.int64], shape: tuple[int, ...]) -> Array:
    """The changes of the output between `nodes`, shared out by squared gradients.

    Args:
        gradients: at all nodes of the walk, shape (m, *shape).
        outputs: there, shape (m,).
        nodes: indices of the nodes to use, ascending.
        shape: of one image.

    Returns:
        float64, shape `shape`; adds up to the change between the first and the last node, unless all gradients
        are 0.
    """
    total, shares, carried = np.zeros(shape), np.zeros(shape), 0.0
    for start, end in pairwise(nodes):
        carried += float(outputs[end] - outputs[start])
        gradient = np.asarray(gradients[start], dtype=np.float64)
        largest = np.abs(gradient).max()
        if largest != 0:  # a gradient that is not finite must show
            squares = (gradient / largest) ** 2  # scaled first: squares of tiny gradients would vanish
            shares = squares / squares.sum()
            total += carried * shares
            carried = 0.0
    return total + carried * shares


def _own(record: WalkRecord, values: Array, half: Array | None, change: float) -> WalkRecord:
    """The walk's record with this map's own sums; `change` is what the output changes from end to end."""
    total = float(values.sum())
    share = np.nan if np.isnan(record.completeness_error) else 1.0 / abs(record.delta_f)
    return replace(
        record,
        attribution_sum=total,
        magnitude=float(np.abs(values).sum()),
        magnitude_half=float(np.abs(half).sum()) if half is not None else np.nan,
        sum_half=float(half.sum()) if half is not None else np.nan,
        completeness_error=abs(total - record.delta_f) * share,
        quadrature_error=abs(total - change) * share,
    )
