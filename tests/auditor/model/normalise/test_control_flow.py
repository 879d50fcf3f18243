from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.model.normalise.branches import inline_branches
from geoaudit.model.normalise.loops import unroll_loops
from geoaudit.model.normalise.scans import unroll_scans

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def _value(name, kind=FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def _if(kit, name, read, *, output=None):
    """An If that doubles or negates `read`, each branch with a name `t` of its own."""
    two = numpy_helper.from_array(np.array(2.0, np.float32), "two")
    then = helper.make_graph(
        [kit.node("Relu", [read], ["t"]), kit.node("Mul", ["t", "two"], ["o"])], "then", [], [_value("o")], [two]
    )
    other = helper.make_graph([kit.node("Neg", [read], ["t"])], "else", [], [_value("t")])
    return kit.node("If", [f"{name}_is"], [output or name], then_branch=then, else_branch=other)


def test_two_constant_ifs_with_the_same_names_inside(kit):
    nodes = [_if(kit, "a", "x"), _if(kit, "b", "a", output="y")]
    proto = kit.build(nodes, {"a_is": np.array(True), "b_is": np.array([False])})
    changed = kit.keeps(inline_branches, proto, kit.images(2, 3, 8, 8))
    assert kit.ops(changed) == ["Relu", "Mul", "Identity", "Neg", "Identity"]


def test_an_if_in_a_branch_comes_out_next(kit):
    inner = _if(kit, "b", "r", output="i")
    then = helper.make_graph([kit.node("Relu", ["x"], ["r"]), inner], "outer", [], [_value("i")])
    other = helper.make_graph([kit.node("Identity", ["x"], ["e"])], "else", [], [_value("e")])
    proto = kit.build(
        [kit.node("If", ["a_is"], ["y"], then_branch=then, else_branch=other)],
        {"a_is": np.array(True), "b_is": np.array(False)},
    )
    x = kit.images(2, 3, 8, 8)
    once = inline_branches(proto)
    assert kit.ops(once) == ["Relu", "If", "Identity"]
    np.testing.assert_array_equal(kit.run(once, x), kit.run(proto, x))
    assert kit.ops(kit.keeps(inline_branches, once, x)) == ["Relu", "Neg", "Identity", "Identity"]


def test_an_if_on_the_image_stays(kit):
    nodes = [
        kit.node("ReduceSum", ["x"], ["s"], keepdims=0),
        kit.node("Cast", ["s"], ["a_is"], to=BOOL),
        _if(kit, "a", "x", output="y"),
    ]
    proto = kit.build(nodes, {})
    assert inline_branches(proto) is proto


def _loop(kit, trip="n", start="", going="keep", opset=17):
    """y = stack of the states s -> s * w + i, and the last state added."""
    keep = {
        "keep": kit.node("Identity", ["c"], ["go"]),
        "true": kit.node("Constant", [], ["go"], value=numpy_helper.from_array(np.array(True))),
        "data": kit.node("Less", ["i", "limit"], ["go"]),
    }[going]
    body = helper.make_graph(
        [
            keep,
            kit.node("Cast", ["i"], ["f"], to=FLOAT),
            kit.node("Mul", ["s", "w"], ["t"]),
            kit.node("Add", ["t", "f"], ["next"]),
            kit.node("Relu", ["next"], ["row"]),
        ],
        "body",
        [_value("i", INT64, []), _value("c", BOOL, []), _value("s")],
        [_value("go", BOOL, []), _value("next"), _value("row")],
    )
    nodes = [kit.node("Loop", [trip, start, "x"], ["last", "rows"], body=body)]
    if opset >= 13:
        nodes += [kit.node("ReduceSum", ["rows", "zero_axis"], ["sum"], keepdims=0)]
    else:
        nodes += [kit.node("ReduceSum", ["rows"], ["sum"], keepdims=0, axes=[0])]
    nodes += [kit.node("Add", ["last", "sum"], ["y"])]
    weights = {"w": np.array(0.5, np.float32), "n": np.array(4), "zero_axis": np.array([0]), "limit": np.array(2)}
    weights["yes"] = np.array(True)
    return kit.build(nodes, weights, opset=opset, ir=8)


@pytest.mark.parametrize(
    ("start", "going", "opset"), [("", "keep", 17), ("yes", "keep", 11), ("yes", "true", 17), ("", "true", 11)]
)
def test_a_loop_of_four_rounds_is_written_out(kit, start, going, opset):
    changed = kit.keeps(unroll_loops, _loop(kit, start=start, going=going, opset=opset), kit.images(2, 3, 8, 8))
    assert "Loop" not in kit.ops(changed) and kit.ops(changed).count("Mul") == 4


def test_loops_that_depend_on_data_or_run_long_stay(kit):
    for proto in (_loop(kit, going="data"), _loop(kit)):
        if proto.graph.node[0].attribute[0].g.node[0].op_type == "Identity":
            proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array(300), "n"))
        assert unroll_loops(proto) is proto


@pytest.mark.parametrize(("direction", "axis"), [(0, 0), (1, 1)])
def test_a_scan_over_a_known_axis_is_written_out(kit, direction, axis):
    body = helper.make_graph(
        [kit.node("Add", ["s", "row"], ["next"]), kit.node("Tanh", ["next"], ["out"])],
        "body",
        [_value("s"), _value("row")],
        [_value("next"), _value("out")],
    )
    scan = kit.node(
        "Scan", ["start", "x"], ["last", "rows"], body=body, num_scan_inputs=1,
        scan_input_axes=[1], scan_input_directions=[direction], scan_output_axes=[axis],
        scan_output_directions=[direction],
    )  # fmt: skip
    ends = [kit.node("ReduceMax", ["last"], ["top"], keepdims=0), kit.node("Mul", ["rows", "top"], ["y"])]
    proto = kit.build([scan, *ends], {"start": np.zeros((4, 4), np.float32)}, shape=(4, 5, 4))
    changed = kit.keeps(unroll_scans, proto, kit.images(4, 5, 4))
    assert "Scan" not in kit.ops(changed) and kit.ops(changed).count("Tanh") == 5
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "T"
    assert unroll_scans(proto) is proto
