"""AIC: how soon does the model name the target again, measured in the image's information?

The accuracy information curve of `geoaudit_plugins.metrics.pic`, where the procedure, its defaults, what it cannot show
and the departures from the published code are told.  The answer is 1 where the target is the class with the highest
probability, else 0; on one image the curve is a step, or several joined by slopes, and the mean over images is the
accuracy that the paper draws.  Null with the reason where the blurred image holds as much information as the image, is
named the target already, or the image itself is not.

Source: Kapishnikov et al., ICCV 2019, arXiv 1906.02825, section 4.2.
"""

from __future__ import annotations

from typing import ClassVar

from geoaudit import Attributions, Evidence, Problems, Scores
from geoaudit_plugins.metrics.pic import PicMetric, score_of


class PicAic(PicMetric):
    """Area under "the model names the target" over the rescaled information, in [0, 1]."""

    id: ClassVar[str] = "pic-aic"
    title: ClassVar[str] = "Accuracy information curve (AIC)"
    reference: ClassVar[str] = "Kapishnikov et al., ICCV 2019, arXiv 1906.02825"

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One area an image."""
        ends, steps = self.curves(attributions, problems, evidence)
        found = []
        for i, (blurred, whole) in enumerate(ends.named):
            fault = "the model does not name the target on the image" if not whole else None
            if whole and blurred:
                fault = "the model names the target on the blurred image already"
            answers = ends.named[i].astype(float), steps.named[i].astype(float)
            found.append(score_of(attributions.values[i], ends, steps, i, answers, fault))
        return Scores.of([value for value, _ in found], [reason for _, reason in found])
