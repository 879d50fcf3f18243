"""RISE: the mean output over random masks that leave a pixel visible.

Each mask is a coarse grid of cells, each open with probability p, enlarged to the picture by bilinear
interpolation and cut out at a random place, so that no cell border is favoured.  The picture is shown through the
mask, the baseline where it is closed, and the explained output is read.  A pixel's importance is the mean of the
outputs weighted by how far the pixel was visible: an estimate of E[f(masked picture) | pixel visible].  Only
outputs are asked for.

Two details differ from the published formula, sum_i f_i M_i / (N p), and neither changes what it estimates.
f(x') is subtracted first: the paper explains a probability, which is about 0 for a black picture; a logit is
not, and without this the map would change with a constant added to the model.  And the sum is divided by the
pixel's own visibility, sum_i M_i, in place of its expectation N p: with N in the hundreds the two differ by some
per cent, which times the mean output would be read as importance.

A linear model f = b + sum_j w_j x_j gives the pixel j, with d = x - x', the value p sum_k w_k d_k plus
sum_k w_k d_k Cov(M_j, M_k) / p: the contribution of its cell above a constant level.  So the map orders regions,
not pixels, does not add up to f(x) - f(x') (not complete, and without a walk no NCC), and is hardly ever
negative.  It is noisy: the deviation falls with the square root of the number of masks, and another seed gives
another map.  Masks are drawn from the run's seed and the image's id, so that the other images do not matter.

Grid 7 x 7 and p = 0.5 are the paper's.  It draws 4000 masks for VGG-16 and 8000 for ResNet-50, which is what the
thorough budget is for (4000); the default of 1000 and the quick budget's 250 give coarser maps at the price of
the other methods.

Source: Petsiuk, Das, Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018,
arXiv 1806.07421, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Floats, Method, Need, Parameters, Probe, Problems, Quadrature
from geoaudit.threads import ahead

CHUNK = 64
"""Masks, and masked pictures, held at a time."""
Array = npt.NDArray[np.float64]


class RiseParameters(Parameters):
    """How masks are drawn."""

    masks: int = Field(1000, ge=1, description="random masks for one image; the paper uses 4000 to 8000")
    cells: int = Field(7, ge=1, description="cells of the coarse grid along each side (paper)")
    visible: float = Field(0.5, gt=0, le=1, description="probability that a cell is open (paper)")


class Rise(Method):
    """Mean output over random masks under which the pixel is visible."""

    id: ClassVar[str] = "rise"
    title: ClassVar[str] = "RISE"
    family: ClassVar[str] = "perturbation"
    reference: ClassVar[str] = "Petsiuk et al., BMVC 2018, arXiv 1806.07421"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete", "stochastic"})
    needs: ClassVar[frozenset[Need]] = frozenset()
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"masks": 250}, "thorough": {"masks": 4000}}
    Parameters: ClassVar[type[Parameters]] = RiseParameters
    parameters: RiseParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One forward a mask and image."""
        values = np.empty_like(problems.x)
        for i, image in enumerate(problems.ids):
            importance = self._importance(problems.select([i]), probe, probe.rng(self.id, image))
            values[i] = np.expand_dims(importance / problems.space.channels, problems.space.channel_axis)
        return Attributions(values, (None,) * len(problems))

    def _importance(self, problem: Problems, probe: Probe, rng: np.random.Generator) -> Array:
        """One image's map, shape (height, width)."""
        space = problem.space
        seen, weighted = np.zeros(space.size), np.zeros(space.size)
        for masks, shown in ahead(self._masked(problem, rng)):
            outputs = probe.outputs(shown, np.repeat(problem.targets, len(masks)))
            seen += masks.sum(axis=0)
            weighted += np.einsum("n,nhw->hw", outputs - problem.f_baseline, masks)
        return np.asarray(np.where(seen > 0, weighted / np.where(seen > 0, seen, 1.0), 0.0))

    def _masked(self, problem: Problems, rng: np.random.Generator) -> Iterator[tuple[Array, Floats]]:
        """All masks (m, height, width) and what they leave of the image (m, *shape), `CHUNK` at a time."""
        p, space = self.parameters, problem.space
        start, way = problem.baseline[0], problem.x[0] - problem.baseline[0]
        for begun in range(0, p.masks, CHUNK):
            count = min(CHUNK, p.masks - begun)
            masks = random_masks(rng, count, space.size, p.cells, p.visible)
            shown = np.empty((count, *space.shape), dtype=problem.x.dtype)
            for one, mask in zip(shown, masks.astype(shown.dtype), strict=True):
                np.multiply(way, np.expand_dims(mask, space.channel_axis), out=one)
                one += start
            yield masks, shown

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a mask."""
        return Cost(forwards=self.parameters.masks)

    def memory(self, quadrature: Quadrature) -> int:
        """Masks in float64 and masked pictures of one image at a time: more than is needed for several."""
        return 8 + 5 * CHUNK


def random_masks(
    rng: np.random.Generator, count: int, size: tuple[int, int], cells: int, visible: float
) -> npt.NDArray[np.float64]:
    """Masks in [0, 1], float64, shape (count, height, width).

    Args:
        rng: draws the grids and where they are cut out.
        count: number of masks.
        size: height and width in pixels.
        cells: cells of the coarse grid along each side; it is enlarged by one cell for the cut to move in.
        visible: probability that a cell is open.
    """
    grids = (rng.random((count, cells, cells)) < visible).astype(np.float64)
    rows, columns = (_cut_out(rng, count, side, cells) for side in size)
    wide: Array = np.einsum("nij,nwj->niw", grids, columns)  # not a matrix product: BLAS' last bits depend on the cores
    masks: Array = np.einsum("nhi,niw->nhw", rows, wide)
    return masks.clip(0.0, 1.0)


def _cut_out(rng: np.random.Generator, count: int, side: int, cells: int) -> Array:
    """Bilinear weights of the cells for each pixel of randomly placed cuts, shape (count, side, cells)."""
    cell = math.ceil(side / cells)
    enlarged = (cells + 1) * cell
    centres = (np.arange(enlarged) + 0.5) * cells / enlarged - 0.5
    weights = np.stack([np.interp(centres, np.arange(cells), one) for one in np.eye(cells)], axis=1)
    starts = rng.integers(0, cell, count)
    return np.asarray(weights[starts[:, None] + np.arange(side)])
