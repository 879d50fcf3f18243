"""Activation functions."""

from __future__ import annotations

import math

from geoaudit.model.adjoint.gates import gate, mask
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Tape


def _times(site: Site, slope: str) -> list[str | None]:
    return site.results(x0=site.tape.op("Mul", site.g, slope))


def _plus(tape: Tape, x: str, number: float, like: str) -> str:
    return tape.op("Add", x, tape.number(number, like))


def _by(tape: Tape, x: str, number: float, like: str) -> str:
    return x if number == 1 else tape.op("Mul", x, tape.number(number, like))


@rule("Relu")
def relu(site: Site) -> list[str | None]:
    """x above 0."""
    return site.results(x0=gate(site.tape, site.g, site.y, 0.0))


@rule("ThresholdedRelu")
def thresholded_relu(site: Site) -> list[str | None]:
    """x above `alpha`, else 0."""
    return site.results(x0=gate(site.tape, site.g, site.x(), float(site.attribute("alpha", 1.0))))


@rule("LeakyRelu")
def leaky_relu(site: Site) -> list[str | None]:
    """x, times `alpha` below 0 and at it."""
    tape, alpha = site.tape, float(site.attribute("alpha", 0.01))
    above = mask(tape, tape.op("Greater", site.x(), tape.number(0.0, site.x())), site.x())
    return _times(site, _plus(tape, _by(tape, above, 1 - alpha, site.x()), alpha, site.x()))


@rule("PRelu")
def prelu(site: Site) -> list[str | None]:
    """x, times a slope below 0 and at it."""
    site.only(0)
    tape = site.tape
    above = tape.op("Greater", site.x(), tape.number(0.0, site.x()))
    return site.results(x0=tape.op("Where", above, site.g, tape.op("Mul", site.g, site.x(1))))


@rule("Elu", "Selu", "Celu")
def elu(site: Site) -> list[str | None]:
    """x, and a shifted exponential below 0 and at it."""
    tape, x, kind = site.tape, site.x(), site.node.op_type
    alpha = float(site.attribute("alpha", 1.67326319217681884765625 if kind == "Selu" else 1.0))
    gamma = float(site.attribute("gamma", 1.05070102214813232421875)) if kind == "Selu" else 1.0
    low = tape.op("Min", x, tape.number(0.0, x))
    scaled = _by(tape, low, 1 / alpha, x) if kind == "Celu" else low
    curve = _by(tape, tape.op("Exp", scaled), 1.0 if kind == "Celu" else alpha, x)
    above = tape.op("Greater", x, tape.number(0.0, x))
    slope = tape.op("Where", above, tape.number(1.0, x), curve)
    return _times(site, _by(tape, slope, gamma, x))


@rule("Sigmoid")
def sigmoid(site: Site) -> list[str | None]:
    """1 / (1 + exp(-x))."""
    tape, y = site.tape, site.y
    return _times(site, tape.op("Sub", y, tape.op("Mul", y, y)))


@rule("Tanh")
def tanh(site: Site) -> list[str | None]:
    """The hyperbolic tangent."""
    tape, y = site.tape, site.y
    return _times(site, tape.op("Sub", tape.number(1.0, y), tape.op("Mul", y, y)))


@rule("Softplus")
def softplus(site: Site) -> list[str | None]:
    """log(1 + exp(x))."""
    return _times(site, site.tape.op("Sigmoid", site.x()))


@rule("Softsign")
def softsign(site: Site) -> list[str | None]:
    """x / (1 + |x|)."""
    tape, x = site.tape, site.x()
    whole = _plus(tape, tape.op("Abs", x), 1.0, x)
    return site.results(x0=tape.op("Div", site.g, tape.op("Mul", whole, whole)))


@rule("Erf")
def error_function(site: Site) -> list[str | None]:
    """The error function."""
    tape, x = site.tape, site.x()
    bell = tape.op("Exp", tape.op("Neg", tape.op("Mul", x, x)))
    return _times(site, _by(tape, bell, 2 / math.sqrt(math.pi), x))


@rule("Gelu")
def gelu(site: Site) -> list[str | None]:
    """x times the normal distribution's cumulative function, exact or by tanh."""
    tape, x = site.tape, site.x()
    square = tape.op("Mul", x, x)
    if site.attribute("approximate", "none") == "tanh":
        scale = math.sqrt(2 / math.pi)
        inner = tape.op("Mul", x, _plus(tape, _by(tape, square, 0.044715 * scale, x), scale, x))
        bent = tape.op("Tanh", inner)
        steep = _plus(tape, _by(tape, square, 3 * 0.044715 * scale, x), scale, x)
        fall = tape.op("Sub", tape.number(1.0, x), tape.op("Mul", bent, bent))
        rest = tape.op("Mul", tape.op("Mul", x, fall), steep)
        return _times(site, _by(tape, tape.op("Add", _plus(tape, bent, 1.0, x), rest), 0.5, x))
    share = _plus(tape, tape.op("Erf", _by(tape, x, 1 / math.sqrt(2), x)), 1.0, x)
    bell = _by(tape, tape.op("Exp", _by(tape, square, -0.5, x)), 1 / math.sqrt(2 * math.pi), x)
    return _times(site, tape.op("Add", _by(tape, share, 0.5, x), tape.op("Mul", x, bell)))


@rule("Swish")
def swish(site: Site) -> list[str | None]:
    """x * sigmoid(alpha * x)."""
    tape, x, alpha = site.tape, site.x(), float(site.attribute("alpha", 1.0))
    share = tape.op("Sigmoid", _by(tape, x, alpha, x))
    rest = tape.op("Sub", share, tape.op("Mul", share, share))
    return _times(site, tape.op("Add", share, tape.op("Mul", _by(tape, x, alpha, x), rest)))


@rule("Mish")
def mish(site: Site) -> list[str | None]:
    """x * tanh(softplus(x))."""
    tape, x = site.tape, site.x()
    bent = tape.op("Tanh", tape.op("Softplus", x))
    fall = tape.op("Sub", tape.number(1.0, x), tape.op("Mul", bent, bent))
    rest = tape.op("Mul", tape.op("Mul", x, tape.op("Sigmoid", x)), fall)
    return _times(site, tape.op("Add", bent, rest))


@rule("HardSigmoid")
def hard_sigmoid(site: Site) -> list[str | None]:
    """alpha * x + beta, within 0 and 1."""
    tape = site.tape
    kept = gate(tape, site.g, site.y, 0.0, 1.0)
    return site.results(x0=_by(tape, kept, float(site.attribute("alpha", 0.2)), site.x()))


@rule("HardSwish")
def hard_swish(site: Site) -> list[str | None]:
    """x * (x / 6 + 1/2) within -3 and 3; 0 below, x above."""
    tape, x = site.tape, site.x()
    rise = _plus(tape, _by(tape, x, 1 / 3, x), -0.5, x)  # less the 1 that holds above
    inside = gate(tape, rise, x, high=3.0)
    return site.results(x0=gate(tape, tape.op("Mul", site.g, _plus(tape, inside, 1.0, x)), x, low=-3.0))
