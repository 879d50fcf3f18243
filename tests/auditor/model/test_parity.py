from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from geoaudit.api import Status
from geoaudit.errors import ExitCode, ParityError
from geoaudit.model import finite
from geoaudit.model.parity import certify, raise_if_failed

TARGETS = np.arange(11) % 5


def _certify(bench, points, space="logit", seed=0):
    return certify(bench.runtime, bench.twin, points, TARGETS[: len(points)], space, np.random.default_rng(seed))


@pytest.mark.parametrize("space", ["logit", "probability", "log-probability", "margin"])
def test_a_faithful_twin_passes(tiny, opened, points, space):
    parity = _certify(opened(tiny().save()), points, space)
    assert parity.status == Status.PASS, parity.reason
    assert parity.max_abs_diff < 1e-5 and parity.top1_agreement == 1.0 and parity.images == 11
    assert parity.gradient.directions >= 15
    assert parity.gradient.median_rel_error is not None and parity.gradient.median_rel_error < 0.01
    assert parity.first_difference is None
    raise_if_failed(parity)


def test_float64_is_held_to_a_finer_measure(tiny, opened, points):
    parity = _certify(opened(tiny(dtype=np.float64).save()), points.astype(np.float64))
    assert parity.status == Status.PASS and parity.tolerance == 1e-6
    assert parity.max_rel_diff < 1e-12
    assert parity.gradient.median_rel_error is not None and parity.gradient.median_rel_error < 1e-5


def test_one_seed_one_certificate(tiny, opened, points):
    bench = opened(tiny().save())
    assert _certify(bench, points) == _certify(bench, points)
    assert _certify(bench, points).gradient != _certify(bench, points, seed=1).gradient


CUMSUM = helper.make_node("CumSum", ["relu", "axis"], ["sums"], name="culprit")
RESIZE = helper.make_node("Resize", ["relu", "", "scales"], ["wide"], name="culprit", mode="linear")
SQUARE = helper.make_node("MatMul", ["relu", "square"], ["product"], name="culprit")


def _made_by(twin, op):
    return next(m for m in twin.converted.module.modules() if getattr(m, "op_type", "") == op)


def _weights(twin, size):
    return next(b for b in twin.converted.module.weights.buffers() if b.numel() == size)


def _swap_kernel(twin):
    kernel = _weights(twin, 4 * 3 * 9)
    kernel.copy_(kernel.transpose(2, 3).clone())


def _drop_bias(twin):
    _weights(twin, 4).zero_()


def _transpose_square(twin):
    square = _weights(twin, 64)
    square.copy_(square.T.clone())


def _reverse(twin):
    _made_by(twin, "CumSum")._settings["reverse"] = 1


def _exclude(twin):
    _made_by(twin, "CumSum")._settings["exclusive"] = 1


def _resize_nearest(twin):
    _made_by(twin, "Resize")._settings["mode"] = "nearest"


def _resize_corners(twin):
    _made_by(twin, "Resize")._settings["coordinate_transformation_mode"] = "align_corners"


def _to_average(twin):
    _made_by(twin, "MaxPool")._function = lambda x, **_: torch.nn.functional.avg_pool2d(x, 2)


MAXIMUM = helper.make_node("MaxPool", ["relu"], ["pooled"], name="culprit", kernel_shape=[2, 2], strides=[2, 2])


@pytest.mark.parametrize(
    ("node", "spoil"),
    [
        (None, _swap_kernel),
        (None, _drop_bias),
        (SQUARE, _transpose_square),
        (CUMSUM, _reverse),
        (CUMSUM, _exclude),
        (RESIZE, _resize_nearest),
        (RESIZE, _resize_corners),
        (MAXIMUM, _to_average),
    ],
)
def test_a_wrong_conversion_fails_and_is_located(tiny, opened, points, node, spoil):
    rng = np.random.default_rng(5)
    sizes = {"wide": 4 * 256, "pooled": 4 * 16}
    constants = {
        "axis": np.array(2),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "square": rng.standard_normal((8, 8)).astype(np.float32),
        "bias": np.full(4, 0.2, np.float32),
    }
    if node is not None and node.output[0] in sizes:
        constants["matrix"] = rng.standard_normal((sizes[node.output[0]], 5)).astype(np.float32) * 0.1
    bench = opened(tiny(middle=[node] if node else [], constants=constants).save())
    assert _certify(bench, points).status == Status.PASS
    spoil(bench.twin)
    parity = _certify(bench, points)
    assert parity.status == Status.FAIL
    culprit = (
        "'conv' (Conv, node 'the_conv')" if node is None else f"'{node.output[0]}' ({node.op_type}, node 'culprit')"
    )
    assert parity.first_difference == culprit
    with pytest.raises(ParityError, match=r"first difference") as caught:
        raise_if_failed(parity, "a.onnx")
    assert caught.value.exit_code == ExitCode.INCOMPLETE and "a.onnx" in caught.value.message


