"""What a plugin sees: the two values it is given, the shapes it returns, and the classes it derives from.

A plugin is one class in one file.  It declares facts about itself as class attributes (id, title, reference,
parameters, cost) and implements one abstract method.  It never opens a file, never prints, and reaches the
model only through the `Probe`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Floats = npt.NDArray[np.floating[Any]]
"""A float array; float32 for real models, float64 where the model computes in float64."""
Ints = npt.NDArray[np.int64]


class Status(StrEnum):
    """The six verdicts.  SKIP and ERROR never read as PASS."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"
    INCONCLUSIVE = "INCONCLUSIVE"


# ------------------------------------------------------------------------------------------------ the problem


@dataclass(frozen=True)
class InputSpace:
    """How the model's input is laid out and what pixel values mean in it.

    Attributes:
        layout: "NCHW" or "NHWC".
        shape: one sample's shape without the batch axis, (C, H, W) or (H, W, C).
        low: model input value of pixel 0 for each channel, shape (C,).
        high: model input value of pixel 255 for each channel, shape (C,).
    """

    layout: Literal["NCHW", "NHWC"]
    shape: tuple[int, int, int]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def channel_axis(self) -> int:
        """The channel axis of one sample (without the batch axis)."""
        return 0 if self.layout == "NCHW" else 2

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[self.channel_axis]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.shape[1], self.shape[2]) if self.layout == "NCHW" else (self.shape[0], self.shape[1])

    def per_channel(self, values: Sequence[float]) -> Floats:
        """`values` (one a channel), float64, shaped so that it broadcasts against one sample."""
        shape = (-1, 1, 1) if self.layout == "NCHW" else (1, 1, -1)
        return np.asarray(values, dtype=np.float64).reshape(shape)


@dataclass(frozen=True)
class Problems:
    """A batch of n questions: why does the model give this output for this image, and not for the baseline?

    Attributes:
        ids: the images' ids, unique.
        x: the images in model input space, shape (n, *space.shape).
        baseline: the baselines in model input space, same shape and dtype as `x`.
        targets: the explained classes, int64, shape (n,).
        f_x: explained output at `x`, float64, shape (n,), from onnxruntime.
        f_baseline: explained output at `baseline`, float64, shape (n,), from onnxruntime.
        space: what the model input means.
    """

    ids: tuple[str, ...]
    x: Floats
    baseline: Floats
    targets: Ints
    f_x: npt.NDArray[np.float64]
    f_baseline: npt.NDArray[np.float64]
    space: InputSpace

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def delta_f(self) -> npt.NDArray[np.float64]:
        """f(x) - f(baseline), float64, shape (n,)."""
        return self.f_x - self.f_baseline

    @property
    def degenerate(self) -> npt.NDArray[np.bool_]:
        """Where |delta f| is too small to divide by: max(1e-6, 1e-3 max(|f(x)|, |f(baseline)|))."""
        scale = np.maximum(np.abs(self.f_x), np.abs(self.f_baseline))
        result: npt.NDArray[np.bool_] = np.abs(self.delta_f) < np.maximum(1e-6, 1e-3 * scale)
        return result

    def select(self, indices: Sequence[int]) -> Problems:
        """The problems at `indices`, in that order."""
        chosen = list(indices)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            x=self.x[chosen],
            baseline=self.baseline[chosen],
            targets=self.targets[chosen],
            f_x=self.f_x[chosen],
            f_baseline=self.f_baseline[chosen],
        )


# -------------------------------------------------------------------------------------------------- the probe


@dataclass(frozen=True)
class Cost:
    """Model evaluations, counted in single images."""

    gradients: float = 0.0
    forwards: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.gradients + other.gradients, self.forwards + other.forwards)

    def __mul__(self, factor: float) -> Cost:
        return Cost(self.gradients * factor, self.forwards * factor)


@dataclass(frozen=True)
class Quadrature:
    """How far the integrator goes for one image.

    Attributes:
        tolerance: refinement stops once the error bar, as a share of |delta f|, is at most this.
        node_limit: gradients that the integration of one walk may spend on one image, recorded ones aside.
        scan: onnxruntime forwards of the first look along a curve.
        first_nodes: gradient nodes placed after that look, before refinement.
    """

    tolerance: float = 0.03
    node_limit: int = 256
    scan: int = 129
    first_nodes: int = 40


