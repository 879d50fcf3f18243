"""Regions of a picture: overlapping segments at several scales, and a map gathered into them greedily.

Used by XRAI, whose documentation says where the numbers come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, InputSpace

SIDE = 224
"""Side of the picture, in pixels, that the numbers below are for."""
SCALES = (50, 100, 150, 250, 500, 1200)
SIGMA = 0.8
SMALLEST = 150
"""Pixels of a segment before it is grown."""
GROWN = 5
"""Pixels by which a segment is grown on all sides."""
ADDED = 50
"""Fewest new pixels for which a segment is added."""
Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.int64]


def segments(picture: Floats, space: InputSpace) -> list[Pixels]:
    """The segments of all scales, grown; each the ascending flat indices (row by row) of its pixels.

    Args:
        picture: in model input space, shape (*space.shape).
        space: its layout and range.
    """
    found: dict[bytes, Pixels] = {}
    for labels in _labels(_canvas(picture, space), space.size):
        for pixels in _grown(labels, GROWN * _ratio(space.size)):
            found.setdefault(pixels.tobytes(), pixels)  # flat areas are the same segment at every scale
    return list(found.values())


def smallest_addition(size: tuple[int, int]) -> int:
    """Fewest new pixels for which a segment is added, for a picture of `size` (height, width)."""
    return max(1, round(ADDED * _ratio(size) ** 2))


def gathered(density: Array, masks: Sequence[Pixels], fewest: int) -> Array:
    """A map levelled region by region, densest first.

    The mask whose pixels that are not covered yet have the highest mean is added, and they get that mean, until no
    mask would add `fewest` pixels.  Pixels left over get their own mean.  Ties go to the earlier mask.

    Args:
        density: the map, flat, shape (d,).
        masks: indices of each mask's pixels.
        fewest: masks that would add fewer pixels are dropped.

    Returns:
        The levelled map, shape (d,); its sum is that of `density` up to rounding.
    """
    level = np.zeros_like(density)
    covered = np.zeros(len(density), dtype=bool)
    counts = np.array([len(mask) for mask in masks], dtype=np.int64)
    sums = np.array([density[mask].sum() for mask in masks], dtype=np.float64)
    owners, starts = _owners(masks, len(density))
    while (open_ := np.flatnonzero(counts >= fewest)).size:
        best = masks[open_[np.argmax(sums[open_] / counts[open_])]]
        new = best[~covered[best]]
        level[new] = density[new].mean()
        covered[new] = True
        lengths = starts[new + 1] - starts[new]
        places = np.repeat(starts[new] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        touched = owners[places]
        counts -= np.bincount(touched, minlength=len(masks))
        sums -= np.bincount(touched, weights=np.repeat(density[new], lengths), minlength=len(masks))
    if not covered.all():
        level[~covered] = density[~covered].mean()
    return level


def _owners(masks: Sequence[Pixels], count: int) -> tuple[Pixels, Pixels]:
    """The masks that hold each pixel, one pixel after the other, and where each pixel's begin, (count + 1,)."""
    pixels = np.concatenate(masks) if masks else np.empty(0, dtype=np.int64)
    numbers = np.repeat(np.arange(len(masks)), [len(mask) for mask in masks])
    starts = np.concatenate([[0], np.cumsum(np.bincount(pixels, minlength=count))])
    return numbers[np.argsort(pixels, kind="stable")], starts


def _ratio(size: tuple[int, int]) -> float:
    """The side of a square picture of this area, as a share of the published one."""
    return math.sqrt(size[0] * size[1]) / SIDE


def _canvas(picture: Floats, space: InputSpace) -> Array:
    """The picture to cut: channels last, each from -1 to 1, of at most the published area."""
    low, high = space.per_channel(space.low), space.per_channel(space.high)
    canvas = np.moveaxis(2.0 * (picture - low) / (high - low) - 1.0, space.channel_axis, -1)
    ratio = _ratio(space.size)
    if ratio <= 1.0:
        return np.ascontiguousarray(canvas)
    from skimage.transform import resize

    reduced = [max(1, round(side / ratio)) for side in space.size]
    small = resize(canvas, (*reduced, canvas.shape[2]), order=3, mode="reflect", anti_aliasing=True)  # type: ignore[no-untyped-call]
    return np.asarray(small, dtype=np.float64)


def _labels(canvas: Array, size: tuple[int, int]) -> list[Pixels]:
    """The picture cut at each scale: a number for each pixel's segment, from 0, shape `size`."""
    from skimage.segmentation import felzenszwalb

    ratio = _ratio((canvas.shape[0], canvas.shape[1]))
    smallest = max(1, round(SMALLEST * ratio**2))
    flat = canvas if canvas.shape[2] <= 3 else canvas.mean(axis=2, keepdims=True)  # it knows colours, not bands
    rows, columns = (
        ((np.arange(side) + 0.5) * cut / side).astype(np.int64)
        for side, cut in zip(size, canvas.shape[:2], strict=True)
    )
    found = []
    for scale in SCALES:
        labels = felzenszwalb(flat, scale=scale * ratio, sigma=SIGMA * ratio, min_size=smallest)
        found.append(np.asarray(labels, dtype=np.int64)[np.ix_(rows, columns)])
    return found


def _grown(labels: Pixels, radius: float) -> list[Pixels]:
    """Each segment with the pixels at most `radius` away from it (Euclidean), as flat indices, ascending."""
    from scipy.ndimage import distance_transform_edt, find_objects

    height, width = labels.shape
    margin = math.floor(radius)
    found = []
    for number, box in enumerate(find_objects(labels + 1)):
        top, left = (max(0, side.start - margin) for side in box)
        bottom, right = (min(end, side.stop + margin) for end, side in zip((height, width), box, strict=True))
        inside = labels[top:bottom, left:right] == number
        if margin >= 1:
            inside = distance_transform_edt(~inside) <= radius
        rows, columns = np.nonzero(inside)
        found.append((rows + top) * width + columns + left)
    return found
