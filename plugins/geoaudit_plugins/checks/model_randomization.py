"""Model randomization: an explanation of a model must change when everything that the model learned is gone.

The learned weights of the converted graph are shuffled, each tensor within itself, and the method explains the same
class of the same picture again.  A map that stays the same cannot have shown what the model learned.  Layers lose
their weights in these orders: all at once (with several seeds), cascading from the top (the scores, downwards),
cascading from the bottom (the picture, upwards), and one part of the layers alone.  What a learned weight is, and how
it is drawn anew, is told in `sanity.weights` and `sanity.randomise`: kernels, matrices, biases, scales and statistics,
wherever the file keeps them, quantised ones included.  The share that was reached is reported as coverage in per cent
of all learned elements.

Similarity of the map A' to the original map A, per image:

    spearman   rank correlation of all elements, of |A| and of A (signed)
    ssim, hog  structural similarity, and correlation of edge directions, of the maps as pictures, |A| and A
    entropy    relative rise (H(A') - H(A)) / H(A) of the discrete entropy of |A| (efficient variant, eMPRT)
    input      rank correlation of |A'| with |x - baseline|, and of |A| with it: the floor

All are reported; the verdict rests on the spearman of |A| under full randomisation, mean over images and seeds, with
the smallest and largest value as its interval.  By ranks, because one large value darkens a picture and makes SSIM
high; of |A|, because a randomised model may turn signs without moving the importance.  The unchanged model is never
part of the mean.

    FAIL          at least `fail` (0.9): almost the same map
    WARN          at least `warn` (0.6), unless the input explains it
    PASS          else
    INCONCLUSIVE  the map is constant, the outputs did not move, or too little could be randomised

With `curtail`, as in an adaptive audit, further draws of the full randomisation are left out once the mean would stay
below `warn` even if every similarity still to come were 1: curtailed sampling, by which no verdict can change.

Models that did not move the outputs enough or gave no map, and maps without an order, are left out; the reason counts
them.

Methods that multiply by x - baseline show that picture again whatever the model is.  Where the similarity lies
between `warn` and `fail`, the partial rank correlation of |A| and |A'| given |x - baseline| is held against `warn`
instead: what the maps share beyond the input.  And elements where both maps are exactly 0 are left out of the rank
correlations: where a picture equals its baseline such a map cannot be anything else, and a drawing on an empty page
would make any two of them alike.

A gate, never a rank.  Lower similarity is not better: a map of pure noise that depends on the weights has the lowest,
and shuffling from the top keeps the scale of the activations below, so that methods that follow it stay more similar
without being less faithful (Binder et al.).  So this check rejects what does not depend on the model, and says nothing
about the others.

Thresholds.  Maps made without the model (edges, centre, input difference, random with the run's seed) have exactly 1.
Measured on EfficientNet-Lite0 with everything shuffled: on eight photographs integrated-gradients has .36 (single
photographs up to .60), blur-ig .28, gradient-x-input .28, guided-ig .27, spectral-ig .19, gradient .02; on two of
them geodesic-ig-knn .36, occlusion .23, smoothgrad .10, xrai .03, rise -.04, idgi -.06.  Given the picture, all but
blur-ig (.26) and occlusion (.22) have at most .12.  0.9 and 0.6 lie in the gap between the two groups: at 0.9 the
maps' ranks have four fifths of their variance in common, at 0.6 a third.  The other readings do not separate as well
and are not judged: SSIM of idgi's and rise's maps is .85 and .88 although their ranks share nothing, HOG of
occlusion's, which show the grid of its windows, is .77, and the entropy fell for most methods where it should rise.

Outputs must move: the scores' change as a share of their spread over the pictures and their baselines, a constant
shift of a class aside, is at least `least_change` (0.5; scores that are unrelated have 1 or more).  A model whose
scores stay as they are has not been randomised, and its maps say nothing.

Reaching everything includes what merely looks learned: the numbers of a picture's normalisation inside the graph are
shuffled like any other tensor.

Departures.  Adebayo et al. draw fresh initial weights; here a tensor's elements are shuffled (`draw` = "normal" for
draws with its mean and deviation), for where normalisation was folded into the weights, fresh ones explode or vanish.
Layers come in the order of the graph, not of their registration, in `top`, `bottom` and `independent` groups, and
every tensor has its own draw.  The maps' normalisation, the similarities and both signs are theirs.

Cost: one map of every image and randomised model, with `nodes` gradient nodes and no refinement for original and
randomised alike; only the order of importance is read.  Original maps are shared with other checks.

What it cannot show: that a map is right.  It shows that it depends on the weights.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292; Hedstroem et al., A Fresh Look
at Sanity Checks for Saliency Maps, 2024, arXiv 2405.02383; Binder et al., Shortcomings of Top-Down
Randomization-Based Sanity Checks, CVPR 2023, arXiv 2211.12486; Sundararajan and Taly, arXiv 1806.04205 (sign and
normalisation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from geoaudit.api import Check, Cost, Finding, Method, Need, Parameters, Probe, Problems, Quadrature, Status, Subject
from geoaudit.errors import NotApplicable
from geoaudit.threads import each
from geoaudit_plugins.checks.model_randomization_measures import (
    Array,
    Measured,
    Reference,
    moved,
    spread_scores,
)
from geoaudit_plugins.checks.model_randomization_verdict import Thresholds, certain_pass, curves, details, judge
from geoaudit_plugins.sanity import maps as sanity
from geoaudit_plugins.sanity import similarity
from geoaudit_plugins.sanity.randomise import Draw, Step, steps, under
from geoaudit_plugins.sanity.weights import Inventory, inventory


class ModelRandomizationParameters(Parameters):
    """How many models, on how many images, and the thresholds."""

    images: int = Field(2, ge=1, description="images explained again, the first ones; at most 8")
    seeds: int = Field(2, ge=1, description="draws of the full randomisation")
    top: int = Field(2, ge=1, description="steps of the cascade from the scores down, the full one included; 1: none")
    bottom: int = Field(2, ge=1, description="steps of the cascade from the picture up, the full one included; 1: none")
    independent: int = Field(0, ge=0, description="parts of the layers that are randomised alone; 0: none")
    cascade_seeds: int = Field(1, ge=1, description="draws of the partial randomisations")
    draw: Draw = Field("permute", description="shuffle a tensor's elements, or draw from its mean and deviation")
    nodes: int = Field(16, ge=2, description="gradient nodes of a path, original and randomised alike")
    fail: float = Field(0.9, gt=0, le=1, description="similarity from which on it is almost the same map")
    warn: float = Field(0.6, gt=0, le=1, description="similarity from which on the input must explain it")
    least_change: float = Field(0.5, ge=0, description="how far outputs must move, as a share of their spread")
    least_coverage: float = Field(90.0, ge=0, le=100, description="learned elements to reach for a failure, in %")
    curtail: bool = Field(False, description="leave out draws of the full randomisation that cannot change a PASS")

    @model_validator(mode="after")
    def _ordered(self) -> ModelRandomizationParameters:
        if self.warn > self.fail:
            raise ValueError("warn must not exceed fail")
        return self


class ModelRandomization(Check):
    """The map must change when everything that was learned is shuffled."""

    id: ClassVar[str] = "model-randomization"
    title: ClassVar[str] = "Model randomization"
    reference: ClassVar[str] = "Adebayo et al., NeurIPS 2018, arXiv 1810.03292"
    examines: ClassVar[Literal["model", "method"]] = "method"
    examines_controls: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    gate: ClassVar[bool] = True
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"bottom": 1, "nodes": 8},
        "thorough": {"images": 8, "seeds": 3, "top": 5, "bottom": 3, "independent": 4, "nodes": 32},
    }
    adaptive: ClassVar[Mapping[str, str]] = {"curtail": "true"}
    Parameters: ClassVar[type[Parameters]] = ModelRandomizationParameters
    parameters: ModelRandomizationParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method or control."""
        p, method = self.parameters, subject.method
        if method is None:
            raise NotApplicable(self.id, "it examines methods, and was shown the model")
        stock = probe.once(f"{self.id}:inventory", lambda: inventory(probe.layers()))
        if not stock.layers:
            raise NotApplicable(self.id, "the model holds no learned weights that could be randomised")
        few = sanity.first(problems, p.images)
        made = sanity.original(method, few, probe, p.nodes).values
        distances = few.x - few.baseline
        orders = probe.once(
            f"{self.id}:distances:{' '.join(few.ids)}",
            lambda: each(similarity.ranks, distances, distances[0].size),
        )
        rows = list(zip(made, distances, orders, strict=True))
        against = each(lambda row: Reference(row[0], row[1], few.space, row[2]), rows, made[0].size)
        if all(reference.constant for reference in against):
            reason = "Its map is the same everywhere, so that it has no order of importance that could change."
            return [Finding(self.id, method.id, Status.INCONCLUSIVE, reason, details=details([], against, stock))]
        chosen = steps(stock.layers, p.seeds, p.top, p.bottom, p.independent, p.cascade_seeds)
        found: list[Measured] = []
        for step in chosen:
            if not (step.order == "all" and self._settled(found, len(few))):
                found.append(self._measured(step, stock, method, few, against, probe))
        return [self._finding(method, found, against, stock)]

    def _settled(self, found: Sequence[Measured], images: int) -> bool:
        """Whether the draws of the full randomisation that are left cannot change the verdict."""
        p = self.parameters
        return p.curtail and certain_pass(found, images * (p.seeds - len(found)), p.warn, p.least_change)

    def _measured(
        self, step: Step, stock: Inventory, method: Method, problems: Problems, against: Sequence[Reference],
        probe: Probe,
    ) -> Measured:  # fmt: skip
        """The method's maps under one randomised model."""
        other = under(probe, step, self.parameters.draw, self.id, stock.layers)
        change = self._moved(step, problems, probe, other)
        if change != change:  # not finite: nor would gradients be
            return Measured(step, change, obstacle="the randomised model's scores are not finite")
        try:
            made = sanity.maps(method, sanity.posed(problems, other), other, self.parameters.nodes).values
        except NotApplicable as told:
            return Measured(step, change, obstacle=told.reason)
        pairs = zip(against, made, strict=True)
        return Measured(step, change, tuple(each(lambda pair: pair[0].compare(pair[1]), pairs, made[0].size)))

    def _moved(self, step: Step, problems: Problems, probe: Probe, other: Probe) -> float:
        """How far this step moves the outputs; evaluated once for all methods."""
        key = f"{self.id}:scores:{' '.join(problems.ids)}"
        before: Array = probe.once(key, lambda: spread_scores(probe, problems))
        told = f"{self.parameters.draw}:{step.order}:{step.share!r}:{step.depth!r}:{step.seed}"
        return probe.once(f"{key}:{told}", lambda: moved(before, spread_scores(other, problems)))

    def _finding(
        self, method: Method, found: Sequence[Measured], against: Sequence[Reference], stock: Inventory
    ) -> Finding:
        p = self.parameters
        thresholds = Thresholds(p.fail, p.warn, p.least_change, p.least_coverage)
        verdict = judge([m for m in found if m.step.order == "all"], stock.coverage, thresholds)
        left = p.seeds - sum(m.step.order == "all" for m in found)
        told = f" {left} further {'draw' if left == 1 else 'draws'} could not have changed this." if left else ""
        finding = Finding(self.id, method.id, verdict.status, verdict.reason + told, threshold=p.fail)
        return replace(
            finding,
            estimate=verdict.estimate,
            ci_low=verdict.low,
            ci_high=verdict.high,
            details=details(found, against, stock),
            curves=curves(found),
        )

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """A map of every image and model, and what the method prepares for each model."""
        if method is None:
            return Cost()
        p = self.parameters
        n, models = min(images, p.images), self._models()
        total = sanity.cost(method, quadrature, p.nodes, n) * (1 + models)
        total += method.preparation(sanity.coarse(quadrature, p.nodes), calibration) * models
        return total + Cost(forwards=3 * n * models)  # both ends of the walk, and a share of the scores

    def _models(self) -> int:
        p = self.parameters
        parts = p.independent if p.independent > 1 else 0
        return p.seeds + p.cascade_seeds * (p.top - 1 + p.bottom - 1 + parts)

    def scope(self, images: int) -> str:
        """Images, randomised models and seeds."""
        n = min(images, self.parameters.images)
        shown = "1 image" if n == 1 else f"{n} images"
        return f"{shown}, {self._models()} randomised models, {self.parameters.seeds} seeds"
