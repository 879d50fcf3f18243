"""Gradients of quantised networks against onnxruntime's slopes with the rounding frozen."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from geoaudit.api import Status
from geoaudit.model.converters import rounding
from geoaudit.model.frozen_rounding import FrozenRounding, NotFrozenError
from geoaudit.model.parity import certify
from geoaudit.model.spelled import operators

SHAPE = (3, 10, 10)
TARGETS = np.arange(4)
KINDS = {
    "qdq": {"quant_format": QuantFormat.QDQ},
    "qdq-channels": {"quant_format": QuantFormat.QDQ, "per_channel": True},
    "operators": {"quant_format": QuantFormat.QOperator, "per_channel": True},
}


def _pictures(count, contrast=1.0):
    return (contrast * np.random.default_rng(1).standard_normal((count, *SHAPE))).astype(np.float32)


class _Calibration(CalibrationDataReader):
    def __init__(self):
        self._left = iter([{"x": _pictures(16, 1.5)}])

    def get_next(self):
        return next(self._left, None)


def _network():
    rng = np.random.default_rng(0)
    shapes = {"w1": (6, 3, 3, 3), "w2": (6, 6, 3, 3), "w3": (6, 12), "w4": (12, 5)}
    weights = {k: (rng.standard_normal(s) * (2 / np.prod(s[1:])) ** 0.5) for k, s in shapes.items()}
    weights |= {"w3": weights["w3"] * 3, "b1": rng.standard_normal(6) / 10, "b4": rng.standard_normal(5) / 10}
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], **same),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], **same),
        helper.make_node("Sigmoid", ["c2"], ["s2"]),
        helper.make_node("Mul", ["c2", "s2"], ["m2"]),
        helper.make_node("Add", ["m2", "p1"], ["a2"]),
        helper.make_node("LeakyRelu", ["a2"], ["l2"], alpha=0.1),
        helper.make_node("GlobalAveragePool", ["l2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "w3"], ["h1"]),
        helper.make_node("Relu", ["h1"], ["h2"]),
        helper.make_node("Gemm", ["h2", "w4", "b4"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.fixture
def quantised(tmp_path, opened, caplog):
    """`quantised(kind)`: the network quantised by onnxruntime's own tools, opened."""
    caplog.set_level(logging.ERROR)

    def make(kind):
        given, made = tmp_path / "float.onnx", tmp_path / f"{kind}.onnx"
        onnx.save(_network(), str(given))
        if kind == "dynamic":
            quantize_dynamic(given, made, weight_type=QuantType.QUInt8)
        else:
            types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "reduce_range": True}
            quantize_static(given, made, _Calibration(), **types, **KINDS[kind])
        return opened(made)

    return make


def _certify(bench, points, space="logit"):
    return certify(bench.runtime, bench.twin, points, TARGETS[: len(points)], space, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [*KINDS, "dynamic"])
@pytest.mark.parametrize("contrast", [1.0, 2.5])
def test_a_quantised_network_agrees_and_is_never_passed(quantised, kind, contrast):
    """Also with so much contrast that numbers lie beyond what was calibrated for."""
    parity = _certify(quantised(kind), _pictures(4, contrast))
    assert parity.status == Status.WARN, parity.reason
    assert "straight" in parity.reason and "Quantize" in parity.reason and "rounding frozen" in parity.reason
    assert parity.gradient.directions >= 10
    assert parity.gradient.median_rel_error < 1e-2, parity.reason


@pytest.mark.parametrize("space", ["probability", "margin"])
def test_the_explained_scalar_is_the_one_asked_for(quantised, space):
    parity = _certify(quantised("qdq"), _pictures(2), space)
    assert parity.status == Status.WARN and parity.gradient.median_rel_error < 1e-2, parity.reason


def _spoil_the_sum(twin, function):
    """The same sum, with another gradient of its first term."""
    modules = [m for m in twin.converted.module.modules() if getattr(m, "op_type", "") in ("QLinearAdd", "Add")]
    the_sum = next(m for m in modules if m.onnx_mapping.outputs[0].startswith("a2"))
    honest = the_sum._function
    the_sum._function = lambda first, *rest, **settings: honest(function(first), *rest, **settings)


