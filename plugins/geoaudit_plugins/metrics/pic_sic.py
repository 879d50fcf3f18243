"""SIC: how much of the target's probability returns with how much of the image's information?

The softmax information curve of `geoaudit_plugins.metrics.pic`, where the procedure, its defaults, what it cannot show
and the departures from the published code are told.  Null with the reason where the blurred image holds as much
information as the image, or gives the target as much probability.

Source: Kapishnikov et al., ICCV 2019, arXiv 1906.02825, section 4.2.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit import Attributions, Evidence, Problems, Scores
from geoaudit_plugins.metrics.pic import SMALLEST_GAIN, PicMetric, score_of


class PicSic(PicMetric):
    """Area under the target's probability over the information, both rescaled, in [0, 1]."""

    id: ClassVar[str] = "pic-sic"
    title: ClassVar[str] = "Softmax information curve (SIC)"
    reference: ClassVar[str] = "Kapishnikov et al., ICCV 2019, arXiv 1906.02825"

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One area an image."""
        ends, steps = self.curves(attributions, problems, evidence)
        found = []
        for i, (blurred, whole) in enumerate(ends.probability):
            rises = whole - blurred > SMALLEST_GAIN
            fault = None if rises else "the target is no less probable on the blurred image than on the image"
            answers = ends.probability[i], steps.probability[i]
            found.append(score_of(attributions.values[i], ends, steps, i, answers, fault))
        return Scores.of([value for value, _ in found], [reason for _, reason in found])