def _quantised(tiny, scale=0.02):
    """The tiny model with an 8-bit kernel, and 8-bit rounding of the image and of the features."""
    constants = {
        "s": np.array(scale, np.float32),
        "zero": np.array(128, np.uint8),
        "t": np.array(0.02, np.float32),
        "none": np.array(0, np.uint8),
    }
    middle = [
        helper.make_node("QuantizeLinear", ["relu", "t", "none"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "t", "none"], ["features"]),
    ]
    proto = tiny(middle=middle, constants=constants).proto()
    proto.graph.node.insert(0, helper.make_node("QuantizeLinear", ["image", "s", "zero"], ["levels"]))
    proto.graph.node.insert(1, helper.make_node("DequantizeLinear", ["levels", "s", "zero"], ["rounded"]))
    next(node for node in proto.graph.node if node.op_type == "Conv").input[0] = "rounded"
    kernel = next(t for t in proto.graph.initializer if t.name == "kernel")
    levels = np.rint(numpy_helper.to_array(kernel) / 0.02).astype(np.int8)
    kernel.CopyFrom(numpy_helper.from_array(levels, "kernel_levels"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), "kernel_zero"))
    proto.graph.node.insert(0, helper.make_node("DequantizeLinear", ["kernel_levels", "t", "kernel_zero"], ["kernel"]))
    path = tiny().folder / "quantised.onnx"
    onnx.save(proto, str(path))
    return path


def test_a_quantised_model_warns_that_its_gradients_are_straight_through(tiny, opened, points):
    bench = opened(_quantised(tiny))
    assert bench.twin.converted.straight_through
    parity = _certify(bench, points)
    assert parity.status == Status.WARN, parity.reason
    assert "straight-through" in parity.reason and "QuantizeLinear" in parity.reason
    assert parity.gradient.median_rel_error is not None and parity.gradient.median_rel_error < 1e-2
    assert parity.max_rel_diff < 4e-3  # a flip of one level; weights are not rounded once more by the clean-up


@pytest.mark.parametrize("spoil", [lambda g: -g, lambda g: 1.2 * g, lambda g: np.flip(g, axis=(2, 3)).copy()])
def test_a_contradicted_straight_through_gradient_fails(tiny, opened, points, monkeypatch, spoil):
    bench = opened(_quantised(tiny))
    honest = bench.twin.value_and_gradient
    monkeypatch.setattr(bench.twin, "value_and_gradient", lambda *given: (honest(*given)[0], spoil(honest(*given)[1])))
    parity = _certify(bench, points)
    assert parity.status == Status.FAIL and "contradict" in parity.reason


@pytest.mark.parametrize("spoil", [_swap_kernel, _drop_bias])
def test_a_quantised_model_is_not_held_to_less_than_its_rounding(tiny, opened, points, spoil):
    bench = opened(_quantised(tiny))
    spoil(bench.twin)
    assert _certify(bench, points).status == Status.FAIL


