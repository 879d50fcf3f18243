"""Graphs that exporters and tools write and converters trip over: 49 small classifiers, each with one quirk."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from graph_builder import Builder, cnn
from onnx import ModelProto, TensorProto, helper

_IMAGE = ["batch", 3, 32, 32]
_SCORES: dict[str, Any] = {"scores": ["batch", 10]}


def _plain(b: Builder, logits: str) -> ModelProto:
    b.rename(logits, "scores")
    return b.model(_IMAGE, _SCORES)


def _activation(kind: str, opset: int = 17, **attributes: Any) -> Callable[[], ModelProto]:
    def make() -> ModelProto:
        b = Builder(opset, ir=10 if opset > 19 else 8)
        return _plain(b, cnn(b, activation=lambda x: b.op(kind, x, **attributes)))

    return make


def _resize(mode: str, transform: str, opset: int) -> Callable[[], ModelProto]:
    """The picture is resized inside the graph, by scales."""

    def make() -> ModelProto:
        b = Builder(opset)
        scales = b.constant(np.array([1, 1, 1.5, 0.75], np.float32))
        extra = {"nearest_mode": "floor" if transform == "asymmetric" else "round_prefer_floor"}
        x = b.op(
            "Resize", "image", "", scales, mode=mode, coordinate_transformation_mode=transform,
            **(extra if mode == "nearest" else {}),
        )  # fmt: skip
        return _plain(b, cnn(b, x))

    return make


def small_cnn() -> ModelProto:
    """Nothing special: what the others are compared with."""
    b = Builder()
    return _plain(b, cnn(b))


def global_max() -> ModelProto:
    b = Builder()
    return _plain(b, cnn(b, pool="GlobalMaxPool"))


def argmax_first() -> ModelProto:
    b = Builder()
    logits = b.rename(cnn(b), "scores")
    label = b.rename(b.op("ArgMax", logits, axis=1, keepdims=0), "label")
    return b.model(_IMAGE, {label: (TensorProto.INT64, ["batch"]), **_SCORES})


def softmax_end() -> ModelProto:
    b = Builder()
    return _plain(b, b.op("Softmax", cnn(b), axis=1))


def softmax_argmax_end() -> ModelProto:
    b = Builder()
    scores = b.rename(b.op("Softmax", cnn(b), axis=1), "scores")
    label = b.rename(b.op("ArgMax", scores, axis=1, keepdims=0), "label")
    return b.model(_IMAGE, {**_SCORES, label: (TensorProto.INT64, ["batch"])})


def subtract_divide() -> ModelProto:
    b = Builder()
    mean, std = (b.constant(np.array(v, np.float32).reshape(1, 3, 1, 1)) for v in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.2]))
    return _plain(b, cnn(b, b.op("Div", b.op("Sub", "image", mean), std)))


def uint8_nhwc() -> ModelProto:
    b = Builder()
    x = b.op("Transpose", b.op("Cast", "image", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    b.rename(cnn(b, b.op("Div", x, b.constant(np.float32(255)))), "scores")
    return b.model(["batch", 32, 32, 3], _SCORES, TensorProto.UINT8)


def resize_to_sizes() -> ModelProto:
    """Resize to a fixed size whatever the batch: the sizes are put together from the input's shape."""
    b = Builder()
    shape = b.op("Shape", "image")
    kept = b.op("Slice", shape, b.constant(np.array([0])), b.constant(np.array([2])))
    sizes = b.op("Concat", kept, b.constant(np.array([24, 24])), axis=0)
    x = b.op("Resize", "image", "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")
    return _plain(b, cnn(b, x))


