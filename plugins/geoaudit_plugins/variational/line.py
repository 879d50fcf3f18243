"""Where the vertices of a walk lie on the straight line before they move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Problems, Recorded
from geoaudit_plugins.variational.energy import Walks, norm

Array = npt.NDArray[np.float64]


def straight_walks(line: Recorded, problems: Problems, points: int, even: float) -> tuple[Walks, Array]:
    """Straight walks of `points` segments that share out the lines' conformal length.

    Args:
        line: the straight lines with their gradients; no image equals its baseline.
        problems: the same n images.
        points: number of segments.
        even: share of the vertices that is spread evenly over the line instead.

    Returns:
        The walks, and their vertices' parameters, ascending from 0 to 1, float64, shape (n, points + 1).
    """
    places, steepness = [], []
    for vertices, gradients in zip(line.vertices, line.gradients, strict=True):
        norms = norm(gradients[None])[0]
        places.append(_shared_out(vertices, norms, points, even))
        steepness.append([norms[0], norms[-1]])
    t = np.stack(places)
    way = (problems.x - problems.baseline)[:, None]
    walk: Floats = problems.baseline[:, None] + t.astype(way.dtype)[:, :, None, None, None] * way
    walk[:, -1] = problems.x
    ends = np.stack([problems.f_baseline, problems.f_x], axis=1)
    return Walks(walk, problems.targets, ends, np.array(steepness, dtype=np.float64)), t


def cut(vertices: Floats, pieces: int) -> Floats:
    """The same polyline (m, *shape) with every segment cut into equal pieces, (pieces (m - 1) + 1, *shape)."""
    shares = (np.arange(pieces) / pieces).astype(vertices.dtype)[None, :, None, None, None]
    inner = vertices[:-1, None] + shares * (vertices[1:] - vertices[:-1])[:, None]
    return np.concatenate([inner.reshape(-1, *vertices.shape[1:]), vertices[-1:]])


def _shared_out(nodes: Floats, norms: Array, points: int, even: float) -> Array:
    """Parameters of the vertices, from the line's nodes (m, *shape) and the gradients' norms there (m,)."""
    distances = norm(np.diff(nodes, axis=0)[None])[0]
    way = distances / distances.sum()
    lengths = way * (norms[:-1] + norms[1:])
    total = lengths.sum()
    lengths = even * way + (1 - even) * lengths / total if total > 0 else way
    progress, t = (np.concatenate([[0.0], np.cumsum(part)]) for part in (lengths, way))
    found: Array = np.interp(np.linspace(0.0, progress[-1], points + 1), progress, t)
    found[0], found[-1] = 0.0, 1.0
    return found
