"""Label randomization: why it cannot be done from an ONNX file, and what is done in its place.

The test of Adebayo et al. permutes the labels of the training set, trains the same architecture on them until it has
learned them by heart, and compares the maps of the two models for the same pictures: a method that shows the same
for both does not show what the model has learned of the relation between pictures and labels.

It takes the training pictures, their labels, the loss, the optimiser and the time to train again.  An ONNX file holds
the graph and the weights that came out, nothing of the rest.  A model trained on something else would answer another
question, and random weights are no substitute for wrongly trained ones.  So the check never runs: it is listed so
that a reader who looks for it finds the reason, and SKIP is never read as PASS.

What is done in its place: model-randomization asks whether the map notices that everything learned is gone, which is
the other test of the same paper; model-perturbation asks it by degrees.  Whoever trained the model can do the
original test with two audits: of the model, and of its twin trained on permuted labels, and compare their maps.

No parameters.  Cost: none.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292 (data randomization test).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from geoaudit.api import Check, Finding, Probe, Problems, Status, Subject

REASON = (
    "The test trains the same architecture again on permuted labels, and an ONNX file holds neither the training data "
    "nor the training procedure; model-randomization and model-perturbation test the weights that it does hold."
)
"""Why it is skipped."""


class LabelRandomization(Check):
    """Whether maps depend on what was learned from the labels: not to be had from the file."""

    id: ClassVar[str] = "label-randomization"
    title: ClassVar[str] = "Label randomization"
    reference: ClassVar[str] = "Adebayo et al., NeurIPS 2018, arXiv 1810.03292"
    examines: ClassVar[Literal["model", "method"]] = "model"

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """SKIP, always."""
        return [Finding(self.id, None, Status.SKIP, REASON)]

    def scope(self, images: int) -> str:
        """Nothing."""
        return "not possible from an ONNX file"
