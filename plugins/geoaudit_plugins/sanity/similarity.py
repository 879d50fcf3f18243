"""How alike two maps of one image are: rank correlation, structural similarity, and correlation of edge directions.

Three readings, as in Adebayo et al.: Spearman's rank correlation compares the order of importance of single
elements; SSIM compares brightness, contrast and structure of the pictures that a reader sees; the correlation of
HOG features (histograms of oriented gradients) compares their outlines.  1 is the same map, 0 an unrelated one.
By default the maps' magnitudes |A| are compared, for a randomised model may turn a sign without moving the
importance; `signed=True` compares A itself.

For SSIM and HOG a map becomes a picture: summed over the channels of each pixel and divided by its own largest
magnitude, to [0, 1] for magnitudes and [-1, 1] for signed maps.  Every image is scaled by itself, never over a
batch.  One large value therefore darkens the rest of the picture, and two dark pictures are alike: SSIM is high
for spiky maps, which is a reason to judge by ranks.  A constant map has no order, and the result is nan; so it is
where a map is not finite.

The window of SSIM has scikit-image's 7 pixels; HOG has cells of 16 pixels, 9 directions and blocks of 3 cells.  Smaller
pictures get smaller ones.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv 1810.03292, section 3; Wang et al., Image
Quality Assessment, IEEE TIP 2004; Dalal and Triggs, CVPR 2005.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, InputSpace
from geoaudit.scoring.mean_ranks import mean_ranks

Array = npt.NDArray[np.float64]


def spearman(a: Floats, b: Floats, signed: bool = False) -> float:
    """Rank correlation of two maps' elements, ties by mean ranks, in [-1, 1]; nan where a map is constant.

    Args:
        a, b: maps of the same shape.
        signed: compare A, not |A|.
    """
    return correlation(ranks(a, signed), ranks(b, signed))


def ranks(a: Floats, signed: bool = False) -> Array:
    """The ranks of a map's elements, from 1, ties by mean ranks, float64, flat; nan where the map is not finite."""
    flat = np.asarray(a, dtype=np.float64).ravel()
    if not np.isfinite(flat).all():
        return np.full(flat.shape, np.nan)
    return mean_ranks(flat if signed else np.abs(flat))


def correlation(a: Array, b: Array) -> float:
    """Pearson's correlation, in [-1, 1]; nan where one side is constant or not finite."""
    if min(a.size, b.size) < 2 or not (_varies(a) and _varies(b)):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum()) * np.sqrt((b * b).sum()))
    if not norm > 0:
        return float("nan")
    return float(np.clip((a * b).sum() / norm, -1.0, 1.0))


def ssim(a: Floats, b: Floats, space: InputSpace, signed: bool = False) -> float:
    """Structural similarity of two maps seen as pictures, in [-1, 1]; nan where one is constant.

    Args:
        a, b: one image's maps, shape (*space.shape).
        space: the model's input; at least 3 pixels on each side, else nan.
        signed: compare A, not |A|.
    """
    from skimage.metrics import structural_similarity

    one, other = picture(a, space, signed), picture(b, space, signed)
    side = min(space.size)
    window = min(7, side - (side + 1) % 2)
    if window < 3 or not (_varies(one) and _varies(other)):
        return float("nan")
    spread = 2.0 if signed else 1.0
    found = structural_similarity(one, other, win_size=window, data_range=spread)  # type: ignore[no-untyped-call]
    return float(found)


def hog(a: Floats, b: Floats, space: InputSpace, signed: bool = False) -> float:
    """Correlation of two maps' histograms of oriented gradients, in [-1, 1]; nan where one has no gradient.

    Args:
        a, b: one image's maps, shape (*space.shape).
        space: the model's input; at least 3 pixels on each side, else nan.
        signed: compare A, not |A|.
    """
    return correlation(outlines(a, space, signed), outlines(b, space, signed))


def picture(a: Floats, space: InputSpace, signed: bool = False) -> Array:
    """A map as a picture: channels added up, largest magnitude 1, float64, shape (height, width).

    Args:
        a: one image's map, shape (*space.shape).
        space: the model's input.
        signed: sums of A, in [-1, 1]; else of |A|, in [0, 1].
    """
    values = np.asarray(a, dtype=np.float64)
    summed: Array = (values if signed else np.abs(values)).sum(axis=space.channel_axis)
    largest = float(np.abs(summed).max())
    return summed / largest if 0 < largest < np.inf else summed


def outlines(a: Floats, space: InputSpace, signed: bool = False) -> Array:
    """The HOG features of a map seen as a picture, flat, float64; one nan where it is constant or too small.

    Args:
        a: one image's map, shape (*space.shape).
        space: the model's input.
        signed: of A, not of |A|.
    """
    from skimage.feature import hog as features

    shown = picture(a, space, signed)
    if min(shown.shape) < 3 or not _varies(shown):
        return np.array([np.nan])
    cell = max(1, min(16, min(shown.shape) // 3))
    cells = min(side // cell for side in shown.shape)
    block = (min(3, cells),) * 2
    found = features(shown, orientations=9, pixels_per_cell=(cell, cell), cells_per_block=block)
    return np.asarray(found, dtype=np.float64)


def _varies(values: Array) -> bool:
    low, high = float(values.min()), float(values.max())
    return bool(np.isfinite(low) and np.isfinite(high) and high > low)
