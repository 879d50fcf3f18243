"""What is read from maps under perturbed models: whether they follow the model, and whether they keep still with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geoaudit.api import Status
from geoaudit_plugins.checks.model_perturbation_noise import Moved, Variant
from geoaudit_plugins.sanity import numbers
from geoaudit_plugins.sanity.similarity import spearman

_ORDER = (Status.FAIL, Status.WARN, Status.INCONCLUSIVE, Status.PASS)
_ROUNDING = 1e-9  # of a rank correlation that is exactly its limit


@dataclass(frozen=True)
class Limits:
    """Thresholds; see the parameters of the check."""

    small: float
    agreement: float
    monotone: float
    fall: float
    steady: float
    lost: float


@dataclass(frozen=True)
class Measured:
    """One perturbed model.

    Attributes:
        variant: which.
        moved: how far its function is from the audited model's.
        similarities: rank correlation of |A| with the audited model's map, one an image; nan where there is none.
    """

    variant: Variant
    moved: Moved
    similarities: tuple[float, ...]

    @property
    def similarity(self) -> float:
        """Mean over images that have one; nan where none has."""
        return _mean(self.similarities)


@dataclass(frozen=True)
class Level:
    """All seeds of one size of noise; means, nan where there is nothing to average."""

    sigma: float
    change: float
    agreement: float
    similarity: float


@dataclass(frozen=True)
class Reading:
    """A verdict.

    Attributes:
        name: "sensitivity" or "stability".
        status: the verdict.
        sentence: why.
        number: the number it rests on, if any.
        threshold: what that was held against.
    """

    name: str
    status: Status
    sentence: str
    number: float | None
    threshold: float

    @property
    def entry(self) -> dict[str, Any]:
        """As it stands in the report."""
        return {"estimate": self.number, "status": str(self.status), "threshold": self.threshold}


def levels(measured: Sequence[Measured]) -> list[Level]:
    """Means over the seeds of each size of noise, sizes ascending."""
    found = []
    for sigma in sorted({m.variant.sigma for m in measured}):
        rows = [m for m in measured if m.variant.sigma == sigma]
        found.append(
            Level(
                sigma,
                float(np.mean([m.moved.change for m in rows])),
                float(np.mean([m.moved.agreement for m in rows])),
                _mean([m.similarity for m in rows]),
            )
        )
    return found


def alike(moved: Moved, limits: Limits) -> bool:
    """Whether a perturbed model still computes the audited function, near enough."""
    return moved.agreement >= limits.agreement and moved.change <= limits.small


def sensitivity(measured: Sequence[Measured], limits: Limits) -> Reading:
    """Whether the similarity falls as the noise grows."""
    told = [level for level in levels(measured) if math.isfinite(level.similarity)]

    def reading(status: Status, sentence: str, number: float | None = None) -> Reading:
        return Reading("sensitivity", status, sentence, number, limits.fall)

    if all(alike(m.moved, limits) for m in measured):
        return reading(Status.INCONCLUSIVE, "No level of noise changed the function, so nothing had to follow.")
    if len(told) < 2:
        return reading(Status.INCONCLUSIVE, "The maps are constant or not finite, so there is no order to compare.")
    if all(alike(m.moved, limits) for m in measured if math.isfinite(m.similarity)):
        sentence = "Where maps can be compared no level of noise changed the function, so nothing had to follow."
        return reading(Status.INCONCLUSIVE, sentence)
    fall = told[0].similarity - told[-1].similarity
    order = monotony(told)
    ends = f"from {told[0].similarity:.2f} to {told[-1].similarity:.2f} as the weight noise grows"
    if fall >= limits.fall and order >= limits.monotone - _ROUNDING:
        return reading(Status.PASS, f"The map follows the model: similarity falls {ends}.", fall)
    if told[0].similarity < limits.lost:
        sentence = f"The least noise leaves a similarity of {told[0].similarity:.2f}, too little to see it fall."
        return reading(Status.INCONCLUSIVE, sentence, fall)
    if fall < limits.fall:
        return reading(Status.FAIL, f"The map does not follow the model: similarity goes {ends}.", fall)
    return reading(Status.WARN, f"Similarity falls {ends}, but not from level to level.", fall)


def stability(measured: Sequence[Measured], limits: Limits) -> Reading:
    """Whether the similarity stays high where the function does."""
    same = [m for m in measured if alike(m.moved, limits)]
    known = [m.similarity for m in same if math.isfinite(m.similarity)]

    def reading(status: Status, sentence: str, number: float | None = None) -> Reading:
        return Reading("stability", status, sentence, number, limits.steady)

    if not same:
        return reading(Status.INCONCLUSIVE, "No level of noise left the function as it was.")
    if not known:
        return reading(Status.INCONCLUSIVE, "Where the function stayed, the maps are constant or not finite.")
    kept = float(np.mean(known))
    where = f"on {len(known)} model{'s' if len(known) > 1 else ''} of nearly the same function"
    if kept < limits.lost:
        return reading(Status.FAIL, f"The map collapses to a similarity of {kept:.2f} {where}.", kept)
    if kept < limits.steady:
        return reading(Status.WARN, f"The map keeps a similarity of only {kept:.2f} {where}.", kept)
    return reading(Status.PASS, f"The map keeps a similarity of {kept:.2f} {where}.", kept)


def monotony(told: Sequence[Level]) -> float:
    """Spearman's correlation of the noise with the loss of similarity over levels, in [-1, 1]; 0 where none is lost."""
    found = spearman(np.array([v.sigma for v in told]), np.array([1 - v.similarity for v in told]), signed=True)
    return found if math.isfinite(found) else 0.0


def area(told: Sequence[Level]) -> float | None:
    """Mean similarity over the change of function from 0 (similarity 1) to the largest; None where it never changed."""
    points = sorted((v.change, v.similarity) for v in told if math.isfinite(v.change + v.similarity))
    x, y = np.array([0.0, *(p[0] for p in points)]), np.array([1.0, *(p[1] for p in points)])
    return float(np.trapezoid(y, x) / x[-1]) if x[-1] > 0 else None


def left_out(measured: Sequence[Measured]) -> str:
    """What the similarities do not rest on, as a sentence; empty where they rest on everything or on nothing."""
    whole = [m for m in measured if math.isfinite(m.moved.change)]
    pairs = [s for m in whole for s in m.similarities]
    broken, flat = len(measured) - len(whole), sum(not math.isfinite(s) for s in pairs)
    told = [f"{broken} of {len(measured)} perturbed models, whose scores are not finite"] if broken else []
    if 0 < flat < len(pairs):
        told.append(f"{flat} of {len(pairs)} pairs of maps, which have no order to compare")
    return f" Left out: {'; '.join(told)}." if told else ""


def worse(readings: Sequence[Reading]) -> Reading:
    """The reading with the worst verdict, the first of equals."""
    return min(readings, key=lambda r: _ORDER.index(r.status))


def entry(measured: Measured) -> Mapping[str, Any]:
    """One perturbed model as it stands in the report."""
    return {
        "agreement": measured.moved.agreement,
        "change": numbers.finite(measured.moved.change),
        "seed": measured.variant.seed,
        "sigma": measured.variant.sigma,
        "similarity": [numbers.finite(s) for s in measured.similarities],
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan
