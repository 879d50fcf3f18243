"""The energy of the authors' released code, for comparison.

    E = sum |gamma_t - line_t| - beta sum |g(gamma_t)| + 100 sum over the first and last tenth |gamma_t - line_t|

with points at Gauss-Legendre nodes strictly between the ends, norms over the array's last axis alone (for a
picture of channels, height and width: over a row of pixels) that are then added up, a prior N(0, 1) and a family
N(mean, scale^2) in model input units, one sample a step, and no annealing.  Minimising minus beta |g| draws the
points to steep places, the opposite of a short walk; the ends are held by a penalty, not fixed.  Two things are
not theirs: g is the gradient of the explained output (theirs: of the sum of all outputs, which behind a softmax is
0), and Adam keeps its rate to the last step (theirs halves it, and stops, where the loss no longer falls).

Source: github.com/sina-salek/geodesic-ig, commit b5614a2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Probe, Problems
from geoaudit_plugins.variational.adam import Adam
from geoaudit_plugins.variational.deviation import divergence
from geoaudit_plugins.variational.energy import along, evaluate

Array = npt.NDArray[np.float64]

NOISE, PENALTY, HELD = 0.1, 100.0, 0.1
"""The family's first standard deviation, the ends' penalty, and the share of points at either end that it holds."""


def published_search(
    problems: Problems, points: int, iterations: int, rate: float, beta: float, step: float,
    generators: Sequence[np.random.Generator], probe: Probe,
) -> Floats:  # fmt: skip
    """The walks to which the released energy leads, joined to both ends.

    Args:
        problems: n problems.
        points: points between the ends.
        iterations: gradient steps.
        rate: Adam's rate, in model input units.
        beta: weight of the steepness.
        step: Euclidean length over which gradients are compared for the energy's derivative.
        generators: one an image.
        probe: the model.

    Returns:
        Vertices, baseline and image included, shape (n, points + 2, *shape).
    """
    t = (np.polynomial.legendre.leggauss(points)[0] + 1) / 2
    way = (problems.x - problems.baseline)[:, None]
    line: Floats = problems.baseline[:, None] + t.astype(way.dtype)[:, None, None, None] * way
    mean: Floats = np.zeros_like(line)
    log_scale: Floats = np.full_like(line, np.log(NOISE))
    adam = Adam(rate, (mean, log_scale))
    for _ in range(iterations):
        draws = np.stack([g.standard_normal(line.shape[1:]) for g in generators]).astype(line.dtype)
        jitter = np.exp(log_scale) * draws
        slopes = _slopes(line, mean + jitter, beta, step, problems, probe)
        _, by_mean, by_log_scale = divergence(mean, log_scale, 1.0)
        mean, log_scale = adam.step((mean, log_scale), (slopes + by_mean, slopes * jitter + by_log_scale))
    return np.concatenate([problems.baseline[:, None], line + mean, problems.x[:, None]], axis=1)


def _slopes(line: Floats, deviation: Floats, beta: float, step: float, problems: Problems, probe: Probe) -> Floats:
    """Derivative of the released energy by the points, shape (n, points, *shape)."""
    places = line + deviation
    _, gradients = evaluate(places, problems.targets, probe)
    steepening = along(_directions(gradients), places, gradients, problems.targets, step, probe)
    slopes: Floats = _ends(line.shape[1], line.dtype) * _directions(deviation) - beta * steepening
    return slopes


def _ends(points: int, dtype: npt.DTypeLike) -> Floats:
    """1, or 1 and the penalty where a point is held, shape (points, 1, 1, 1)."""
    held = max(1, int(HELD * points))
    weights = np.ones(points, dtype=dtype)
    weights[:held] += PENALTY
    weights[-held:] += PENALTY
    return weights[:, None, None, None]


def _directions(vectors: Floats) -> Floats:
    """The derivative of the summed norms over the last axis; 0 where a norm is 0."""
    norms = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    directions: Floats = vectors / np.where(norms > 0, norms, np.inf)
    return directions
