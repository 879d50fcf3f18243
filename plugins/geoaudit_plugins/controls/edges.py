"""Edge map: a picture made from the image alone, without the model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit import Attributions, Control, InputSpace, Probe, Problems
from geoaudit.api import Floats


def luminance(x: Floats, space: InputSpace) -> npt.NDArray[np.float64]:
    """Luminance of one model input, 0 for black and 1 for white, float64, shape (height, width).

    Three channels are weighed as RGB, any other number evenly.
    """
    from skimage.color import rgb2gray

    low, high = space.per_channel(space.low), space.per_channel(space.high)
    pixels = np.moveaxis((x - low) / (high - low), space.channel_axis, -1)
    grey = rgb2gray(pixels) if space.channels == 3 else pixels.mean(axis=-1)
    return np.asarray(grey, dtype=np.float64)


class Edges(Control):
    """Sobel gradient magnitude of the luminance, spread evenly over the channels."""

    id = "edges"
    title = "Edges of the image"
    reference = "Control; Adebayo et al. 2018 (arXiv 1810.03292)"
    flags = frozenset({"not-complete", "shows-picture"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Maps that know the image but not the model."""
        from skimage.filters import sobel

        space = problems.space
        values = np.empty_like(problems.x)
        for i, x in enumerate(problems.x):
            edges = np.asarray(sobel(luminance(x, space)), dtype=np.float64)  # type: ignore[no-untyped-call]
            values[i] = np.expand_dims(edges / space.channels, space.channel_axis)
        return Attributions(values, (None,) * len(problems))
