"""Convolutions: the adjoint of a convolution is a convolution with flipped and transposed kernels.

Over a stride, a dense convolution's adjoint is one convolution that makes each of the stride's phases as channels of
its own, which are then interleaved; a grouped one's first spreads the cotangent with zeros in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from geoaudit.model.adjoint import strides
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Array, Shape, Tape
from geoaudit.model.converters import sliding
from geoaudit.model.converters.sliding import Window


@rule("Conv")
def conv(site: Site) -> list[str | None]:
    """Convolution over one to three spatial axes."""
    site.only(0)
    weights, shape = site.constant(1), site.shape()
    view = sliding.window(
        shape[2:], weights.shape[2:], site.attribute("strides"), site.attribute("dilations"), site.attribute("pads"),
        site.attribute("auto_pad", "NOTSET"),
    )  # fmt: skip
    return site.results(x0=conv_adjoint(site.tape, site.g, shape, weights, view, site.attribute("group", 1)))


def conv_adjoint(tape: Tape, g: str, shape: Shape, weights: Array, view: Window, groups: int) -> str:
    """The cotangent of a convolution's input.

    Args:
        tape: where the nodes go.
        g: the output's cotangent, shape (n, channels out, *view.outputs).
        shape: the input's shape, (n, channels in, *sides).
        weights: shape (channels out, channels in / groups, *kernel).
        view: strides, pads and dilations.
        groups: the groups of channels.
    """
    if all(stride == 1 for stride in view.strides):
        return _plain(tape, g, shape, _turned(weights, groups), view, groups, view.outputs)
    if groups == 1:
        return _phases(tape, g, shape, weights, view)
    spread = strides.spread(tape, g, (shape[0], weights.shape[0], *view.outputs), view.strides)
    sizes = [n * s for n, s in zip(view.outputs, view.strides, strict=True)]
    return _plain(tape, spread, shape, _turned(weights, groups), view, groups, sizes)


def _turned(weights: Array, groups: int) -> Array:
    """The kernels of the adjoint: channels in and out change places, taps are reversed."""
    outs, ins, *kernel = weights.shape
    split = weights.reshape(groups, outs // groups, ins, *kernel).swapaxes(1, 2)
    turned = split.reshape(groups * ins, outs // groups, *kernel)
    return turned[(slice(None), slice(None), *(slice(None, None, -1) for _ in kernel))]


def _plain(tape: Tape, g: str, shape: Shape, turned: Array, view: Window, groups: int, sizes: Sequence[int]) -> str:
    """A convolution with stride 1 of `g`, of spatial shape `sizes`, that has the spatial shape of the input."""
    heads = [span - 1 - head for span, head in zip(view.spans, view.heads, strict=True)]
    tails = [
        n + span - 1 - size - head
        for n, span, size, head in zip(shape[2:], view.spans, sizes, heads, strict=True)
    ]  # fmt: skip
    return _padded_conv(tape, g, turned, heads, tails, sizes, view.dilations, groups)


def _padded_conv(
    tape: Tape, g: str, weights: Array, heads: Sequence[int], tails: Sequence[int], sizes: Sequence[int],
    dilations: Sequence[int], groups: int,
) -> str:  # fmt: skip
    """A convolution with stride 1 whose pads may be negative."""
    if min(*heads, *tails) < 0:
        starts = [max(-head, 0) for head in heads]
        ends = [size + min(tail, 0) for size, tail in zip(sizes, tails, strict=True)]
        axes = range(2, 2 + len(sizes))
        g = tape.op("Slice", g, tape.ints(starts), tape.ints(ends), tape.ints(list(axes)))
    pads = [max(pad, 0) for pad in (*heads, *tails)]
    return tape.op(
        "Conv", g, tape.constant(weights), kernel_shape=list(weights.shape[2:]), pads=pads, group=groups,
        strides=[1] * len(sizes), dilations=list(dilations),
    )  # fmt: skip


def _phases(tape: Tape, g: str, shape: Shape, weights: Array, view: Window) -> str:
    """The adjoint of a dense convolution with strides, as one convolution and an interleaving of its channels."""
    axes = list(zip(weights.shape[2:], view.strides, view.dilations, view.heads, strict=True))
    places = [[_places(*axis, phase) for phase in range(axis[1])] for axis in axes]
    least = [min((m for phase in axis for _, m in phase), default=0) for axis in places]
    most = [max((m for phase in axis for _, m in phase), default=0) for axis in places]
    outs, ins = weights.shape[:2]
    sides = [high - low + 1 for low, high in zip(least, most, strict=True)]
    kernels = np.zeros((*view.strides, *sides, ins, outs), dtype=weights.dtype)
    by_tap = np.moveaxis(weights, (0, 1), (-1, -2))
    for phase in product(*(range(stride) for stride in view.strides)):
        for taps in product(*(axis[p] for axis, p in zip(places, phase, strict=True))):
            tap = tuple(t for t, _ in taps)
            place = tuple(high - m for high, (_, m) in zip(most, taps, strict=True))
            kernels[phase + place] += by_tap[tap]
    kernels = np.moveaxis(kernels, (-2, -1), (len(sides), len(sides) + 1))
    rows = [-(-n // s) for n, s in zip(shape[2:], view.strides, strict=True)]
    tails = [q + side - 1 - out - m for q, side, out, m in zip(rows, sides, view.outputs, most, strict=True)]
    made = _padded_conv(
        tape, g, kernels.reshape(-1, outs, *sides), most, tails, view.outputs, [1] * len(sides), 1
    )  # fmt: skip
    made = strides.interleaved(tape, made, (*shape[:2], *rows), view.strides)
    if all(n % s == 0 for n, s in zip(shape[2:], view.strides, strict=True)):
        return made
    none, spatial = tape.ints([0] * len(rows)), tape.ints(range(2, len(shape)))
    return tape.op("Slice", made, none, tape.ints(shape[2:]), spatial)


def _places(kernel: int, stride: int, dilation: int, head: int, phase: int) -> list[tuple[int, int]]:
    """The taps that read the input's elements of one phase, each with how far before the phase's row it is found."""
    offsets = ((tap, tap * dilation - head - phase) for tap in range(kernel))
    return [(tap, offset // stride) for tap, offset in offsets if offset % stride == 0]
