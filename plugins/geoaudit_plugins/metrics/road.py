"""ROAD: what the probability does while the most, and the least, relevant pixels are taken out.

Single pixels, all channels together, are ordered by the map's summed magnitude |A| over the channels; ties are broken
by lots drawn from the image's id, so that a map that says nothing has no preferred place.  At each share q of the
pixels, 10, 30, 50, 70 and 90 %, two pictures are made: without the q most relevant pixels (MoRF) and without the q
least relevant ones (LeRF).  What is removed is filled by noisy linear imputation (`noisy-linear`), which hides better
than one colour where something was removed.  The score of an image is

    mean over q of   p(LeRF, q) - p(MoRF, q)

with p the probability of the explained class, from onnxruntime.  It lies in [-1, 1], a map that says nothing scores 0
on average, and a map whose order is reversed scores the negative.

Why the difference: each order alone also measures what the shape of the removed part gives away, and how much the
imputation harms the picture whatever is removed.  The two orders need not agree with each other; their difference,
the symmetric relevance gain with this imputer, cancels what they share.

What it cannot show: a map that marks single pixels and one that marks surfaces are filled differently, for the inside
of a large removed surface is flat (the imputation leaks smooth maps' outlines; its authors' issue tracker says so).
It reads the order alone, neither signs nor sizes.

Departures from the publication: it reports the accuracy on a data set for each share and order, MoRF and LeRF apart;
here every image has a number of its own, from the probability, so that intervals and paired tests over images are
possible.  Its shares are a parameter of the experiment; here they are the middles of equal parts of [0, 1], five by
default and ten under the thorough budget, so that the mean is the area between the two curves by the midpoint rule.

Source: Rong et al., ICML 2022, arXiv 2202.00449, sections 4 and 5; the difference of both orders: Bluecher,
Vielhaben, Strodthoff 2024, Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI Benchmarks, TMLR, arXiv
2401.06654, equation of the symmetric relevance gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice, product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Attributions, Cost, Evidence, Group, InputSpace, Metric, Parameters, Problems, Scores
from geoaudit.api import BudgetName, Floats, Ints
from geoaudit.scoring.regions import Grid, importance, relevance_places

IMPUTER = "noisy-linear"
CHUNK = 16
"""Imputed images held at a time."""


class RoadParameters(Parameters):
    """How much is removed."""

    shares: int = Field(5, ge=1, description="shares of the pixels removed, evenly spaced: 5 are 10, 30, 50, 70, 90 %")


class Road(Metric):
    """p(LeRF) - p(MoRF) under noisy linear imputation, mean over the shares removed, in [-1, 1]."""

    id: ClassVar[str] = "road"
    title: ClassVar[str] = "ROAD, least minus most relevant first"
    reference: ClassVar[str] = "Rong et al., ICML 2022 (arXiv 2202.00449); Bluecher et al. 2024 (arXiv 2401.06654)"
    higher_is_better: ClassVar[bool | None] = True
    ideal: ClassVar[float | None] = 1.0
    needs = frozenset({"probe"})
    reads_importance: ClassVar[bool] = True
    from_budget: ClassVar[BudgetName] = "standard"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"thorough": {"shares": 10}}
    Parameters: ClassVar[type[Parameters]] = RoadParameters
    parameters: RoadParameters

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image; null where the map is not finite, or the image a single pixel."""
        counts = self.counts(problems.space)
        finite = [bool(np.isfinite(values).all()) for values in attributions.values]
        rows = [i for i, fine in enumerate(finite) if fine] if counts.size else []
        probabilities = self._probabilities(attributions.values, rows, counts, evidence.group)
        scores = np.full(len(problems), np.nan)
        scores[rows] = (probabilities[:, 1] - probabilities[:, 0]).mean(axis=-1)
        why = "the image is a single pixel" if not counts.size else "the map is not finite"
        return Scores.of(scores, [None if i in rows else why for i in range(len(problems))])

    def score_inverted(
        self, attributions: Attributions, problems: Problems, evidence: Evidence, scores: Scores
    ) -> Scores:
        """The two orders exchanged."""
        return Scores(-scores.values, scores.reasons)

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """Two forwards a share."""
        return Cost(forwards=2 * len(self.counts(space))), Cost()

    def inversion_cost(self, space: InputSpace) -> Cost:
        """Nothing."""
        return Cost()

    def counts(self, space: InputSpace) -> Ints:
        """Pixels removed at each share, at least one and never all, int64, shape (k,); empty for a single pixel."""
        pixels = space.size[0] * space.size[1]
        if pixels < 2:
            return np.empty(0, dtype=np.int64)
        shares = (2 * np.arange(self.parameters.shares) + 1) / (2 * self.parameters.shares)
        return np.clip(np.rint(shares * pixels), 1, pixels - 1).astype(np.int64)

    @staticmethod
    def _probabilities(values: Floats, rows: list[int], counts: Ints, group: Group) -> npt.NDArray[np.float64]:
        """The targets' probabilities, shape (len(rows), 2, len(counts)): most, then least relevant pixels removed."""
        problems, filler = group.problems, group.filler(IMPUTER)
        height, width = problems.space.size
        grid = Grid(height, width, 1)
        found = np.empty((len(rows), 2, len(counts)))
        order: tuple[int, Ints] | None = None
        jobs = product(range(len(rows)), (0, 1), range(len(counts)))
        while chunk := list(islice(jobs, CHUNK)):
            images = np.array([rows[row] for row, _, _ in chunk])
            removed = np.empty((len(chunk), height * width), dtype=np.bool_)
            for k, (row, least, share) in enumerate(chunk):
                if order is None or order[0] != row:
                    order = row, _places(values[rows[row]], problems, rows[row], grid)
                places, count = order[1], counts[share]
                removed[k] = places >= height * width - count if least else places < count
            points = filler(images, removed.reshape(-1, height, width))
            for job, p in zip(chunk, group.probe.probabilities(points, problems.targets[images]), strict=True):
                found[job] = p
        return found


def _places(values: Floats, problems: Problems, image: int, grid: Grid) -> Ints:
    """Each pixel's place in the map's order, 0 the most relevant, shape (height * width,)."""
    return relevance_places(importance(values, problems.space, grid, "magnitude"), problems.ids[image])
