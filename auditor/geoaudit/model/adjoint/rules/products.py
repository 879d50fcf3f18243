"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Shape, Tape


@rule("Gemm")
def gemm(site: Site) -> list[str | None]:
    """alpha A B + beta C, with C broadcast."""
    tape, g, alpha = site.tape, site.g, site.attribute("alpha", 1.0)
    a_turned, b_turned = site.attribute("transA", 0), site.attribute("transB", 0)
    made: dict[str, str] = {}
    if site.wanted[0]:
        b = site.x(1)
        if a_turned:
            made["x0"] = tape.op("Gemm", b, g, alpha=alpha, transA=b_turned, transB=1)
        else:
            made["x0"] = tape.op("Gemm", g, b, alpha=alpha, transB=1 - b_turned)
    if site.wanted[1]:
        a = site.x(0)
        if b_turned:
            made["x1"] = tape.op("Gemm", g, a, alpha=alpha, transA=1, transB=a_turned)
        else:
            made["x1"] = tape.op("Gemm", a, g, alpha=alpha, transA=1 - a_turned)
    if len(site.wanted) > 2 and site.wanted[2]:
        scaled = tape.op("Mul", g, tape.number(site.attribute("beta", 1.0), site.y))
        made["x2"] = tape.unbroadcast(scaled, site.out, site.shape(2))
    return site.results(**made)


@rule("MatMul")
def matmul(site: Site) -> list[str | None]:
    """Matrix product, stacked and broadcast as numpy's."""
    tape, a, b = site.tape, site.shape(0), site.shape(1)
    wide_a, wide_b = a if len(a) > 1 else (1, *a), b if len(b) > 1 else (*b, 1)
    stack = np.broadcast_shapes(wide_a[:-2], wide_b[:-2])
    rows, columns = wide_a[-2], wide_b[-1]
    full = (*stack, rows, columns)
    g = site.g if full == site.out else tape.reshape(site.g, full)
    made: dict[str, str] = {}
    if site.wanted[0]:
        product = tape.op("MatMul", g, transposed(tape, site.x(1), wide_b, b))
        made["x0"] = _back(tape, product, (*stack, *wide_a[-2:]), wide_a, a)
    if site.wanted[1]:
        product = tape.op("MatMul", transposed(tape, site.x(0), wide_a, a), g)
        made["x1"] = _back(tape, product, (*stack, *wide_b[-2:]), wide_b, b)
    return site.results(**made)


def transposed(tape: Tape, name: str, wide: Shape, shape: Shape) -> str:
    """A tensor with its last two axes exchanged, as a constant where it is one.

    Args:
        tape: where the nodes go.
        name: the tensor.
        wide: the shape, of at least two axes, that it is taken in.
        shape: its own shape.
    """
    value = tape.value(name)
    if value is not None:
        return tape.constant(value.reshape(wide).swapaxes(-1, -2))
    if wide != shape:
        name = tape.reshape(name, wide)
    order = list(range(len(wide)))
    order[-2:] = order[:-3:-1]
    return tape.op("Transpose", name, perm=order)


def _back(tape: Tape, x: str, made: Sequence[int], wide: Shape, shape: Shape) -> str:
    x = tape.unbroadcast(x, tuple(made), wide)
    return x if wide == shape else tape.reshape(x, shape)


@rule("Einsum")
def einsum(site: Site) -> list[str | None]:
    """Sum of products by Einstein's convention, of one or two tensors without repeated or left-out letters."""
    terms, arrow, result = site.attribute("equation").replace(" ", "").partition("->")
    parts = terms.split(",")
    if not arrow or "." in terms or len(parts) > 2 or any(len(set(term)) < len(term) for term in (*parts, result)):
        site.refuse("with a summation of this form")
    made: dict[str, str] = {}
    for index, wanted in enumerate(site.wanted):
        if wanted:
            others = [(term, site.x(i)) for i, term in enumerate(parts) if i != index]
            if set(parts[index]) - set(result) - {letter for term, _ in others for letter in term}:
                site.refuse("with a summation of this form")
            equation = ",".join([result, *(term for term, _ in others)]) + f"->{parts[index]}"
            made[f"x{index}"] = site.tape.op("Einsum", site.g, *(name for _, name in others), equation=equation)
    return site.results(**made)
