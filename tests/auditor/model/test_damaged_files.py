"""Files that no audit can be made of end in one message; those that are only unusual do not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from geoaudit.errors import ModelError
from geoaudit.model.artifact import load
from geoaudit.model.wording import brief


def _saved(tiny, proto):
    path = tiny().folder / "changed.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def _reversed(proto):
    nodes = list(proto.graph.node)[::-1]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def test_nodes_in_any_order(tiny, points, opened):
    """onnxruntime sorts them itself."""
    expected = opened(tiny().save()).runtime.logits(points)
    proto = tiny(tail=[helper.make_node("Softmax", ["logits"], ["p"])], outputs=["p"]).proto()
    _reversed(proto)
    bench = opened(_saved(tiny, proto))
    np.testing.assert_allclose(bench.runtime.logits(points), expected, atol=1e-6)
    np.testing.assert_allclose(bench.twin.logits(points), expected, atol=1e-5)


@pytest.mark.parametrize("op", ["Relu", "Identity"])
def test_a_circle_is_refused(tiny, op):
    proto = tiny(tail=[helper.make_node(op, ["b"], ["a"]), helper.make_node(op, ["a"], ["b"])], outputs=["b"]).proto()
    with pytest.raises(ModelError, match="need each other's results") as caught:
        load(_saved(tiny, proto))
    assert caught.value.way_out


def _shorten(tensor):
    tensor.raw_data = tensor.raw_data[:-4]


def _listed(tensor):
    values = numpy_helper.to_array(tensor).reshape(-1)[:-1].tolist()
    tensor.ClearField("raw_data")
    tensor.float_data.extend(values)


def _negative(tensor):
    tensor.dims[0] = -tensor.dims[0]


@pytest.mark.parametrize("damage", [_shorten, _listed, _negative])
def test_a_weight_of_another_length_than_its_shape_is_refused(tiny, damage):
    proto = tiny().proto()
    damage(next(t for t in proto.graph.initializer if t.name == "offset"))
    with pytest.raises(ModelError, match="damaged: its weight 'offset'"):
        load(_saved(tiny, proto))


def test_external_data_of_another_length_are_refused(tiny):
    path = tiny().folder / "external.onnx"
    onnx.save_model(tiny().proto(), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    proto = onnx.load(str(path), load_external_data=False)
    for entry in proto.graph.initializer[-1].external_data:
        entry.value = "4" if entry.key == "length" else entry.value
    with pytest.raises(ModelError, match="damaged: its weight"):
        load(_saved(tiny, proto))


def test_weights_in_every_notation_are_taken(tiny):
    proto = tiny().proto()
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor).reshape(-1).tolist()
        tensor.ClearField("raw_data")
        tensor.float_data.extend(values)
    proto.graph.initializer.append(helper.make_tensor("four bits", onnx.TensorProto.INT4, [3], [1, 2, 3]))
    proto.graph.initializer.append(helper.make_tensor("halves", onnx.TensorProto.FLOAT16, [2], [1.0, 2.0]))
    proto.graph.initializer.append(helper.make_tensor("none", onnx.TensorProto.FLOAT, [0, 3], []))
    proto.graph.initializer.append(helper.make_tensor("text", onnx.TensorProto.STRING, [1], [b"x"]))
    assert load(_saved(tiny, proto)).proto.graph.initializer[-1].name == "text"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ([0, 3, 8, 8], "a declared size is 0"),
        (["N", 3, 0, 8], "a declared size is 0"),
        (["N", 3, 10**6, 10**6], "too large for any memory"),
        ([10**5, 3, 8, 8], "batches of 100000 images"),
    ],
)
def test_sizes_that_no_picture_has_are_refused(tiny, shape, reason):
    proto = tiny().proto()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    with pytest.raises(ModelError, match=reason):
        load(_saved(tiny, proto))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from a b.onnx failed:/src/core/graph/model.cc:256 "
            "ns::Model::Model(ModelProto&&, const map<int (*)(char)>&, bool) const Unsupported version: 99",
            "Unsupported version: 99",
        ),
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status. Status Message: /a/b.h:53 static Status "
         "f(int) x == 1 was false.", "Non-zero status. Status Message: x == 1 was false."),
        ("plain\nsecond line", "plain"),
        ("", "ValueError"),
        ("/a/b.h:53 no signature", "no signature"),
    ],
)  # fmt: skip
def test_onnxruntimes_messages_are_shortened(text, wanted):
    assert brief(ValueError(text)) == wanted
