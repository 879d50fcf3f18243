"""What the output loses when parts of an image go to the baseline; evaluated once for all maps of a group."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from geoaudit import Group, Removed
from geoaudit.api import Floats, InputSpace
from geoaudit.scoring.sweep import BATCH

Array = npt.NDArray[np.float64]


def output_losses(group: Group, draws: int, removed: Callable[[int, int], Removed]) -> Array:
    """f(x) - f(x with a part at the baseline), in explained-output units.

    Args:
        group: the images and the model.
        draws: number of parts drawn for each image.
        removed: `removed(image, draw)` is one part, True where a pixel goes with all its channels, (height, width).

    Returns:
        float64, shape (n, draws).
    """
    problems, taking_out = group.problems, group.filler("baseline")
    losses = np.empty((len(problems), draws))
    jobs = iter(product(range(len(problems)), range(draws)))
    while batch := list(islice(jobs, BATCH)):
        images, drawn = (np.array(part) for part in zip(*batch, strict=True))
        points = taking_out(images, np.stack([removed(image, draw) for image, draw in batch]))
        values = group.probe.outputs(points, problems.targets[images])
        losses[images, drawn] = problems.f_x[images] - values
    return losses


def still(losses: Array, f_x: float) -> bool:
    """Whether what `losses` (draws,) differ by may be rounding alone: at most 1e-5 of |f(x)|, or 1e-6."""
    return bool(np.ptp(losses) <= max(1e-6, 1e-5 * abs(f_x)))


def pixel_map(values: Floats, space: InputSpace) -> Array:
    """One map (*space.shape) summed over its channels with its signs, float64, shape (height, width)."""
    summed: Array = values.sum(axis=space.channel_axis, dtype=np.float64)
    return summed
