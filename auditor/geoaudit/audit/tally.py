"""What accumulates while groups of images pass: scores, curves and costs, never maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoaudit.api import Cost, Method, Scores, SweepCurves, WalkRecord

Array = npt.NDArray[np.float64]


@dataclass
class Row:
    """One map: a method on an image."""

    image: str
    delta_f: float
    scores: dict[str, float]
    reasons: dict[str, str | None]
    record: WalkRecord | None
    ncc_profile: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Tally:
    """One method's or control's results so far.

    Attributes:
        method: the method.
        rows: one an image, in the images' order.
        curves: the headline sweep of every group so far.
        readings: SRG by (region side, order), one value an image.
        cost: spent on making the maps.
        seconds: time spent on it.
        error: why the method was given up; its later groups are not computed.
    """

    method: Method
    rows: list[Row] = field(default_factory=list)
    curves: list[SweepCurves] = field(default_factory=list)
    readings: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    error: str | None = None

    def column(self, metric: str) -> Array:
        """The metric's values, nan where missing, shape (n,)."""
        return np.array([row.scores.get(metric, np.nan) for row in self.rows], dtype=np.float64)

    def add_scores(self, metric: str, scores: Scores) -> None:
        """Put one metric's scores into the newest rows."""
        newest = self.rows[-len(scores.values) :]
        for row, value, reason in zip(newest, scores.values, scores.reasons, strict=True):
            row.scores[metric] = float(value)
            row.reasons[metric] = reason

    def srg_by_imputer(self, imputers: int) -> Array:
        """SRG of each image and imputer, nan where the sweep is missing, shape (n, imputers)."""
        if self.error is not None or not self.curves:
            return np.full((len(self.rows), imputers), np.nan)
        return np.concatenate([c.area("lerf") - c.area("morf") for c in self.curves])
