"""What the check model-randomization measures: how far outputs moved, and how alike the maps still are."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, nan, sqrt

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, InputSpace, Probe, Problems
from geoaudit_plugins.sanity import entropy, similarity
from geoaudit_plugins.sanity.randomise import Step

Array = npt.NDArray[np.float64]
READINGS = ("spearman", "spearman_signed", "ssim", "ssim_signed", "hog", "hog_signed")
"""Similarities of a randomised model's map to the original one."""


@dataclass(frozen=True)
class Measured:
    """One randomised model.

    Attributes:
        step: what was randomised.
        moved: change of the scores as a share of their spread; nan where a score is not finite.
        readings: for every image its numbers by name: `READINGS`, "input" (similarity to the picture's difference
            from the baseline), "beyond_input" (`Reference.compare`) and "entropy_rise"; nan where undefined.
        obstacle: why the method gave no maps; None where it did.
    """

    step: Step
    moved: float
    readings: tuple[dict[str, float], ...] = ()
    obstacle: str | None = None

    def mean(self, reading: str) -> float:
        """Mean over the images that have a value; nan where none has."""
        return mean([row[reading] for row in self.readings])


def mean(values: list[float]) -> float:
    """Mean of the finite values; nan where there is none."""
    finite = [value for value in values if isfinite(value)]
    return sum(finite) / len(finite) if finite else nan


def spread_scores(probe: Probe, problems: Problems) -> Array:
    """Every class' score at the images and their baselines, less its mean over them; shape (2 n, classes)."""
    scores = probe.scores(np.concatenate([problems.x, problems.baseline]))
    centred: Array = scores - scores.mean(axis=0)
    return centred


def moved(before: Array, after: Array) -> float:
    """How far outputs moved: the root mean square change of the centred scores over their root mean square.

    A constant added to a class changes no map and counts as no change.  Scores that have nothing to do with the old
    ones give 1 or more.  nan where a score is not finite, 0 where no score varies.

    Args:
        before, after: of `spread_scores`, for the unchanged and the randomised model.
    """
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return nan
    spread = sqrt((before**2).mean()) or sqrt((after**2).mean())
    return sqrt(((after - before) ** 2).mean()) / spread if spread > 0 else 0.0


class _Ranks:
    """The ranks of a map's magnitudes and of its signed values, and those of |x - baseline|, which are given."""

    def __init__(self, values: Floats, distance: Array) -> None:
        self.magnitudes = similarity.ranks(values)
        self.signed = similarity.ranks(values, signed=True)
        self.distance = distance


@dataclass
class Reference:
    """One image's original map and what it is compared with.

    Args:
        values: the original map, shape (*space.shape).
        distance: image less baseline, same shape: the map of a method that knows no model.
        space: the model's input.
        order: the ranks of the distance's magnitudes, flat.
    """

    values: Floats
    distance: Floats
    space: InputSpace
    order: Array
    floor: float = field(init=False)
    """Similarity of the original map to the input-only one, |A| against |x - baseline|."""

    def __post_init__(self) -> None:
        self._ranks = _Ranks(self.values, self.order)
        self._outlines = [similarity.outlines(self.values, self.space, signed) for signed in (False, True)]
        self.floor = similarity.correlation(self._ranks.magnitudes, self._ranks.distance)

    @property
    def constant(self) -> bool:
        """Whether the map is finite and has no order of importance."""
        magnitudes = np.abs(self.values)
        return bool(magnitudes.min() == magnitudes.max() < np.inf)

    def compare(self, values: Floats) -> dict[str, float]:
        """All readings of a randomised model's map of this image.

        Rank correlations leave out the elements where both maps are 0.  "beyond_input" is the partial rank correlation
        of both maps given |x - baseline|: what they share that the picture alone does not explain; nan where one of
        them is the picture.
        """
        a, space = self.values, self.space
        ours, ranks = self._together(values)
        found = {
            "spearman": similarity.correlation(ours.magnitudes, ranks.magnitudes),
            "spearman_signed": similarity.correlation(ours.signed, ranks.signed),
            "ssim": similarity.ssim(a, values, space),
            "ssim_signed": similarity.ssim(a, values, space, signed=True),
            "hog": similarity.correlation(self._outlines[0], similarity.outlines(values, space)),
            "hog_signed": similarity.correlation(self._outlines[1], similarity.outlines(values, space, signed=True)),
            "input": similarity.correlation(ranks.magnitudes, ranks.distance),
            "entropy_rise": entropy.rise(a, values),
        }
        floor = similarity.correlation(ours.magnitudes, ours.distance)
        found["beyond_input"] = partial(found["spearman"], floor, found["input"])
        return found

    def _together(self, values: Floats) -> tuple[_Ranks, _Ranks]:
        """The ranks of both maps among the elements where one of them is not 0; among all if nothing differs there."""
        shown = (self.values != 0) | (values != 0)
        if not shown.all():
            some = [np.abs(map_[shown]) for map_ in (self.values, values)]
            if all(part.size and part.max() > part.min() for part in some):
                distance = similarity.ranks(self.distance[shown])
                return _Ranks(self.values[shown], distance), _Ranks(values[shown], distance)
        return self._ranks, _Ranks(values, self.order)


def partial(both: float, first: float, second: float) -> float:
    """Correlation of two variables given a third, from the three plain ones; nan where one is the third itself.

    Args:
        both: of the two.
        first, second: of each with the third.
    """
    rest = (1.0 - first**2) * (1.0 - second**2)
    return min(max((both - first * second) / sqrt(rest), -1.0), 1.0) if rest > 1e-12 else nan
