"""Whole models, as exporters and quantisers write them, through every pass."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model.head import Head
from geoaudit.model.normalise import normalise

RNG = np.random.default_rng(2)


def _w(*shape):
    return (RNG.standard_normal(shape) * 0.3).astype(np.float32)


def _body(kit, middle, weights, *, side=8, **options):
    """Conv to "c" (4 channels), `middle` up to "m", pooled and classified."""
    pool = kit.node("GlobalAveragePool", ["m"], ["g"])
    nodes = [kit.node("Conv", ["x", "k"], ["c"]), *middle, pool, kit.node("Flatten", ["g"], ["f"])]
    nodes += [kit.node("MatMul", ["f", "head"], ["y"])]
    weights = {"k": _w(4, 3, 3, 3), "head": _w(4, 5)} | weights
    shape = options.pop("shape", ("N", 3, side, side))
    return kit.build(nodes, weights, shape=shape, out_shape=(shape[0], 5), **options)


def _branches(kit):
    def branch(op):
        return helper.make_graph([kit.node(op, ["c"], ["t"])], op, [], [helper.make_tensor_value_info("t", 1, None)])

    nodes = [
        kit.node("Shape", ["c"], ["s"]),
        kit.node("Gather", ["s", "one"], ["n"]),
        kit.node("Equal", ["n", "four"], ["yes"]),
        kit.node("If", ["yes"], ["m"], then_branch=branch("Sigmoid"), else_branch=branch("Exp")),
    ]
    return _body(kit, nodes, {"one": np.array(1), "four": np.array(4)})


def _loop(kit):
    names = (("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("s", TensorProto.FLOAT))
    inputs = [helper.make_tensor_value_info(n, t, [] if n != "s" else None) for n, t in names]
    nodes = [kit.node("Identity", ["go"], ["on"]), kit.node("Tanh", ["s"], ["t"])]
    outputs = [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_tensor_value_info("t", 1, None)]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    return _body(kit, [kit.node("Loop", ["three", "", "c"], ["m"], body=body)], {"three": np.array(3)})


def _function(kit):
    opsets = [helper.make_opsetid("", 17)]
    act = helper.make_function("my", "Act", ["a"], ["b"], [kit.node("Softplus", ["a"], ["b"])], opsets)
    node = kit.node("Act", ["c"], ["m"], domain="my")
    return _body(kit, [node], {}, domains=["my"], functions=[act])


def _qdq(kit):
    weights = {"q": RNG.integers(-90, 90, (4, 4, 1, 1)).astype(np.int8), "s": np.array(0.02, np.float32)}
    weights |= {"z": np.array(0, np.int8), "a": np.array(0.05, np.float32)}
    nodes = [
        kit.node("QuantizeLinear", ["c", "a", "z"], ["cq"]),
        kit.node("DequantizeLinear", ["cq", "a", "z"], ["cd"]),
        kit.node("DequantizeLinear", ["q", "s", "z"], ["k2"]),
        kit.node("Conv", ["cd", "k2"], ["m"]),
    ]
    return _body(kit, nodes, weights)


def _half(kit):
    nodes = [
        kit.node("Cast", ["c"], ["h"], to=TensorProto.FLOAT16),
        kit.node("Mul", ["h", "w"], ["hm"]),
        kit.node("Cast", ["hm"], ["m"], to=TensorProto.FLOAT),
    ]
    return _body(kit, nodes, {"w": np.array(0.7, np.float16)})


def _baked(kit):
    nodes = [kit.node("Reshape", ["c", "s"], ["r"]), kit.node("Reshape", ["r", "s2"], ["m"])]
    return _body(kit, nodes, {"s": np.array([1, 144]), "s2": np.array([1, 4, 6, 6])}, shape=(1, 3, 8, 8))


def _old(kit):
    return _body(kit, [kit.node("Dropout", ["c"], ["m"])], {}, opset=9, ir=3)


def _paddle(kit):
    constant = numpy_helper.from_array(_w(4, 4, 1, 1))
    nodes = [kit.node("Constant", [], ["p"], value=constant), kit.node("Conv", ["c", "p"], ["m"])]
    return _body(kit, nodes, {})


def _identities(kit):
    nodes = [kit.node("Identity", ["b"], ["b1"]), kit.node("Identity", ["b"], ["b2"])]
    nodes += [kit.node("Add", ["c", "b1"], ["d"]), kit.node("Add", ["d", "b2"], ["m"])]
    return _body(kit, nodes, {"b": _w(4, 1, 1)})


CASES = {
    _branches: {"static-shapes", "inline-branches"},
    _loop: {"unroll-loops"},
    _function: {"inline-functions"},
    _qdq: {"fold-nodes"},
    _half: {"half-to-single"},
    _baked: {"dynamic-batch"},
    _old: {"initializers-out-of-inputs"},
    _paddle: {"constants-to-initializers"},
    _identities: {"remove-identities"},
}


@pytest.mark.parametrize(("make", "passes"), CASES.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_the_scores_stay_and_the_passes_are_named(kit, make, passes):
    proto = make(kit)
    before = proto.SerializeToString()
    clean = normalise(proto, Head("y", "y", None, 5))
    assert proto.SerializeToString() == before
    assert passes <= set(clean.passes) and clean.notes == ()
    assert clean.precision == ("float16" if make is _half else "float32")
    left = {"If", "Loop", "Act", "Constant", "Identity", "Dropout", "Shape"} & set(kit.ops(clean.proto))
    assert not left and clean.proto.ir_version >= 4
    x = kit.images(4, 3, 8, 8)
    wanted = np.concatenate([kit.run(proto, x[i : i + 1]) for i in range(4)])
    tolerance = 2e-3 if make is _half else 1e-5
    for count in (1, 4):
        found = kit.run(clean.proto, x[:count])
        np.testing.assert_allclose(found, wanted[:count], rtol=tolerance, atol=tolerance)


def test_activations_stay_quantised(kit):
    ops = kit.ops(normalise(_qdq(kit), Head("y", "y", None, 5)).proto)
    assert ops.count("DequantizeLinear") == ops.count("QuantizeLinear") == 1


def test_a_batch_that_stays_is_noted(kit):
    nodes = [kit.node("Conv", ["x", "k"], ["c"]), kit.node("ReduceMean", ["c"], ["m"], axes=[0, 2, 3], keepdims=0)]
    nodes += [kit.node("Sub", ["x2", "m"], ["y"])]
    proto = kit.build(nodes, {"k": _w(4, 3, 3, 3), "x2": _w(2, 4)}, shape=(2, 3, 8, 8), out_shape=(2, 4))
    clean = normalise(proto, Head("y", "y", None, 4))
    assert "dynamic-batch" not in clean.passes and clean.notes[0].startswith("dynamic-batch: a batch of 2")
    assert clean.proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2


def test_many_nodes_take_one_session(kit, monkeypatch):
    import geoaudit.model.normalise.constant_nodes as module

    calls = []
    run = module._run
    monkeypatch.setattr(module, "_run", lambda *a: calls.append(1) or run(*a))
    nodes, last = [], "c"
    for i in range(300):
        nodes += [kit.node("Neg", ["b"], [f"n{i}"]), kit.node("Add", [last, f"n{i}"], [f"a{i}"])]
        last = f"a{i}"
    clean = normalise(
        _body(kit, [*nodes, kit.node("Relu", [last], ["m"])], {"b": _w(4, 1, 1)}), Head("y", "y", None, 5)
    )
    assert len(calls) == 1, "all constants are computed in one session"
    assert "Neg" not in kit.ops(clean.proto)


def test_a_model_past_two_gibibytes_is_cleaned_without_writing_it_out(kit, monkeypatch):
    monkeypatch.setattr("geoaudit.model.graph.MAX_MESSAGE", 100)
    monkeypatch.setattr("geoaudit.model.normalise.fold.tempfile", None)
    clean = normalise(_qdq(kit), Head("y", "y", None, 5))
    assert "fold-nodes" in clean.passes
    assert clean.notes == ("fold-constants: the model is larger than one protobuf message",)
    fixed = normalise(_baked(kit), Head("y", "y", None, 5))
    assert any(
        note.startswith("dynamic-batch: a batch of 1 is built in, and the model is too large") for note in fixed.notes
    )
