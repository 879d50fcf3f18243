"""Geodesic Integrated Gradients by stochastic variational inference: search for a short walk, then integrate on it.

What it does. Between the baseline x' and the image x lie T segments. Their interior vertices start on the straight
line and are moved until the walk is short in the model's own measure, so that it goes round steep, noisy regions
instead of through them. The gradient is then integrated along the walk that was found, whose ends are exactly x'
and x.

Walk. gamma_k = x' + t_k (x - x') + U sum_j b_jk d_j, k = 1 .. T-1, held within the range of valid inputs of each
channel. The t_k share out the straight line's conformal length evenly, but for a share `even` that follows t: a
line through a saturated probability has little of it elsewhere. The modes d_j live on a grid of cells for each
channel, which U enlarges bilinearly; pictures smaller than the grid get a cell a pixel. There is a mode for every
vertex alone, and `bows` more, b_jk = sin(j pi k / T), that move the whole walk to one side of an obstacle.

Variational family. d_j ~ N(m_j, s_j^2) independently for each cell, the prior N(0, prior^2). Each iteration draws
one reparametrised sample, reads the energy at a random place on every segment, and takes one step of Adam on the
tempered negative evidence lower bound

    E / E_line + regulariser * tension + temperature * KL(N(m, s^2) || N(0, prior^2)) / (numbers in d)

with tension = sum_k |D_k|^2 / (t_{k+1} - t_k) over its value on the straight line, D_k = gamma_{k+1} - gamma_k. The
tension makes the model's measure, which has rank one and is blind along level sets, regular. The noise falls
linearly to nothing over the first 60 % of the iterations; after that places are the middles of segments.

Energy. "conformal": E = T sum_k |D_k|^2 |g(u_k)|^2, at least the square of the conformal length C = integral of
|g| |gamma'|, and E_line = C^2 of the straight line. C bounds the map's mass: |delta f| <= S = sum|A| <= C, so that
a smaller C bounds the NCC violation. "pullback": E = T sum_k (f(gamma_{k+1}) - f(gamma_k))^2, the energy of the
model's own pull-back metric, at least the square of the total variation TV; it needs first derivatives only but
acts on cancellation along the walk alone, not between features, and often raises the NCC violation.

Second derivative. The slope of |g|^2 is 2 H g. It is taken as 2 |g| (g(u + e g/|g|) - g(u)) / e, one more gradient
a place. In a network of ReLUs with a linear output g is constant between kinks and the exact second derivative is
zero almost everywhere; the difference sees the kinks that lie within e, as their mean. e is a share of the diagonal
of the box of valid inputs.

Choice and guarantee. The candidates are the straight line and every walk that was read without noise; the one with
the smallest criterion, read at the middles of the segments (at the vertices for "pullback"), is integrated. If its
criterion as the integrator measures it, on many more nodes, is still above the straight line's, the straight line's
map is given. So no map comes from a walk longer than the straight line, and with iterations = 0 it is that of
integrated-gradients.

Integration. The polyline, each segment cut in `cuts`, refined until the error bar is `strictness` of the run's
tolerance: a short walk has so little to miss that the usual bar would be met before sum|A| has settled. Complete
up to that. Gradients: the straight line's, 2 T (iterations + 1) for the search (T - 1 instead of 2 T for
"pullback"), and the integration's.

Defaults. T, iterations and rate were chosen on photographs so that everything together costs less than ten times
integrated-gradients; the authors' code takes 50 points and 500 to 1000 iterations. Finer cells find shorter walks,
nearer to changes of single pixels: 28 is a compromise. The explained output is the run's. A probability is flat
wherever the model is certain, which leaves room for short walks; a logit is not, and gains less.

What it cannot show. A walk is short when it stays where the model does not react and meets the image along few,
steep directions: close to an adversarial perturbation rather than to a natural change of the picture. A low NCC
violation of such a map says nothing about its faithfulness, and path cancellation may rise while NCC falls: the
two are different things. It is no proof that the walk is a geodesic; the search stops early and finds one of many
low valleys, and another seed finds another.

Departures from the published code, whose formulas they correct: the energy has + |g| (theirs rewards steep
places); the steepness is that of the explained output (theirs sums all outputs, which is constant behind a
softmax) and its norm runs over the whole input (theirs over the last axis); both ends are fixed (theirs are held
by a penalty and left out of the integral); the map is the integral of g d gamma (theirs multiplies g by x - x' and
a step length, which is not complete); every image has its own generator and family (theirs inherits the last
image's); deviations are coarse, clamped and annealed. `published=true` follows the released energy instead, with
its sign, its end penalty of 100 and its sums over the last axis, on free points in full resolution, for comparison
only: the walk is whatever that energy leads to, joined to both ends and integrated correctly, with no guarantee;
the steepness stays the explained output's, and the rate constant.
Of the parameters it reads `points`, `iterations`, `rate` (then in model input units), `step`, `beta`, `cuts` and
`strictness`.

Source: Salek and Enguehard, Using the Path of Least Resistance to Explain Deep Networks, 2025, arXiv 2502.12108,
and the released code, github.com/sina-salek/geodesic-ig; reparametrised samples: Kingma and Welling, ICLR 2014,
arXiv 1312.6114.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

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
    Polyline,
    Probe,
    Problems,
    Quadrature,
    Recorded,
    Runs,
    WalkRecord,
)
from geoaudit.paths.integrator import integrate
from geoaudit.paths.quadrature import DRIFT
from geoaudit.paths.recording import integrate_recorded
from geoaudit_plugins.variational.box import diagonal, limits, moving, unit
from geoaudit_plugins.variational.choice import Criterion, charged, length, shorter
from geoaudit_plugins.variational.deviation import grid
from geoaudit_plugins.variational.energy import conformal, pullback
from geoaudit_plugins.variational.line import cut, straight_walks
from geoaudit_plugins.variational.optimiser import Search, modes, search
from geoaudit_plugins.variational.published import published_search

Array = npt.NDArray[np.float64]

COMPARISON = (
    "geodesic-ig-svi follows the released code's energy (published=true), which draws walks to steep places; it "
    "is shown for comparison only."
)
BOUNDED: Mapping[str, Criterion] = {"conformal": "conformal-length", "pullback": "total-variation"}
"""The length that an energy bounds."""

FLAT = 1e-12
"""A line of less length, in output units, is not worth going round: its square would leave float32's range."""


