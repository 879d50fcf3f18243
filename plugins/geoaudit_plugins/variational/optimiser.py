"""Variational search for a walk of low energy between two fixed ends.

A walk is the straight line plus a deviation of its interior vertices.  The family is Gaussian, with a mean and a
log scale for every cell of every interior vertex; samples are reparametrised (mean + scale * draw), so that the
energy's derivative reaches both.  The loss is the negative evidence lower bound: energy plus divergence from the
prior.  The noise is annealed to nothing, and the walks read without noise are the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Probe
from geoaudit_plugins.variational.adam import Adam
from geoaudit_plugins.variational.choice import Criterion
from geoaudit_plugins.variational.deviation import Grid, divergence
from geoaudit_plugins.variational.energy import Energy, Reading, Walks, spread, tension

Array = npt.NDArray[np.float64]

NOISY = 0.6
"""Share of the iterations over which the noise falls to nothing."""


@dataclass(frozen=True)
class Search:
    """How walks are searched for.

    Attributes:
        energy: what a walk costs.
        grid: where deviations live.
        basis: what each of the family's modes moves the interior vertices by, shape (points - 1, modes).
        unit: a deviation of 1 in model input space, broadcasting against one picture.
        low, high: limits of all vertices, broadcasting against (n, points, *shape).
        iterations: gradient steps.
        rate: Adam's rate, in deviations of 1.
        noise: standard deviation of the family before the first step, in deviations of 1.
        prior: standard deviation of the prior, in deviations of 1.
        temperature: weight of the divergence from the prior, taken as a mean over the deviation's numbers.
        regulariser: weight of the tension.
        criterion: what the best walk is chosen by.
    """

    energy: Energy
    grid: Grid
    basis: Floats
    unit: Floats
    low: Floats
    high: Floats
    iterations: int
    rate: float
    noise: float
    prior: float
    temperature: float
    regulariser: float
    criterion: Criterion


@dataclass(frozen=True)
class Found:
    """The best walks of a search.

    Attributes:
        vertices: start and end included, shape (n, points + 1, *shape).
        values: the criterion there, output units, float64, shape (n,).
        line_values: the criterion on the straight line, read at the same places of its segments.
        evaluated: gradients spent on one image.
    """

    vertices: Floats
    values: Array
    line_values: Array
    evaluated: int


def search(
    line: Walks, t: Array, scale: Array, how: Search, generators: Sequence[np.random.Generator], probe: Probe
) -> Found:
    """The best of the straight lines and the walks found from there.

    Args:
        line: the straight lines of n images.
        t: their vertices' parameters, ascending from 0 to 1, shape (n, points + 1).
        scale: what energies are divided by, positive, shape (n,).
        how: the search.
        generators: one an image.
        probe: the model.
    """
    mean = np.zeros((len(t), how.basis.shape[1], *how.grid.shape), dtype=line.vertices.dtype)
    log_scale = np.full_like(mean, np.log(how.noise))
    adam = Adam(how.rate, (mean, log_scale))
    found: Found | None = None
    evaluated = 0
    for iteration in range(how.iterations + 1):
        warmth = noise_left(iteration, how.iterations)
        draws, shares = _drawn(generators, mean, t.shape[1] - 1, warmth)
        jitter = np.exp(log_scale) * draws
        vertices, free = bend(line.vertices, mean + jitter, how)
        reading = how.energy(replace(line, vertices=vertices), shares, probe)
        evaluated += reading.evaluated
        if warmth == 0:
            found = _better(found, vertices, _criterion(reading, how.criterion))
        if iteration < how.iterations:
            by_mode = _by_mode(vertices, free, reading, t, scale, how)
            slopes = _of_bound(by_mode, jitter, mean, log_scale, how)
            mean, log_scale = adam.step((mean, log_scale), slopes)
    assert found is not None  # the first reading is without noise
    return replace(found, evaluated=evaluated)


def modes(points: int, bows: int, dtype: npt.DTypeLike) -> Floats:
    """The modes of a walk of `points` segments: every interior vertex alone, then bows of the whole walk.

    Vertices alone can take any walk but each finds its own side of an obstacle; a bow moves all of them together.

    Args:
        points: number of segments.
        bows: number of sines sin(j pi k / points), j = 1 .. bows.
        dtype: of the result, shape (points - 1, points - 1 + bows).
    """
    k, j = np.arange(1, points)[:, None], np.arange(1, bows + 1)[None]
    return np.concatenate([np.eye(points - 1), np.sin(np.pi * j * k / points)], axis=1).astype(dtype)


def noise_left(iteration: int, iterations: int) -> float:
    """Share of the noise that is left: none on the straight line, then from nearly 1 linearly to 0."""
    return max(0.0, 1.0 - iteration / (NOISY * iterations)) if iteration else 0.0


def bend(line: Floats, modes: Floats, how: Search) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The straight lines (n, points + 1, *shape) with interior vertices moved, kept within the limits.

    Returns:
        The vertices, and where an interior vertex's number was not held back by a limit.
    """
    vertices = line.copy()
    by_vertex = np.einsum("pm,nm...->np...", how.basis, modes)
    wanted = line[:, 1:-1] + how.unit * how.grid.enlarge(by_vertex)
    vertices[:, 1:-1] = np.clip(wanted, how.low, how.high)
    return vertices, vertices[:, 1:-1] == wanted


def _drawn(
    generators: Sequence[np.random.Generator], like: Floats, segments: int, warmth: float
) -> tuple[Floats, Array]:
    """Standard normal draws times the warmth, and a place on every segment: the middle when cold."""
    draws = np.zeros_like(like)
    shares = np.full((len(like), segments), 0.5)
    for i, generator in enumerate(generators):
        if warmth > 0:
            draws[i] = warmth * generator.standard_normal(like.shape[1:])
            shares[i] += warmth * (generator.random(segments) - 0.5)
    return draws, shares


def _by_mode(
    vertices: Floats, free: npt.NDArray[np.bool_], reading: Reading, t: Array, scale: Array, how: Search
) -> Floats:
    """Derivative of scaled energy and tension by the family's modes."""
    _, pull = tension(vertices, t)
    slopes = spread(np.repeat(1.0 / scale[:, None], t.shape[1], axis=1), pull) * reading.slopes
    slopes += pull.dtype.type(how.regulariser) * pull
    by_cell = how.grid.carry_back(slopes[:, 1:-1] * free * how.unit)
    by_mode: Floats = np.einsum("pm,np...->nm...", how.basis, by_cell)
    return by_mode


def _of_bound(by_mode: Floats, jitter: Floats, mean: Floats, log_scale: Floats, how: Search) -> tuple[Floats, Floats]:
    """Derivatives of the loss by mean and log scale."""
    _, by_mean, by_log_scale = divergence(mean, log_scale, how.prior)
    weight = mean.dtype.type(how.temperature / max(1, mean[0].size))
    return by_mode + weight * by_mean, by_mode * jitter + weight * by_log_scale


def _criterion(reading: Reading, criterion: Criterion) -> Array:
    return reading.conformal_length if criterion == "conformal-length" else reading.total_variation


def _better(found: Found | None, vertices: Floats, values: Array) -> Found:
    if found is None:
        return Found(vertices.copy(), values.copy(), values.copy(), 0)
    better = values < found.values
    found.vertices[better], found.values[better] = vertices[better], values[better]
    return found
