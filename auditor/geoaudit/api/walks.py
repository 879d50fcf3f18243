"""Walks from a baseline to an image, and what comes back from the integrator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api.problems import Floats, Problems


@dataclass(frozen=True)
class Curve:
    """A walk given by a formula; the integrator chooses the nodes.

    Attributes:
        at: `at(i, t)` gives problem i's points at parameters t in [0, 1] (float64, shape (k,)),
            shape (k, *shape); `at(i, 0)` is the start and `at(i, 1)` the end of the walk.  It is called from another
            thread while the model is evaluated, and does not evaluate the model itself.
    """

    at: Callable[[int, npt.NDArray[np.float64]], Floats]


@dataclass(frozen=True)
class Polyline:
    """A walk given by its vertices; the integrator refines the segments.

    Attributes:
        vertices: for each problem an array of shape (m + 1, *shape), start and end included.
    """

    vertices: Sequence[Floats]


@dataclass(frozen=True)
class Recorded:
    """A polyline whose vertices' values and gradients have been paid for already (adaptive walks).

    Attributes:
        vertices: for each problem an array of shape (m + 1, *shape).
        gradients: for each problem the gradients at the vertices, shape (m, *shape) or (m + 1, *shape);
            the last vertex may be missing.
        values: for each problem the explained output at the vertices that have a gradient.
        rule: "refined" re-integrates the walk until the error bar is met; "trapezoid" and "left" use the
            recorded gradients alone ("left" is the rule of the published Guided IG code).
    """

    vertices: Sequence[Floats]
    gradients: Sequence[Floats]
    values: Sequence[npt.NDArray[np.float64]]
    rule: Literal["refined", "trapezoid", "left"] = "refined"


@dataclass(frozen=True)
class Part:
    """One of several walks to the same images.

    Attributes:
        walk: the walks, one a problem.
        problems: the same images, each with the baseline at which this walk starts.
        weight: the factor of this walk's integral in the map.
    """

    walk: Curve | Polyline | Recorded
    problems: Problems
    weight: float


@dataclass(frozen=True)
class Bundle:
    """Several walks to each image, whose integrals are added up with weights (several references, several ends).

    Attributes:
        parts: at least one; all with the same images in the same order.
    """

    parts: Sequence[Part]


Walk = Curve | Polyline | Recorded | Bundle


@dataclass(frozen=True)
class WalkRecord:
    """What was measured on one image's walk, or on its bundle of walks.

    Errors are shares of |delta_f|; nan where that is degenerate.  For a bundle the quantities of the walks are
    added up with the magnitudes of their weights (the error bars as squares).

    Attributes:
        delta_f: what the attribution claims to add up to: f(image) - f(baseline), or, for a method with a start
            of its own, f(image) - f(start).
        nodes: gradients in the final estimate.
        gradients: gradients spent on this walk.
        forwards: onnxruntime forwards spent on this walk.
        attribution_sum: sum of the attribution.
        magnitude: S, the sum of the attribution's absolute values.
        magnitude_half: S from every other node; nan where the walk has too few nodes to halve.
        sum_half: the attribution's sum from every other node; nan likewise.
        completeness_error: |sum - delta f|, the total miss.
        quadrature_error: |sum - (f(end) - f(start))|: the integral's own share of it.
        method_error: |(f(end) - f(start)) - delta f|: the walk not joining baseline and image.
        error_bar: root of the sum of the segments' squared misses.
        absolute_misses: sum of the segments' absolute misses.
        total_variation: sum of |f| changes along the walk, in output units.
        path_cancellation: 1 - |f(end) - f(start)| / total variation, in [0, 1].
        length: Euclidean length of the walk in model input space.
        absolute_integral: integral of sum_i |g_i gamma_i'|, an upper bound of S, in output units.
        conformal_length: integral of |g| |gamma'|, an upper bound of that, in output units.
        met: whether the error bar is at most the tolerance, and the misses add up to no more than twice that.
    """

    delta_f: float
    nodes: int
    gradients: int
    forwards: int
    attribution_sum: float
    magnitude: float
    magnitude_half: float
    sum_half: float
    completeness_error: float
    quadrature_error: float
    method_error: float
    error_bar: float
    absolute_misses: float
    total_variation: float
    path_cancellation: float
    length: float
    absolute_integral: float
    conformal_length: float
    met: bool


@dataclass(frozen=True)
class Attributions:
    """One map an image.

    Attributes:
        values: the maps, signed and unnormalised, shape (n, *shape), in explained-output units.
        records: what was measured on the walk, one an image; None for maps that come from no walk.
        notes: sentences for the report about how these maps were made: what was found about the model or the
            calibration set that a reader must know.  Equal sentences are shown once.
        claims: what each map claims to add up to where it has no record, nan where it claims nothing, float64,
            shape (n,); None: the problems' delta f.
    """

    values: Floats
    records: tuple[WalkRecord | None, ...]
    notes: tuple[str, ...] = ()
    claims: npt.NDArray[np.float64] | None = None

    def select(self, indices: Sequence[int]) -> Attributions:
        """The maps at `indices`, in that order."""
        chosen = list(indices)
        claims = None if self.claims is None else self.claims[chosen]
        return Attributions(self.values[chosen], tuple(self.records[i] for i in chosen), self.notes, claims)