def keras_nhwc(auto_pad: str = "SAME_UPPER") -> ModelProto:
    """As tf2onnx writes it: channels last outside, Transpose, padding by name, probabilities."""
    b = Builder()
    x = b.op("Transpose", "image", perm=[0, 3, 1, 2])
    x = b.op("Relu", b.op("Conv", x, b.weight(8, 3, 3, 3), b.weight(8), auto_pad=auto_pad, strides=[2, 2]))
    x = b.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], auto_pad=auto_pad)
    x = b.op("ReduceMean", b.op("Transpose", x, perm=[0, 2, 3, 1]), axes=[1, 2], keepdims=0)
    b.rename(b.op("Softmax", b.op("Add", b.op("MatMul", x, b.weight(8, 10)), b.weight(10)), axis=-1), "scores")
    return b.model(["batch", 31, 31, 3], _SCORES)


def baked_batch() -> ModelProto:
    b = Builder()
    x = b.op("Relu", b.op("Conv", "image", b.weight(8, 3, 3, 3), strides=[4, 4]))
    x = b.op("Reshape", x, b.constant(np.array([1, 512])))
    return _plain(b, b.op("Gemm", x, b.weight(10, 512), transB=1))


def half(keep_io: bool) -> Callable[[], ModelProto]:
    """float16 arithmetic, as the usual converter writes it."""

    def make() -> ModelProto:
        from onnxconverter_common import float16

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float16.convert_float_to_float16(small_cnn(), keep_io_types=keep_io)  # type: ignore[no-any-return]

    return make


def quantised(form: str, per_channel: bool = False) -> Callable[[], ModelProto]:
    """By onnxruntime's own quantiser."""

    def make() -> ModelProto:
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                random = np.random.default_rng(3)
                self.rows = iter({"image": random.standard_normal((1, 3, 32, 32)).astype(np.float32)} for _ in range(8))

            def get_next(self) -> Any:
                return next(self.rows, None)

        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
            onnx.save(small_cnn(), source)
            if form == "dynamic":
                q.quantize_dynamic(source, target)
            else:
                kind = q.QuantFormat.QDQ if form == "qdq" else q.QuantFormat.QOperator
                weights = q.QuantType.QInt8
                q.quantize_static(
                    source, target, Reader(), quant_format=kind, per_channel=per_channel, weight_type=weights
                )
            return onnx.load(target)

    return make


def if_constant() -> ModelProto:
    b = Builder()
    logits = cnn(b)
    double, same = Builder(), Builder()
    branches = {}
    for name, inner, factor in (("then_branch", double, 2.0), ("else_branch", same, -1.0)):
        out = inner.op("Mul", logits, inner.constant(np.float32(factor)))
        inner.rename(out, f"{name}_out")
        value = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        branches[name] = helper.make_graph(inner.nodes, name, [], [value], inner.initializers)
        inner.initializers[0].name = inner.nodes[0].input[1] = f"{name}_factor"
        branches[name] = helper.make_graph(inner.nodes, name, [], [value], inner.initializers)
    condition = b.op("Not", b.constant(np.array(False)))
    return _plain(b, b.op("If", condition, **branches))


def if_dynamic() -> ModelProto:
    """The branch depends on the picture: nothing to differentiate as a whole."""
    model = if_constant()
    nodes = model.graph.node
    mean = helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0)
    test = helper.make_node("Greater", ["mean", "zero"], ["bright"])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.0), "zero"))
    position = next(i for i, n in enumerate(nodes) if n.op_type == "If")
    nodes[position].input[0] = "bright"
    for node in (test, mean):
        nodes.insert(position, node)
    return model


def loop_constant() -> ModelProto:
    """Three turns of the same layer."""
    b = Builder()
    logits = cnn(b)
    inner = Builder()
    inner.initializers.append(onnx.numpy_helper.from_array(np.eye(10, dtype=np.float32) * 0.5 + 0.1, "turn_weight"))
    inner.nodes.append(helper.make_node("MatMul", ["state", "turn_weight"], ["turned"]))
    inner.nodes.append(helper.make_node("Tanh", ["turned"], ["state_out"]))
    inner.nodes.append(helper.make_node("Identity", ["go"], ["go_out"]))
    body = helper.make_graph(
        inner.nodes, "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state_out", TensorProto.FLOAT, None)],
        inner.initializers,
    )  # fmt: skip
    out = b.op("Loop", b.constant(np.array(3)), b.constant(np.array(True)), logits, body=body)
    return _plain(b, out)