def test_a_binary_head_near_zero_has_a_range(tiny, opened, points):
    tail = [helper.make_node("Gemm", ["logits", "one"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    path = tiny(tail=tail, outputs=["p"], constants={"one": np.ones((5, 1), np.float32)}).save()
    bench = opened(path)
    z = bench.runtime.logits(points)[:, 1]
    assert bench.twin.logits(points).shape == (11, 2)
    honest = bench.runtime.logits
    bench.runtime.logits = lambda batch: honest(batch) - np.float32([-1, 1]) * z[0]  # the first image scores 0
    twin = bench.twin.logits
    bench.twin.logits = lambda batch: twin(batch) - np.float32([-1, 1]) * z[0]
    parity = certify(bench.runtime, bench.twin, points, TARGETS[:11] % 2, "logit", np.random.default_rng(0))
    assert parity.status == Status.PASS, parity.reason


def test_a_file_that_ran_in_float32_is_not_held_to_float64(tiny, opened, points):
    """onnxruntime has no float64 convolution."""
    proto = tiny().proto()
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del proto.graph.value_info[:]
    path = tiny().folder / "double.onnx"
    onnx.save(proto, str(path))
    parity = _certify(opened(path), points)
    assert (parity.status, parity.tolerance) == (Status.PASS, 1e-3), parity.reason


@pytest.mark.parametrize("spoil", [lambda g: 1.2 * g, lambda g: -g, lambda g: np.roll(g, 1, axis=3)])
def test_wrong_gradients_behind_right_outputs_fail(tiny, opened, points, monkeypatch, spoil):
    bench = opened(tiny().save())
    honest = bench.twin.value_and_gradient

    def spoilt(*arguments):
        value, gradient = honest(*arguments)
        return value, spoil(gradient)

    monkeypatch.setattr(bench.twin, "value_and_gradient", spoilt)
    parity = _certify(bench, points)
    assert parity.status == Status.FAIL and "gradients do not" in parity.reason
    assert parity.first_difference is None


def test_gradients_that_cannot_be_measured_are_no_pass(tiny, opened, points, monkeypatch):
    bench = opened(tiny().save())
    noise = np.random.default_rng(0)
    honest = bench.runtime.logits
    calls = []

    def noisy(batch):
        calls.append(len(batch))
        scores = honest(batch)
        return scores if len(calls) == 1 else scores + noise.standard_normal(scores.shape).astype(np.float32)

    monkeypatch.setattr(bench.runtime, "logits", noisy)
    parity = _certify(bench, points)
    assert parity.status != Status.PASS


def test_a_dead_output_has_no_slope_to_compare(tiny, opened, points):
    parity = _certify(opened(tiny().save()), np.zeros_like(points) - 1e3)
    assert parity.status in (Status.PASS, Status.WARN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_plateau_is_found(dtype):
    point = np.linspace(-1, 1, 48).reshape(3, 4, 4)
    direction = np.random.default_rng(0).standard_normal(point.shape)

    def f(batch):  # a smooth bend, rounded to the format as an engine would
        return np.exp(batch.astype(np.float64).sum((1, 2, 3)) / 10).astype(dtype).astype(np.float64)

    measured = finite.slope(f, point, direction, np.dtype(dtype))
    expected = measured.displacement.sum() / 10
    assert measured.value == pytest.approx(expected, rel=2e-2 if dtype == np.float32 else 1e-6)
    assert measured.uncertainty < 0.1 * abs(expected)


def test_steps_that_cross_a_kink_are_not_believed():
    rng = np.random.default_rng(0)
    point, direction = rng.standard_normal((2, 3, 4, 4))
    unit = direction / np.sqrt(np.mean(direction**2))
    kink = 2.0**-15 * point.std()  # the largest steps reach beyond it, where the slope is six times as large

    def f(batch):
        along = ((batch.astype(np.float64) - point) * unit).mean((1, 2, 3))
        return along + 5 * np.maximum(along - kink, 0)

    measured = finite.slope(f, point, direction, np.dtype(np.float32))
    assert measured.value == pytest.approx(1.0, abs=0.05)


def _keras_style(folder):
    """Channels last outside, Transposes around padded convolutions inside, as tf2onnx writes them."""
    rng = np.random.default_rng(2)
    arrays = {
        "kernel": rng.standard_normal((6, 3, 3, 3)) * 0.3,
        "last": rng.standard_normal((4, 6, 1, 1)),
        "mean": np.array([0.4, 0.5, 0.6]),
    }
    nodes = [
        helper.make_node("Sub", ["image", "mean"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Conv", ["g", "last"], ["scores"]),
        helper.make_node("Transpose", ["scores"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Softmax", ["rows"], ["probs"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes, "keras",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 9, 9, 3])],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["N", 1, 1, 4])],
        [numpy_helper.from_array(a.astype(np.float32), k) for k, a in arrays.items()],
    )  # fmt: skip
    path = folder / "keras.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_channels_last_with_padding_and_a_channel_last_softmax(tmp_path, opened):
    bench = opened(_keras_style(tmp_path))
    assert (bench.head.logits, bench.head.tail, bench.head.classes) == ("rows", "Softmax", 4)
    images = np.random.default_rng(4).random((11, 9, 9, 3)).astype(np.float32)
    for space in ("logit", "probability"):
        parity = certify(bench.runtime, bench.twin, images, TARGETS % 4, space, np.random.default_rng(0))
        assert parity.status == Status.PASS, parity.reason


@pytest.mark.parametrize("space", ["logit", "log-probability", "margin"])
def test_half_precision_passes_at_its_own_tolerance(tiny, opened, points, space):
    parity = _certify(opened(tiny(dtype=np.float16).save()), points, space)
    assert parity.tolerance == 3e-2 and parity.status in (Status.PASS, Status.WARN), parity.reason