@pytest.mark.parametrize("kind", [*KINDS, "dynamic"])
@pytest.mark.parametrize("other", [torch.Tensor.detach, lambda b: 2 * b.detach() - b], ids=["detached", "sign"])
def test_a_wrong_gradient_behind_right_scores_fails(quantised, kind, other):
    bench = quantised(kind)
    _spoil_the_sum(bench.twin, other)
    parity = _certify(bench, _pictures(4))
    assert parity.max_rel_diff < 0.05
    assert parity.status == Status.FAIL and "gradients do not" in parity.reason, parity.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_that_leaves_out_the_limits_fails(quantised, kind, monkeypatch):
    def unlimited(x, limits):
        return x + (x.clamp(*limits) - x).detach()

    monkeypatch.setattr(rounding, "clip_through", unlimited)
    parity = _certify(quantised(kind), _pictures(4, 2.5))
    assert parity.max_rel_diff < 0.05
    assert parity.status == Status.FAIL, parity.reason


def test_a_gradient_of_zero_is_not_believed_where_the_scores_move(quantised, monkeypatch):
    bench = quantised("qdq")
    honest = bench.twin.value_and_gradient
    monkeypatch.setattr(bench.twin, "value_and_gradient", lambda *given: (honest(*given)[0], 0 * honest(*given)[1]))
    assert _certify(bench, _pictures(4)).status == Status.FAIL


def test_an_operator_that_cannot_be_written_out_leaves_the_gradient_unchecked(quantised, monkeypatch):
    monkeypatch.delitem(operators.RULES, "QLinearSigmoid")
    parity = _certify(quantised("operators"), _pictures(4))
    assert parity.status == Status.WARN and parity.gradient.median_rel_error is None
    assert "could not be checked: QLinearSigmoid rounds inside" in parity.reason


def _rounded(name, scale, zero):
    """QuantizeLinear and its inverse after the tensor `name`, to `name`/real."""
    return [
        helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}/levels"]),
        helper.make_node("DequantizeLinear", [f"{name}/levels", scale, zero], [f"{name}/real"]),
    ]


CONSTANTS = {"coarse": np.float32(0.4), "tiny": np.float32(1e-3), "zero": np.uint8(128)}


@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_numbers_that_meet_exactly_are_decided_as_torch_does(tiny, opened, points, batch):
    """With so few levels half the rectifiers are at their bend and most maxima have several candidates."""
    middle = [
        *_rounded("relu", "coarse", "zero"),
        helper.make_node("Sub", ["relu/real", "coarse"], ["less"]),
        *_rounded("less", "coarse", "zero"),
        helper.make_node("Relu", ["less/real"], ["bent"]),
        helper.make_node("Clip", ["bent", "", "coarse"], ["clipped"]),
        helper.make_node("Add", ["bent", "clipped"], ["both"]),
        helper.make_node("MaxPool", ["both"], ["most"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    bench = opened(tiny(middle=middle, constants=CONSTANTS, batch=batch).save())
    parity = _certify(bench, points[:4])
    assert parity.status == Status.WARN and parity.gradient.median_rel_error < 1e-2, parity.reason
    assert parity.gradient.max_rel_error < 0.1


def test_scores_on_their_limit_are_left_out_and_named(tiny, opened, points):
    tail = _rounded("logits", "tiny", "zero")
    path = tiny(tail=tail, outputs=["logits/real"], constants=CONSTANTS).save()
    bench = opened(path)
    parity = _certify(bench, 100 * points[:4])
    assert parity.status == Status.WARN and parity.gradient.directions == 0
    assert "4 images were left out" in parity.reason and "no gradient to check" in parity.reason


def test_another_rounding_is_not_taken_for_onnxruntimes(quantised):
    bench = quantised("qdq")
    points = _pictures(1)
    expected = bench.runtime.logits(points)[0]
    frozen = FrozenRounding(bench.twin)
    with frozen.recording() as seen:
        bench.twin.value_and_gradient(points, TARGETS[:1], "logit")
    near = frozen.at(points[0], seen, expected, 0.05)
    assert np.abs(near(points) - expected).max() < 0.05
    name = max(seen, key=lambda key: seen[key].size)
    with pytest.raises(NotFrozenError, match="other scores"):
        frozen.at(points[0], seen, expected + 1, 0.05)
    seen[name] = seen[name] + 1
    with pytest.raises(NotFrozenError, match="otherwise than onnxruntime"):
        frozen.at(points[0], seen, expected, 0.05)