class GeodesicIGSVIParameters(Parameters):
    """How the walk is searched for."""

    energy: Literal["conformal", "pullback"] = Field("conformal", description="what is minimised along the walk")
    criterion: Literal["energy", "conformal-length", "total-variation"] = Field(
        "energy", description="length that chooses among walks; energy: the one that the energy bounds"
    )
    points: int = Field(10, ge=2, description="segments of the walk; the authors' code uses 50 points")
    iterations: int = Field(10, ge=0, description="steps of Adam; the authors' code takes 500 to 1000")
    rate: float = Field(0.04, gt=0, description="Adam's step, as a share of the range of valid inputs")
    cells: int = Field(28, ge=1, description="cells of the deviation along the longer side")
    bows: int = Field(2, ge=0, description="modes of the deviation that move the whole walk")
    noise: float = Field(0.02, gt=0, description="first standard deviation of the family, share of the range")
    prior: float = Field(0.25, gt=0, description="standard deviation of the prior, share of the range")
    temperature: float = Field(0.01, ge=0, description="weight of the divergence from the prior")
    regulariser: float = Field(0.01, ge=0, description="weight of the tension")
    even: float = Field(0.3, gt=0, le=1, description="share of the vertices that is spread evenly over t")
    step: float = Field(4e-4, gt=0, description="step of the second derivative, share of the input box's diagonal")
    cuts: int = Field(4, ge=1, description="pieces of a segment before refinement")
    strictness: float = Field(0.5, gt=0, le=1, description="error bar to reach, share of the run's tolerance")
    published: bool = Field(False, description="follow the released code's energy, for comparison only")
    beta: float = Field(0.3, ge=0, description="weight of the steepness where published (released code)")


