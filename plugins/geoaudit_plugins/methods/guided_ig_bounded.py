"""Guided Integrated Gradients, bounded: no feature may run far ahead of, or stay far behind, the others.

The walk of `guided-ig`, which moves the features with the smallest derivatives first, within a band around the
straight line: after a share a of the way every feature's progress lies within [a - max_dist, a + max_dist], the
released code's bound.  A feature that falls out of the band is first moved to its edge, whatever its derivative.

The paper's anchored variant (unbounded walks between points of the straight line) is another algorithm that the
released code does not contain.  At the published max_dist of 0.02 the walk stays close to the straight line, and the
map close to that of `integrated-gradients`; at 1 it is `guided-ig`.

Defaults: `fraction` and `max_dist` are the released code's; `steps` is 60 instead of 200, for the recorded walk is
integrated again until the error bar is met, so that fewer steps cost detail of the walk, not completeness.

Integration, bookkeeping and what follows from them: as for `guided-ig`.  Complete up to the error bar.

What it cannot show: the band keeps the walk near pictures that fade in evenly, and with them near the noise that
the unbounded walk goes round.  A map of it must be read with its max_dist beside it.

Source: Kapishnikov et al., CVPR 2021, arXiv 2106.09788; defaults of the authors' released code but for
`steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from geoaudit.api import Parameters, Runs
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
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": 30}, "thorough": {"steps": 200}}
    Parameters: ClassVar[type[Parameters]] = GuidedIGBoundedParameters
