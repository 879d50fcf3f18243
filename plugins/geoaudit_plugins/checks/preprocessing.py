"""Preprocessing: does the model see the pictures as it was trained to?

Only labels can tell.  Where labelled images exist and the accuracy is what guessing would give, the
preprocessing is the first suspect, and every map explains a model that sees noise.  Binomial test.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from geoaudit.api import Check, Finding, Probe, Problems, Status, Subject
from geoaudit.images.labels import chance_test

LEVEL = 0.05
"""An accuracy that guessing reaches less often than this is above chance."""


class Preprocessing(Check):
    """Accuracy on labelled images is above chance."""

    id: ClassVar[str] = "preprocessing"
    title: ClassVar[str] = "Preprocessing"
    reference: ClassVar[str] = "binomial test"
    examines: ClassVar[Literal["model", "method"]] = "model"

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding: WARN where the accuracy is near chance, INCONCLUSIVE where too few images could tell."""
        accuracy, count = subject.labels["top1_accuracy"], subject.labels["labelled"]
        if accuracy is None or not count:
            return [Finding(self.id, None, Status.SKIP, "No image has a true label, so the accuracy is unknown.")]
        test = chance_test(accuracy, subject.classes, count)
        above = Status.PASS if test.p_chance < LEVEL else Status.INCONCLUSIVE
        status = Status.WARN if test.suspect else above
        reason = f"{test.reason[0].upper()}{test.reason[1:]}."
        details = {"p_chance": test.p_chance, "p_working": test.p_working, "labelled": count}
        return [Finding(self.id, None, status, reason, estimate=accuracy, details=details)]
