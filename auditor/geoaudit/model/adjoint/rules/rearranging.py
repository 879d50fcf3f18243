"""Operators that only move, join or repeat elements."""

from __future__ import annotations

import numpy as np

from geoaudit.model.adjoint.rules.registry import Site, rule


@rule("Identity", "Dropout")
def identity(site: Site) -> list[str | None]:
    """x itself."""
    if site.has(2) and site.constant(2).any():
        site.refuse("in training mode")
    return site.results(x0=site.g)


@rule("Cast")
def cast(site: Site) -> list[str | None]:
    """x in another floating-point type."""
    return site.results(x0=site.tape.op("Cast", site.g, to=site.tape.elem_type(site.x())))


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(site: Site) -> list[str | None]:
    """The same elements in another shape."""
    site.only(0)
    return site.results(x0=site.tape.reshape(site.g, site.shape()))


@rule("Expand")
def expand(site: Site) -> list[str | None]:
    """x repeated along axes of length 1 and new ones."""
    site.only(0)
    return site.results(x0=site.tape.unbroadcast(site.g, site.out, site.shape()))


@rule("Tile")
def tile(site: Site) -> list[str | None]:
    """x side by side with itself."""
    site.only(0)
    shape = site.shape()
    repeats = [out // n for out, n in zip(site.out, shape, strict=True)]
    apart = site.tape.reshape(site.g, [size for pair in zip(repeats, shape, strict=True) for size in pair])
    total = site.tape.reduce("ReduceSum", apart, range(0, 2 * len(shape), 2), keep=False)
    return site.results(x0=total)


@rule("Transpose")
def transpose(site: Site) -> list[str | None]:
    """Axes in another order."""
    order = site.attribute("perm") or list(range(len(site.out)))[::-1]
    return site.results(x0=site.tape.op("Transpose", site.g, perm=np.argsort(order).tolist()))


@rule("Concat")
def concat(site: Site) -> list[str | None]:
    """Tensors one after the other."""
    axis, begun = site.axis(0, len(site.out)), 0
    made = {}
    for index, wanted in enumerate(site.wanted):
        length = site.shape(index)[axis]
        if wanted:
            bounds = (site.tape.ints([begun]), site.tape.ints([begun + length]), site.tape.ints([axis]))
            made[f"x{index}"] = site.tape.op("Slice", site.g, *bounds)
        begun += length
    return site.results(**made)


@rule("Split")
def split(site: Site) -> list[str | None]:
    """Parts of an axis."""
    site.only(0)
    tape = site.tape
    parts = []
    for name, cotangent in zip(site.node.output, site.cotangents, strict=True):
        none = tape.number(0.0, site.x())
        parts.append(cotangent or tape.op("Expand", none, tape.ints(tape.shape(name))))
    return site.results(x0=tape.op("Concat", *parts, axis=site.axis(0, len(site.shape()))))


@rule("DepthToSpace")
def depth_to_space(site: Site) -> list[str | None]:
    """Channels as neighbouring pixels."""
    tape, size, (batch, channels, high, wide) = site.tape, site.attribute("blocksize"), site.shape()
    each = channels // size**2
    apart = tape.reshape(site.g, (batch, each, high, size, wide, size))
    order = [0, 1, 3, 5, 2, 4] if site.attribute("mode", "DCR") == "CRD" else [0, 3, 5, 1, 2, 4]
    return site.results(x0=tape.reshape(tape.op("Transpose", apart, perm=order), site.shape()))


@rule("SpaceToDepth")
def space_to_depth(site: Site) -> list[str | None]:
    """Neighbouring pixels as channels."""
    return site.results(x0=site.tape.op("DepthToSpace", site.g, blocksize=site.attribute("blocksize"), mode="DCR"))
