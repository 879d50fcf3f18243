"""A bank of pictures and who is next to whom in it; independent of any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Calibration, Floats, Ints

Array = npt.NDArray[np.float64]
BLOCK = 2**18
"""Differences held at a time."""


@dataclass(frozen=True)
class Bank:
    """Different pictures and the edges between them.

    Attributes:
        points: the pictures in model input space, shape (m, *shape); no two are equal.
        neighbours: `neighbours(points)` gives the indices of the pictures next to each point, nearest first,
            shape (n, k) with k at most m.
        pairs: edges, each once, smaller index first, shape (e, 2).
        lengths: Euclidean length of each edge in model input space, float64, shape (e,).
    """

    points: Floats
    neighbours: Callable[[Floats], Ints]
    pairs: Ints
    lengths: Array

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {_digest(point): i for i, point in enumerate(self.points)}

    def index_of(self, point: Floats) -> int | None:
        """The index of the picture that equals `point`; None if there is none."""
        return self._places.get(_digest(point.astype(self.points.dtype, copy=False)))


def gather(calibration: Calibration, most: int, dtype: np.dtype[Any]) -> Floats:
    """At most `most` pictures, evenly spread over the calibration set, without repetitions.

    Returns:
        Shape (m, *shape), in the order of the set.
    """
    if most == 0 or len(calibration) == 0:
        return np.empty((0, 1, 1, 1), dtype=dtype)
    spread = np.linspace(0, len(calibration) - 1, min(most, len(calibration)))
    pictures = calibration.points(np.unique(np.rint(spread).astype(int)).tolist()).astype(dtype, copy=False)
    first = {_digest(picture): i for i, picture in reversed(list(enumerate(pictures)))}
    return pictures if len(first) == len(pictures) else pictures[sorted(first.values())]


def connect(points: Floats, neighbours: int, components: int | None) -> Bank:
    """Join each picture with its nearest ones, and the parts that are left apart by their closest pairs.

    Args:
        points: different pictures, shape (m, *shape).
        neighbours: how many each picture is joined with, at least 1.
        components: principal components in whose space nearness is measured; None: in model input space.
    """
    project = _projection(points, components)
    places = project(points)
    apart = _apart(places)
    found = np.argsort(apart, axis=1, kind="stable")[:, : neighbours + 1]  # each picture finds itself too
    pairs = np.array([(i, j) for i, row in enumerate(found) for j in _others(i, row, neighbours)]).reshape(-1, 2)
    pairs = np.unique(np.sort(pairs.astype(np.int64), axis=1), axis=0)
    pairs = np.concatenate([pairs, _bridges(apart, pairs)])

    def nearest(wanted: Floats) -> Ints:
        rows = [distances(places, place) for place in project(wanted)]
        return np.argsort(rows, axis=1, kind="stable")[:, :neighbours]

    lengths = apart[pairs[:, 0], pairs[:, 1]]
    if components is not None:
        lengths = np.array([distance(points[i], points[j]) for i, j in pairs], dtype=np.float64)
    return Bank(points, nearest, pairs, lengths)


def distances(rows: Floats, point: Floats) -> Array:
    """Euclidean distances from each of `rows` (n, d) to `point` (d,), float64, shape (n,).

    By differences, a few rows at a time: a search index gains nothing on pictures, whose dimension it would have to
    go through all the same, with copies of them all in float64.
    """
    step = max(1, BLOCK // rows.shape[1])
    found = np.empty(len(rows))
    for start in range(0, len(rows), step):
        gaps = rows[start : start + step] - point
        found[start : start + step] = np.einsum("nd,nd->n", gaps, gaps, dtype=np.float64)
    result: Array = np.sqrt(found)
    return result


def _apart(places: Floats) -> Array:
    """The distance of each two, shape (m, m)."""
    apart = np.zeros((len(places), len(places)))
    for i, place in enumerate(places):
        apart[i, i + 1 :] = apart[i + 1 :, i] = distances(places[i + 1 :], place)
    return apart


def distance(a: Floats, b: Floats) -> float:
    """Euclidean distance of two points, added up in float64 by one thread."""
    return float(distances(a.reshape(1, -1), b.ravel())[0])


def _digest(point: Floats) -> bytes:
    return sha256(np.ascontiguousarray(point + 0.0).data).digest()  # -0 becomes 0: equal numbers, equal bits


def _others(i: int, row: Ints, most: int) -> list[int]:
    return [int(j) for j in row if j != i][:most]


def _projection(points: Floats, components: int | None) -> Callable[[Floats], Floats]:
    """From pictures to rows of coordinates."""
    if components is None or len(points) == 1:  # one picture has no components, and is next to everything
        return lambda wanted: wanted.reshape(len(wanted), -1)
    from sklearn.decomposition import PCA

    flat = points.reshape(len(points), -1)
    pca = PCA(min(components, *flat.shape), svd_solver="full").fit(flat)  # exact: the seed does not matter

    def project(wanted: Floats) -> Floats:
        rows: Floats = pca.transform(wanted.reshape(len(wanted), -1))
        return rows

    return project


def _bridges(apart: Array, pairs: Ints) -> Ints:
    """One edge between the closest pictures of parts that `pairs` leaves apart: a shortest tree over the parts."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    m = len(apart)
    edges = coo_array((np.ones(len(pairs)), tuple(pairs.T.astype(np.int32))), shape=(m, m))
    parts, part = connected_components(edges, directed=False)
    if parts == 1:
        return np.empty((0, 2), dtype=np.int64)
    closest = np.zeros((parts, parts, 2), dtype=np.int64)
    gaps = np.zeros((parts, parts))
    for a in range(parts):
        for b in range(a + 1, parts):
            inside, outside = np.flatnonzero(part == a), np.flatnonzero(part == b)
            i, j = np.unravel_index(apart[np.ix_(inside, outside)].argmin(), (len(inside), len(outside)))
            closest[a, b] = sorted((inside[i], outside[j]))
            gaps[a, b] = max(apart[inside[i], outside[j]], np.finfo(np.float64).tiny)  # 0 would be no edge
    a, b = minimum_spanning_tree(gaps).nonzero()
    bridges: Ints = closest[a, b]
    return bridges
