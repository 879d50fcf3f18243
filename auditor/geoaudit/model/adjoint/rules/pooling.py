"""Pools over sliding windows and over whole pictures."""

from __future__ import annotations

import math

import numpy as np

from geoaudit.model.adjoint.rules.convolution import conv_adjoint
from geoaudit.model.adjoint.rules.reductions import shared_evenly
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Array
from geoaudit.model.converters import sliding
from geoaudit.model.converters.sliding import Window


@rule("GlobalAveragePool")
def global_average_pool(site: Site) -> list[str | None]:
    """The mean of each picture's channel."""
    tape, shape = site.tape, site.shape()
    part = tape.op("Mul", site.g, tape.number(1 / math.prod(shape[2:]), site.y))
    return site.results(x0=tape.op("Expand", part, tape.ints(shape)))


@rule("GlobalMaxPool")
def global_max_pool(site: Site) -> list[str | None]:
    """The largest value of each picture's channel; equal ones share evenly."""
    return site.results(x0=shared_evenly(site, site.g, site.y, list(range(2, len(site.shape())))))


@rule("AveragePool")
def average_pool(site: Site) -> list[str | None]:
    """The mean of each window."""
    tape, shape, view = site.tape, site.shape(), _window(site)
    counts = _counts(view, shape[2:], include_pad=bool(site.attribute("count_include_pad", 0)))
    dtype = tape.dtype(site.x())
    channels = shape[1]
    if len(np.unique(counts)) == 1:
        g, each = site.g, 1 / counts.flat[0]
    else:
        g, each = tape.op("Mul", site.g, tape.constant((1 / counts).astype(dtype))), 1.0
    weights = np.full((channels, 1, *view.kernel), each, dtype=dtype)
    return site.results(x0=conv_adjoint(tape, g, shape, weights, view, channels))


@rule("MaxPool")
def max_pool(site: Site) -> list[str | None]:
    """The largest value of each window; of equal ones the first."""
    if len(site.cotangents) > 1 and site.cotangents[1] is not None:
        site.refuse("whose indices carry a derivative")
    tape, node = site.tape, site.node
    if site.attribute("storage_order", 0):
        site.refuse("that counts in column-major order")
    if len(node.output) > 1 and node.output[1]:
        places = str(node.output[1])
    else:
        given = {a.name: site.attribute(a.name) for a in node.attribute}
        places = tape.ops("MaxPool", [site.x()], 2, **given)[1]
    flat = tape.op("Expand", tape.number(0.0, site.x()), tape.ints([math.prod(site.shape())]))
    at, what = tape.reshape(places, [-1]), tape.reshape(site.g, [-1])
    apart = tape.op("ScatterElements", flat, at, what, axis=0, reduction="add")
    return site.results(x0=tape.reshape(apart, site.shape()))


def _window(site: Site) -> Window:
    return sliding.window(
        site.shape()[2:], site.attribute("kernel_shape"), site.attribute("strides"), site.attribute("dilations"),
        site.attribute("pads"), site.attribute("auto_pad", "NOTSET"), pool=True,
        ceil_mode=bool(site.attribute("ceil_mode", 0)),
    )  # fmt: skip


def _counts(view: Window, sides: tuple[int, ...], *, include_pad: bool) -> Array:
    """How many elements of each window count; what rounding up adds at the end never does."""
    counts = np.ones((), dtype=np.int64)
    for axis, n in enumerate(sides):
        starts = np.arange(view.outputs[axis]) * view.strides[axis] - view.heads[axis]
        places = starts[:, None] + np.arange(view.kernel[axis]) * view.dilations[axis]
        low, high = (-view.heads[axis], n + view.tails[axis]) if include_pad else (0, n)
        counts = np.multiply.outer(counts, ((places >= low) & (places < high)).sum(1))
    return np.asarray(counts)
