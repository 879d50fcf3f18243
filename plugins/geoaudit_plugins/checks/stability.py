"""Stability: how far a map moves when the picture hardly does.

Every element of the picture x gets uniform noise of at most `radius` times its channel's pixel range (0.02, five grey
levels of 255), clipped to the pixel range: x'.  The explained class and the baseline stay; x' must be predicted as x
is, or it is drawn again, at most `attempts` times as often as draws are wanted.  How many were rejected is reported;
an image without any such neighbour says nothing (its explanation should change there), and that is said.

For each image, over its draws:

    max-sensitivity      max ||A(x') - A(x)|| / ||A(x)||            Yeh et al., divided by the map's size
    local Lipschitz      max ||A(x') - A(x)|| / ||x' - x||          Alvarez-Melis and Jaakkola, in model input
                                                                    units: comparable within a model, not across
    similarity           min Spearman's correlation of |A(x')| and |A(x)|: blind to the map's scale

(Euclidean norms over all elements.)  Both maxima are over the draws, a lower bound of those over the whole
neighbourhood: more draws give larger numbers, so a number goes with its radius and its number of draws.

Verdict, on the median over images.  PASS up to `steady` (0.5) of max-sensitivity.  For maps of equal size,
||A' - A||^2 = 2 ||A||^2 (1 - cos): 0.5 is a cosine of 0.875 between the two maps, 1 is a cosine of 0.5, and unrelated
maps have 1.41.  FAIL beyond `unsteady` (1: the map changes by more than it is) if the order of importance is lost as
well (similarity below `similar`, 0.5): then the two maps of what is one picture to a person, and one class to the
model, share less than they differ.  All else is a WARN: among it maps that merely grow or shrink, which a normalised
picture of the map does not show.  A failure is a caution, never a rejection: a model whose gradient changes abruptly
is explained rightly by a map that does.

What it cannot show: whether the map is right.  A map that does not depend on the picture at all has max-sensitivity
0 and passes; the reason then says so, and the controls are shown beside the methods for that comparison.  Random
noise of this radius is not an attack: an adversary finds worse neighbours (Ghorbani et al. 2019).  A stochastic
method draws the same numbers for x and x' (same image, same seed), so that its own noise is not counted here; see
seed-reliability for it.

Defaults.  Published code defaults to a radius of 0.02 in input units and 10 draws (captum's sensitivity_max, for
inputs in [0, 1]) or to 0.2 and 200 draws; numbers at different radii do not compare, so the radius is here a share of
the pixel range, whatever the normalisation.  Maps are made with a coarser quadrature (`nodes`) than the run's, x and
x' alike; a method's own parameters are left as they are.

Cost: draws + 1 maps of each image; the map of x is shared with other checks that use as many nodes, and the
predictions of the draws are read once for all methods.

Source: Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019, arXiv 1901.09392;
Alvarez-Melis and Jaakkola, On the Robustness of Interpretability Methods, 2018, arXiv 1806.08049;
Ghorbani, Abid, Zou, Interpretation of Neural Networks is Fragile, AAAI 2019, arXiv 1710.10547.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from geoaudit.api import (
    BudgetName,
    Check,
    Cost,
    Finding,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Status,
    Subject,
)
from geoaudit_plugins.checks.stability_draws import drawn, kept
from geoaudit_plugins.checks.stability_moves import Moved, measure
from geoaudit_plugins.sanity import maps as sanity


class StabilityParameters(Parameters):
    """How pictures are moved, and what is held to be stable."""

    radius: float = Field(0.02, gt=0, le=1, description="largest change of an element, share of the pixel range")
    images: int = Field(1, ge=1, description="images examined, the first ones")
    draws: int = Field(3, ge=1, description="neighbours of each image")
    attempts: int = Field(5, ge=1, description="draws that may be made for each one wanted, to keep the prediction")
    steady: float = Field(0.5, gt=0, description="largest max-sensitivity for PASS: a cosine of 0.875")
    unsteady: float = Field(1.0, gt=0, description="max-sensitivity beyond which it may be FAIL: a cosine of 0.5")
    similar: float = Field(0.5, ge=-1, le=1, description="rank correlation below which the order of importance is lost")
    nodes: int = Field(16, ge=2, description="first nodes of the integrator for the maps")

    @model_validator(mode="after")
    def _ordered(self) -> StabilityParameters:
        if self.steady > self.unsteady:
            raise ValueError("steady must not exceed unsteady")
        return self


class Stability(Check):
    """The map hardly moves when the picture hardly does and the prediction stays."""

    id: ClassVar[str] = "stability"
    title: ClassVar[str] = "Stability under small noise"
    reference: ClassVar[str] = (
        "Yeh et al., NeurIPS 2019, arXiv 1901.09392; Alvarez-Melis and Jaakkola, arXiv 1806.08049"
    )
    examines: ClassVar[Literal["model", "method"]] = "method"
    examines_controls: ClassVar[bool] = True
    from_budget: ClassVar[BudgetName] = "standard"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"thorough": {"images": 8, "draws": 10}}
    Parameters: ClassVar[type[Parameters]] = StabilityParameters
    parameters: StabilityParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method."""
        assert subject.method is not None  # it examines methods
        chosen = sanity.first(problems, self.parameters.images)
        rows = [self._measured(subject.method, chosen.select([i]), probe) for i in range(len(chosen))]
        return [self._finding(subject.method.id, rows)]

    def _measured(self, method: Method, problem: Problems, probe: Probe) -> Moved:
        p = self.parameters
        draws = kept(problem, probe, self.id, p.radius, p.draws, p.draws * p.attempts)
        return measure(method, problem, probe, draws, lambda n: drawn(problem, probe, self.id, p.radius, n), p.nodes)

    def _finding(self, method: str, rows: Sequence[Moved]) -> Finding:
        p = self.parameters
        known = [row.sensitivity for row in rows if row.sensitivity is not None]
        rejected = sum(row.kept.rejected for row in rows)
        details = {"images": [row.entry for row in rows], "radius": p.radius, "rejected": rejected}
        silent = [row.reason for row in rows if row.reason is not None]
        if not known:
            reason = f"Nothing to compare: {'; '.join(silent)}."
            return Finding(self.id, method, Status.INCONCLUSIVE, reason, threshold=p.steady, details=details)
        sensitivity = float(np.median(known))
        similarity = _median([row.similarity for row in rows if row.sensitivity is not None])
        status, said = self._verdict(sensitivity, similarity, still=not any(known))
        by = f" under noise of at most {100 * p.radius:.2g} % of the pixel range"
        images = f"{len(known)} image" + ("s" if len(known) > 1 else "")
        reason = said.format(by=f"{by} ({images}, {max(len(r.kept.draws) for r in rows)} draws)")
        if silent:
            reason += f" Left out: {'; '.join(silent)}."
        details |= {"lipschitz": _median([row.lipschitz for row in rows]), "similarity": similarity}
        return Finding(
            self.id, method, status, reason, sensitivity, threshold=p.steady, details=dict(sorted(details.items()))
        )

    def _verdict(self, sensitivity: float, similarity: float | None, still: bool) -> tuple[Status, str]:
        """The verdict, and its sentence with a place for what was done; `still`: no map moved at all."""
        p = self.parameters
        if still:
            told = "The map does not move at all{by}: trivially stable, for it does not follow the picture there."
            return Status.PASS, told
        moved = f"The map moves by {100 * sensitivity:.3g} % of its size{{by}}"
        if sensitivity <= p.steady:
            return Status.PASS, f"{moved}."
        order = "" if similarity is None else f", and the order of importance agrees to {similarity:.2f}"
        lost = sensitivity > p.unsteady and (similarity is None or similarity < p.similar)
        return Status.FAIL if lost else Status.WARN, f"{moved}{order}."

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """One map of every image and neighbour; predictions, of which nearly all draws are kept on photographs."""
        if method is None:
            return Cost()
        p, count = self.parameters, min(images, self.parameters.images)
        map_ = method.cost(sanity.coarse(quadrature, p.nodes))
        predicted, posed = Cost(forwards=count * (1 + p.draws)), Cost(forwards=2 * count * p.draws)
        return map_ * (count * (1 + p.draws)) + predicted + posed

    def scope(self, images: int) -> str:
        """Images, draws and radius."""
        p, count = self.parameters, min(images, self.parameters.images)
        return f"{count} image{'s' if count != 1 else ''}, {p.draws} draws, radius {100 * p.radius:.2g} % of the range"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
