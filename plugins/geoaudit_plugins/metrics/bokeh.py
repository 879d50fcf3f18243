"""Bokeh: an image of which some pixels are sharp and the rest is filled in smoothly from those.

A push-pull pyramid.  Down: each level has half the side, a cell holds the mean of the known cells below it and how
much of it is known (at most 1).  Up: a cell that is known in part is mixed with what the coarser level says, carried
up bilinearly.  Near a known pixel the fill follows it, far from all it is the mean of a wide neighbourhood, and known
pixels stay what they are to the last bit.

Source: the push-pull algorithm of Gortler, Grzeszczuk, Szeliski, Cohen, The Lumigraph, SIGGRAPH 1996, section 3.3.3.
"""

from __future__ import annotations

import numpy as np

from geoaudit import Removed
from geoaudit.api import Floats


def bokeh(image: Floats, sharp: Removed) -> Floats:
    """`image` with everything but the sharp pixels filled in.

    Args:
        image: channels first, finite, shape (c, height, width).
        sharp: which pixels stay in each of m pictures, at least one, shape (m, height, width).

    Returns:
        New arrays of the image's dtype within the range of its sharp pixels, shape (m, c, height, width).
    """
    known: Floats = sharp[:, None].astype(image.dtype)
    values: Floats = image * known
    levels = [(values, known)]
    while max(values.shape[2:]) > 1:
        values, known = _coarser(values, known)
        levels.append((values, known))
    filled, _ = levels.pop()
    for values, known in reversed(levels):
        filled = _finer(filled, values.shape[2:])
        filled += known * (values - filled)
    return np.where(sharp[:, None], image, filled)


def _coarser(values: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Means of the known cells in blocks of 2 x 2, and how much is known of each block."""
    height, width = values.shape[2:]
    pad = ((0, 0), (0, 0), (0, height % 2), (0, width % 2))
    total = _block_sums(np.pad(known, pad))
    sums = _block_sums(np.pad(values * known, pad))
    means: Floats = sums / np.where(total > 0, total, 1)
    return means, np.minimum(total, 1)


def _block_sums(cells: Floats) -> Floats:
    rows = cells[:, :, 0::2] + cells[:, :, 1::2]
    sums: Floats = rows[..., 0::2] + rows[..., 1::2]
    return sums


def _finer(cells: Floats, size: tuple[int, ...]) -> Floats:
    """`cells` (m, c, h, w) at twice the side, bilinearly, cut to `size`."""
    for axis, length in zip((2, 3), size, strict=True):
        lines = np.moveaxis(cells, axis, 0)
        before = np.concatenate([lines[:1], lines[:-1]])
        after = np.concatenate([lines[1:], lines[-1:]])
        doubled = np.empty((2 * len(lines), *lines.shape[1:]), lines.dtype)
        doubled[0::2] = lines + (before - lines) / 4
        doubled[1::2] = lines + (after - lines) / 4
        cells = np.moveaxis(doubled[:length], 0, axis)
    return np.ascontiguousarray(cells)
