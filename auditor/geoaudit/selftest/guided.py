"""Guided IG on functions of two features: adaptive walks whose attributions are known.

The formulas hold for the walk in S equal steps, not only in its limit.  For (2 x1 + x2)^2 from (0, 0) to
(3, 3) the slope in x2 is half the slope in x1, so without a bound x2 goes first; only the first step moves
both (all slopes are 0 at the start) by h = 3 / S each.  For odd S a later step ends exactly at (h, 3), and
the corners (0, 0), (h, h), (h, 3), (3, 3) give A_1 = 72 - 12 h + 2 h^2 and A_2 = 9 + 12 h - 2 h^2.

Source: Kapishnikov et al., CVPR 2021, arXiv 2106.09788; the cases marked "published" were computed once with
the authors' released code (saliency 0.2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geoaudit.selftest.models import LINEAR, SQUARED_SUM, WEIGHTED_SQUARES, Model


@dataclass(frozen=True)
class GuidedCase:
    """A model, settings of the method `guided-ig`, and the attribution from (0, 0) to (3, 3).

    Attributes:
        name: for people.
        model: the model.
        settings: the method's parameters, as a user would give them.
        attribution: A of the two features.
        within: largest allowed difference of a feature's attribution, in output units.
        because: why not less.
        quick: part of the calibration of every audit.
    """

    name: str
    model: Model
    settings: Mapping[str, str]
    attribution: tuple[float, float]
    within: float
    because: str
    quick: bool = False


_ROUNDING = (1e-9, "float64 rounding over the steps")
_DIGITS = (1e-5, "the reference has six digits or more")
_BAR = (2e-3, "the error bar of 1e-4 of 81")
_H = 3 / 201


def _settings(steps: int, fraction: float, max_dist: float, rule: str) -> dict[str, str]:
    return {"steps": str(steps), "fraction": str(fraction), "max_dist": str(max_dist), "rule": rule}


CASES = (
    GuidedCase("linear, no bound", LINEAR, _settings(50, 0.25, 1, "left"), (6, -3), *_ROUNDING, quick=True),
    GuidedCase("linear, bound .02", LINEAR, _settings(50, 0.25, 0.02, "refined"), (6, -3), *_ROUNDING),
    GuidedCase(
        "separable, no bound", WEIGHTED_SQUARES, _settings(50, 0.25, 1, "refined"), (4.5, 9), *_ROUNDING
    ),
    GuidedCase(
        "no band, so the straight line's left sum", SQUARED_SUM, _settings(100, 0.25, 0, "left"),
        (54 * (1 - 1 / 100), 27 * (1 - 1 / 100)), *_ROUNDING, quick=True,
    ),
    GuidedCase(
        "all features move, so the straight line's left sum", SQUARED_SUM, _settings(100, 1, 1, "left"),
        (54 * (1 - 1 / 100), 27 * (1 - 1 / 100)), *_ROUNDING,
    ),
    GuidedCase(
        "no bound, integrated", SQUARED_SUM, _settings(201, 0.1, 1, "refined"),
        (72 - 12 * _H + 2 * _H**2, 9 + 12 * _H - 2 * _H**2), *_BAR,
    ),
    GuidedCase(
        "published, bound .02, 200 steps", SQUARED_SUM, _settings(200, 0.25, 0.02, "left"),
        (55.1304, 25.4628), *_DIGITS, quick=True,
    ),
    GuidedCase(
        "published, bound .2, 1000 steps", SQUARED_SUM, _settings(1000, 0.1, 0.2, "left"),
        (65.4444, 15.471), *_DIGITS,
    ),
    GuidedCase(
        "published, no bound, 1000 steps", SQUARED_SUM, _settings(1000, 0.1, 1, "left"),
        (71.892036, 9.017982), *_DIGITS,
    ),
)  # fmt: skip
"""The Guided IG cases."""
