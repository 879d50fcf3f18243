from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from geoaudit.model.normalise import PassSkipped
from geoaudit.model.normalise.batch import dynamic_batch
from geoaudit.model.normalise.shapes import static_shapes

RNG = np.random.default_rng(1)


def _weight(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def _tokens(kit, batch, declared):
    """Patches, a class token for each image, attention-like reshapes with the batch written in."""
    weights = {
        "k": _weight(4, 3, 4, 4), "token": np.repeat(_weight(1, 1, 4), batch, axis=0), "m": _weight(4, 4),
        "s1": np.array([batch, 4, 4]), "s2": np.array([batch * 5, 2, 2]), "s3": np.array([batch, -1]),
        "place": np.repeat(_weight(1, 5, 4), batch, axis=0), "s4": np.array([5, batch * 2, 2]),
        "s5": np.array([5, batch, 4]), "head": _weight(20, 3),
    }  # fmt: skip
    nodes = [
        kit.node("Conv", ["x", "k"], ["c"], strides=[4, 4]),
        kit.node("Reshape", ["c", "s1"], ["r"]),
        kit.node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        kit.node("Concat", ["token", "t"], ["all"], axis=1),
        kit.node("Add", ["all", "place"], ["placed"]),
        kit.node("MatMul", ["placed", "m"], ["mm"]),
        kit.node("Transpose", ["mm"], ["first"], perm=[1, 0, 2]),
        kit.node("Reshape", ["first", "s4"], ["heads"]),
        kit.node("Tanh", ["heads"], ["th"]),
        kit.node("Reshape", ["th", "s5"], ["joined"]),
        kit.node("Transpose", ["joined"], ["back"], perm=[1, 0, 2]),
        kit.node("Reshape", ["back", "s3"], ["flat"]),
        kit.node("MatMul", ["flat", "head"], ["y"]),
    ]
    return kit.build(nodes, weights, shape=(declared, 3, 8, 8), out_shape=(declared, 3))


@pytest.mark.parametrize(("batch", "declared"), [(1, 1), (1, "N"), (2, 2), (4, 4)])
def test_a_built_in_batch_gives_way_to_any(kit, batch, declared):
    proto = _tokens(kit, batch, declared)
    changed = kit.keeps(dynamic_batch, proto, kit.images(batch, 3, 8, 8))
    dims = changed.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param and not changed.graph.output[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    x = kit.images(batch * 5, 3, 8, 8)
    single = [kit.run(proto, x[i : i + batch]) for i in range(0, len(x), batch)]
    np.testing.assert_allclose(kit.run(changed, x), np.concatenate(single), rtol=1e-4, atol=1e-5)


def test_sizes_expansions_and_recurrent_states(kit):
    weights = {
        "sizes": np.array([1, 3, 4, 4]), "to": np.array([1, 3, 4, 4]), "line": np.array([3, 1, 16]),
        "w": _weight(1, 8, 16), "r": _weight(1, 8, 2), "zero": np.zeros((1, 1, 2), np.float32),
    }  # fmt: skip
    nodes = [
        kit.node("Resize", ["x", "", "", "sizes"], ["small"]),
        kit.node("ReduceMean", ["small"], ["mean"], axes=[3], keepdims=1),
        kit.node("Expand", ["mean", "to"], ["wide"]),
        kit.node("Transpose", ["wide"], ["first"], perm=[1, 0, 2, 3]),
        kit.node("Reshape", ["first", "line"], ["seq"]),
        kit.node("LSTM", ["seq", "w", "r", "", "", "zero", "zero"], ["", "h"], hidden_size=2),
        kit.node("Squeeze", ["h", "axis"], ["y"]),
    ]
    proto = kit.build(nodes, weights | {"axis": np.array([0])}, shape=(1, 3, 8, 8), out_shape=(1, 2))
    changed = kit.keeps(dynamic_batch, proto, kit.images(1, 3, 8, 8))
    x = kit.images(3, 3, 8, 8)
    np.testing.assert_allclose(
        kit.run(changed, x), np.concatenate([kit.run(proto, x[i : i + 1]) for i in range(3)]), 1e-4
    )


def test_a_graph_that_mixes_images_keeps_its_batch(kit):
    nodes = [kit.node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), kit.node("Sub", ["x", "m"], ["y"])]
    with pytest.raises(PassSkipped, match="other batches give other scores"):
        dynamic_batch(kit.build(nodes, {}, shape=(2, 3), out_shape=(2, 3)))


def test_a_batch_that_cannot_be_freed_is_named(kit):
    nodes = [kit.node("MatMul", ["row", "x"], ["y"])]
    with pytest.raises(PassSkipped, match="batch of 2 is built in"):
        dynamic_batch(kit.build(nodes, {"row": _weight(1, 2)}, shape=(2, 3), out_shape=(1, 3)))


def test_a_graph_for_any_batch_is_not_run(kit, monkeypatch):
    monkeypatch.setattr("geoaudit.model.normalise.batch._session", None)
    nodes = [kit.node("Flatten", ["x"], ["f"]), kit.node("Reshape", ["f", "s"], ["y"])]
    proto = kit.build(nodes, {"s": np.array([-1, 3, 8, 8])})
    assert dynamic_batch(proto) is proto


def test_shapes_that_the_picture_size_settles(kit):
    nodes = [
        kit.node("Shape", ["x"], ["shape"]),
        kit.node("Gather", ["shape", "zero"], ["n"]),
        kit.node("Gather", ["shape", "two"], ["h"]),
        kit.node("Div", ["h", "two_"], ["half"]),
        kit.node("Mod", ["half", "three"], ["rest"]),
        kit.node("Unsqueeze", ["n", "axis"], ["n1"]),
        kit.node("Unsqueeze", ["half", "axis"], ["h1"]),
        kit.node("Concat", ["n1", "h1", "other"], ["target"], axis=0),
        kit.node("Reshape", ["x", "target"], ["r"]),
        kit.node("Cast", ["rest"], ["f"], to=TensorProto.FLOAT),
        kit.node("Mul", ["r", "f"], ["y"]),
    ]
    weights = {"zero": np.array(0), "two": np.array(2), "two_": np.array(2), "three": np.array(3)}
    proto = kit.build(nodes, weights | {"axis": np.array([0]), "other": np.array([48])})
    changed = kit.keeps(static_shapes, proto, kit.images(2, 3, 8, 8))
    assert kit.ops(changed) == ["Reshape", "Cast", "Mul"]
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"]))
    assert static_shapes(proto) is proto