class Probe(Protocol):
    """The only way to the model.  It counts every evaluation, fills batches and bounds memory."""

    @property
    def quadrature(self) -> Quadrature:
        """The run's tolerance and node limit."""
        ...

    @property
    def spent(self) -> Cost:
        """What has been evaluated so far."""
        ...

    def outputs(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The explained output at `points` (m, *shape) for `targets` (m,), from onnxruntime; shape (m,)."""
        ...

    def probabilities(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The targets' probabilities at `points`, from onnxruntime, in [0, 1]; shape (m,)."""
        ...

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[npt.NDArray[np.float64], Floats]:
        """The explained output (m,) and its gradient with respect to the points (m, *shape), from torch."""
        ...

    def straight_line(self, problems: Problems) -> Attributions:
        """Integrated gradients along the straight line; computed once and shared by everyone who asks."""
        ...

    def rng(self, *key: str) -> np.random.Generator:
        """A generator seeded by the run's seed and `key` alone: the order of images does not matter."""
        ...


# ------------------------------------------------------------------------------------------------------ walks


@dataclass(frozen=True)
class Curve:
    """A walk given by a formula; the integrator chooses the nodes.

    Attributes:
        at: `at(i, t)` gives problem i's points at parameters t in [0, 1] (float64, shape (k,)),
            shape (k, *shape); `at(i, 0)` is the start and `at(i, 1)` the end of the walk.
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


Walk = Curve | Polyline | Recorded


@dataclass(frozen=True)
class WalkRecord:
    """What was measured on one image's walk.  Errors are shares of |delta f|; nan where that is degenerate.

    Attributes:
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
        met: whether the error bar is at most the tolerance.
    """

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
    """

    values: Floats
    records: tuple[WalkRecord | None, ...]

    def select(self, indices: Sequence[int]) -> Attributions:
        """The maps at `indices`, in that order."""
        chosen = list(indices)
        return Attributions(self.values[chosen], tuple(self.records[i] for i in chosen))


# ---------------------------------------------------------------------------------------------------- plugins


class Parameters(BaseModel):
    """Base of every plugin's parameters: a frozen pydantic model that refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Parameters = Parameters  # inside the plugin classes the name means their own parameters

Flag = Literal["ncc-by-construction", "not-complete", "reconstruction", "stochastic", "needs-calibration-set"]


class Method(ABC):
    """An attribution method: one file, one class, one abstract method.

    Class attributes (facts; nothing elsewhere knows the method by name):
        id: unique; third parties use "package/name".
        title: for people.
        family: "path", "gradient", "perturbation", "control", ...
        reference: paper, year, arXiv id or DOI.
        flags: what the ranking must know.
        budgets: parameters that a budget ("quick", "standard", "thorough") sets other than the defaults.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str]
    reference: ClassVar[str]
    kind: ClassVar[Literal["method", "control"]] = "method"
    flags: ClassVar[frozenset[Flag]] = frozenset()
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The maps of `problems`.  An image's map must not depend on the other images of the batch."""

    def cost(self, quadrature: Quadrature) -> Cost:
        """Expected evaluations for one image; the plan adds them up."""
        return Cost()

    def memory(self, quadrature: Quadrature) -> int:
        """Arrays of the size of one image that `attribute` holds for each problem at its peak."""
        return 8


