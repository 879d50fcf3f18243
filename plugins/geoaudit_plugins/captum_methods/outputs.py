"""captum's black-box methods: they ask for outputs only.

Features are square patches of the picture, all channels together; a feature that is absent shows the baseline.
Sources: with each class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import Cost, Flag, Floats, InputSpace, Need, Parameters, Problems, Quadrature
from geoaudit.errors import NotApplicable
from geoaudit_plugins.captum_methods.method import BATCH, CaptumMethod, patches

_NOT_COMPLETE: frozenset[Flag] = frozenset({"not-complete"})
_SAMPLED: frozenset[Flag] = frozenset({"not-complete", "stochastic"})


class _BlackBox(CaptumMethod):
    family: ClassVar[str] = "perturbation"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def memory(self, quadrature: Quadrature) -> int:
        """The perturbed pictures of one batch."""
        return 8 + 4 * BATCH


class OcclusionParameters(Parameters):
    """Size and step of the window."""

    window: float = Field(1 / 14, gt=0, le=1, description="side of the window as a share of the picture's")
    stride: float = Field(1 / 14, gt=0, le=1, description="step of the window as a share of the picture's side")


class Occlusion(_BlackBox):
    """captum's occlusion; its last window of a row is cut off at the picture's edge."""

    id: ClassVar[str] = "captum/Occlusion"
    title: ClassVar[str] = "captum Occlusion"
    reference: ClassVar[str] = "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901"
    wraps: ClassVar[str] = "Occlusion"
    flags: ClassVar[frozenset[Flag]] = _NOT_COMPLETE
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"window": 1 / 7, "stride": 1 / 7}}
    Parameters: ClassVar[type[Parameters]] = OcclusionParameters
    parameters: OcclusionParameters

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Window and stride in pixels; they never span fewer than all channels."""
        return {
            "sliding_window_shapes": self._window(problem.space),
            "strides": _all_channels(
                problem.space, [max(1, round(s * self.parameters.stride)) for s in problem.space.size]
            ),
            "baselines": problem.baseline.astype(precision),
            "perturbations_per_eval": BATCH,
        }

    def elements(self, space: InputSpace) -> int:
        """Elements of a window."""
        return math.prod(self._window(space))

    def _window(self, space: InputSpace) -> tuple[int, ...]:
        return _all_channels(space, [math.ceil(side * self.parameters.window - 1e-9) for side in space.size])

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a window, give or take those that rounding to pixels adds, and one for the image."""
        return Cost(forwards=1 + (1 + math.ceil((1 - self.parameters.window) / self.parameters.stride - 1e-9)) ** 2)


def _all_channels(space: InputSpace, sides: list[int]) -> tuple[int, ...]:
    """Height and width with the number of channels where the layout has them."""
    return (*sides[: space.channel_axis], space.channels, *sides[space.channel_axis :])


class PatchParameters(Parameters):
    """The features."""

    patches: int = Field(14, ge=1, description="patches along each side; each is one feature")


class _Patches(_BlackBox):
    Parameters: ClassVar[type[Parameters]] = PatchParameters
    parameters: PatchParameters

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """The grid of patches and the baseline."""
        return {
            "feature_mask": patches(problem.space, self.parameters.patches)[None],
            "baselines": problem.baseline.astype(precision),
            "perturbations_per_eval": BATCH,
        }

    def elements(self, space: InputSpace) -> Floats:
        """Elements of each element's patch."""
        features = patches(space, self.parameters.patches)
        return np.bincount(features.ravel())[features].astype(np.float64)


class FeatureAblation(_Patches):
    """The drop of the output when one patch shows the baseline."""

    id: ClassVar[str] = "captum/FeatureAblation"
    title: ClassVar[str] = "captum FeatureAblation"
    reference: ClassVar[str] = "Kokhlikyan et al., 2020, arXiv 2009.07896"
    wraps: ClassVar[str] = "FeatureAblation"
    flags: ClassVar[frozenset[Flag]] = _NOT_COMPLETE
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"patches": 7}}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a patch, and one for the image."""
        return Cost(forwards=1 + self.parameters.patches**2)


class SampledParameters(Parameters):
    """The features, and how often the model is asked."""

    patches: int = Field(7, ge=1, description="patches along each side; each is one feature")
    samples: int = Field(500, ge=1, description="random sets of patches that are shown; captum's default is 25 to 50")


class _Sampled(_Patches):
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 200}, "thorough": {"samples": 2000}}
    Parameters: ClassVar[type[Parameters]] = SampledParameters
    parameters: SampledParameters  # type: ignore[assignment]

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Patches, baseline, and the number of samples."""
        return {**super().arguments(problem, precision), "n_samples": self.parameters.samples}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a sample."""
        return Cost(forwards=self.parameters.samples)


class KernelShap(_Sampled):
    """Shapley values of patches by a weighted linear regression on random sets of them."""

    id: ClassVar[str] = "captum/KernelShap"
    title: ClassVar[str] = "captum KernelShap"
    reference: ClassVar[str] = "Lundberg and Lee, NeurIPS 2017, arXiv 1705.07874"
    wraps: ClassVar[str] = "KernelShap"
    flags: ClassVar[frozenset[Flag]] = frozenset({"stochastic"})

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """As for its like.

        Raises:
            NotApplicable: there is one patch, for which captum's kernel divides by 0.
        """
        found = super().arguments(problem, precision)
        if not found["feature_mask"].any():
            raise NotApplicable(
                self.id, "the picture is one patch, which has no others to be weighed against",
                f"Raise --set {self.id}.patches, or use captum/FeatureAblation.",
            )  # fmt: skip
        return found


class Lime(_Sampled):
    """A sparse linear model of random sets of patches, weighted by their likeness to the image."""

    id: ClassVar[str] = "captum/Lime"
    title: ClassVar[str] = "captum Lime"
    reference: ClassVar[str] = "Ribeiro et al., KDD 2016, arXiv 1602.04938"
    wraps: ClassVar[str] = "Lime"
    flags: ClassVar[frozenset[Flag]] = _SAMPLED


class ShapleyParameters(Parameters):
    """The features, and how many orders of them are tried."""

    patches: int = Field(7, ge=1, description="patches along each side; each is one feature")
    samples: int = Field(10, ge=1, description="random orders in which patches appear; captum's default is 25")


class ShapleyValueSampling(_Patches):
    """Mean change of the output when a patch appears after a random set of others; adds up by construction."""

    id: ClassVar[str] = "captum/ShapleyValueSampling"
    title: ClassVar[str] = "captum ShapleyValueSampling"
    reference: ClassVar[str] = "Castro et al., 2009, doi 10.1016/j.cor.2008.04.004"
    wraps: ClassVar[str] = "ShapleyValueSampling"
    flags: ClassVar[frozenset[Flag]] = frozenset({"stochastic"})
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 4}, "thorough": {"samples": 40}}
    Parameters: ClassVar[type[Parameters]] = ShapleyParameters
    parameters: ShapleyParameters  # type: ignore[assignment]

    def arguments(self, problem: Problems, precision: type[np.floating[Any]]) -> dict[str, Any]:
        """Patches, baseline, and the number of orders."""
        return {**super().arguments(problem, precision), "n_samples": self.parameters.samples}

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a patch and order, and one for the baseline."""
        return Cost(forwards=1 + self.parameters.samples * self.parameters.patches**2)
