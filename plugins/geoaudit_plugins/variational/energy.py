"""Energies of a discretised walk, and their derivatives by its vertices.

The derivative of a gradient's norm needs the Hessian times the gradient's direction.  It is taken as a difference
of two gradients: one more gradient a point, no second backward pass through the model, and, other than the exact
second derivative, not blind to the kinks of a network of ReLUs (whose gradient is constant between them): the
difference over a step is the mean curvature over that step, kinks included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints, Probe

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Walks:
    """Discretised walks of n images, and what is known of their ends.

    Attributes:
        vertices: start and end included, shape (n, points + 1, *shape).
        targets: explained classes, shape (n,).
        ends: explained output at start and end, float64, shape (n, 2).
        steepness: norms of the gradients at start and end, float64, shape (n, 2).
    """

    vertices: Floats
    targets: Ints
    ends: Array
    steepness: Array


@dataclass(frozen=True)
class Reading:
    """What an energy says of walks.

    Attributes:
        energy: float64, shape (n,).
        slopes: derivative of the energy by the vertices, ends included, shape (n, points + 1, *shape).
        conformal_length: sum of |gradient| |step| over the evaluated places, output units, shape (n,).
        total_variation: sum of |output change| over the evaluated places, output units, shape (n,).
        evaluated: gradients spent on one image.
    """

    energy: Array
    slopes: Floats
    conformal_length: Array
    total_variation: Array
    evaluated: int


Energy = Callable[[Walks, Array, Probe], Reading]
"""Reads walks at a share of each segment, shape (n, points)."""


def conformal(step: float) -> Energy:
    """points * sum_k |D_k|^2 |g(u_k)|^2, u_k on segment k: at least the square of the conformal length.

    Args:
        step: length, in model input space, of the step over which gradients are compared.
    """

    def read(walks: Walks, shares: Array, probe: Probe) -> Reading:
        moves = np.diff(walks.vertices, axis=1)
        share = spread(shares, moves)
        places = walks.vertices[:, :-1] + share * moves
        values, gradients = evaluate(places, walks.targets, probe)
        lengths, norms = norm(moves), norm(gradients)
        smallest = np.finfo(gradients.dtype).tiny  # below, one over the norm is beyond the largest number
        direction = gradients * spread(1.0 / np.where(norms > smallest, norms, np.inf), gradients)
        curvature = along(direction, places, gradients, walks.targets, step, probe)
        points = moves.shape[1]
        by_place = spread(2 * points * lengths**2 * norms, curvature) * curvature
        by_move = spread(2 * points * norms**2, moves) * moves
        pieces = lengths * norms
        return Reading(
            points * (pieces**2).sum(axis=1),
            _to_vertices((1 - share) * by_place - by_move, share * by_place + by_move),
            pieces.sum(axis=1),
            variation(values, walks.ends),
            2 * points,
        )

    return read


def pullback(walks: Walks, shares: Array, probe: Probe) -> Reading:
    """points * sum_k (f(gamma_{k+1}) - f(gamma_k))^2: at least the square of the total variation; first order.

    It reads the vertices themselves: `shares` takes no part.
    """
    values, gradients = evaluate(walks.vertices[:, 1:-1], walks.targets, probe)
    outputs = np.concatenate([walks.ends[:, :1], values, walks.ends[:, 1:]], axis=1)
    changes = np.diff(outputs, axis=1)
    points = changes.shape[1]
    slopes = np.zeros_like(walks.vertices)
    slopes[:, 1:-1] = spread(2 * points * (changes[:, :-1] - changes[:, 1:]), gradients) * gradients
    norms = np.concatenate([walks.steepness[:, :1], norm(gradients), walks.steepness[:, 1:]], axis=1)
    lengths = norm(np.diff(walks.vertices, axis=1))
    return Reading(
        points * (changes**2).sum(axis=1),
        slopes,
        (0.5 * (norms[:, :-1] + norms[:, 1:]) * lengths).sum(axis=1),
        variation(values, walks.ends),
        points - 1,
    )


def tension(vertices: Floats, t: Array) -> tuple[Array, Floats]:
    """sum_k |D_k|^2 / (t_{k+1} - t_k), over its value on the straight line, and its derivative by the vertices.

    Args:
        vertices: shape (n, points + 1, *shape).
        t: the vertices' parameters, ascending from 0 to 1, shape (n, points + 1).

    Returns:
        The tension, at least 1 up to rounding, float64, shape (n,), and the derivative, shape of `vertices`.
    """
    moves = np.diff(vertices, axis=1)
    weights = 1.0 / (np.diff(t, axis=1) * norm(vertices[:, -1:] - vertices[:, :1]) ** 2)
    by_move = spread(2 * weights, moves) * moves
    return (weights * norm(moves) ** 2).sum(axis=1), _to_vertices(-by_move, by_move)


def along(direction: Floats, places: Floats, gradients: Floats, targets: Ints, step: float, probe: Probe) -> Floats:
    """The Hessian at `places` times `direction`, both (n, points, *shape), by a forward difference of gradients.

    Args:
        direction: not normalised; the result is proportional to it.
        gradients: at the places.
        targets: shape (n,).
        step: Euclidean length of the step.
    """
    lengths = norm(direction)
    scale = spread(step / np.where(lengths > 0, lengths, 1.0), direction)
    _, moved = evaluate(places + scale * direction, targets, probe)
    product: Floats = (moved - gradients) / scale
    return product


def evaluate(points: Floats, targets: Ints, probe: Probe) -> tuple[Array, Floats]:
    """Explained outputs (n, points) and gradients (n, points, *shape), all in one call."""
    n, count = points.shape[:2]
    flat = points.reshape(n * count, *points.shape[2:])
    values, gradients = probe.value_and_gradient(flat, np.repeat(targets, count))
    return values.reshape(n, count), gradients.reshape(points.shape)


def variation(values: Array, ends: Array) -> Array:
    """Total variation of the outputs seen along walks, shape (n,)."""
    outputs = np.concatenate([ends[:, :1], values, ends[:, 1:]], axis=1)
    return np.asarray(np.abs(np.diff(outputs, axis=1)).sum(axis=1))


def norm(vectors: Floats) -> Array:
    """Euclidean norms (n, points) of vectors (n, points, *shape), float64."""
    flat = vectors.reshape(*vectors.shape[:2], -1)
    return np.asarray(np.sqrt(np.einsum("npd,npd->np", flat, flat, dtype=np.float64)))


def spread(factors: Array, like: Floats) -> Floats:
    """One factor a point (n, points), in the dtype of `like` and broadcasting against it."""
    return factors.astype(like.dtype)[(...,) + (None,) * (like.ndim - 2)]


def _to_vertices(starts: Floats, ends: Floats) -> Floats:
    """Derivatives by the segments' starts and ends, each (n, points, *shape), added up at the vertices."""
    total = np.zeros((len(starts), starts.shape[1] + 1, *starts.shape[2:]), dtype=starts.dtype)
    total[:, :-1] = starts
    total[:, 1:] += ends
    return total
