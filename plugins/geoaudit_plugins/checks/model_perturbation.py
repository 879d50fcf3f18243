"""Model perturbation: does the map follow the model by degrees, and keep still where the model's answers do?

A reconstruction.  The Geometrically Guided IG paper proposes the test beside model randomization, and a workshop paper
of the same line averages maps over "proximal iso-loss models"; what of them could be read names the idea and gives no
procedure.  Assumed here: Gaussian noise in proportion to each tensor's own spread, its sizes, all layers at once, the
similarity, and the verdicts.  Numbers are not the authors' and do not compare with theirs.

For each size sigma and each seed every learned tensor theta, weights and biases alike, becomes

    theta' = theta + sigma std(theta) N(0, 1),

each tensor and seed its own draw, the same for every sigma: the levels of one seed lie on a line that starts at the
audited model.  Means and variances of normalisation layers are kept (a variance must stay positive), and so are single
numbers and tensors with all elements equal, whose spread is 0.  Whole numbers of quantised layers are rounded again.

Measured for each perturbed model: the change of function D_f = mean |p(x) - p'(x)| of the target's probability and
the share of kept predictions, over all the pictures a check is given (at most 8); and on the first `images` of them
Spearman's correlation of |A'| with the audited model's |A|, for the same target.  Two readings:

(i) Sensitivity: the similarity must fall as the noise grows.  PASS where it falls by at least `fall` from the least
to the largest noise and Spearman's correlation of sigma with the loss over levels is at least `monotone` (0.8: one
exchange of neighbours among four levels, none among three), WARN where it falls out of order; FAIL where it falls by
less: the map is a picture of something else (an edge detector has similarity 1 throughout).  INCONCLUSIVE where no
level changed the function, and where the least noise has left so little that a further fall cannot be seen.

(ii) Stability: perturbed models that keep the predicted class on at least `agreement` of the pictures, with D_f of at
most `small`, are the same function for all that is known; a map of the function must keep its similarity there.
PASS from a mean of `steady` on, FAIL below `lost`, WARN between; INCONCLUSIVE where no level kept the function.

The verdict is the worse of the two.  A failure is a caution, not a rejection: the procedure is ours.  Also reported:
the area under similarity against D_f from (0, 1) on, divided by the largest D_f: the mean similarity while the
function changes, not judged, for neither end is better by itself.

What it cannot show: whether the map is right.  Reading (ii) asks for stability that a model with abrupt gradients does
not have; a map that shows them rightly is cautioned.  A probability near 1 hardly moves until the scores have moved
far, and D_f with it.  With 8 pictures 99 % of them means all.  A stochastic method draws the same numbers each time,
so its own noise is not counted here.  Perturbed models whose scores are not finite have no maps, constant maps
no order; both are left out, and the reason counts them.

Defaults.  Sizes of .1 and .3 % of a tensor's spread, which should leave a trained network's answers as they are, and
3 %, which should not: EfficientNet-Lite0 on eight photographs has D_f .005 and .015 with all predictions kept, and .26
with half of them; at 1 % it is .11 already.  Where it is otherwise, the verdict is INCONCLUSIVE and says so.  0.75 and
0.5 are the limits of good and poor agreement that seed-reliability uses.  `fall` 0.05 is what rounding and ties in the
ranks do not explain.

Cost: a map of each image for every size and seed, and two forwards of every picture; the audited model's maps are
shared with other checks.  Memory: one copy of the model.

Source: Rahman, Lewis, Plis, Geometrically Guided Integrated Gradients, 2022, arXiv 2206.05903 (abstract), and
Geometrically Guided Saliency Maps, ICLR 2022 workshop PAIR2Struct (abstract).  The procedure is reconstructed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from geoaudit.api import (
    BudgetName,
    Check,
    Cost,
    Finding,
    Method,
    Need,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Series,
    Subject,
)  # fmt: skip
from geoaudit_plugins.checks import model_perturbation_readings as readings
from geoaudit_plugins.checks.model_perturbation_noise import Variant, moved, perturbed
from geoaudit_plugins.checks.model_perturbation_readings import Limits, Measured
from geoaudit_plugins.sanity import maps as sanity
from geoaudit_plugins.sanity.similarity import spearman


class ModelPerturbationParameters(Parameters):
    """How the model is perturbed, and what is asked of the map."""

    levels: tuple[float, ...] = Field(
        (0.001, 0.003, 0.03), min_length=3, description="sizes of the noise, shares of each tensor's spread"
    )
    seeds: int = Field(1, ge=1, description="draws of the noise")
    images: int = Field(2, ge=1, description="images examined, the first ones")
    small: float = Field(0.05, gt=0, lt=1, description="largest D_f of a model of nearly the same function")
    agreement: float = Field(0.99, gt=0, le=1, description="least share of kept predictions of such a model")
    monotone: float = Field(0.8, ge=0, le=1, description="least rank correlation of noise and loss of similarity")
    fall: float = Field(0.05, ge=0, le=1, description="least fall of similarity from the least to the largest noise")
    steady: float = Field(0.75, gt=0, le=1, description="least similarity on models of nearly the same function")
    lost: float = Field(0.5, gt=0, le=1, description="similarity below which the map has collapsed")
    nodes: int = Field(16, ge=2, description="first nodes of the integrator for the maps")

    @field_validator("levels", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("levels")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < level < math.inf for level in value) or len(set(value)) < len(value):
            raise ValueError("levels must be different numbers above 0")
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _ordered(self) -> ModelPerturbationParameters:
        if self.lost > self.steady:
            raise ValueError("lost must not exceed steady")
        return self


class ModelPerturbation(Check):
    """Maps move with the weights by degrees, and stay where the function stays."""

    id: ClassVar[str] = "model-perturbation"
    title: ClassVar[str] = "Model perturbation (reconstruction)"
    reference: ClassVar[str] = "Rahman, Lewis, Plis, 2022, arXiv 2206.05903 (procedure reconstructed)"
    examines: ClassVar[Literal["model", "method"]] = "method"
    examines_controls: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    from_budget: ClassVar[BudgetName] = "standard"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thorough": {"levels": (0.001, 0.003, 0.01, 0.05, 0.2, 1.0), "seeds": 3, "images": 4}
    }
    Parameters: ClassVar[type[Parameters]] = ModelPerturbationParameters
    parameters: ModelPerturbationParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method, with both readings and their curves."""
        assert subject.method is not None  # it examines methods
        few = sanity.first(problems, self.parameters.images)
        own = sanity.original(subject.method, few, probe, self.parameters.nodes).values
        measured = []
        for variant in self._variants():
            other = perturbed(probe, self.id, variant)
            change = moved(problems, probe, other, f"{self.id}/{variant.sigma}/{variant.seed}")
            if math.isfinite(change.change):
                values = sanity.maps(subject.method, sanity.posed(few, other), other, self.parameters.nodes).values
                similarities = tuple(spearman(a, b) for a, b in zip(own, values, strict=True))
            else:  # nor would gradients be finite
                similarities = (math.nan,) * len(few)
            measured.append(Measured(variant, change, similarities))
        return [self._finding(subject.method.id, few, measured)]

    def _variants(self) -> list[Variant]:
        return [Variant(sigma, seed) for sigma in self.parameters.levels for seed in range(self.parameters.seeds)]

    def _finding(self, method: str, few: Problems, measured: list[Measured]) -> Finding:
        p = self.parameters
        limits = Limits(p.small, p.agreement, p.monotone, p.fall, p.steady, p.lost)
        both = (readings.sensitivity(measured, limits), readings.stability(measured, limits))
        decides = readings.worse(both)
        levels = readings.levels(measured)
        told = [level for level in levels if math.isfinite(level.similarity)]
        details = {
            "area": readings.area(told),
            "decided_by": decides.name,
            "images": list(few.ids),
            "levels": [
                {key: value if math.isfinite(value) else None for key, value in sorted(asdict(level).items())}
                for level in levels
            ],
            "models": [readings.entry(m) for m in measured],
            "monotony": readings.monotony(told) if len(told) > 1 else None,
            "sensitivity": both[0].entry,
            "stability": both[1].entry,
        }
        reason = " ".join(reading.sentence for reading in both) + readings.left_out(measured)
        return Finding(
            self.id, method, decides.status, reason, decides.number,
            threshold=decides.threshold, details=details, curves=_curves(levels),
        )  # fmt: skip

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """A map of each image for every perturbed model and the audited one, and two forwards of every picture.

        What a method prepares once a model is prepared again for every perturbed one.
        """
        if method is None:
            return Cost()
        few, variants = min(images, self.parameters.images), len(self._variants())
        limits = sanity.coarse(quadrature, self.parameters.nodes)
        made = (method.cost(limits) + Cost(forwards=2)) * few
        return (
            made * (variants + 1)
            + method.preparation(limits, calibration) * variants
            + Cost(forwards=2 * images * (variants + 1))
        )

    def scope(self, images: int) -> str:
        """Images, sizes and seeds."""
        p, few = self.parameters, min(images, self.parameters.images)
        seeds = f"{p.seeds} seed{'s' if p.seeds > 1 else ''}"
        return f"{few} image{'s' if few != 1 else ''}, {len(p.levels)} levels of noise, {seeds}"


def _curves(levels: list[readings.Level]) -> tuple[Series, ...]:
    """Similarity against the size of the noise, and against what it did to the function."""
    y = "rank correlation of |A| with the audited model's map"
    noise = Series(
        "Similarity against noise on the weights", "", "noise, share of each tensor's standard deviation", y,
        tuple(level.sigma for level in levels), tuple(level.similarity for level in levels),
    )  # fmt: skip
    changed = sorted((level.change, level.similarity) for level in levels if math.isfinite(level.change))
    function = Series(
        "Similarity against change of function", "", "mean change of the target's probability", y,
        tuple(change for change, _ in changed), tuple(similarity for _, similarity in changed),
    )  # fmt: skip
    return (noise, function)
