"""IG2: from a picture that the model sees as another class, found by the gradient of its representation, to the image.

For each of R references r, pictures that the model takes for other classes, the image is led to where its
representation h (what goes into the last linear layer) is like the reference's:

    u_0 = x,   u_{j+1} = clip(u_j - eta d_j / |d_j|_2),   d_j = grad |h(u_j) - h(r)|^2,   J steps
    A = 1/R sum_r  integral of grad f along the broken line u_J, ..., u_1, u_0 = x

The end u_J is the explicand's own baseline ("GradCF"): the image with what makes it this class taken out, as far as
the model goes.  d is the gradient with respect to pixel values, so that the walk does not depend on how pixels are
scaled for the model; where it is 0 the walk stands still.

References come from the calibration set: of every class that the model predicts there, the explained one excepted,
the picture with the lowest score of the explained class, lowest first; then the others in the same order.  The image
itself is never its own reference.  Images for which there are fewer than R take those there are; where no picture
is of another class, those with the lowest score of the explained one stand in, and a note says so.
A squared distance has no scale: only its gradient's direction is used.

Defaults.  The released code walks 201 steps of length 256 (L2, pixels from 0 to 255) at 224 x 224 x 3: in all a
length of 0.52 of the data range per element in root mean square, kept here as `length` so that pictures of other
sizes are led equally far.  The standard budget takes 24 steps of the same total length, the thorough 60 and the quick
10: coarser walks at a fraction of the price.  `--set ig2.steps=201` takes the published ones, at 800 gradients of the
search and as many of the integration.  R = 2 (4 when thorough) is ours: on photographs a
walk of 24 steps takes some 150 gradients to integrate, for the output swings three times as far as it moves in all.

Integration and completeness.  The walks are integrated by the run's quadrature, with nodes at the corners and
between them; the published code takes the gradient at the start of each step.  The map adds up to
f(x) - mean_r f(u_J), with a start of its own for every image.

What it cannot show.  The map depends on the references: another calibration set gives another map.  Nothing makes
u_J a natural picture, and a fixed step may overshoot where few steps are taken.  A model whose scores are not made
by one linear layer (a convolution followed by pooling, trees) has no representation in this sense: not applicable.

Departures from the released code.  A vanishing gradient divides by zero there, and the map is lost; here the
walk ends.  There the gradient is normalised in the model's own input units; here in pixels.

Source: Zhuo, Ge, IG2: Integrated Gradient on Iterative Gradient Path for Feature Attribution, IEEE TPAMI 2024,
arXiv 2406.10852, and the authors' released code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Bundle,
    Cost,
    Flag,
    Floats,
    Ints,
    Need,
    Parameters,
    PathMethod,
    Probe,
    Problems,
    Quadrature,
    Runs,
)
from geoaudit.errors import NotApplicable
from geoaudit_plugins.adversarial.trails import CHUNK, Bools, Box, integrated, trails, way_back

ALIKE = (
    "For some images no picture of the calibration set is seen as another class; those with the lowest score of the "
    "explained class stand in, so the map says what sets the image apart from its like."
)


class IG2Parameters(Parameters):
    """How many references there are, and how the walks to them are made."""

    references: int = Field(2, ge=1, description="pictures of other classes, each with a walk of its own")
    steps: int = Field(24, ge=1, description="steps of a walk; the released code uses 201")
    length: float = Field(
        0.52, gt=0, description="length of a walk per element, root mean square, as a share of the data range (201 "
        "steps of 256 grey levels at 224 x 224 x 3, released code)",
    )  # fmt: skip


class IG2(PathMethod):
    """IG2: what takes the model from its view of other pictures back to this one."""

    id: ClassVar[str] = "ig2"
    title: ClassVar[str] = "IG2"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Zhuo and Ge, IEEE TPAMI 2024, arXiv 2406.10852"
    flags: ClassVar[frozenset[Flag]] = frozenset({"own-baseline", "needs-calibration-set"})
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"steps": 10},
        "thorough": {"references": 4, "steps": 60},
    }
    Parameters: ClassVar[type[Parameters]] = IG2Parameters
    parameters: IG2Parameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Images with equally many references together.

        Raises:
            NotApplicable: there are no other pictures to start from, or the scores are made by no linear layer.
        """
        chosen = self._references(problems, probe)
        predicted = self._known(probe).argmax(axis=1)
        alike = any(predicted[own[0]] == target for own, target in zip(chosen, problems.targets, strict=True))
        parts = []
        for count in sorted({len(own) for own in chosen}):
            group = [i for i, own in enumerate(chosen) if len(own) == count]
            posed = problems.select(group)
            parts.append((group, integrated(self.walk(posed, probe), self._corners(), posed, probe)))
        values = np.empty_like(problems.x)
        records = [record for _, part in parts for record in part.records]
        order = [i for group, _ in parts for i in group]
        for group, part in parts:
            values[group] = part.values
        notes = (ALIKE,) if alike else ()
        return Attributions(values, tuple(records[order.index(i)] for i in range(len(problems))), notes)

    def walk(self, problems: Problems, probe: Probe) -> Bundle:
        """Walk towards every reference.

        Raises:
            NotApplicable: as for `attribute`, or the images do not all have equally many references.
        """
        from geoaudit_plugins.adversarial.representation import representation

        p, known = self.parameters, self._known(probe)
        own = self._references(problems, probe)
        if len({len(each) for each in own}) > 1:
            raise NotApplicable(
                self.id, "some images have fewer references than others, and cannot be walked together",
                "Use its own maps, or lower --set ig2.references.",
            )  # fmt: skip
        chosen = np.array(own, dtype=np.int64)
        inside = probe.once("ig2/inside", lambda: representation(probe.layers(), known.shape[1], self.id))
        used, goals = np.unique(chosen, return_inverse=True)
        features = inside.features(probe).scores(probe.calibration.points([int(i) for i in used]))
        towards = inside.distances(probe, features)
        box = Box.of(problems.space, problems.x.dtype)
        stride = problems.x.dtype.type(p.length * np.sqrt(problems.x[0].size) / p.steps)

        def step(points: Floats, images: Ints, references: Ints) -> tuple[Floats, Bools]:
            _, uphill = towards.value_and_gradient(points, references)
            moves = box.extent * unit(uphill * box.extent)
            moved = box.clip(points + moves * stride, problems.x[images])
            return moved, np.ones(len(points), dtype=np.bool_)

        goals = goals.reshape(chosen.shape).astype(np.int64)
        return way_back(trails(problems.x, goals, np.ones(goals.shape, np.bool_), p.steps, step), problems, probe)

    def _corners(self) -> int:
        """The most corners of an image's walks."""
        return self.parameters.references * (self.parameters.steps + 1)

    def _known(self, probe: Probe) -> Floats:
        """The calibration pictures' scores, shape (pictures, classes)."""
        if not len(probe.calibration):
            raise NotApplicable(
                self.id, "there is no calibration set to take pictures of other classes from",
                "Give a folder of pictures with --calibration.",
            )  # fmt: skip
        found: Floats = probe.once("ig2/scores", lambda: scores(probe))
        return found

    def _references(self, problems: Problems, probe: Probe) -> list[list[int]]:
        known, ids = self._known(probe), probe.calibration.ids
        chosen = []
        for image, target in zip(problems.ids, problems.targets.tolist(), strict=True):
            others = np.array([name != image for name in ids])
            chosen.append(references(known, target, others, self.parameters.references))
            if not chosen[-1]:
                raise NotApplicable(
                    self.id, f"the calibration set holds no picture but {image} itself",
                    "Give a folder with pictures of several classes: --calibration.",
                )  # fmt: skip
        return chosen

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a step, then one a corner and the refinement; the references' features."""
        p = self.parameters
        nodes = 1.25 * self._corners() + 0.5 * quadrature.node_limit
        return Cost(gradients=p.references * p.steps + nodes, forwards=nodes + 2 * p.references)

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """Which classes the calibration pictures are of."""
        return Cost(forwards=calibration)

    def memory(self, quadrature: Quadrature) -> int:
        """Every walk's points and their gradients, or the refinement's; references; one chunk of the search."""
        return 8 + 6 * CHUNK + self.parameters.references + 3 * self._corners() + quadrature.node_limit


