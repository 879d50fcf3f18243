"""Quantised operators in floating point.

Each rule appends the nodes of one operator.  Products are taken of whole numbers and scaled afterwards, as the integer
kernels do: sums below 2^24 are then exact.  Semantics: the ONNX operator definitions and onnxruntime's
ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from geoaudit.model import graph
from geoaudit.model.spelled.builder import Array, Builder, NotSpelledError

Rule = Callable[[Builder, NodeProto], None]
RULES: dict[str, Rule] = {}
"""By operator, of the default and the com.microsoft domain."""


def _rule(*operators: str) -> Callable[[Rule], Rule]:
    def declare(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, rule))
        return rule

    return declare


def _inputs(node: NodeProto, count: int) -> list[str]:
    return [*node.input, *[""] * count][:count]


def _settings(node: NodeProto) -> dict[str, Any]:
    """The attributes of the float operator.

    Raises:
        NotSpelledError: channels come last.
    """
    found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if found.pop("channels_last", 0):
        raise NotSpelledError(f"{node.op_type} takes channels last")
    return found


def _axis(node: NodeProto) -> int:
    if graph.attribute(node, "block_size", 0):
        raise NotSpelledError(f"{node.op_type} has a scale for each block")
    return int(graph.attribute(node, "axis", 1))


def _requantised(b: Builder, total: str, step: Array, zero_point: str, node: NodeProto) -> None:
    """Round `total`, multiplied by `step`, to the type of the zero point."""
    moved_by = b.constant(b.value(zero_point, node)) if zero_point else ""
    b.rounded(b.add("Mul", [total, b.constant(step)]), moved_by, b.limits(zero_point, node), node.output[0])


@_rule("QuantizeLinear")
def _quantize_linear(b: Builder, node: NodeProto) -> None:
    x, scale, zero_point = _inputs(node, 3)
    axis = _axis(node)
    ratio = b.add("Div", [b.real(x), b.along(scale, axis, x)])
    b.rounded(ratio, zero_point and b.along(zero_point, axis, x), b.limits(zero_point, node), node.output[0])


@_rule("DequantizeLinear")
def _dequantize_linear(b: Builder, node: NodeProto) -> None:
    x, scale, zero_point = _inputs(node, 3)
    b.dequantised(x, scale, zero_point, _axis(node), node.output[0])


@_rule("DynamicQuantizeLinear")
def _dynamic_quantize_linear(b: Builder, node: NodeProto) -> None:
    """The operator stays for its scale and zero point; its numbers are made anew."""
    numbers, scale, zero_point = (name or b.name("unread") for name in node.output)
    point = b.name(zero_point)
    b.nodes.append(helper.make_node("DynamicQuantizeLinear", list(node.input), [b.name(numbers), scale, point]))
    b.add("Cast", [point], zero_point, to=TensorProto.FLOAT)
    b.held += [scale, zero_point]
    b.rounded(b.add("Div", [node.input[0], scale]), zero_point, (0, 255), numbers)
    b.whole.add(zero_point)


def _convolved(b: Builder, x: str, w: str, x_zero: str, w_zero: str, node: NodeProto, output: str = "") -> str:
    settings = _settings(node)
    return b.add("Conv", [b.centred(x, x_zero, 1), b.centred(w, w_zero, 0)], output, **settings)


@_rule("ConvInteger")
def _conv_integer(b: Builder, node: NodeProto) -> None:
    x, w, x_zero, w_zero = _inputs(node, 4)
    b.whole.add(_convolved(b, x, w, x_zero, w_zero, node, node.output[0]))


@_rule("QLinearConv")
def _qlinear_conv(b: Builder, node: NodeProto) -> None:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = _inputs(node, 9)
    total = _convolved(b, x, w, x_zero, w_zero, node)
    rank = b.rank(w)
    if rank is None:
        raise NotSpelledError("QLinearConv takes a weight of unknown rank")
    spread = (-1, *[1] * (rank - 2))
    if bias:
        total = b.add("Add", [total, b.constant(b.value(bias, node).reshape(spread))])
    step = b.value(x_scale, node) * b.value(w_scale, node) / b.value(y_scale, node)
    _requantised(b, total, step.reshape(spread), y_zero, node)


def _rows(b: Builder, a: str, zero_point: str, node: NodeProto) -> str:
    """The left factor less its one zero point."""
    if zero_point in b.weights and b.value(zero_point, node).size > 1:
        raise NotSpelledError(f"{node.op_type} has a zero point for each row")
    return b.centred(a, zero_point, -1)


def _scale_of_rows(b: Builder, scale: str, node: NodeProto) -> Array:
    value = b.value(scale, node)
    if value.size > 1:
        raise NotSpelledError(f"{node.op_type} has a scale for each row")
    return value.reshape(())


@_rule("MatMulInteger")
def _matmul_integer(b: Builder, node: NodeProto) -> None:
    left, right, left_zero, right_zero = _inputs(node, 4)
    factors = [_rows(b, left, left_zero, node), b.centred(right, right_zero, -1)]
    b.whole.add(b.add("MatMul", factors, node.output[0]))


@_rule("QLinearMatMul")
def _qlinear_matmul(b: Builder, node: NodeProto) -> None:
    left, left_scale, left_zero, right, right_scale, right_zero, y_scale, y_zero = _inputs(node, 8)
    total = b.add("MatMul", [_rows(b, left, left_zero, node), b.centred(right, right_zero, -1)])
    step = _scale_of_rows(b, left_scale, node) / _scale_of_rows(b, y_scale, node)
    _requantised(b, total, step * b.value(right_scale, node), y_zero, node)


@_rule("QGemm")
def _qgemm(b: Builder, node: NodeProto) -> None:
    left, left_scale, left_zero, right, right_scale, right_zero, bias, y_scale, y_zero = _inputs(node, 9)
    settings = _settings(node)
    alpha = settings.pop("alpha", 1.0)
    columns = 0 if settings.get("transB", 0) else 1
    factors = [_rows(b, left, left_zero, node), b.centred(right, right_zero, columns)]
    total = b.add("Gemm", [*factors, b.real(bias)] if bias else factors, **settings)
    step = alpha * _scale_of_rows(b, left_scale, node) * b.value(right_scale, node)
    if y_scale:
        _requantised(b, total, step / _scale_of_rows(b, y_scale, node), y_zero, node)
    else:
        b.add("Mul", [total, b.constant(step)], node.output[0])


@_rule("MatMulIntegerToFloat")
def _matmul_integer_to_float(b: Builder, node: NodeProto) -> None:
    left, right, left_scale, right_scale, left_zero, right_zero, bias = _inputs(node, 7)
    factors = [_rows(b, left, left_zero, node), b.centred(right, right_zero, -1)]
    step = b.add("Mul", [b.along(left_scale, -1, left), b.along(right_scale, -1, right)])
    product = b.add("Mul", [b.add("MatMul", factors), step], "" if bias else node.output[0])
    if bias:
        b.add("Add", [product, bias], node.output[0])


@_rule("DynamicQuantizeMatMul")
def _dynamic_quantize_matmul(b: Builder, node: NodeProto) -> None:
    left, right, right_scale, right_zero, bias = _inputs(node, 5)
    numbers, scale, point = (b.name(f"{left}/{kind}") for kind in ("numbers", "scale", "zero"))
    _dynamic_quantize_linear(b, helper.make_node("DynamicQuantizeLinear", [left], [numbers, scale, point]))
    given = [numbers, right, scale, right_scale, point, right_zero, bias]
    _matmul_integer_to_float(b, helper.make_node("MatMulIntegerToFloat", given, list(node.output)))


def _between(operator: str, triples: tuple[int, ...], out: int, plain: int = 0) -> Rule:
    """A rule: dequantise inputs, compute in floats, quantise.

    Args:
        operator: the float operator.
        triples: where numbers, scale and zero point of each input begin.
        out: where the output's scale and zero point begin.
        plain: inputs before these, which are handed on.
    """

    def rule(b: Builder, node: NodeProto) -> None:
        given = _inputs(node, out + 2)
        settings = _settings(node)
        if settings.pop("opset", 13) < 13:
            raise NotSpelledError(f"{node.op_type} is that of an operator set before 13")
        real = [b.dequantised(given[i], given[i + 1], given[i + 2]) for i in triples]
        total = b.add(operator, [*given[:plain], *real], **settings)
        _requantised(b, total, np.float32(1) / b.value(given[out], node), given[out + 1], node)

    return rule


for _name, _as in {
    "QLinearAdd": _between("Add", (0, 3), 6),
    "QLinearMul": _between("Mul", (0, 3), 6),
    "QLinearSigmoid": _between("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": _between("LeakyRelu", (0,), 3),
    "QLinearSoftmax": _between("Softmax", (0,), 3),
    "QLinearAveragePool": _between("AveragePool", (0,), 3),
    "QLinearGlobalAveragePool": _between("GlobalAveragePool", (0,), 3),
    "QLinearWhere": _between("Where", (1, 4), 7, plain=1),
}.items():
    _rule(_name)(_as)


@_rule("QLinearConcat")
def _qlinear_concat(b: Builder, node: NodeProto) -> None:
    scale, zero_point, *given = node.input
    real = [b.dequantised(given[i], given[i + 1], given[i + 2]) for i in range(0, len(given), 3)]
    total = b.add("Concat", real, **_settings(node))
    _requantised(b, total, np.float32(1) / b.value(scale, node), zero_point, node)
