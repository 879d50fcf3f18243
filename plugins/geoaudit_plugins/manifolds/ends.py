"""The two ends of walks on a manifold: their codes, and what the manifold leaves out of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Autoencoder, Floats, Problems

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ends:
    """Where the walks of n problems start and end on a manifold.

    Attributes:
        start: codes of the baselines, flattened, float64, shape (n, k).
        way: codes of the images less `start`, same shape.
        residual_start: baselines less what is decoded from their codes, dtype of the images, shape (n, *shape).
        residual_end: the same for the images.
        left_out: the largest share, over the images, of the way from baseline to image that is no way on the manifold,
            as Euclidean lengths; 0 if no image differs from its baseline.
    """

    start: Array
    way: Array
    residual_start: Floats
    residual_end: Floats
    left_out: float

    @classmethod
    def on(cls, manifold: Autoencoder, problems: Problems) -> Ends:
        """The ends of the problems' walks; two encodings and two decodings a problem."""
        n, dtype = len(problems), problems.x.dtype
        first, last = manifold.encode(problems.baseline), manifold.encode(problems.x)
        start = first.reshape(n, -1).astype(np.float64)
        before = (problems.baseline - manifold.decode(first)).astype(dtype, copy=False)
        after = (problems.x - manifold.decode(last)).astype(dtype, copy=False)
        way = _lengths(problems.x - problems.baseline)
        shares = _lengths(after - before)[way > 0] / way[way > 0]
        left_out = float(shares.max()) if len(shares) else 0.0
        return cls(start, last.reshape(n, -1).astype(np.float64) - start, before, after, left_out)


def _lengths(points: Floats) -> Array:
    """Each point's Euclidean length, float64, shape (n,)."""
    return np.array([np.sqrt(np.square(point, dtype=np.float64).sum()) for point in points])
