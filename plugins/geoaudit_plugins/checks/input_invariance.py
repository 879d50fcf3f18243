"""Input invariance: a map must not change when the model's input is moved and the model moves it back.

Take f'(x) = f(x - s): the same model with a subtraction in front.  On the picture x + s it computes what f computes on
x, layer by layer, and all its derivatives are the same numbers.  Nothing that could be explained has changed, so the
map must be the same: for picture x + s, baseline x' + s, and calibration pictures (and an autoencoder) moved by s.

    A(f', x + s, x' + s)   against   A(f, x, x')

A method passes that only knows differences of pictures, and gradients.  A method fails that has a reference of its own
in model input space, such as gradient times input with the reference 0: 0 is another picture after the shift.

The shift.  Each channel gets the smallest power of two that exceeds its largest input magnitude and its input range,
so that it is larger than the picture itself and no value of a picture is left in its place.  Picture and baseline are
first rounded to fl(fl(x + s) - s): adding s is then exact, both models see the same numbers at both ends of a walk,
and only points between the ends round differently, by some 1e-7 of the input range.  Both maps come from this rounded
picture; calibration pictures are rounded alike.  Outputs and gradients are the model's at the points moved back, which
is the subtraction; for methods that look at layers it is a node in front of the converted graph, whatever comes first
there.

Verdict, on the worst image.  PASS: the maps differ by at most 5 % of their size, and the rank correlation of their
magnitudes is at least 0.95.  FAIL: both are missed.  WARN: one is.  Measured on a small convolutional network, the
maps of methods that compute with gradients or outputs differ by 0 to 7e-6 of their size, those of a fitted surrogate
(LIME, which chooses among features) by 3 %, and those of gradient times input with the reference 0 by 101 % at a rank
correlation of 0.74.  Where rounding the picture alone moves the map as much, the image is not judged (see
`geoaudit_plugins.checks.agreement`).

What it cannot show: that a reference which moves along is a sensible one.  A method whose map does not depend on the
model at all passes.

Departures.  The authors add the shift's inverse to the first layer's bias, which needs a first layer with a bias, and
move pictures by a constant for which the sums round; here any first layer will do.  They count a method as
invariant only for references that move along, as here.

Cost: two maps of each image, and a third where the first two differ.

Source: Kindermans et al., The (Un)reliability of saliency methods, 2017, arXiv 1711.00867, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from geoaudit.api import (
    BudgetName,
    Check,
    Cost,
    Finding,
    Floats,
    InputSpace,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Status,
    Subject,
)
from geoaudit_plugins.checks.agreement import Agreement, AgreementParameters, agreement, rounded, verdict
from geoaudit_plugins.sanity import maps as sanity


@dataclass(frozen=True)
class Shifted:
    """The two models.

    Attributes:
        shift: float64, one a channel, broadcasting against one picture.
        there: over f(x - shift).
        here: over f itself, its calibration pictures rounded as those of `there`.
    """

    shift: Floats
    there: Probe
    here: Probe


class InputInvariance(Check):
    """The map of a moved picture, under a model that moves it back, is the same map."""

    id: ClassVar[str] = "input-invariance"
    title: ClassVar[str] = "Input invariance"
    reference: ClassVar[str] = "Kindermans et al., 2017, arXiv 1711.00867, section 2"
    examines: ClassVar[Literal["model", "method"]] = "method"
    from_budget: ClassVar[BudgetName] = "quick"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"thorough": {"images": 8}}
    Parameters: ClassVar[type[Parameters]] = AgreementParameters
    parameters: AgreementParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method."""
        assert subject.method is not None  # it examines methods
        method, p = subject.method, self.parameters
        models = probe.once(f"{self.id}/models", lambda: shifted(problems.space, probe))
        still, moved = self._pair(sanity.first(problems, p.images), models)
        a = sanity.maps(method, still, models.here, p.nodes)
        b = sanity.maps(method, moved, models.there, p.nodes)
        rows = [agreement(image, a.values[i], b.values[i]) for i, image in enumerate(still.ids)]
        late = [i for i, row in enumerate(rows) if any(row.misses(p))]
        if late:
            part = still.select(late)
            unit = np.finfo(part.x.dtype).eps * models.shift
            near = rounded(part, unit, [probe.rng(self.id, "rounding", image) for image in part.ids])
            c = sanity.maps(method, sanity.posed(near, models.here), models.here, p.nodes)
            for place, i in enumerate(late):
                rows[i] = rows[i].beside(agreement(rows[i].image, a.values[i], c.values[place]))
        return [self._finding(method, rows, models.shift)]

    def _pair(self, problems: Problems, models: Shifted) -> tuple[Problems, Problems]:
        """The rounded problems, and the same ones moved."""
        shift = models.shift.astype(problems.x.dtype)
        x, baseline = problems.x + shift, problems.baseline + shift
        still = replace(problems, x=x - shift, baseline=baseline - shift)
        moved = replace(problems, x=x, baseline=baseline, space=_moved(problems.space, models.shift))
        return sanity.posed(still, models.here), sanity.posed(moved, models.there)

    def _finding(self, method: Method, rows: list[Agreement], shift: Floats) -> Finding:
        found = verdict(rows, self.parameters)
        reason = f"Maps of the picture and of the moved picture {found.reason}."
        if found.status is Status.INCONCLUSIVE:
            reason = f"The map says nothing about invariance: {found.reason}."
        elif found.status is Status.WARN:
            reason += " Either the sizes change or the order of importance does."
        elif found.status is Status.FAIL:
            reason += " It depends on where the zero of the model's input lies, which means nothing."
        details = {"images": [row.entry for row in rows], "shift": [float(s) for s in shift.ravel()]}
        return Finding(
            self.id, method.id, found.status, reason, found.worst, threshold=self.parameters.same, details=details
        )

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """Two maps of each image, both models' outputs at its ends, and what the method prepares for each model."""
        assert method is not None
        n = min(images, self.parameters.images)
        each = sanity.cost(method, quadrature, self.parameters.nodes, n) + Cost(forwards=2 * n)
        return (each + method.preparation(quadrature, calibration)) * 2

    def scope(self, images: int) -> str:
        """How many images."""
        n = min(images, self.parameters.images)
        return f"{n} image{'' if n == 1 else 's'}, 2 maps each"


def shifted(space: InputSpace, probe: Probe) -> Shifted:
    """The model moved by more than its inputs, and the model itself.

    Args:
        space: the model's input; its pixel values 0 and 255 say how large inputs are.
        probe: the model.
    """
    largest = [max(abs(low), abs(high), abs(high - low)) for low, high in zip(space.low, space.high, strict=True)]
    shift = space.per_channel([2.0 ** (np.floor(np.log2(m)) + 1) if m > 0 else 1.0 for m in largest])
    whole = np.broadcast_to(shift, space.shape).copy()
    there = probe.shifted(whole)
    return Shifted(shift, there, there.shifted(-whole))


def _moved(space: InputSpace, shift: Floats) -> InputSpace:
    """The input space in which every pixel value lies `shift` higher."""
    amounts = [float(s) for s in shift.ravel()]
    low, high = (tuple(v + s for v, s in zip(values, amounts, strict=True)) for values in (space.low, space.high))
    return replace(space, low=low, high=high)
