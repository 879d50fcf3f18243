"""Operators that read some places of an axis, at places that do not depend on the image."""

from __future__ import annotations

import numpy as np

from geoaudit.model.adjoint.along import copied_back
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Shape


@rule("Slice")
def cut(site: Site) -> list[str | None]:
    """Part of some axes, forwards or backwards."""
    site.only(0)
    shape, rank = site.shape(), len(site.shape())
    starts, ends = (site.constant(index).reshape(-1).tolist() for index in (1, 2))
    axes = site.constant(3).reshape(-1).tolist() if site.has(3) else list(range(len(starts)))
    steps = site.constant(4).reshape(-1).tolist() if site.has(4) else [1] * len(starts)
    reads: dict[int, list[int]] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        length = shape[axis % rank]
        last = None if step < 0 and end < -length else end  # below the first element: to the start
        reads[axis % rank] = list(range(length))[start:last:step]
    return site.results(x0=_read_back(site, reads))


@rule("Pad")
def pad(site: Site) -> list[str | None]:
    """Elements added at both ends, or taken away: constants, or copies of elements."""
    site.only(0)
    shape = site.shape()
    counts = site.constant(1).reshape(-1).tolist()
    axes = site.constant(3).reshape(-1).tolist() if site.has(3) else list(range(len(shape)))
    mode = site.attribute("mode", "constant")
    reads: dict[int, list[int]] = {}
    for axis, before, after in zip(axes, counts[: len(axes)], counts[len(axes) :], strict=True):
        axis %= len(shape)
        kept = list(range(shape[axis]))[max(-before, 0) : shape[axis] - max(-after, 0)]
        wide = (max(before, 0), max(after, 0))
        if mode == "constant":
            reads[axis] = [-1] * wide[0] + kept + [-1] * wide[1]
        else:
            reads[axis] = np.pad(kept, wide, mode=mode).tolist()
    return site.results(x0=_read_back(site, reads))


@rule("Gather")
def gather(site: Site) -> list[str | None]:
    """Elements of an axis at constant places."""
    site.only(0)
    shape, indices = site.shape(), site.constant(1)
    axis = site.axis(0, len(shape))
    places = (indices.reshape(-1) % shape[axis]).tolist()
    read = (*shape[:axis], len(places), *shape[axis + 1 :])
    g = site.tape.reshape(site.g, read)
    return site.results(x0=copied_back(site.tape, g, read, axis, places, shape[axis], site.x()))


def _read_back(site: Site, reads: dict[int, list[int]]) -> str:
    g, now = site.g, list(site.out)
    for axis, places in reads.items():
        length = site.shape()[axis]
        given: Shape = tuple(now)
        g = copied_back(site.tape, g, given, axis, places, length, site.x())
        now[axis] = length
    return g