def scores(probe: Probe) -> Floats:
    """Every class' score of every calibration picture, shape (pictures, classes)."""
    return np.concatenate([probe.scores(points) for points in probe.calibration.batches(CHUNK)])


def references(known: Floats, target: int, allowed: Bools, count: int) -> list[int]:
    """At most `count` calibration pictures of other classes, of as many classes as possible.

    Where there is none of another class, those with the lowest score of the explained one.

    Args:
        known: scores, shape (pictures, classes).
        target: the explained class.
        allowed: which pictures may be taken, shape (pictures,).
        count: how many are wanted.
    """
    predicted = known.argmax(axis=1)
    order = [int(i) for i in np.argsort(known[:, target], kind="stable") if allowed[i]]
    order = [i for i in order if predicted[i] != target] or order
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(predicted[i]), i)
    leading = list(first.values())
    return [*leading, *(i for i in order if i not in leading)][:count]


def unit(vectors: Floats) -> Floats:
    """Each row divided by its L2 norm, 0 where that is 0, nan where it is no number; shape and dtype of `vectors`."""
    made = np.zeros_like(vectors)
    for row, out in zip(vectors, made, strict=True):
        largest = float(np.abs(row).max())
        if largest != 0:  # squares of tiny gradients would underflow
            scaled = (row.astype(np.float64) / largest).ravel()
            out[...] = (scaled / np.sqrt(np.einsum("i,i->", scaled, scaled))).reshape(out.shape)
    return made
