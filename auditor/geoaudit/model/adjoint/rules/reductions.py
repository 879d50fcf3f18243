"""Reductions over axes, and the softmaxes."""

from __future__ import annotations

import math

from geoaudit.model.adjoint.gates import mask
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Shape


def _axes(site: Site) -> list[int]:
    rank = len(site.shape())
    axes = site.constant(1).reshape(-1).tolist() if site.has(1) else site.attribute("axes")
    if axes is None or len(axes) == 0:
        return [] if site.attribute("noop_with_empty_axes", 0) else list(range(rank))
    return [axis % rank for axis in axes]


def _kept(site: Site) -> Shape:
    axes = _axes(site)
    return tuple(1 if axis in axes else n for axis, n in enumerate(site.shape()))


def _wide(site: Site, name: str) -> str:
    """A tensor of the reduced shape, its reduced axes kept with length 1."""
    return name if site.attribute("keepdims", 1) else site.tape.reshape(name, _kept(site))


def _shares(site: Site, slope: str) -> list[str | None]:
    """The product of the cotangent and a slope of the input's shape."""
    return site.results(x0=site.tape.op("Mul", _wide(site, site.g), slope))


@rule("ReduceSum")
def reduce_sum(site: Site) -> list[str | None]:
    """The sum."""
    site.only(0)
    return site.results(x0=site.tape.op("Expand", _wide(site, site.g), site.tape.ints(site.shape())))


@rule("ReduceMean")
def reduce_mean(site: Site) -> list[str | None]:
    """The mean."""
    site.only(0)
    count = math.prod(site.shape()) // max(1, math.prod(_kept(site)))
    part = site.tape.op("Mul", _wide(site, site.g), site.tape.number(1 / count, site.x()))
    return site.results(x0=site.tape.op("Expand", part, site.tape.ints(site.shape())))


@rule("ReduceMax", "ReduceMin")
def reduce_extremum(site: Site) -> list[str | None]:
    """The largest or smallest element; equal ones share evenly."""
    site.only(0)
    return site.results(x0=shared_evenly(site, _wide(site, site.g), _wide(site, site.y), _axes(site)))


def shared_evenly(site: Site, g: str, y: str, axes: list[int]) -> str:
    """`g`, shared among the elements that are equal to the extremum `y` along `axes`."""
    tape = site.tape
    equal = mask(tape, tape.op("Equal", site.x(), y), site.x())
    return tape.op("Mul", equal, tape.op("Div", g, tape.reduce("ReduceSum", equal, axes)))


@rule("ReduceSumSquare")
def reduce_sum_square(site: Site) -> list[str | None]:
    """The sum of squares."""
    site.only(0)
    return _shares(site, site.tape.op("Mul", site.x(), site.tape.number(2.0, site.x())))


@rule("ReduceL1")
def reduce_l1(site: Site) -> list[str | None]:
    """The sum of absolute values."""
    site.only(0)
    return _shares(site, site.tape.op("Sign", site.x()))


@rule("ReduceL2")
def reduce_l2(site: Site) -> list[str | None]:
    """The Euclidean norm; its derivative at 0 is 0."""
    site.only(0)
    tape, y = site.tape, _wide(site, site.y)
    zero = tape.op("Equal", y, tape.number(0.0, site.x()))
    safe = tape.op("Where", zero, tape.number(math.inf, site.x()), y)
    return _shares(site, tape.op("Div", site.x(), safe))


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(site: Site) -> list[str | None]:
    """The logarithm of the sum of exponentials."""
    site.only(0)
    tape = site.tape
    return _shares(site, tape.op("Exp", tape.op("Sub", site.x(), _wide(site, site.y))))


@rule("Softmax")
def softmax(site: Site) -> list[str | None]:
    """Exponentials over their sum along an axis."""
    tape, axis = site.tape, site.axis(-1, len(site.out))
    weighted = tape.op("Mul", site.g, site.y)
    total = tape.reduce("ReduceSum", weighted, [axis])
    return site.results(x0=tape.op("Sub", weighted, tape.op("Mul", site.y, total)))


@rule("LogSoftmax")
def log_softmax(site: Site) -> list[str | None]:
    """The logarithm of the softmax along an axis."""
    tape, axis = site.tape, site.axis(-1, len(site.out))
    total = tape.reduce("ReduceSum", site.g, [axis])
    return site.results(x0=tape.op("Sub", site.g, tape.op("Mul", tape.op("Exp", site.y), total)))


@rule("CumSum")
def cumulative_sum(site: Site) -> list[str | None]:
    """Running sums along a constant axis."""
    site.only(0)
    turned = {"exclusive": site.attribute("exclusive", 0), "reverse": 1 - site.attribute("reverse", 0)}
    return site.results(x0=site.tape.op("CumSum", site.g, site.x(1), **turned))
