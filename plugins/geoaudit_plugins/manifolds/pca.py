"""A flat manifold through a set of pictures: their mean and principal components (scikit-learn).

D(z) = mean + sum_k z_k v_k with orthonormal v_k, and E(x) = (v_k . (x - mean))_k: what is orthogonal to the components
is left out by E and has to be carried by whoever walks.  The components are linear combinations of the pictures, so
that a few dozen pictures span little of what pictures can be: a stand-in for a trained autoencoder, not its equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Calibration, Floats

Array = npt.NDArray[np.float64]
_BATCH = 16
_NEGLIGIBLE = 1e-10
"""Variance, as a share of the largest component's, below which a component is rounding."""


@dataclass(frozen=True)
class PcaManifold:
    """A `geoaudit.api.Autoencoder` made of principal components.

    All products are sums by one thread, row by row: BLAS would fight torch's threads for the cores, and the last bits
    would depend on how many points are asked for together.

    Attributes:
        mean: the pictures' mean, float64, shape (d,).
        components: orthonormal directions, float64, shape (k, d), by falling variance.
        variance: share of the pictures' variance that they hold, in (0, 1].
        pictures: number of pictures that they were learned from.
        shape: shape of one picture.
    """

    mean: Array
    components: Array
    variance: float
    pictures: int
    shape: tuple[int, ...]

    @property
    def code_shape(self) -> tuple[int, ...]:
        """One number a component."""
        return (len(self.components),)

    def encode(self, points: Floats) -> Floats:
        """Codes, float64, (m, k), of points (m, *shape)."""
        rows = points.reshape(len(points), -1)
        return np.stack([self._along(row.astype(np.float64) - self.mean) for row in rows])

    def decode(self, codes: Floats) -> Floats:
        """Points, float64, (m, *shape), of codes (m, k)."""
        rows = [self.mean + np.einsum("k,kd->d", code, self.components) for code in codes.astype(np.float64)]
        return np.stack(rows).reshape(-1, *self.shape)

    def pull_back(self, codes: Floats, gradients: Floats) -> Floats:
        """Gradients by the code, float64, (m, k), from gradients by the point (m, *shape); codes do not matter."""
        return np.stack([self._along(row.astype(np.float64)) for row in gradients.reshape(len(gradients), -1)])

    def _along(self, row: Array) -> Array:
        found: Array = np.einsum("d,kd->k", row, self.components)
        return found


def learn(calibration: Calibration, pictures: int, components: int) -> PcaManifold | None:
    """The manifold of some pictures.

    Args:
        calibration: the pictures, at least two; they are thinned out evenly.
        pictures: how many are held in memory, at most.
        components: directions, at most; there are never more than pictures less one, or than elements of a picture.

    Returns:
        None if the pictures are all the same.
    """
    from sklearn.decomposition import PCA

    count = min(pictures, len(calibration))
    chosen = np.unique(np.linspace(0, len(calibration) - 1, count).round().astype(int)).tolist()
    points = np.concatenate([calibration.points(chosen[i : i + _BATCH]) for i in range(0, len(chosen), _BATCH)])
    shape = points.shape[1:]
    if not (points != points[0]).any():
        return None
    rows = points.reshape(len(points), -1)
    found = PCA(min(components, len(rows) - 1, rows.shape[1]), svd_solver="full", copy=False).fit(rows)
    kept = found.explained_variance_ > _NEGLIGIBLE * found.explained_variance_[0]
    return PcaManifold(
        mean=found.mean_.astype(np.float64),
        components=found.components_[kept].astype(np.float64),
        variance=float(found.explained_variance_ratio_[kept].sum(dtype=np.float64)),
        pictures=len(chosen),
        shape=shape,
    )
