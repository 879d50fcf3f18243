"""Sensitivity-n: over random subsets of n regions, does the map's sum go with what the output loses?

For each image and each n, random subsets S of n regions go to the run's baseline, all channels of a pixel together,
and Pearson's correlation is taken over the subsets between the sum of A in S and f(x) - f(x with S at the baseline).
The score is the mean over several n: in [-1, 1], 0 for a map that knows nothing, 1 for the exact contributions of a
linear model, and an inverted map scores exactly the opposite.  f is the explained output, evaluated on onnxruntime.

This is the paper's definition, image by image.  Correlating over the images of a batch, or along one order of removal,
asks something else: whether images with large maps have large outputs.

Units are the square regions of the masked-forward sweep (a fourteenth of the shorter side) in place of the paper's
single pixels: without a region the output of a network for photographs moves by more than rounding, without a pixel
it hardly does.  n is spread evenly on a logarithmic scale from 2 % to 80 % of the regions, the upper end as in the
paper; it starts at one pixel, where all methods are bound to look alike.  The paper draws 100 subsets for each n
on a thousand images.  The defaults, 5 sizes of 24 subsets, cost 120 forwards an image, made once for all maps; one
image's score then deviates by 0.06 to 0.12 by the draw alone, which the mean over images takes down.
Under the quick budget 3 sizes of 16 subsets, under thorough 8 of 64.

A correlation does not exist where one side does not vary.  A constant map, a map that is constant over the subsets of
one size (one that is zero outside of a few regions may be), and an image whose output does not move get no score and
the reason why; none of them reads as 0.

What it cannot show: a subset of regions at the baseline colour is no natural image, and a method with the same
baseline has an advantage.  Only proportions count, not whether the map adds up to the output.

Source: Ancona, Ceolini, Oztireli, Gross, Towards better understanding of gradient-based attribution methods for deep
neural networks, ICLR 2018, arXiv 1711.06104, section 4.2, definition 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Attributions, Cost, Evidence, Group, InputSpace, Metric, Parameters, Problems, Scores
from geoaudit.api import Ints
from geoaudit.scoring.regions import Grid
from geoaudit_plugins.metrics.removal import Array, output_losses, pixel_map, still

SMALLEST, LARGEST = 0.02, 0.8
"""Subset sizes as shares of the regions."""
ROUNDING = 1e-9
"""Sums that differ by no more than this share of the map's mass do not differ."""


class SensitivityNParameters(Parameters):
    """How many subsets are taken out."""

    sizes: int = Field(5, ge=1, description="values of n, log-spaced from 2 % to 80 % of the regions")
    subsets: int = Field(24, ge=8, description="random subsets for each n; the paper draws 100")


@dataclass(frozen=True)
class _Subsets:
    """Subsets and their losses.

    Attributes:
        members: which regions a subset holds, shape (n, draws, regions); subsets of one size lie together.
        losses: shape (n, draws).
    """

    members: npt.NDArray[np.bool_]
    losses: Array


class SensitivityN(Metric):
    """Mean over n of the correlation between a subset's sum and its loss, in [-1, 1]; chance is 0."""

    id: ClassVar[str] = "sensitivity-n"
    title: ClassVar[str] = "Sensitivity-n"
    reference: ClassVar[str] = "Ancona et al., ICLR 2018, arXiv 1711.06104, section 4.2"
    higher_is_better = True
    ideal = 1.0
    needs = frozenset({"probe"})
    reads_importance = True
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"sizes": 3, "subsets": 16},
        "thorough": {"sizes": 8, "subsets": 64},
    }
    Parameters: ClassVar[type[Parameters]] = SensitivityNParameters
    parameters: SensitivityNParameters

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image."""
        p, grid = self.parameters, Grid.of(problems.space)
        sizes = subset_sizes(grid, p.sizes)
        if not len(sizes):
            return Scores.of(np.full(len(problems), math.nan), ["too few regions"] * len(problems))
        key = f"{self.id}: {p.sizes} sizes of {p.subsets} subsets"
        made = evidence.group.once(key, lambda: _taken_out(evidence.group, grid, sizes, p.subsets))
        found = []
        for i, values in enumerate(attributions.values):
            pixels = pixel_map(values, problems.space)
            found.append(_correlation(pixels, grid, sizes, made.members[i], made.losses[i], float(problems.f_x[i])))
        return Scores.of([value for value, _ in found], [reason for _, reason in found])

    def score_inverted(
        self, attributions: Attributions, problems: Problems, evidence: Evidence, scores: Scores
    ) -> Scores:
        """The opposite: -A turns the sign of every correlation."""
        return Scores(-scores.values, scores.reasons)

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """One forward a subset, once for all maps."""
        sizes = subset_sizes(Grid.of(space), self.parameters.sizes)
        return Cost(), Cost(forwards=len(sizes) * self.parameters.subsets)


def subset_sizes(grid: Grid, wanted: int) -> Ints:
    """Regions in a subset: ascending, log-spaced between 2 % and 80 % of `grid.count`, at least 1, without repeats.

    Empty where the image is a single region.
    """
    shares = np.geomspace(SMALLEST, LARGEST, wanted) if wanted > 1 else np.array([math.sqrt(SMALLEST * LARGEST)])
    sizes = np.unique(np.maximum(1, np.rint(shares * grid.count)).astype(np.int64))
    return sizes[sizes < grid.count]


def _correlation(
    pixels: Array, grid: Grid, sizes: Ints, members: npt.NDArray[np.bool_], losses: Array, f_x: float
) -> tuple[float, str | None]:
    """The mean over n, or nan and why there is none."""
    if not np.isfinite(pixels).all():
        return math.nan, "the map is not finite"
    if np.ptp(pixels) <= ROUNDING * np.abs(pixels).max():
        return math.nan, "the map is constant"
    sums = (members * grid.sums(pixels)).sum(axis=1)
    found = []
    for n, a, b in zip(sizes, np.split(sums, len(sizes)), np.split(losses, len(sizes)), strict=True):
        if still(b, f_x):
            return math.nan, f"the output is the same without any of the random subsets of size {n}"
        if np.ptp(a) <= ROUNDING * np.abs(pixels).sum():
            return math.nan, f"the map is constant over the random subsets of size {n}"
        a, b = a - a.mean(), b - b.mean()
        found.append(float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())))
    return float(np.mean(found)), None


def _taken_out(group: Group, grid: Grid, sizes: Ints, subsets: int) -> _Subsets:
    """Subsets for every image, and what the output loses without them."""
    members = np.stack([
        random_members(group.probe.rng(SensitivityN.id, image), grid.count, sizes, subsets)
        for image in group.problems.ids
    ])  # fmt: skip
    losses = output_losses(group, members.shape[1], lambda image, draw: members[image, draw][grid.labels])
    return _Subsets(members, losses)


def random_members(rng: np.random.Generator, regions: int, sizes: Ints, subsets: int) -> npt.NDArray[np.bool_]:
    """Random subsets, each without replacement, shape (len(sizes) * subsets, regions); those of one size together."""
    counts = np.repeat(sizes, subsets)
    places = rng.random((len(counts), regions)).argsort(axis=1).argsort(axis=1)
    return np.asarray(places < counts[:, None])
