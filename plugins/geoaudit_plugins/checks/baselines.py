"""Baselines of a picture in model input space, with the meaning that they have as the run's baseline.

What the preprocessing does to a channel is affine, so that a colour, a mean and a blur of model inputs are those of the
pixels.  Colours are pixel values 0 and 255 of every channel; "mean" is the picture's own mean colour; "blur" is a
Gaussian of 20/224 of the shorter side, borders repeated: nothing of an object's parts is left, its colours are;
"noise" is uniform between the two colours, drawn from the run's seed and the image's id.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from geoaudit.api import Floats, Probe, Problems

Kind = Literal["black", "blur", "mean", "noise", "white"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BLUR_SHARE = 20 / 224


def make(kind: Kind, problems: Problems, probe: Probe) -> Floats:
    """The baselines of n images, dtype and shape of `problems.x`.

    Args:
        kind: which one.
        problems: the images.
        probe: seeds the noise.
    """
    space, x = problems.space, problems.x
    low, high = space.per_channel(space.low), space.per_channel(space.high)
    rows, columns = (2, 3) if space.layout == "NCHW" else (1, 2)
    if kind == "black":
        made = np.broadcast_to(low, x.shape)
    elif kind == "white":
        made = np.broadcast_to(high, x.shape)
    elif kind == "mean":
        made = np.broadcast_to(x.mean(axis=(rows, columns), keepdims=True, dtype=np.float64), x.shape)
    elif kind == "blur":
        sigma = [0.0] * 4
        sigma[rows] = sigma[columns] = _BLUR_SHARE * min(space.size)
        made = gaussian_filter(x.astype(np.float64), sigma, mode="nearest")
    else:
        drawn = [probe.rng("baseline", "noise", image).uniform(size=space.shape) for image in problems.ids]
        made = low + (high - low) * np.stack(drawn)
    return np.array(made, dtype=x.dtype)
