"""Occlusion: what the output loses while a window of the picture is covered.

A window slides over the picture.  At each place the pixels under it are replaced by the baseline's, and the
explained output is read again: f(x) - f(covered) is what the window contributes as long as everything else is
visible.  Only outputs are asked for, so any model can be explained: trees, quantised graphs, custom operators.

From drops to a map.  Each drop is spread evenly over the pixels and channels of its window, and where windows
overlap a pixel takes the mean of the windows that cover it.  So a map is in units of the explained output: for a
model that is a sum of functions of single windows, and windows that do not overlap, every window's attribution
is exactly its function's share of f(x) - f(x').  For any other model the drops need not add up to that
difference: redundant evidence loses nothing while its twin is visible, and evidence that needs company is
counted once for each partner.  The method is therefore not complete, and since it integrates no walk there is
no error bar and no NCC to be judged.

Window and stride are shares of the picture's sides (square windows on square inputs).  By default the window is
1/14 of the side and the stride as long: the very squares by which faithfulness is scored, each looked at once.
Larger windows see objects that survive the loss of a small part and blur the map; a stride shorter than the
window smooths it.  The quick budget covers 1/7 of the side at a time (49 forwards), the thorough one moves the
default window by half its side (729 forwards).  Where a picture has fewer pixels than there are places, places
that fall together are visited once.

What it cannot show: a covered window is a picture that the model may never have met, and its answer to the
cover's own edges is taken for the window's contribution.  Another baseline gives another map.

Source: Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv 1311.2901,
section 4.2 (a grey square, the probability of the correct class).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import Attributions, Cost, Flag, Floats, Method, Need, Parameters, Probe, Problems, Quadrature

CHUNK = 64
"""Covered pictures held at a time."""
Window = tuple[slice, slice]


class OcclusionParameters(Parameters):
    """Size and step of the window."""

    window: float = Field(1 / 14, gt=0, le=1, description="side of the window as a share of the picture's")
    stride: float = Field(1 / 14, gt=0, le=1, description="step of the window as a share of the picture's side")


class Occlusion(Method):
    """The drop of the output while a sliding window shows the baseline."""

    id: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    family: ClassVar[str] = "perturbation"
    reference: ClassVar[str] = "Zeiler and Fergus, ECCV 2014, arXiv 1311.2901"
    flags: ClassVar[frozenset[Flag]] = frozenset({"not-complete"})
    needs: ClassVar[frozenset[Need]] = frozenset()
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {"window": 1 / 7, "stride": 1 / 7},
        "thorough": {"stride": 1 / 28},
    }
    Parameters: ClassVar[type[Parameters]] = OcclusionParameters
    parameters: OcclusionParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One forward a place of the window and image."""
        places = self.windows(problems.space.size)
        values = np.empty_like(problems.x)
        for i, target in enumerate(problems.targets):
            covered = []
            for start in range(0, len(places), CHUNK):
                points = _covered(problems, i, places[start : start + CHUNK])
                covered.append(probe.outputs(points, np.full(len(points), target)))
            drops = problems.f_x[i] - np.concatenate(covered)
            shared = _spread(drops, places, problems.space.size) / problems.space.channels
            values[i] = np.expand_dims(shared, problems.space.channel_axis)
        return Attributions(values, (None,) * len(problems))

    def windows(self, size: tuple[int, int]) -> list[Window]:
        """The window's places on a picture of `size` (height, width): row by row, from edge to edge."""
        sides = [math.ceil(side * self.parameters.window - 1e-9) for side in size]  # rounded down they leave gaps
        starts = [
            np.unique(np.rint(np.linspace(0, side - covered, self._places())).astype(int))
            for side, covered in zip(size, sides, strict=True)
        ]
        return [(slice(r, r + sides[0]), slice(c, c + sides[1])) for r, c in product(*starts)]

    def _places(self) -> int:
        """Places along one side."""
        way = (1 - self.parameters.window) / self.parameters.stride
        return 1 + math.ceil(way - 1e-9)  # 13 strides of 1/14 are 13, whatever their sum in binary

    def cost(self, quadrature: Quadrature) -> Cost:
        """One forward a place; fewer on a picture with fewer pixels than places along a side."""
        return Cost(forwards=self._places() ** 2)

    def memory(self, quadrature: Quadrature) -> int:
        """One image is worked on at a time, so this is more than is needed."""
        return 8 + CHUNK


def _covered(problems: Problems, i: int, places: list[Window]) -> Floats:
    """Problem i's image once a place, with the baseline there; shape (k, *shape)."""
    points = np.repeat(problems.x[i : i + 1], len(places), axis=0)
    baseline, layout = problems.baseline[i], problems.space.layout
    for point, (rows, columns) in zip(points, places, strict=True):
        where = (slice(None), rows, columns) if layout == "NCHW" else (rows, columns, slice(None))
        point[where] = baseline[where]
    return points


def _spread(drops: npt.NDArray[np.float64], places: list[Window], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The mean of the drops over each pixel's windows, divided by a window's pixels; 0 where none was."""
    total, times = np.zeros(size), np.zeros(size)
    for drop, (rows, columns) in zip(drops, places, strict=True):
        total[rows, columns] += drop / ((rows.stop - rows.start) * (columns.stop - columns.start))
        times[rows, columns] += 1
    return np.asarray(total / np.maximum(times, 1))
