"""Guided Integrated Gradients, bounded: no feature may run far ahead of, or stay far behind, the others.

The bound is the released code's `max_dist`: after a share a of the way every feature's progress lies within
[a - max_dist, a + max_dist]. The paper's anchored variant (unbounded walks between points of the straight
line) is another algorithm that the released code does not contain. At the published max_dist of 0.02 the
walk stays close to the straight line; at 1 it is `guided-ig`.

Source: Kapishnikov et al., CVPR 2021, arXiv 2106.09788; defaults of the authors' released code but for
`steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from geoaudit.api import Parameters
from geoaudit_plugins.methods.guided_ig import GuidedIG, GuidedIGParameters


class GuidedIGBoundedParameters(GuidedIGParameters):
    """As for `guided-ig`, with a bound."""

    max_dist: float = Field(
        0.02, ge=0, le=1, description="bound on a feature's lead or lag in progress (released code)"
    )


class GuidedIGBounded(GuidedIG):
    """Guided IG within a band around the straight line."""

    id: ClassVar[str] = "guided-ig-bounded"
    title: ClassVar[str] = "Guided IG (bounded)"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": 30}, "thorough": {"steps": 200}}
    Parameters: ClassVar[type[Parameters]] = GuidedIGBoundedParameters
