"""Preprocessing: does the model see the pictures as it was trained to?

Only labels can tell.  Where labelled images exist and the accuracy is what guessing would give, the
preprocessing is the first suspect, and every map explains a model that sees noise.  Binomial test.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from geoaudit.api import Check, Finding, Probe, Problems, Status, Subject
from geoaudit.images.labels import chance_test


class Preprocessing(Check):
    """Accuracy on labelled images is above chance."""

    id: ClassVar[str] = "preprocessing"
    title: ClassVar[str] = "Preprocessing"
    reference: ClassVar[str] = "binomial test"
    examines: ClassVar[Literal["model", "method"]] = "model"

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding: WARN with "preprocessing suspect" where the accuracy is near chance."""
        accuracy, count = subject.labels["top1_accuracy"], subject.labels["labelled"]
        if accuracy is None or not count:
            return [Finding(self.id, None, Status.SKIP, "No image has a true label, so the accuracy is unknown.")]
        test = chance_test(accuracy, subject.classes, count)
        status = Status.WARN if test.suspect else Status.PASS
        details = {"p_chance": test.p_chance, "p_working": test.p_working, "labelled": count}
        return [Finding(self.id, None, status, test.reason, estimate=accuracy, details=details)]
