"""Patch degradation: the mean probability while the most relevant patches lose their detail.

The degradation test of the study that introduced pattern-guided integrated gradients.  A picture is cut into 25 by 25
patches (9 px at 224).  A patch's relevance is the mean over its pixels of the map's signed sum over the channels.  From
the most relevant patch on, one after the other, patches are overwritten with their own mean colour: each channel's mean
over the patch.  The score is the mean of the explained class's probability after 1, 2, ..., 100 patches, from
onnxruntime, in [0, 1]; lower is better.  (The study draws the curve, averaged over images; this is the area under it.)

Patches of equal relevance come in an order drawn from the image's id.  Patches are never smaller than 2 px, for the
mean of one pixel is that pixel: pictures below 50 px a side have fewer than 25 by 25 of them, and where there are fewer
than 100 all are overwritten.  Patches at the right and lower border may be smaller.

What it cannot show: a patch's mean keeps colour and brightness, so that only detail is tested; and there is no level
that stands for chance, since how much 100 blurred patches harm a picture differs from picture to picture.  Maps are
compared on the same picture.

Departures from the study's script, `DFKI-NLP/pgig`, whose published curves they change: it never overwrites the most
relevant patch, because its mask for patch number 0 is empty; and it overwrites only those channels of a patch whose
mean is positive after the mean picture is subtracted, so that about half of the replacements do not happen.  Here every
patch in turn is overwritten in all its channels.  Pictures keep the model's own size (the script resizes to 225 px).

Source: Schwarzenberg, Castle, Pattern-Guided Integrated Gradients, ICML 2020 Workshop on Human Interpretability, arXiv
2007.10685, experiments on ImageNet; after Samek et al. 2017 (arXiv 1509.06321).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Attributions, Cost, Evidence, Group, InputSpace, Metric, Parameters, Problems, Scores
from geoaudit.api import BudgetName, Floats
from geoaudit.scoring.regions import Grid, importance, relevance_places

CHUNK = 16
"""Degraded images held at a time."""


class PatchDegradationParameters(Parameters):
    """How a picture is cut, and how far the degradation goes."""

    side: int = Field(25, ge=1, description="patches along the shorter side (study)")
    patches: int = Field(100, ge=1, description="patches overwritten, the most relevant ones (study)")


class PatchDegradation(Metric):
    """Mean probability after each of the first 100 patches, most relevant first, in [0, 1]."""

    id: ClassVar[str] = "patch-degradation"
    title: ClassVar[str] = "Patch degradation"
    reference: ClassVar[str] = "Schwarzenberg and Castle 2020 (arXiv 2007.10685)"
    higher_is_better: ClassVar[bool | None] = False
    ideal: ClassVar[float | None] = 0.0
    needs = frozenset({"probe"})
    reads_importance: ClassVar[bool] = True
    from_budget: ClassVar[BudgetName] = "thorough"
    Parameters: ClassVar[type[Parameters]] = PatchDegradationParameters
    parameters: PatchDegradationParameters

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One mean an image; null where the map is not finite, or the image a single pixel."""
        grid = self.grid(problems.space)
        fill = evidence.group.once(f"{self.id}: patches of {grid.region}", lambda: patch_means(problems, grid))
        scores, reasons = np.full(len(problems), np.nan), list[str | None]()
        for i, values in enumerate(attributions.values):
            if problems.space.size == (1, 1) or not np.isfinite(values).all():
                reasons.append(
                    "the image is a single pixel" if problems.space.size == (1, 1) else "the map is not finite"
                )
                continue
            reasons.append(None)
            relevance = importance(values, problems.space, grid, "signed")
            places = relevance_places(relevance, problems.ids[i])
            scores[i] = self._curve(i, places[grid.labels], fill[i], evidence.group).mean()
        return Scores.of(scores, reasons)

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """One forward a patch."""
        return Cost(forwards=self._steps(self.grid(space))), Cost()

    def grid(self, space: InputSpace) -> Grid:
        """The patches of a model's input."""
        return Grid(*space.size, max(2, math.ceil(min(space.size) / self.parameters.side)))

    def _steps(self, grid: Grid) -> int:
        return min(self.parameters.patches, grid.count)

    def _curve(self, image: int, places: npt.NDArray[np.int64], fill: Floats, group: Group) -> npt.NDArray[np.float64]:
        """The probability after 1, 2, ... patches, shape (steps,); `places` of the pixels' patches, (height, width)."""
        problems, axis = group.problems, group.problems.space.channel_axis
        steps = self._steps(self.grid(problems.space))
        parts = []
        for start in range(0, steps, CHUNK):
            counts = np.arange(start, min(start + CHUNK, steps)) + 1
            gone = places[None] < counts[:, None, None]
            points = np.where(np.expand_dims(gone, 1 + axis), fill, problems.x[image])
            parts.append(group.probe.probabilities(points, np.repeat(problems.targets[image : image + 1], len(counts))))
        return np.concatenate(parts)


def patch_means(problems: Problems, grid: Grid) -> Floats:
    """The images with every patch replaced by its mean colour, shape and dtype of `problems.x`."""
    axis = 1 + problems.space.channel_axis
    fill = np.empty_like(problems.x)
    planes, filled = np.moveaxis(problems.x, axis, 1), np.moveaxis(fill, axis, 1)
    for i, channel in np.ndindex(planes.shape[:2]):
        filled[i, channel] = (grid.sums(planes[i, channel].astype(np.float64)) / grid.areas)[grid.labels]
    return fill
