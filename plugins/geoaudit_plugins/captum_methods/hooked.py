"""captum's methods that change the backward pass of certain layers, by hooks on torch modules.

They are given the converted graph.  Its activations are dressed as the modules that captum's hooks know (`dressed`),
nothing else is changed, and the result must compute what the model computes.  It is evaluated through the probe,
which counts two gradients for every image and baseline that DeepLift compares, and one for the others.

DeepLift's rescale rule: every nonlinear operator passes on the quotient of its output's and its input's difference
between image and baseline, in place of its derivative; windows of pools likewise.  So the map adds up to
f(x) - f(x').  There are rules for functions of single values (Relu, Clip, Sigmoid, Gelu, ...) and for pools.  There
are none for a product of two values that both depend on the picture (attention, squeeze-and-excitation, the x times
sigmoid(x) of a SiLU that is not one operator), for normalisations by the picture's own statistics and for a softmax
inside: a graph with one of them is not explained, for the sum would be wrong without a sign of it.  The same happens
at the explained scalar itself: it is exact for the logit; for a probability its last step is passed by
its derivative, the sum misses, and a note says so.

Guided backpropagation and deconvolution change the rectifiers alone (Relu, Clip from 0); other activations keep
their derivatives.  Both are known to draw the image's edges whatever the model has learned (Adebayo et al. 2018).

Sources: with each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Need, Parameters, Probe, Problems, Quadrature
from geoaudit.api.problems import smallest_difference
from geoaudit.errors import NotApplicable
from geoaudit_plugins.captum_methods.method import CaptumMethod


class _Rectifiers(CaptumMethod):
    family: ClassVar[str] = "gradient"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})

    def explained(self, problem: Problems, probe: Probe) -> Any:
        """The dressed graph's explained output, its rectifiers in captum's reach."""
        from geoaudit_plugins.captum_methods.bridge import ExplainedOutput
        from geoaudit_plugins.captum_methods.inside import dressed

        inside = probe.once("captum/rectifiers", lambda: dressed("rectifiers", problem, probe, self.id))
        return ExplainedOutput(inside.probe, int(problem.targets[0]), inside.module)

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """None."""
        return {}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """The comparison with the model."""
        return Cost(gradients=2)


class GuidedBackprop(_Rectifiers):
    """The gradient with negative parts cut off at every rectifier, where the rectifier is open."""

    id: ClassVar[str] = "captum/GuidedBackprop"
    title: ClassVar[str] = "captum GuidedBackprop"
    reference: ClassVar[str] = "Springenberg et al., ICLR workshop 2015, arXiv 1412.6806"
    wraps: ClassVar[str] = "GuidedBackprop"


class Deconvolution(_Rectifiers):
    """The gradient with negative parts cut off at every rectifier, whether it is open or not."""

    id: ClassVar[str] = "captum/Deconvolution"
    title: ClassVar[str] = "captum Deconvolution"
    reference: ClassVar[str] = "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901"
    wraps: ClassVar[str] = "Deconvolution"


class _Rescaled(CaptumMethod):
    family: ClassVar[str] = "gradient"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})

    def explained(self, problem: Problems, probe: Probe) -> Any:
        """The dressed graph's explained output, its activations in captum's reach."""
        from geoaudit_plugins.captum_methods.bridge import ExplainedOutput
        from geoaudit_plugins.captum_methods.inside import Pairs, dressed

        inside = probe.once("captum/rescale", lambda: dressed("rescale", problem, probe, self.id))
        return ExplainedOutput(Pairs(inside.probe), int(problem.targets[0]), inside.module)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """The comparison with the model."""
        return Cost(gradients=2)


MISSED = (
    "Some maps miss the output's difference by more than 5 %: the explained output is not a logit, or differences "
    "between image and baseline are lost in rounding."
)


class DeepLift(_Rescaled):
    """DeepLift, rescale rule: differences from the baseline, handed back layer by layer."""

    id: ClassVar[str] = "captum/DeepLift"
    title: ClassVar[str] = "captum DeepLift"
    reference: ClassVar[str] = "Shrikumar et al., ICML 2017, arXiv 1704.02685"
    wraps: ClassVar[str] = "DeepLift"

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One image after the other."""
        made = super().attribute(problems, probe)
        sums = made.values.reshape(len(problems), -1).sum(axis=1, dtype=np.float64)
        allowed = np.maximum(0.05 * np.abs(problems.delta_f), smallest_difference(problems.f_x, problems.f_baseline))
        return replace(made, notes=(MISSED,)) if (np.abs(sums - problems.delta_f) > allowed).any() else made

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """The baseline."""
        return {"baselines": problem.baseline.astype(precision)}

    def cost(self, quadrature: Quadrature) -> Cost:
        """Image and baseline."""
        return Cost(gradients=2)


class ReferenceParameters(Parameters):
    """The pictures that the image is compared with."""

    references: int = Field(8, ge=2, description="calibration pictures, evenly spread over the set")


class DeepLiftShap(_Rescaled):
    """DeepLift averaged over calibration pictures as baselines: adds up to f(x) minus their mean output."""

    id: ClassVar[str] = "captum/DeepLiftShap"
    title: ClassVar[str] = "captum DeepLiftShap"
    reference: ClassVar[str] = "Lundberg and Lee, NeurIPS 2017, arXiv 1705.07874"
    wraps: ClassVar[str] = "DeepLiftShap"
    flags: ClassVar[frozenset[Flag]] = frozenset({"own-baseline", "needs-calibration-set"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"references": 4}, "thorough": {"references": 32}}
    Parameters: ClassVar[type[Parameters]] = ReferenceParameters
    parameters: ReferenceParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One image after the other."""
        made = super().attribute(problems, probe)
        pictures = self.learned(probe, np.float64)["baselines"].astype(problems.x.dtype)
        starts = [probe.outputs(pictures, np.full(len(pictures), target)).mean() for target in problems.targets]
        return replace(made, claims=problems.f_x - np.array(starts))

    def learned(self, probe: Probe, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """The pictures to compare with.

        Raises:
            NotApplicable: the calibration set has fewer than two pictures.
        """
        count = len(probe.calibration)
        if count < 2:
            raise NotApplicable(
                self.id, "the calibration set has fewer than two pictures",
                "Give a folder of pictures with --calibration, or use captum/DeepLift.",
            )  # fmt: skip
        spread = np.unique(np.linspace(0, count - 1, self.parameters.references).round().astype(int))
        return {"baselines": probe.calibration.points([int(i) for i in spread]).astype(precision)}

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """None of the problem's own."""
        return {}

    def cost(self, quadrature: Quadrature) -> Cost:
        """Image and picture, for every picture; and the pictures' own outputs."""
        return Cost(gradients=2 * self.parameters.references, forwards=self.parameters.references)

    def memory(self, quadrature: Quadrature) -> int:
        """captum holds every picture, the image as often, and their gradients."""
        return 16 + 8 * self.parameters.references
