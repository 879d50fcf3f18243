from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model import artifact, head
from geoaudit.model.normalise import fold, normalise
from geoaudit.model.normalise.outputs import trim_outputs
from geoaudit.model.normalise.skipped import PassSkipped


def _clean(proto, folder):
    path = folder / "model.onnx"
    onnx.save(proto, str(path))
    file = artifact.load(path)
    found = head.find(file)
    before = file.proto.SerializeToString()
    clean = normalise(file.proto, found)
    assert file.proto.SerializeToString() == before
    return clean, found


def _run(proto, tensor, points):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([tensor], {"image": points})[0]


def test_a_clean_graph_is_left_alone(tiny, tmp_path):
    proto = tiny().proto()
    clean, _ = _clean(proto, tmp_path)
    assert clean.passes == () and clean.notes == ()
    assert len(clean.proto.graph.node) == len(proto.graph.node)


def test_constants_masks_tails_and_dead_weights_go(tiny, tmp_path, points):
    value = numpy_helper.from_array(np.array([1, 2, 0, 3]))
    middle = [
        helper.make_node("Constant", [], ["unread"], value=value),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Constant", [], ["third"], value_float=0.25),
        helper.make_node("Add", ["half", "third"], ["factor"]),
        helper.make_node("Mul", ["relu", "factor"], ["scaled"]),
        helper.make_node("Dropout", ["scaled"], ["dropped", "mask"]),
    ]
    tail = [helper.make_node("Softmax", ["logits"], ["p"])]
    proto = tiny(middle=middle, tail=tail, outputs=["p"]).proto()
    clean, found = _clean(proto, tmp_path)
    assert {"cut-at-explained-output", "constants-to-initializers", "fold-constants"} <= set(clean.passes)
    ops = [node.op_type for node in clean.proto.graph.node]
    assert not {"Constant", "Softmax", "Add", "Dropout"} & set(ops)
    assert {o.domain for o in clean.proto.opset_import} == {""}
    assert [o.name for o in clean.proto.graph.output] == [found.logits]
    assert "unread" not in {t.name for t in clean.proto.graph.initializer}
    before = onnx.ModelProto()
    before.CopyFrom(proto)
    before.graph.output.add(name="logits")
    np.testing.assert_allclose(_run(clean.proto, "logits", points), _run(before, "logits", points), rtol=1e-5)


def test_unused_masks_are_trimmed_where_folding_cannot_run(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(fold, "fits_one_message", lambda _: False)
    middle = [helper.make_node("Dropout", ["relu"], ["dropped", "mask"])]
    clean, _ = _clean(tiny(middle=middle).proto(), tmp_path)
    assert clean.passes == ("trim-outputs",)
    assert clean.notes == ("fold-constants: the model is larger than one protobuf message",)
    assert [list(n.output) for n in clean.proto.graph.node if n.op_type == "Dropout"] == [["dropped"]]


def test_old_weights_stop_being_inputs(tiny, tmp_path):
    proto = tiny().proto()
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    clean, _ = _clean(proto, tmp_path)
    assert clean.passes[0] == "initializers-out-of-inputs"
    assert [v.name for v in clean.proto.graph.input] == ["image"]
    assert clean.proto.ir_version >= 4


def test_a_constant_branch_is_chosen(tiny, tmp_path):
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(op, ["relu"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)],
        )
        for name, op in (("then", "Sigmoid"), ("else", "Tanh"))
    }
    middle = [helper.make_node("If", ["yes"], ["chosen"], **branches)]
    clean, _ = _clean(tiny(middle=middle, constants={"yes": np.array(True)}).proto(), tmp_path)
    ops = {node.op_type for node in clean.proto.graph.node}
    assert "Sigmoid" in ops and not {"If", "Tanh"} & ops


def test_folding_that_fails_says_why(tiny):
    proto = tiny().proto()
    proto.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(PassSkipped, match="could not optimise"):
        fold.fold_constants(proto)


@pytest.mark.parametrize("opset", [9, 15])
def test_outputs_that_ask_for_batch_statistics_stay(opset):
    """Before version 14 a BatchNormalization with further outputs normalises by the batch itself."""
    names = ["y", "mean", "var", "kept_mean", "kept_var"][: 5 if opset < 14 else 3]
    training = {} if opset < 14 else {"training_mode": 1}
    node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], names, **training)
    constants = [onnx.numpy_helper.from_array(np.ones(3, np.float32), n) for n in ("s", "b", "m", "v")]
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 3, 4, 4]) for n in ("x", "y")]
    model = helper.make_model(
        helper.make_graph([node], "g", values[:1], values[1:], constants),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    assert len(trim_outputs(model).graph.node[0].output) == (5 if opset < 14 else 1)


def test_nodes_that_onnx2torch_would_confuse_are_renamed(tiny, points, opened):
    """Of "Relu", "/Relu" and "/Relu_1" it would keep two, and the third one's result would be missing."""
    tail = [
        helper.make_node(op, [source], [target], name=name)
        for op, source, target, name in (
            ("Relu", "logits", "a", "Neg"), ("Neg", "a", "b", "/Neg"), ("Tanh", "b", "y", "/Neg_1")
        )
    ]  # fmt: skip
    bench = opened(tiny(tail=tail, outputs=["y"]).save())
    assert "distinct-names" in bench.normalised.passes
    np.testing.assert_allclose(bench.twin.logits(points), bench.runtime.logits(points), atol=1e-5)
