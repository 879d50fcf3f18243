"""Adversarial Gradient Integration: from the pictures that the model takes for other classes back to the image.

The baseline is not chosen by hand.  For each of k false classes l the image is changed, step by step, until the
model takes it for l; the walk back from there to the image is integrated, and the k maps are averaged:

    u_0 = x,   u_{j+1} = clip(u_j + eps (high - low) sign(grad f_l(u_j)))   until argmax(u_j) = l, at most m times
    A = 1/k sum_l  integral of grad f_c along the broken line u_J, ..., u_1, u_0 = x

f_c is the explained output of the explained class, f_l that of class l: with `--explain probability` the steps are
the published ones, sign(grad p_l).  With the logit they raise l's score without looking at the other classes'; with
the log-probability they are the published ones again, and nothing vanishes where p_l is near 0.

Defaults.  eps = 0.05 of the data range is the paper's, and so are k = 20 and m = 20, which the thorough budget
takes: up to 400 gradients an image for the search, as many at the corners, and the refinement.  The other budgets
take 5 classes and 10 steps, and 3 and 5.  False classes are spread evenly over the class numbers, as in the released
code, or the `likeliest` ones of each image.  With fewer than k other classes all of them are taken.

Integration and completeness.  Each walk is integrated by the run's quadrature with nodes at its corners and between
them; the published code multiplies each step by the gradient where it began.  The map adds up to the mean over l
of f(x) - f(u_J), with a start of its own for every image: differences from other methods' sums are differences of
the question.  The published code takes the sum over l, which is k times as large; order and signs are the same.
A class that the model already sees in the image (the explained class need not be the predicted one) gives no walk.

What it cannot show.  The walk ends where the model changes its mind, not where the object is gone: a start is
a picture with low-amplitude noise on it, and a class that takes m steps without being reached is integrated from
wherever the walk got to.  f_c(u_J) need not be low: with the logit a walk that raises l's score may raise f_c as well,
and then the map adds up to a negative number; the probability falls whenever class l wins.  Sign steps move every
element by the same amount, dull regions included.

Departures from the released code.  It takes every step from the original image, so that its points are one step
away from x whatever m is, while the steps are added up as if they were a walk: here each step starts where the last
one ended.  Points are clipped to the range of the data in model input units, channel by channel, and the image
itself is never moved by that.

Source: Pan, Li, Zhu, Explaining Deep Neural Network Models with Adversarial Gradient Integration, IJCAI 2021,
doi 10.24963/ijcai.2021/396, and the authors' released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Bundle,
    Cost,
    Flag,
    Floats,
    Ints,
    Parameters,
    PathMethod,
    Probe,
    Problems,
    Quadrature,
    Runs,
)
from geoaudit.errors import NotApplicable
from geoaudit_plugins.adversarial.trails import CHUNK, Bools, Box, integrated, trails, way_back


class AGIParameters(Parameters):
    """How many walks there are, and how far they go."""

    classes: int = Field(5, ge=1, description="false classes, each with a walk of its own; the paper uses 20")
    steps: int = Field(10, ge=1, description="the most steps of a walk; the paper uses 20")
    step: float = Field(0.05, gt=0, le=1, description="each element's step as a share of the data range (paper)")
    choose: Literal["spread", "likeliest"] = Field(
        "spread", description="false classes evenly spread over the class numbers (released code), or the likeliest"
    )


class AGI(PathMethod):
    """AGI: what it takes to lead the model from other classes back to this one."""

    id: ClassVar[str] = "agi"
    title: ClassVar[str] = "AGI"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Pan et al., IJCAI 2021, doi 10.24963/ijcai.2021/396"
    flags: ClassVar[frozenset[Flag]] = frozenset({"own-baseline"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"classes": 3, "steps": 5},
        "thorough": {"classes": 20, "steps": 20},
    }
    Parameters: ClassVar[type[Parameters]] = AGIParameters
    parameters: AGIParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate over the walks from all starts.

        Raises:
            NotApplicable: there is no other class.
        """
        return integrated(self.walk(problems, probe), self._corners(), problems, probe)

    def walk(self, problems: Problems, probe: Probe) -> Bundle:
        """Search the starts: one gradient and one forward a step, images and classes batched.

        Raises:
            NotApplicable: there is no other class.
        """
        scores = probe.scores(problems.x)
        if scores.shape[1] < 2:
            raise NotApplicable(
                self.id, "the model has one class, and the walks start at pictures of another",
                "Choose a method that starts at the baseline, such as integrated-gradients.",
            )  # fmt: skip
        p = self.parameters
        goals = np.stack([
            false_classes(row, int(target), p.classes, p.choose)
            for row, target in zip(scores, problems.targets, strict=True)
        ])  # fmt: skip
        going = goals != scores.argmax(axis=1)[:, None]
        box = Box.of(problems.space, problems.x.dtype)
        size = (p.step * box.extent).astype(problems.x.dtype)

        def step(points: Floats, images: Ints, classes: Ints) -> tuple[Floats, Bools]:
            _, gradients = probe.value_and_gradient(points, classes)
            moved = box.clip(points + size * np.sign(gradients), problems.x[images])
            on: Bools = probe.scores(moved).argmax(axis=1) != classes
            return moved, on

        return way_back(trails(problems.x, goals, going, p.steps, step), problems, probe)

    def _corners(self) -> int:
        """The most corners of an image's walks."""
        return self.parameters.classes * (self.parameters.steps + 1)

    def cost(self, quadrature: Quadrature) -> Cost:
        """Walks end after half of the steps on average; then the nodes at their corners, and the refinement."""
        p = self.parameters
        search = 0.5 * p.classes * p.steps
        nodes = search + p.classes + 0.5 * quadrature.node_limit
        return Cost(gradients=search + nodes, forwards=search + nodes + p.classes + 1)

    def memory(self, quadrature: Quadrature) -> int:
        """Every walk's points and their gradients, or the refinement's, and one chunk of the search."""
        return 8 + 4 * CHUNK + 3 * self._corners() + quadrature.node_limit


def false_classes(scores: Floats, target: int, count: int, choose: Literal["spread", "likeliest"]) -> Ints:
    """Class numbers other than the explained one, without repetition, int64; all of them if there are no more.

    Args:
        scores: one image's scores, shape (classes,).
        target: the explained class.
        count: how many.
        choose: evenly spread over the class numbers, or by descending score.
    """
    others = np.delete(np.arange(len(scores)), target)
    count = min(count, len(others))
    if choose == "likeliest":
        chosen = others[np.argsort(-scores[others], kind="stable")[:count]]
    else:
        chosen = others[np.arange(count) * len(others) // count]
    return chosen.astype(np.int64)