class GeodesicIGSVI(PathMethod):
    """A walk of small conformal length, found by variational inference."""

    id: ClassVar[str] = "geodesic-ig-svi"
    title: ClassVar[str] = "Geodesic IG (variational)"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Salek and Enguehard, 2025, arXiv 2502.12108"
    flags: ClassVar[frozenset[Flag]] = frozenset({"stochastic"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"points": 8, "iterations": 8},
        "thorough": {"points": 16, "iterations": 40},
    }
    Parameters: ClassVar[type[Parameters]] = GeodesicIGSVIParameters
    parameters: GeodesicIGSVIParameters

    def __init__(self, parameters: GeodesicIGSVIParameters | None = None, base: Method | None = None) -> None:
        super().__init__(parameters, base)
        self.shares_line = not self.parameters.published

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Search, integrate, and give the straight line's map where no walk is shorter."""
        return self._made(problems, probe, record=False)[0]

    def recorded(self, problems: Problems, probe: Probe) -> tuple[Attributions, Recorded]:
        """The maps and the nodes of the walks that they follow."""
        made, nodes = self._made(problems, probe, record=True)
        assert nodes is not None  # they were asked for
        return made, nodes

    def _made(self, problems: Problems, probe: Probe, *, record: bool) -> tuple[Attributions, Recorded | None]:
        """The maps and, if they are wanted, their nodes."""
        p = self.parameters
        if p.published:
            found, nodes = self._integrated(self.walk(problems, probe), problems, probe, record=record)
            records = tuple(charged(each, 2 * p.points * p.iterations) for each in found.records)
            return Attributions(found.values, records, (COMPARISON,)), nodes
        line, straight = _straight(problems, probe)
        if p.iterations == 0:
            return straight, line
        walk, searched = self._searched(line, straight, problems, probe)
        places = [i for i, vertices in enumerate(walk.vertices) if len(vertices) > 2]
        part = Polyline([walk.vertices[i] for i in places])
        bent, nodes = self._integrated(part, problems.select(places), probe, record=record)
        made, taken = shorter(straight, bent, places, self._criterion, searched)
        return made, nodes and _replaced(line, {places[k]: k for k in taken}, nodes)

    def walk(self, problems: Problems, probe: Probe) -> Polyline:
        """The walks that were found; baseline and image alone where the straight line stayed the shortest."""
        if self.parameters.published:
            return self._published(problems, probe)
        return self._searched(*_straight(problems, probe), problems, probe)[0]

    def _searched(
        self, line: Recorded, straight: Attributions, problems: Problems, probe: Probe
    ) -> tuple[Polyline, int]:
        """The walks, and the gradients that the search took for each image that moves."""
        p = self.parameters
        vertices = _lines(problems)
        evaluated = 0
        for some in moving(problems, p.points) if p.iterations else ():
            part = problems.select(some)
            walks, t = straight_walks(_select(line, some), part, p.points, p.even)
            scale = self._scale([straight.records[i] for i in some])
            generators = [probe.rng(self.id, image) for image in part.ids]
            found = search(walks, t, scale, self._search(part), generators, probe)
            evaluated = found.evaluated
            for k, i in enumerate(some):
                if found.values[k] < found.line_values[k]:
                    vertices[i] = found.vertices[k]
        return Polyline(vertices), evaluated

    def _search(self, problems: Problems) -> Search:
        """The search in the units of these problems."""
        p = self.parameters
        low, high = limits(problems)
        return Search(
            energy=pullback if p.energy == "pullback" else conformal(p.step * diagonal(problems)),
            grid=grid(problems.space, p.cells, problems.x.dtype),
            basis=modes(p.points, p.bows, problems.x.dtype),
            unit=unit(problems),
            low=low[:, None],
            high=high[:, None],
            iterations=p.iterations,
            rate=p.rate,
            noise=p.noise,
            prior=p.prior,
            temperature=p.temperature,
            regulariser=p.regulariser,
            criterion=self._criterion,
        )

    def _scale(self, lines: Sequence[WalkRecord | None]) -> Array:
        """What energies are divided by: the square of the straight line's length that the energy bounds."""
        lengths = np.array([length(record, BOUNDED[self.parameters.energy]) for record in lines])
        return np.where(lengths > FLAT, lengths, 1.0) ** 2

    @property
    def _criterion(self) -> Criterion:
        p = self.parameters
        return BOUNDED[p.energy] if p.criterion == "energy" else p.criterion

    def _published(self, problems: Problems, probe: Probe) -> Polyline:
        """The released energy's walks."""
        p = self.parameters
        vertices = _lines(problems)
        for some in moving(problems, p.points):
            part = problems.select(some)
            generators = [probe.rng(self.id, "published", image) for image in part.ids]
            step = p.step * diagonal(part)
            found = published_search(part, p.points, p.iterations, p.rate, p.beta, step, generators, probe)
            for k, i in enumerate(some):
                vertices[i] = found[k]
        return Polyline(vertices)

    def _integrated(
        self, walk: Polyline, problems: Problems, probe: Probe, *, record: bool
    ) -> tuple[Attributions, Recorded | None]:
        """The walks' integrals to an error bar of `strictness` of the run's tolerance, and their nodes if wanted."""
        p, usual = self.parameters, probe.quadrature
        strict = replace(usual, tolerance=p.strictness * usual.tolerance)
        pieces, nodes = Polyline([cut(v, p.cuts) for v in walk.vertices]), None
        if record:
            found, nodes = integrate_recorded(pieces, problems, probe, strict)
        else:
            found = integrate(pieces, problems, probe, strict)
        records = (r and replace(r, met=r.met or _met(r, usual.tolerance)) for r in found.records)
        return Attributions(found.values, tuple(records)), nodes

    def cost(self, quadrature: Quadrature) -> Cost:
        """The straight line, two gradients a place and reading, and the integration."""
        p = self.parameters
        line = super().cost(quadrature)
        own = Cost(gradients=3 * quadrature.first_nodes, forwards=3 * quadrature.first_nodes)
        if p.published:
            return own + Cost(gradients=2 * p.points * p.iterations)
        if p.iterations == 0:
            return line
        reading = p.points - 1 if p.energy == "pullback" else 2 * p.points
        return line + own + Cost(gradients=reading * (p.iterations + 1))

    def memory(self, quadrature: Quadrature) -> int:
        """What a reading and a step of the search hold for each vertex, the walk, the integration's gradients."""
        p = self.parameters
        return 16 + (16 + p.cuts) * (p.points + p.bows + 2) + quadrature.node_limit


