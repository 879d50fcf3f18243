"""Whether two maps that should be the same map are the same, up to rounding.

For maps A and B of one image:

    difference     ||A - B|| / max(||A||, ||B||)     Euclidean norms over all elements; 0 the same, 1.4 unrelated, 2 -A
    correlation    Spearman's, of |A| and |B|        the order of importance; 0 where one map alone has no order

Maps that differ by less than 1e-5 are the same map, whatever their orders: elements that are equal by design (those
behind a pool, a constant weight) get an order from the last bit, and lose it by the next way to add up.

Two ways to compute the same thing round differently: about 1e-7 of the input at every step in single precision.  A
gradient is continuous only between the kinks of a network, and rounding decides on which side of a kink a point is
taken; what decides step by step (which features move next, whose sign is followed) may then go another way.
The same rounding can be had for nothing: the picture itself, moved at random by one unit of it.  Where two maps
differ by more than is allowed, this third map is made, and where it differs as much (more than a third as much),
nothing was shown but that the method cannot tell one picture from itself: such an image is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field

from geoaudit.api import Floats, Parameters, Problems, Status
from geoaudit_plugins.sanity.similarity import spearman

_EXPLAINED = 3.0
_EQUAL = 1e-5  # a difference below which elements are told apart by their last bits


class AgreementParameters(Parameters):
    """How many maps are compared, and when two count as the same."""

    images: int = Field(1, ge=1, description="images examined, the first ones")
    nodes: int = Field(16, ge=2, description="first nodes of the integrator for the maps")
    same: float = Field(0.05, gt=0, description="largest difference, as a share of the map's size, that rounding is")
    order: float = Field(0.95, ge=-1, le=1, description="least rank correlation that rounding leaves")


@dataclass(frozen=True)
class Agreement:
    """Two maps of one image.

    Attributes:
        image: its id.
        difference: in [0, 2]; None where there is no number.
        correlation: in [-1, 1], 0 where one map is constant; None where both are, or one is not finite.
        rounding: the difference that rounding the picture makes; None where it was not asked for.
        reason: why the image is not judged; None where it is.
    """

    image: str
    difference: float | None
    correlation: float | None
    rounding: float | None = None
    reason: str | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """As it stands in the report."""
        return {
            "correlation": self.correlation, "difference": self.difference, "image": self.image,
            "reason": self.reason, "rounding": self.rounding,
        }  # fmt: skip

    def misses(self, p: AgreementParameters) -> tuple[bool, bool]:
        """Whether the maps differ by more than rounding, and whether their orders do."""
        far = self.difference is not None and self.difference > p.same
        return far, self.order is not None and self.order < p.order

    @property
    def order(self) -> float | None:
        """The correlation; None too where the maps differ in their last bits alone."""
        return None if self.difference is None or self.difference < _EQUAL else self.correlation

    def beside(self, rounded: Agreement) -> Agreement:
        """With what rounding the picture did: not judged where that explains the difference."""
        if self.difference is None or rounded.difference is None:
            return self
        explained = rounded.difference * _EXPLAINED >= self.difference
        reason = f"rounding {self.image} alone changes its map as much" if explained else None
        return replace(self, rounding=rounded.difference, reason=reason)


def agreement(image: str, a: Floats, b: Floats) -> Agreement:
    """Compare two maps of one image, both of any float dtype and the same shape."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    sizes = [float(np.sqrt(np.square(m).sum())) for m in (one, other, one - other)]
    if not all(map(math.isfinite, sizes)):
        return Agreement(image, None, None, reason=f"a map of {image} is not finite")
    if max(sizes[:2]) == 0.0:
        return Agreement(image, None, None, reason=f"the map of {image} is 0 everywhere")
    ordered = [bool(np.ptp(np.abs(m))) for m in (one, other)]
    order = spearman(one, other) if all(ordered) else 0.0 if any(ordered) else None
    return Agreement(image, sizes[2] / max(sizes[:2]), order)


def rounded(problems: Problems, unit: Floats, rngs: Sequence[np.random.Generator]) -> Problems:
    """The problems with every element of image and baseline moved up or down by one unit, or left, at random.

    Args:
        problems: n problems; `f_x` and `f_baseline` stay as they are.
        unit: of rounding, in model input units; broadcasts against one picture.
        rngs: one an image.
    """
    x, baseline = problems.x.copy(), problems.baseline.copy()
    for i, rng in enumerate(rngs):
        for points in (x, baseline):
            points[i] += (unit * rng.integers(-1, 2, points[i].shape)).astype(points.dtype)
    return replace(problems, x=x, baseline=baseline)


@dataclass(frozen=True)
class Verdict:
    """What several images say together.

    Attributes:
        status: PASS, WARN (either the sizes or the order change), FAIL (both do), INCONCLUSIVE.
        reason: a sentence's end: "differ by at most ..."; or why no image could be judged.
        worst: the largest difference that was judged.
    """

    status: Status
    reason: str
    worst: float | None


def verdict(rows: Sequence[Agreement], p: AgreementParameters) -> Verdict:
    """The verdict on the worst of the images that can be judged.

    Args:
        rows: one an image, at least one.
        p: the thresholds.
    """
    judged = [row for row in rows if row.reason is None]
    if not judged:
        return Verdict(Status.INCONCLUSIVE, "; ".join(dict.fromkeys(r.reason for r in rows if r.reason)), None)
    grades = [sum(row.misses(p)) for row in judged]
    status = (Status.PASS, Status.WARN, Status.FAIL)[max(grades)]
    worst = max(judged, key=lambda row: row.difference or 0.0).difference
    orders = [row.order for row in judged if row.order is not None]
    text = f"differ by at most {percent(worst or 0.0)} of their size"
    text += f" (rank correlation {min(orders):.2g})" if orders else ""
    if left := len(rows) - len(judged):
        text += f"; {left} of {len(rows)} images cannot be judged"
    return Verdict(status, text, worst)


def percent(share: float) -> str:
    """A share as a person reads it: "0.03 %", "12 %"; 0.01 % stands for all below it."""
    return f"{100 * max(share, 1e-4):.2g} %" if share < 1 else f"{100 * share:.0f} %"
