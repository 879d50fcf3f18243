"""PatternAttribution: the backward pass with every layer's weights multiplied by what it looks for.

A linear layer's weights w say how to cancel what disturbs it, not where its signal lies: for x = signal + distractor
the weights that recover the signal are orthogonal to the distractor, so the gradient shows both.  A *pattern* a of
each neuron is learned from pictures, so that S(x) = a (w.x) estimates the signal in its input, and the gradient is
passed back with w * a (element by element) in the place of w.  w.a = 1, so a layer hands on what it receives: except
at zero padding, where part of a patch lies outside the picture.

Patterns.  With y = w.x + b, over all pictures and positions of the layer's input patches x:

    two-component   a = c / (w.c),  c = E+[x y] - E+[x] E[y]      E+: where the neuron is active
    linear          a = c / (w.c),  c = E[x y] - E[x] E[y]

E[y] is over all samples, active or not; a constant added to y changes nothing.  A neuron is active where the first
activation behind it is above 0 (ReLU, a Clip from 0, leaky ReLUs, behind batch normalisation, bias, reshaping).
Where no such activation follows (scores, the last convolution of a residual block, SiLU and GELU) the linear
estimator is taken.  A neuron that no picture wakes has no pattern and passes nothing on.

The rest of the backward pass.  True values, so true ReLU gates and pooling routes.  A bias gets nothing.  Batch
normalisation and constants that multiply are layers of one input, w * 1/w: what comes back passes unchanged.  Not so
between a layer and a function other than ReLUs, pooling and sums (Sigmoid, tanh), nor where they share in a product
of two tensors (gates, layer normalisation, attention): there everything keeps its gradient.
A sum of two tensors (residual blocks) would hand on everything twice: by default each term and channel j gets the
share Cov(x_j, y) / Var(y), the linear estimator once more, and the shares add up to 1; `residual="gradient"` is the
papers' literal rule.  Average pooling conserves by itself.  Everything else, transposed convolutions, layer
normalisation, attention and Sigmoid among it, keeps its gradient.

Start.  The explained output gets 1.  `start="output"` multiplies the map by f(x), the published start; it makes maps
of different pictures comparable, changes no pixel's rank by magnitude within one, and turns all signs where f(x) is
negative.  The pass goes from the explained output: for a logit that is the layer's neuron; a probability or a margin
brings in its own plain gradient, so that other classes are subtracted.

Coverage.  Patterns speak for the layers that have them.  The share of their multiply-adds among all is in the notes;
below one half the method does not apply.  SiLU and GELU networks are covered by linear patterns, whose share is in
the notes too: they are further from what was published than ReLU networks without skips, such as VGG.

What it cannot show.  Nothing depends on a baseline; the map does not add up to an output difference, even where it
adds up to 1 within the network.  It is not invariant to the input's units, nor to the way in which one function is
written as layers.  On a plateau, where a ReLU behind the neuron is closed, it is 0.  It says what the calibration
pictures say: with tens of them convolutions see many thousand patches, but the last layer one sample a picture.

Departures from published code.  The sums are running sums of one pass, in place of repeated ones; one published
estimator multiplies arrays of unlike shapes into an outer product, which loses the covariance; dead neurons give 0,
not a division by 1.  Nothing is rescaled between layers: relevance that overflows makes the method not applicable.

64 pictures, evenly spaced in the set, are the default: 50 to 200 are enough for convolutions.

Source: Kindermans et al., Learning how to explain neural networks: PatternNet and PatternAttribution, ICLR 2018,
arXiv 1705.05598; patterns as weights' covariances after Haufe et al., NeuroImage 87, 2014.  The rules for residual
sums and rescaling layers are this package's own extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Floats, Method, Need, Parameters, Probe, Problems, Quadrature, Runs
from geoaudit.errors import NotApplicable


class PatternParameters(Parameters):
    """How patterns are learned."""

    pictures: int = Field(64, ge=2, description="most pictures of the calibration set that are learned from")
    residual: Literal["covariance", "gradient"] = Field(
        "covariance", description="how a sum of two tensors divides relevance; gradient: both get all (papers)"
    )


class PatternAttributionParameters(PatternParameters):
    """How patterns are learned, and what the backward pass starts with."""

    start: Literal["one", "output"] = Field(
        "one", description="what the explained output is given; output: its value (paper)"
    )


class PatternAttribution(Method):
    """The gradient at the image with weights multiplied by patterns."""

    id: ClassVar[str] = "pattern-attribution"
    title: ClassVar[str] = "PatternAttribution"
    family: ClassVar[str] = "gradient"
    reference: ClassVar[str] = "Kindermans et al., ICLR 2018, arXiv 1705.05598"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "needs-calibration-set"})
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"pictures": 32}, "thorough": {"pictures": 256}}
    Parameters: ClassVar[type[Parameters]] = PatternAttributionParameters
    parameters: PatternAttributionParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One gradient of the graph with patterns an image.

        Raises:
            NotApplicable: no two different calibration pictures, too little coverage, or relevance that overflows.
        """
        patterned = with_patterns(probe, self.parameters, self.id)
        outputs, values = patterned.probe.value_and_gradient(problems.x, problems.targets)
        if self.parameters.start == "output":
            values = (values * outputs.reshape(-1, 1, 1, 1)).astype(problems.x.dtype)
        return Attributions(finite(values, self.id), (None,) * len(problems), patterned.notes)

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient."""
        return Cost(gradients=1)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """One look at a picture, then one pass over the pictures; shared with Pattern-Guided IG."""
        return learning_cost(self.parameters, calibration)


@dataclass(frozen=True)
class Patterned:
    """The model with patterns in its backward pass.

    Attributes:
        probe: over the changed graph: the model's values, other gradients.
        notes: sentences for the report.
    """

    probe: Probe
    notes: tuple[str, ...]


def with_patterns(probe: Probe, parameters: PatternParameters, method: str) -> Patterned:
    """The model with patterns; learned and built once a run for all methods with the same parameters.

    Args:
        probe: the model.
        parameters: how patterns are learned.
        method: id of the method that asks, for messages.

    Raises:
        NotApplicable: no two different calibration pictures, or patterns for less than half of the multiply-adds.
    """
    key = f"patterns/pictures={parameters.pictures}"

    def make() -> Patterned:
        from geoaudit_plugins.patterns.learning import learn
        from geoaudit_plugins.patterns.substitution import substitute

        learned = probe.once(key, lambda: learn(probe, parameters.pictures, method))
        module = substitute(probe.layers().module, learned, parameters.residual)
        return Patterned(probe.with_layers(module), learned.notes)

    return probe.once(f"{key}/residual={parameters.residual}", make)


def learning_cost(parameters: PatternParameters, calibration: int) -> Cost:
    """Expected evaluations of the learning, given the number of calibration pictures."""
    pictures = min(calibration, parameters.pictures)
    return Cost(forwards=pictures + 1 if pictures >= 2 else 0)


def finite(maps: Floats, method: str) -> Floats:
    """`maps`, checked.

    Raises:
        NotApplicable: relevance overflowed on its way through the layers.
    """
    if np.isfinite(maps).all():
        return maps
    raise NotApplicable(
        method, "relevance overflows on its way through this model's layers",
        "Learn from more pictures (--calibration DIR), or leave the method out with --skip.",
    )  # fmt: skip