def local_function() -> ModelProto:
    b = Builder()
    body = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])]
    b.functions.append(helper.make_function("mine", "MyAct", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    b.domains["mine"] = 1
    return _plain(b, cnn(b, activation=lambda x: b.op("MyAct", x, domain="mine")))


def nonzero_constant() -> ModelProto:
    """Channels chosen by NonZero of a constant mask."""
    b = Builder()
    mask = b.constant(np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 1], np.float32))
    chosen = b.op("Reshape", b.op("NonZero", mask), b.constant(np.array([-1])))
    picked = b.op("Gather", cnn(b), chosen, axis=1)
    return _plain(b, b.op("Gemm", picked, b.weight(10, 7), transB=1))


def nonzero_data() -> ModelProto:
    """Positions of positive activations, gathered and scattered back: the same values by a detour."""
    b = Builder()
    logits = cnn(b)
    where = b.op("Transpose", b.op("NonZero", logits), perm=[1, 0])
    values = b.op("GatherND", logits, where)
    return _plain(b, b.op("ScatterND", b.op("Mul", logits, b.constant(np.float32(0.5))), where, values))


def old_opset9() -> ModelProto:
    """IR version 3: weights listed as inputs; Dropout with its ratio as an attribute; a batch of one."""
    b = Builder(opset=9, ir=3)
    x = b.op("Relu", b.op("Conv", "image", b.weight(8, 3, 3, 3), b.weight(8), strides=[4, 4]))
    x = b.op("Upsample", x, b.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    x, _ = b.op("Dropout", x, outputs=2, ratio=0.3)
    x = b.op("Reshape", x, b.constant(np.array([1, 2048])))
    b.rename(b.op("Gemm", x, b.weight(10, 2048), b.weight(10), transB=1), "scores")
    model = b.model([1, 3, 32, 32], {"scores": [1, 10]})
    for tensor in b.initializers:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return model


_MODES = (
    ("linear", "align_corners"), ("linear", "asymmetric"), ("nearest", "asymmetric"), ("cubic", "half_pixel"),
    ("linear", "half_pixel"), ("nearest", "half_pixel"), ("linear", "pytorch_half_pixel"),
)  # fmt: skip

SPECIAL: dict[str, Callable[[], ModelProto]] = {
    **{f"act_{k}": _activation(k) for k in ("Celu", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Selu")},
    **{f"act_{k}": _activation(k) for k in ("Softplus", "Softsign", "ThresholdedRelu")},
    "act_Gelu20": _activation("Gelu", 20),
    "act_Mish": _activation("Mish", 18),
    "argmax_first_out": argmax_first,
    "batch_baked_reshape": baked_batch,
    "dynquant": quantised("dynamic"),
    "fp16": half(False),
    "fp16_keepio": half(True),
    "if_const": if_constant,
    "if_dynamic": if_dynamic,
    "local_function": local_function,
    "loop_const": loop_constant,
    "nonzero_const": nonzero_constant,
    "nonzero_data": nonzero_data,
    "old_opset9_ir3": old_opset9,
    **{f"resize_{m}_{t}_{o}": _resize(m, t, o) for m, t in _MODES for o in (17, 18)},
    "resize_sizes_dynbatch": resize_to_sizes,
    "sub_div": subtract_divide,
    "uint8_nhwc": uint8_nhwc,
    "qdq": quantised("qdq"),
    "qdq_perchannel": quantised("qdq", per_channel=True),
    "qoperator": quantised("qoperator"),
    "smallcnn": small_cnn,
    "smallcnn_globalmax": global_max,
    "softmax_argmax_end": softmax_argmax_end,
    "softmax_end": softmax_end,
    "tf_nhwc": keras_nhwc,
    "tf_same_lower": lambda: keras_nhwc("SAME_LOWER"),
}
"""Name and maker of each."""
