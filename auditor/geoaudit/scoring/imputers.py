"""What stands in for a region that is taken out of an image.

Every imputer leaves traces of its own (a black square is an object too), which is why the sweep always reads
with at least two of them: Hooker et al. 2019 (arXiv 1806.10758), Rong et al. 2022 (arXiv 2202.00449),
Bluecher et al. 2024 (arXiv 2401.06654).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from geoaudit.api import Floats, InputSpace
from geoaudit.errors import UsageError

BLUR_SHARE = 14
"""The blur's sigma is the shorter image side divided by this: 16 px at 224, the side of one region."""

Imputer = Callable[[Floats, Floats, InputSpace], Floats]


def baseline_fill(x: Floats, baseline: Floats, space: InputSpace) -> Floats:
    """The problem's own baseline: "absent" means here what it means to the path methods.

    Args:
        x: images in model input space, shape (n, *space.shape).
        baseline: baselines, same shape and dtype.
        space: the model input's layout.

    Returns:
        The filled images, shape (n, *space.shape).
    """
    return baseline


def blur_sigma(space: InputSpace) -> float:
    """Standard deviation of the blur in pixels."""
    return min(space.size) / BLUR_SHARE


def blur_fill(x: Floats, baseline: Floats, space: InputSpace) -> Floats:
    """The image itself under a Gaussian blur of `blur_sigma` pixels: colours stay, shapes go.

    Args and result as for `baseline_fill`; the borders are mirrored.
    """
    sigma = [blur_sigma(space)] * 4
    sigma[0] = 0.0
    sigma[1 + space.channel_axis] = 0.0
    filled: Floats = gaussian_filter(x, sigma=sigma, mode="reflect")
    return filled


IMPUTERS: Mapping[str, Imputer] = {"baseline": baseline_fill, "blur": blur_fill}
"""All imputers by name."""


def fill(name: str, x: Floats, baseline: Floats, space: InputSpace) -> Floats:
    """The images with everything imputed by the imputer `name`, shape (n, *space.shape), dtype of `x`.

    Raises:
        UsageError: `name` is no imputer.
    """
    if name not in IMPUTERS:
        raise UsageError(f"imputer {name!r}", "is not known", f"Choose from {', '.join(sorted(IMPUTERS))}.")
    return np.asarray(IMPUTERS[name](x, baseline, space), dtype=x.dtype)