class PathMethod(Method):
    """A method that only decides where to walk; the integrator does the rest."""

    @abstractmethod
    def walk(self, problems: Problems, probe: Probe) -> Walk:
        """The walks from the baselines to the images."""

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate the gradient along the walk."""
        from geoaudit.paths.integrator import integrate

        return integrate(self.walk(problems, probe), problems, probe)

    def cost(self, quadrature: Quadrature) -> Cost:
        """The first nodes and a quarter more: what a curve takes on average on photographs."""
        nodes = 1.25 * quadrature.first_nodes
        return Cost(gradients=nodes, forwards=quadrature.scan + 0.25 * nodes)

    def memory(self, quadrature: Quadrature) -> int:
        """One gradient a node is kept while the walk is refined."""
        return 8 + quadrature.node_limit


class Control(Method):
    """A map that a method must beat; scored like every method, never numbered in the ranking."""

    kind: ClassVar[Literal["method", "control"]] = "control"
    family: ClassVar[str] = "control"


# ----------------------------------------------------------------------------------------- metrics and checks


@dataclass(frozen=True)
class SweepCurves:
    """Target probabilities while regions of the images are imputed, from onnxruntime.

    Attributes:
        fractions: share of the regions imputed, from 0 to 1 inclusive, ascending, shape (k,).
        imputers: names, shape (p,).
        morf: most relevant regions first, in [0, 1], shape (n, p, k).
        lerf: least relevant regions first, same shape.
    """

    fractions: npt.NDArray[np.float64]
    imputers: tuple[str, ...]
    morf: npt.NDArray[np.float64]
    lerf: npt.NDArray[np.float64]

    def area(self, order: Literal["morf", "lerf"]) -> npt.NDArray[np.float64]:
        """Area under each curve by the trapezoid rule over `fractions`, in [0, 1], shape (n, p)."""
        curves = self.morf if order == "morf" else self.lerf
        return np.asarray(np.trapezoid(curves, self.fractions, axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class Evidence:
    """What metrics may ask for; a kind that a metric does not name in `needs` may be None.

    Attributes:
        sweep: the masked-forward sweep of these maps, if some metric needs it.
        probe: the model, for metrics that evaluate it themselves.
    """

    sweep: SweepCurves | None
    probe: Probe


@dataclass(frozen=True)
class Scores:
    """One number an image.

    Attributes:
        values: float64, shape (n,), nan where there is no score.
        reasons: for each image why there is none, else None.
    """

    values: npt.NDArray[np.float64]
    reasons: tuple[str | None, ...]

    @classmethod
    def of(cls, values: npt.ArrayLike, reasons: Sequence[str | None] | None = None) -> Scores:
        """Scores from any array; without `reasons` every value must be finite."""
        array = np.asarray(values, dtype=np.float64)
        given = tuple(reasons) if reasons is not None else (None,) * len(array)
        found = (r or (None if math.isfinite(v) else "not finite") for r, v in zip(given, array, strict=True))
        return cls(array, tuple(found))


class Metric(ABC):
    """A score of maps: one number an image.

    Class attributes:
        id, title, reference: as for methods.
        higher_is_better: direction; None where neither end is better by itself.
        ideal: the best possible value; None if unbounded or unknown.
        needs: kinds of evidence: "sweep" and/or "probe".
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    ideal: ClassVar[float | None]
    needs: ClassVar[frozenset[Literal["sweep", "probe"]]] = frozenset()
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """The maps' scores."""


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        check: the check's id.
        method: the examined method's id; None when the model itself was examined.
        status: the verdict.
        reason: one plain sentence.
        estimate: the measured number, its interval and the threshold it was held against, where they exist.
        details: anything else, JSON-ready.
    """

    check: str
    method: str | None
    status: Status
    reason: str
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    threshold: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC):
    """A sanity check of the model ("model") or of each method ("method").

    Class attributes:
        id, title, reference: as for methods.
        examines: "model": called once with the audited problems; "method": called for every method.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    examines: ClassVar[Literal["model", "method"]]
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """The findings about `subject`; `problems` are the first audited images, as many as memory allows."""


@dataclass(frozen=True)
class Subject:
    """What a check examines.

    Attributes:
        method: the method, or None when the model is examined.
        image_ids: all audited images.
        records: for a method, what was measured on every image's walk, in the order of `image_ids`.
        parity: the parity certificate, keys as in the report's `parity`.
        labels: keys as in the report's `data.labels`.
        classes: number of classes of the model.
    """

    method: Method | None
    image_ids: tuple[str, ...]
    records: tuple[WalkRecord | None, ...]
    parity: Mapping[str, Any]
    labels: Mapping[str, Any]
    classes: int
