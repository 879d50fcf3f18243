"""What accumulates while groups of images pass: scores, curves and costs, never maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoaudit.api import Cost, Method, Scores, SweepCurves
from geoaudit.audit.curves import Curves
from geoaudit.audit.rows import Row, Rows
from geoaudit.scoring.sweep import srg

Array = npt.NDArray[np.float64]


@dataclass
class Repeats:
    """A stochastic method's maps of the first images under several seeds.

    Attributes:
        seeds: those that gave maps, the run's own first.
        images: number of images.
        similarity: for each image the median over pairs of seeds of Spearman's correlation of |A|, nan where a map
            is constant; empty with fewer than two seeds.
        scores: by metric, shape (seeds, images), nan where missing.
        cost: spent on the maps under the other seeds.
        seconds: time spent on it.
        error: why a repeat is missing.
    """

    seeds: list[int]
    images: int
    similarity: Array
    scores: Mapping[str, Array]
    cost: Cost
    seconds: float
    error: str | None = None


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
        skipped: why the method is not applicable here; it has no results then, and that is no failure.
        notes: what the method says about how its maps were made, each sentence once.
        repeats: what other seeds make of it; None for deterministic methods.
    """

    method: Method
    rows: list[Row] | Rows = field(default_factory=list)
    curves: list[SweepCurves] | Curves = field(default_factory=list)
    readings: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    error: str | None = None
    skipped: str | None = None
    notes: list[str] = field(default_factory=list)
    repeats: Repeats | None = None

    @classmethod
    def merging(cls, method: Method) -> Tally:
        """An empty tally for any number of groups: its rows and curves are packed."""
        return cls(method, Rows(), Curves())

    @property
    def over(self) -> bool:
        """Whether no more groups are computed."""
        return self.error is not None or self.skipped is not None

    def note(self, sentences: Iterable[str]) -> None:
        """Keep the sentences that are new, in the order in which they came."""
        self.notes += [sentence for sentence in dict.fromkeys(sentences) if sentence not in self.notes]

    def not_applicable(self, reason: str) -> None:
        """Take back what there is: the method says nothing about these images."""
        self.skipped = reason
        self.rows.clear()
        self.curves.clear()
        self.readings.clear()

    def column(self, metric: str) -> Array:
        """The metric's values, nan where missing, shape (n,)."""
        if isinstance(self.rows, Rows):
            return np.array(self.rows.column(metric), dtype=np.float64)
        return np.array([row.scores.get(metric, np.nan) for row in self.rows], dtype=np.float64)

    def add_scores(self, metric: str, scores: Scores) -> None:
        """Put one metric's scores into the newest rows."""
        newest = self.rows[-len(scores.values) :]
        for row, value, reason in zip(newest, scores.values, scores.reasons, strict=True):
            row.scores[metric] = float(value)
            row.reasons[metric] = reason

    def leave_out(self, metrics: Iterable[str], newest: int, reason: str) -> None:
        """Give the newest rows' scores that were not computed their reason."""
        for row in self.rows[-newest:]:
            for metric in metrics:
                if metric not in row.scores:
                    row.scores[metric], row.reasons[metric] = np.nan, reason

    def srg_by_imputer(self, imputers: int) -> Array:
        """SRG of each image and imputer, nan where the sweep is missing, shape (n, imputers)."""
        if self.error is not None or not self.curves:
            return np.full((len(self.rows), imputers), np.nan)
        found = np.concatenate(self.curves.gains if isinstance(self.curves, Curves) else [srg(c) for c in self.curves])
        return np.concatenate([found, np.full((len(self.rows) - len(found), imputers), np.nan)])
