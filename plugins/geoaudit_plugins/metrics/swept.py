"""Reading the masked-forward sweep; shared by the metrics that need it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit import Evidence, Scores, SweepCurves
from geoaudit.errors import PluginError

HALF = 0.5 + 1e-9
"""Fractions up to one half count; the margin is for rounding."""


def curves_of(evidence: Evidence, metric: str) -> SweepCurves:
    """The sweep.

    Raises:
        PluginError: the sweep was not made.
    """
    if evidence.sweep is None:
        raise PluginError(metric, "needs the masked-forward sweep", 'Declare needs = {"sweep"}.')
    return evidence.sweep


def early(curves: npt.NDArray[np.float64], fractions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The part of `curves` (n, p, k) at fractions in (0, 1/2], shape (n, p, k')."""
    return curves[..., (fractions > 0) & (fractions <= HALF)]


def mean_scores(parts: npt.NDArray[np.float64]) -> Scores:
    """Means of `parts` (n, p, k') over imputers and fractions; null where there are no fractions."""
    if parts.shape[-1] == 0:
        return Scores.of(np.full(len(parts), np.nan), ["too few regions"] * len(parts))
    return Scores.of(parts.mean(axis=(1, 2)))
