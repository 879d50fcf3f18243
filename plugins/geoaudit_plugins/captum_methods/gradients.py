"""captum's gradient methods that need nothing but gradients at points of the input space.

Sources: with each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import Cost, Flag, Parameters, Problems, Quadrature
from geoaudit_plugins.captum_methods.method import BATCH, CaptumMethod


class Saliency(CaptumMethod):
    """The gradient's magnitude at the image."""

    id: ClassVar[str] = "captum/Saliency"
    title: ClassVar[str] = "captum Saliency"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Simonyan et al., 2013, arXiv 1312.6034"
    wraps: ClassVar[str] = "Saliency"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """None: captum's default, the absolute value."""
        return {}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)


class InputXGradient(CaptumMethod):
    """Gradient times model input; the baseline plays no part, it is 0 in model input space."""

    id: ClassVar[str] = "captum/InputXGradient"
    title: ClassVar[str] = "captum InputXGradient"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Shrikumar et al., 2016, arXiv 1605.01713"
    wraps: ClassVar[str] = "InputXGradient"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """None."""
        return {}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)


class StepParameters(Parameters):
    """The rule of integration."""

    steps: int = Field(50, ge=1, description="Gauss-Legendre nodes on the straight line (captum's default)")


class IntegratedGradients(CaptumMethod):
    """captum's own integration of the straight line: a fixed Gauss-Legendre rule, without an error bar."""

    id: ClassVar[str] = "captum/IntegratedGradients"
    title: ClassVar[str] = "captum IntegratedGradients"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365"
    wraps: ClassVar[str] = "IntegratedGradients"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"thorough": {"steps": 200}}
    Parameters: ClassVar[type[Parameters]] = StepParameters
    parameters: StepParameters

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Baseline and nodes; a few at a time."""
        return {
            "baselines": problem.baseline.astype(precision),
            "n_steps": self.parameters.steps,
            "internal_batch_size": BATCH,
        }

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a node."""
        return Cost(gradients=self.parameters.steps)

    def memory(self, quadrature: Quadrature) -> int:
        """captum keeps every node's gradient."""
        return 16 + 3 * self.parameters.steps


class ShapParameters(Parameters):
    """Random points on the straight line."""

    samples: int = Field(50, ge=1, description="random points on the way from the baseline; captum's default is 5")


class GradientShap(CaptumMethod):
    """Mean of gradient times difference at random points between baseline and image."""

    id: ClassVar[str] = "captum/GradientShap"
    title: ClassVar[str] = "captum GradientShap"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Lundberg and Lee, NeurIPS 2017, arXiv 1705.07874"
    wraps: ClassVar[str] = "GradientShap"
    flags: ClassVar[frozenset[Flag]] = frozenset({"stochastic"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 20}, "thorough": {"samples": 200}}
    Parameters: ClassVar[type[Parameters]] = ShapParameters
    parameters: ShapParameters

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """One baseline; no noise is added to the image (captum's default)."""
        return {"baselines": problem.baseline.astype(precision), "n_samples": self.parameters.samples}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a point."""
        return Cost(gradients=self.parameters.samples)

    def memory(self, quadrature: Quadrature) -> int:
        """captum holds every point and its gradient at once."""
        return 16 + 6 * self.parameters.samples


class NoiseParameters(Parameters):
    """The noise that is added to the image."""

    samples: int = Field(25, ge=1, description="noisy pictures; captum's default is 5, the paper shows 50 as ample")
    noise: float = Field(0.15, gt=0, description="standard deviation as a share of the image's own range (paper)")


class NoiseTunnel(CaptumMethod):
    """captum's NoiseTunnel around its Saliency, signs kept: SmoothGrad."""

    id: ClassVar[str] = "captum/NoiseTunnel"
    title: ClassVar[str] = "captum NoiseTunnel"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Smilkov et al., 2017, arXiv 1706.03825"
    wraps: ClassVar[str] = "NoiseTunnel"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "stochastic"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 10}, "thorough": {"samples": 50}}
    Parameters: ClassVar[type[Parameters]] = NoiseParameters
    parameters: NoiseParameters

    def explainer(self, explained: Any) -> Any:
        """The tunnel around the gradient."""
        from captum.attr import NoiseTunnel as Tunnel
        from captum.attr import Saliency as Gradient

        return Tunnel(Gradient(explained))

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """The mean over noisy pictures, a few at a time."""
        return {
            "nt_type": "smoothgrad",
            "nt_samples": self.parameters.samples,
            "nt_samples_batch_size": min(BATCH, self.parameters.samples),
            "stdevs": float(self.parameters.noise * (problem.x.max() - problem.x.min())),
            "abs": False,
        }

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a noisy picture."""
        return Cost(gradients=self.parameters.samples)

    def memory(self, quadrature: Quadrature) -> int:
        """The noisy pictures of one batch and their gradients."""
        return 16 + 6 * BATCH
