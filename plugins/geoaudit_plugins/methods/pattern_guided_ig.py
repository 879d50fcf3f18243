"""Pattern-Guided Integrated Gradients: Integrated Gradients with PatternAttribution's backward pass.

    A = (x - x') * 1/S sum_k g~(x' + t_k (x - x')),   t_k = (k - 1/2) / S,  k = 1 ... S

g~ is the gradient with every layer's weights w replaced by w * a, the patterns of PatternAttribution, with true values
and gates at every point of the straight line.  Patterns take out what Integrated Gradients takes over from noise in
the input; the line takes out what PatternAttribution loses where the output is saturated at the image.  On the
published toys, x = z (1, 0) + eps (1, 1) with f = x1 - x2, Integrated Gradients gives half of the credit for noise to
the second feature and this method hardly any; with f = 1 - ReLU(1 - x1 + x2) PatternAttribution gives 0 on the plateau
and this method does not.

Nodes.  50 fixed midpoints.  The authors' code takes 25 and 100 right ends; the midpoints have no preference for the
image's end.  They are not refined, because refinement is led by how far the sum misses f(x) - f(x'), and this sum
claims no such thing.

Not complete.  g~ has no units, and w * a adds up to 1 where w adds up to anything: the sum has the order of the input's
way, not of the output's.  So no walk is reported, and no NCC is claimed.  `rescale` multiplies each map by
(f(x) - f(x')) / sum A where that sum is not too small to divide by: cosmetics for comparing sums, off by default.
With all patterns 1 and plain gradients elsewhere the method is Integrated Gradients.

Start of the backward pass: 1 at the explained output.  For a logit that is the published start; the released
VGG code starts from the softmax probability, which adds its factor and subtracts the other classes, as
`--explain probability` does here.  The baseline is the run's, in the model's own input units, on which the map depends:
the released code's zeros in mean-subtracted space are the mean colour, not black.

Patterns, the rules of the other layers, the coverage by multiply-adds below which the method does not apply, and what
patterns cannot show: see PatternAttribution.  Both methods learn them together, once a run.

Source: Schwarzenberg, Castle, Pattern-Guided Integrated Gradients, workshop WHI at ICML 2020, arXiv 2007.10685;
patterns from Kindermans et al., ICLR 2018, arXiv 1705.05598.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Floats, Method, Need, Parameters, Probe, Problems, Quadrature, Runs
from geoaudit.api.problems import smallest_difference
from geoaudit_plugins.methods.pattern_attribution import PatternParameters, finite, learning_cost, with_patterns

CHUNK = 64
"""Points that are built at a time."""


class PatternGuidedIGParameters(PatternParameters):
    """How patterns are learned, and where they are applied."""

    steps: int = Field(50, ge=1, description="midpoints of the straight line; the authors' code uses 25 and 100")
    rescale: bool = Field(False, description="multiply each map so that it adds up to f(x) - f(baseline)")


class PatternGuidedIG(Method):
    """Way times the mean patterned gradient along the straight line."""

    id: ClassVar[str] = "pattern-guided-ig"
    title: ClassVar[str] = "Pattern-Guided IG"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Schwarzenberg, Castle, WHI 2020, arXiv 2007.10685"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "needs-calibration-set"})
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"pictures": 32, "steps": 20},
        "thorough": {"pictures": 256, "steps": 100},
    }
    Parameters: ClassVar[type[Parameters]] = PatternGuidedIGParameters
    parameters: PatternGuidedIGParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The patterned gradients at the midpoints, batched across images and midpoints.

        Raises:
            NotApplicable: no two different calibration pictures, too little coverage, or relevance that overflows.
        """
        patterned = with_patterns(probe, self.parameters, self.id)
        start = problems.baseline.astype(np.float64)
        way = problems.x.astype(np.float64) - start
        maps: Floats = way * self._mean_gradients(problems, start, way, patterned.probe)
        if self.parameters.rescale:
            maps = rescaled(maps, problems)
        values = finite(maps, self.id).astype(problems.x.dtype)
        return Attributions(finite(values, self.id), (None,) * len(problems), patterned.notes)

    def _mean_gradients(self, problems: Problems, start: Floats, way: Floats, probe: Probe) -> Floats:
        """Of each image, float64."""
        steps, total = self.parameters.steps, np.zeros_like(way)
        places = np.arange(len(problems) * steps)
        for chunk in (places[i : i + CHUNK] for i in range(0, len(places), CHUNK)):
            image, t = chunk // steps, (chunk % steps + 0.5) / steps
            points = start[image] + t.reshape(-1, 1, 1, 1) * way[image]
            _, gradients = probe.value_and_gradient(points.astype(problems.x.dtype), problems.targets[image])
            for i, gradient in zip(image, gradients, strict=True):
                total[i] += gradient
        return total / steps

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a midpoint."""
        return Cost(gradients=self.parameters.steps)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """One look at a picture, then one pass over the pictures; shared with PatternAttribution."""
        return learning_cost(self.parameters, calibration)

    def memory(self, quadrature: Quadrature) -> int:
        """Points in both precisions and gradients of one chunk, and sums in float64."""
        return 12 + 4 * min(self.parameters.steps, CHUNK)


def rescaled(maps: Floats, problems: Problems) -> Floats:
    """`maps` (n, *shape) multiplied so that each adds up to f(x) - f(x'), but for sums too small to divide by."""
    sums = maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64)
    usable = np.abs(sums) >= smallest_difference(problems.f_x, problems.f_baseline)
    factors = np.where(usable, problems.delta_f / np.where(usable, sums, 1.0), 1.0)
    return maps * factors.reshape(-1, 1, 1, 1)
