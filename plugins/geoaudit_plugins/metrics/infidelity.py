"""Infidelity: does the map foretell what the output loses when a part of the image is taken out?

Square blocks of random side and place go to the run's baseline, all channels of a pixel together.  The map foretells
the loss f(x) - f(x~) as the sum of its values inside the block; the score is the mean square of what it misses,

    INFD(A) = E[(beta I.A - (f(x) - f(x~)))^2] / E[(f(x) - f(x~))^2],    beta = max(0, E[I.A loss] / E[(I.A)^2]),

where I is 1 inside the block and 0 elsewhere.  f is the explained output and every x~ is evaluated on onnxruntime.
beta is the paper's optimal scaling, kept from turning the map's sign: only the map's proportions count.  Dividing by
the mean square loss makes images and models comparable: 0 is perfect, 1 is what a map of zeros gets, and nothing is
worse, for a map that foretells the opposite gets beta = 0.  The exact contributions of a linear model, w (x - x'),
score 0.

The paper writes I = x - x~ and multiplies it with a gradient.  A map of this audit holds contributions, which carry
the factor x - x' already, so I is the share of the way to the baseline that each element goes: the same formula with
the factor moved into the map.  A bare gradient is read as if its values were contributions, as everywhere here.

The side is drawn evenly between a fourteenth and a half of the image's shorter side, the place so that every pixel is
covered equally often; blocks reach over the border and are cut off there.  The paper draws squares too (its
"square removal").  How many is not fixed by it: 96 here, under the quick budget 32, under thorough 512.  By the draw
alone a middling score of one image deviates by 0.05 to 0.08 at 96 blocks; the mean over images takes that down, and all
maps share it, for the blocks come from the run's seed and the image's id alone.  Their losses are evaluated once.

What it cannot show: larger blocks usually lose more, so a constant positive map foretells something where most of the
image counts in favour of the target; compare with the control `uniform-complete`.  A block at the baseline colour is
an object of its own, and a method with the same baseline has an advantage.

Source: Yeh, Hsieh, Suggala, Inouye, Ravikumar, On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019,
arXiv 1901.09392, equation 1, and the optimal scaling of its section on comparing explanations of different scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Attributions, Cost, Evidence, Group, InputSpace, Metric, Parameters, Problems, Removed, Scores
from geoaudit_plugins.metrics.removal import Array, output_losses, pixel_map, still

SMALLEST, LARGEST = 1 / 14, 1 / 2
"""Sides of the blocks as shares of the shorter side of the image."""


class InfidelityParameters(Parameters):
    """How many blocks are taken out."""

    draws: int = Field(96, ge=2, description="random blocks for each image; the standard error falls with its root")


@dataclass(frozen=True)
class _Blocks:
    """Blocks and their losses.

    Attributes:
        edges: top, bottom, left, right in pixels, ends exclusive, shape (n, draws, 4).
        losses: shape (n, draws).
    """

    edges: npt.NDArray[np.int64]
    losses: Array


class Infidelity(Metric):
    """Mean square of what the map misses of the losses, as a share of their mean square, in [0, 1]."""

    id: ClassVar[str] = "infidelity"
    title: ClassVar[str] = "Infidelity"
    reference: ClassVar[str] = "Yeh et al., NeurIPS 2019, arXiv 1901.09392, equation 1"
    higher_is_better = False
    ideal = 0.0
    needs = frozenset({"probe"})
    reads_importance = True
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"draws": 32}, "thorough": {"draws": 512}}
    Parameters: ClassVar[type[Parameters]] = InfidelityParameters
    parameters: InfidelityParameters

    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """One number an image; null where no block changes the output."""
        draws = self.parameters.draws
        blocks = evidence.group.once(f"{self.id}: {draws} blocks", lambda: _taken_out(evidence.group, draws))
        values: list[float] = []
        why: list[str | None] = []
        for i, losses in enumerate(blocks.losses):
            silent = still(np.append(losses, 0.0), problems.f_x[i])
            why.append("the output does not change when parts of the image are taken out" if silent else None)
            foretold = _inside(pixel_map(attributions.values[i], problems.space), blocks.edges[i])
            values.append(math.nan if silent else _missed(foretold, losses))
        return Scores.of(values, why)

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """One forward a block, once for all maps."""
        return Cost(), Cost(forwards=self.parameters.draws)


def _missed(foretold: Array, losses: Array) -> float:
    """The mean square miss after optimal scaling, as a share of the mean square loss."""
    size = float((foretold**2).sum())
    scale = max(0.0, float((foretold * losses).sum()) / size) if size > 0 else 0.0
    return float(((scale * foretold - losses) ** 2).sum() / (losses**2).sum())


def _inside(pixels: Array, edges: npt.NDArray[np.int64]) -> Array:
    """Sums of `pixels` (height, width) inside each block (draws, 4), shape (draws,)."""
    total = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1))
    total[1:, 1:] = pixels.cumsum(axis=0).cumsum(axis=1)
    top, bottom, left, right = edges.T
    sums: Array = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return sums


def _taken_out(group: Group, draws: int) -> _Blocks:
    """Blocks for every image, and what the output loses without them."""
    problems, size = group.problems, group.problems.space.size
    edges = np.stack([random_blocks(group.probe.rng(Infidelity.id, image), draws, size) for image in problems.ids])

    def removed(image: int, draw: int) -> Removed:
        top, bottom, left, right = edges[image, draw]
        part = np.zeros(size, dtype=np.bool_)
        part[top:bottom, left:right] = True
        return part

    return _Blocks(edges, output_losses(group, draws, removed))


def random_blocks(rng: np.random.Generator, draws: int, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Random squares, cut off at the border; every pixel lies in one with the same probability.

    Args:
        rng: draws sides and places.
        draws: number of squares.
        size: height and width in pixels.

    Returns:
        Top, bottom, left and right in pixels, ends exclusive, int64, shape (draws, 4); at least one pixel each.
    """
    smallest, largest = (max(1, round(min(size) * share)) for share in (SMALLEST, LARGEST))
    sides = rng.integers(smallest, largest, draws, endpoint=True)
    edges = []
    for length in size:
        first = rng.integers(1 - sides, length)
        edges += [np.maximum(first, 0), np.minimum(first + sides, length)]
    return np.stack(edges, axis=1)
