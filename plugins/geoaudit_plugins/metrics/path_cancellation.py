"""Path cancellation: does the output go back and forth along the walk?"""

from __future__ import annotations

import math

import numpy as np

from geoaudit import Attributions, Evidence, Metric, Problems, Scores
from geoaudit_plugins.metrics.assessable import claims


class PathCancellation(Metric):
    """1 - |f(end) - f(start)| / total variation of f along the walk, in [0, 1).

    Cancellation along the path, not between features: another thing than NCC.  Null for maps without a walk
    and for a degenerate baseline.
    """

    id = "path-cancellation"
    title = "Path cancellation"
    reference = "Total variation along the path, in the metric of Salek and Enguehard 2025 (arXiv 2502.12108)"
    higher_is_better = False
    ideal = 0.0

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image."""
        values: list[float] = []
        why: list[str | None] = []
        degenerates = np.isnan(claims(attributions, problems))
        for record, degenerate in zip(attributions.records, degenerates, strict=True):
            values.append(math.nan if record is None or degenerate else record.path_cancellation)
            why.append("no walk" if record is None else "degenerate baseline" if degenerate else None)
        return Scores.of(values, why)
