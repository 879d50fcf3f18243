"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Shape, Tape


@rule("BatchNormalization")
def batch_normalization(site: Site) -> list[str | None]:
    """Normalisation by given statistics, a factor a channel."""
    site.only(0)
    if site.attribute("training_mode", 0) or len([name for name in site.node.output if name]) > 1:
        site.refuse("in training mode")
    tape = site.tape
    scale, variance = (site.constant(index).astype(np.float64) for index in (1, 4))
    factor = (scale / np.sqrt(variance + site.attribute("epsilon", 1e-5))).astype(tape.dtype(site.x()))
    none, one = (tape.constant(np.full_like(factor, value)) for value in (0, 1))
    # As one more normalisation, which onnxruntime merges into a neighbouring convolution or runs in its layout.
    return site.results(x0=tape.op("BatchNormalization", site.g, tape.constant(factor), none, none, one, epsilon=0.0))


@rule("LayerNormalization")
def layer_normalization(site: Site) -> list[str | None]:
    """Normalisation over the axes from `axis` on."""
    site.only(0)
    if any(cotangent is not None for cotangent in site.cotangents[1:]):
        site.refuse("whose mean is used")
    rank = len(site.shape())
    axes = range(site.axis(-1, rank), rank)
    g = site.tape.op("Mul", site.g, site.x(1))
    return site.results(x0=_normalised(site.tape, site.x(), g, axes, site.attribute("epsilon", 1e-5), site.x()))


@rule("RMSNormalization")
def rms_normalization(site: Site) -> list[str | None]:
    """Division by the root mean square over the axes from `axis` on."""
    site.only(0)
    tape, x, rank = site.tape, site.x(), len(site.shape())
    axes = range(site.axis(-1, rank), rank)
    g = tape.op("Mul", site.g, site.x(1))
    square = tape.reduce("ReduceMean", tape.op("Mul", x, x), axes)
    steep = _over_root(tape, square, site.attribute("epsilon", 1e-5), x)
    unit = tape.op("Mul", x, steep)
    along = tape.reduce("ReduceMean", tape.op("Mul", g, unit), axes)
    return site.results(x0=tape.op("Mul", tape.op("Sub", g, tape.op("Mul", unit, along)), steep))


@rule("InstanceNormalization")
def instance_normalization(site: Site) -> list[str | None]:
    """Each channel of each picture by its own mean and variance."""
    return _groups(site, site.shape()[1])


@rule("GroupNormalization")
def group_normalization(site: Site) -> list[str | None]:
    """Groups of channels by their mean and variance."""
    return _groups(site, site.attribute("num_groups"))


def _groups(site: Site, groups: int) -> list[str | None]:
    site.only(0)
    tape, shape = site.tape, site.shape()
    scale = site.constant(1)
    if len(scale) != shape[1]:
        scale = np.repeat(scale, shape[1] // groups)  # before version 21: one a group
    g = tape.op("Mul", site.g, tape.constant(scale.reshape(-1, *[1] * (len(shape) - 2))))
    apart: Shape = (shape[0], groups, int(np.prod(shape[1:])) // groups)
    x, g = tape.reshape(site.x(), apart), tape.reshape(g, apart)
    made = _normalised(tape, x, g, [2], site.attribute("epsilon", 1e-5), site.x())
    return site.results(x0=tape.reshape(made, shape))


def _normalised(tape: Tape, x: str, g: str, axes: Sequence[int], epsilon: float, like: str) -> str:
    """The adjoint of shifting to mean 0 and scaling to deviation 1 over `axes`."""
    centred = tape.op("Sub", x, tape.reduce("ReduceMean", x, axes))
    variance = tape.reduce("ReduceMean", tape.op("Mul", centred, centred), axes)
    steep = _over_root(tape, variance, epsilon, like)
    unit = tape.op("Mul", centred, steep)
    along = tape.reduce("ReduceMean", tape.op("Mul", g, unit), axes)
    flat = tape.op("Sub", g, tape.reduce("ReduceMean", g, axes))
    return tape.op("Mul", tape.op("Sub", flat, tape.op("Mul", unit, along)), steep)


def _over_root(tape: Tape, square: str, epsilon: float, like: str) -> str:
    root = tape.op("Sqrt", tape.op("Add", square, tape.number(epsilon, like)))
    return tape.op("Reciprocal", root)


@rule("LRN")
def local_response_normalization(site: Site) -> list[str | None]:
    """Division by a power of the mean square over neighbouring channels."""
    tape, x, shape, size = site.tape, site.x(), site.shape(), site.attribute("size")
    alpha, beta = float(site.attribute("alpha", 1e-4)), float(site.attribute("beta", 0.75))
    flat = (shape[0], 1, shape[1], int(np.prod(shape[2:])))
    heads, tails = (size - 1) // 2, size // 2
    means = _means(tape, tape.reshape(tape.op("Mul", x, x), flat), size, (heads, tails))
    scaled = tape.op("Mul", tape.reshape(means, shape), tape.number(alpha, x))
    base = tape.op("Add", scaled, tape.number(float(site.attribute("bias", 1.0)), x))
    direct = tape.op("Mul", site.g, tape.op("Pow", base, tape.number(-beta, x)))
    through = tape.op("Mul", direct, tape.op("Div", x, base))
    spread = tape.reshape(_means(tape, tape.reshape(through, flat), size, (tails, heads)), shape)
    rest = tape.op("Mul", tape.op("Mul", x, spread), tape.number(2 * alpha * beta, x))
    return site.results(x0=tape.op("Sub", direct, rest))


def _means(tape: Tape, x: str, size: int, pads: tuple[int, int]) -> str:
    """Means over `size` neighbours of the third axis, zeros beyond its ends."""
    before, after = pads
    return tape.op("AveragePool", x, kernel_shape=[size, 1], pads=[before, 0, after, 0], count_include_pad=1)