def _straight(problems: Problems, probe: Probe) -> tuple[Recorded, Attributions]:
    """The straight lines' nodes, and their maps from these alone."""
    line = probe.recorded_line(problems)
    return line, integrate(replace(line, rule="trapezoid"), problems, probe)


def _select(line: Recorded, places: Sequence[int]) -> Recorded:
    return Recorded(
        [line.vertices[i] for i in places], [line.gradients[i] for i in places], [line.values[i] for i in places]
    )


def _replaced(line: Recorded, taken: Mapping[int, int], bent: Recorded) -> Recorded:
    """The lines' nodes, but those of the k-th bent walk where `taken` has an image's k."""
    own = {i: (bent.vertices[k], bent.gradients[k], bent.values[k]) for i, k in taken.items()}
    lines = enumerate(zip(line.vertices, line.gradients, line.values, strict=True))
    vertices, gradients, values = zip(*(own.get(i, straight) for i, straight in lines), strict=True)
    return Recorded(vertices, gradients, values)


def _lines(problems: Problems) -> list[Floats]:
    """Baseline and image of each problem, (2, *shape)."""
    return [np.stack(pair) for pair in zip(problems.baseline, problems.x, strict=True)]


def _met(record: WalkRecord, tolerance: float) -> bool:
    """Whether the walk's integral is as good as the run asks for."""
    return record.error_bar <= tolerance and record.quadrature_error <= DRIFT * tolerance
