from __future__ import annotations

from importlib import metadata

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier

from geoaudit.errors import ModelError, UsageError
from geoaudit.model import artifact, cores, explain, graph, head, sessions
from geoaudit.model.runtime import Runtime


def _open(path, **options):
    file = artifact.load(path)
    return Runtime(file, head.find(file), device="cpu", threads=1, **options)


def _direct(path, points, tensor="logits"):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run([tensor], {"image": points})[
        0
    ]


def test_scores_of_the_file(tiny, points):
    path = tiny().save()
    found = _open(path).logits(points)
    assert found.dtype == np.float32 and found.shape == (11, 5)
    np.testing.assert_allclose(found, _direct(path, points), rtol=1e-6, atol=1e-6)


def test_logits_before_a_tail(tiny, points):
    plain, tailed = tiny().save("plain.onnx"), None
    tailed = tiny(tail=[helper.make_node("Softmax", ["logits"], ["p"])], outputs=["p"]).save("tailed.onnx")
    np.testing.assert_array_equal(_open(tailed).logits(points), _open(plain).logits(points))


def test_companions_change_nothing(tiny, points, monkeypatch):
    engine = _open(tiny().save(), batch_size=4)
    every = engine.logits(points)
    honest, sizes = engine._forward, set()

    def spy(batch):
        sizes.add(len(batch))
        return honest(batch)

    monkeypatch.setattr(engine, "_forward", spy)
    assert engine.batch_size == 4
    for i in (0, 3, 10):
        np.testing.assert_array_equal(engine.logits(points[i : i + 1])[0], every[i])
    np.testing.assert_array_equal(engine.logits(points[::-1])[::-1], every)
    assert engine.logits(points[:0]).shape == (0, 5)
    assert sizes == {4}  # many a model gives other last bits for other batch sizes


@pytest.mark.parametrize("batch", [1, 3])
def test_fixed_batch_models_are_looped(tiny, points, batch):
    engine = _open(tiny(batch=batch).save())
    assert engine.batch_size == batch
    np.testing.assert_allclose(engine.logits(points), _direct(tiny().save("free.onnx"), points), atol=1e-6)


def test_a_batch_of_one_baked_into_a_reshape_is_noticed(tiny, points):
    middle = [helper.make_node("Reshape", ["relu", "one"], ["baked"])]
    path = tiny(middle=middle, constants={"one": np.array([1, 4, 8, 8])}).save()
    engine = _open(path)
    np.testing.assert_allclose(engine.logits(points), _direct(tiny().save("free.onnx"), points), atol=1e-6)
    assert engine.batch_size == 1


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float16, 1e-2)])
def test_other_float_formats(tiny, points, dtype, tolerance):
    path = tiny(dtype=dtype).save()
    found = _open(path).logits(points)
    assert found.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(found, _direct(path, points.astype(dtype)), atol=tolerance)


def test_byte_images_are_continued_between_the_levels(tiny):
    proto = tiny().proto()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    proto.graph.node.insert(0, helper.make_node("Cast", ["image"], ["float_image"], to=TensorProto.FLOAT))
    proto.graph.node[1].input[0] = "float_image"
    path = tiny().folder / "bytes.onnx"
    onnx.save(proto, str(path))
    levels = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8)).astype(np.uint8)
    engine = _open(path)
    np.testing.assert_allclose(engine.logits(levels.astype(np.float32)), _direct(path, levels), rtol=1e-5)
    between = engine.logits(levels + np.float32(0.25))
    assert np.abs(between - engine.logits(levels.astype(np.float32))).min() > 0


def test_external_data_and_a_tail_together(tiny, points, monkeypatch):
    recipe = tiny(tail=[helper.make_node("Softmax", ["logits"], ["p"])], outputs=["p"])
    path = recipe.folder / "external.onnx"
    onnx.save_model(recipe.proto(), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    expected = _direct(tiny().save("plain.onnx"), points)
    np.testing.assert_allclose(_open(path).logits(points), expected, atol=1e-6)
    monkeypatch.setattr(graph, "MAX_MESSAGE", 10)  # as if it were too large for one message
    np.testing.assert_allclose(_open(path).logits(points), expected, atol=1e-6)


def test_a_wrong_shape_is_one_clear_error(tiny):
    with pytest.raises(ModelError, match=r"cannot run it on shape \(1, 3, 9, 9\)"):
        _open(tiny().save()).logits(np.zeros((1, 3, 9, 9), np.float32))


def test_a_model_that_onnxruntime_refuses(tiny):
    recipe = tiny()
    proto = recipe.proto()
    proto.graph.node[1].op_type = "NoSuchOperator"
    path = recipe.folder / "unknown.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match=r"onnxruntime .* cannot load it"):
        _open(path)


@pytest.mark.parametrize(
    "spoil",
    [
        [helper.make_node("ReduceMean", ["relu"], ["m"], axes=[0]), helper.make_node("Sub", ["relu", "m"], ["mixed"])],
        [helper.make_node("CumSum", ["relu", "first"], ["mixed"])],
    ],
    ids=["statistics of the batch", "sums over the batch"],
)
def test_images_that_change_each_others_scores_are_run_alone(tiny, points, spoil):
    engine = _open(tiny(middle=spoil, constants={"first": np.array(0)}).save())
    every = engine.logits(points)
    assert engine.batch_size == 1 and "one at a time" in engine.notes[0]
    np.testing.assert_array_equal(every[3], engine.logits(points[3:4])[0])


def test_a_decision_over_the_whole_batch_is_noticed(tiny, points):
    """The branch depends on the mean of the batch: an image among others takes another one than alone."""

    def branch(name, op):
        node = helper.make_node(op, ["relu"], [f"{name}_out"])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_out", 1, None)])

    middle = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "border"], ["bright"]),
        helper.make_node(
            "If", ["bright"], ["mixed"], then_branch=branch("a", "Identity"), else_branch=branch("b", "Neg")
        ),
    ]
    for border in (-1.0, 0.0, 1.0):
        engine = _open(tiny(middle=middle, constants={"border": np.array(border, np.float32)}).save())
        engine.logits(points)
        assert engine.batch_size == 1


def _retyped(proto, kind):
    """`proto` with every float32 tensor in another format."""
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(kind))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = kind
    del proto.graph.value_info[:]
    return proto


@pytest.mark.parametrize(
    ("kind", "name", "tolerance"), [(TensorProto.DOUBLE, "float64", 1e-5), (TensorProto.BFLOAT16, "bfloat16", 0.05)]
)
def test_formats_without_kernels_are_computed_in_float32(tiny, points, kind, name, tolerance):
    expected = _open(tiny().save()).logits(points)
    path = tiny().folder / "other.onnx"
    onnx.save(_retyped(tiny(opset=22).proto(), kind), str(path))
    engine = _open(path)
    np.testing.assert_allclose(engine.logits(points), expected, atol=tolerance * np.ptp(expected))
    assert engine.precision == "float32" and name in engine.notes[0]


def test_a_bfloat16_input_is_fed_through_a_cast(tiny, points):
    proto = tiny().proto()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    proto.graph.node.insert(0, helper.make_node("Cast", ["image"], ["wide"], to=TensorProto.FLOAT))
    proto.graph.node[1].input[0] = "wide"
    path = tiny().folder / "half.onnx"
    onnx.save(proto, str(path))
    engine = _open(path)
    coarse = points.astype(helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)).astype(np.float32)
    np.testing.assert_allclose(engine.logits(points), _direct(tiny().save(), coarse), atol=1e-5)
    assert engine.precision is None


def test_bytes_that_are_transposed_before_the_cast_are_continued(tiny):
    proto = tiny().proto()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3]))
    proto.graph.node.insert(0, helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]))
    proto.graph.node.insert(1, helper.make_node("Cast", ["planes"], ["wide"], to=TensorProto.FLOAT))
    proto.graph.node[2].input[0] = "wide"
    path = tiny().folder / "nhwc.onnx"
    onnx.save(proto, str(path))
    engine = _open(path)
    image = np.full((1, 8, 8, 3), 7, np.float32)
    assert np.abs(engine.logits(image + 0.25) - engine.logits(image)).max() > 0


@pytest.mark.parametrize("how", ["gathered", "split and joined"])
def test_bytes_whose_channels_are_swapped_are_continued(tiny, how):
    """Blue first, as OpenCV reads pictures."""
    swap = [helper.make_node("Gather", ["image", "order"], ["swapped"], axis=1)]
    if how != "gathered":
        swap = [
            helper.make_node("Split", ["image"], ["r", "g", "b"], axis=1),
            helper.make_node("Concat", ["b", "g", "r"], ["swapped"], axis=1),
        ]
    proto = tiny(constants={"order": np.array([2, 1, 0])}).proto()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    nodes = [*swap, helper.make_node("Cast", ["swapped"], ["wide"], to=TensorProto.FLOAT), *proto.graph.node]
    nodes[len(swap) + 1].input[0] = "wide"
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    path = tiny().folder / "swapped.onnx"
    onnx.save(proto, str(path))
    engine = _open(path)
    image = np.random.default_rng(0).integers(0, 250, (1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(engine.logits(image), _direct(path, image.astype(np.uint8)), rtol=1e-5)
    assert np.abs(engine.logits(image + 0.25) - engine.logits(image)).max() > 0


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (helper.make_node("Log", ["below"], ["y"]), "NaN or infinite"),
        (helper.make_node("Mul", ["logits", "zero"], ["y"]), "the same scores"),
    ],
)
def test_what_is_no_score_is_refused_before_the_audit(tiny, points, node, reason):
    nodes = [helper.make_node("Abs", ["logits"], ["size"]), helper.make_node("Neg", ["size"], ["below"]), node]
    engine = _open(tiny(tail=nodes, outputs=["y"], constants={"zero": np.zeros(5, np.float32)}).save())
    with pytest.raises(ModelError, match=reason):
        engine.confirm(points)


def test_weights_wider_than_a_bfloat16_network_are_computed_in_float32(tiny, points):
    """A type that onnxruntime refuses; torch's exporter folds normalisations so."""
    proto = tiny(opset=22).proto()
    for tensor in proto.graph.initializer:
        if tensor.name not in ("kernel", "bias"):
            narrow = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16))
            tensor.CopyFrom(numpy_helper.from_array(narrow, tensor.name))
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        value.type.tensor_type.elem_type = TensorProto.BFLOAT16
    path = tiny().folder / "mixed.onnx"
    onnx.save(proto, str(path))
    engine = _open(path)
    assert engine.logits(points).shape == (11, 5) and "bfloat16" in engine.notes[0]


def test_a_session_that_fell_back_to_the_processor_is_kept(tiny, monkeypatch):
    """Opening a large file takes long; asked for CUDA without its libraries onnxruntime opens it for the processor."""
    opened = []
    start = sessions.start

    def counted(*given):
        opened.append(start(given[0], given[1], [sessions.CPU], 1))
        return opened[-1]

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(sessions, "start", counted)
    file = artifact.load(tiny().save())
    assert Runtime(file, head.find(file), device="auto").device == "cpu" and len(opened) == 1


def _flat(tiny, shape, inner):
    """The tiny model behind a Reshape from `shape` to `inner`."""
    proto = tiny().proto()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
    proto.graph.node.insert(0, helper.make_node("Reshape", ["image", "inner"], ["planes"]))
    if inner[1] == 1:
        proto.graph.node.insert(1, helper.make_node("Tile", ["planes", "thrice"], ["colour"]))
        proto.graph.initializer.append(numpy_helper.from_array(np.array([1, 3, 1, 1]), "thrice"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(inner), "inner"))
    conv = next(node for node in proto.graph.node if node.op_type == "Conv")
    conv.input[0] = "colour" if inner[1] == 1 else "planes"
    path = tiny().folder / "flat.onnx"
    onnx.save(proto, str(path))
    return path


def test_pictures_are_flattened_for_the_model(tiny, points):
    expected = _open(tiny().save()).logits(points)
    np.testing.assert_allclose(_open(_flat(tiny, ["N", 192], [-1, 3, 8, 8])).logits(points), expected, atol=1e-6)
    grey = points[:, :1]
    expected = _open(tiny().save()).logits(np.repeat(grey, 3, axis=1))
    engine = _open(_flat(tiny, ["N", 8, 8], [-1, 1, 8, 8]))
    np.testing.assert_allclose(engine.logits(grey), expected, atol=1e-6)
    np.testing.assert_allclose(engine.logits(np.moveaxis(grey, 1, 3)), expected, atol=1e-6)  # (H, W, 1)
    with pytest.raises(ModelError, match="more than one channel"):
        engine.logits(points)


def test_probabilities_get_no_second_softmax(tiny, points):
    mean = [
        helper.make_node("Softmax", ["logits"], ["p"]),
        helper.make_node("Neg", ["logits"], ["other"]),
        helper.make_node("Softmax", ["other"], ["q"]),
        helper.make_node("Mean", ["p", "q"], ["average"]),
    ]
    engine = _open(tiny(tail=mean, outputs=["average"]).save())
    assert engine.head.tail is None
    confirmed = engine.confirm(points)
    assert confirmed.tail == "Probabilities" and engine.head is confirmed and "already" in confirmed.describe()
    rows = engine.logits(points)
    np.testing.assert_allclose(explain.probabilities(rows, confirmed.tail), rows)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_ordinary_scores_stay_scores(tiny, points):
    engine = _open(tiny().save())
    assert engine.confirm(points) == head.Head("logits", "logits", None, 5)
    squeezed = [helper.make_node("Sigmoid", ["logits"], ["s"]), helper.make_node("Mul", ["s", "tenth"], ["y"])]
    engine = _open(tiny(tail=squeezed, outputs=["y"], constants={"tenth": np.full(5, 0.1, np.float32)}).save())
    assert engine.confirm(points).tail is None  # between 0 and 1, but the sums differ


@pytest.mark.parametrize("hidden", [False, True])
def test_one_number_stands_for_two_classes(tiny, points, hidden):
    """With the Sigmoid in the graph it is the logit; hidden behind a power of 1, the probability itself."""
    pick = [helper.make_node("Gemm", ["logits", "one"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    last = [helper.make_node("Pow", ["p", "unit"], ["y"])] if hidden else []
    constants = {"one": np.ones((5, 1), np.float32), "unit": np.ones(1, np.float32)}
    path = tiny(tail=[*pick, *last], outputs=["y" if hidden else "p"], constants=constants).save()
    engine = _open(path)
    found = engine.confirm(points)
    assert (found.kind, found.tail) == ("binary", "Probabilities" if hidden else "Sigmoid")
    rows = explain.probabilities(engine.logits(points), found.tail)
    expected = _direct(path, points, "y" if hidden else "p")
    np.testing.assert_allclose(rows, np.concatenate([1 - expected, expected], axis=1), atol=1e-6)


def test_a_forest_runs_without_gradients(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((60, 64)).astype(np.float32)
    forest = RandomForestClassifier(3, max_depth=3, random_state=0).fit(x, np.arange(60) % 3)
    path = tmp_path / "forest.onnx"
    path.write_bytes(skl2onnx.to_onnx(forest, x[:1], target_opset=17).SerializeToString())
    engine = _open(path)
    images = x[:5].reshape(5, 1, 8, 8)
    assert engine.confirm(images).tail == "Probabilities"
    np.testing.assert_allclose(engine.logits(images), forest.predict_proba(x[:5]), atol=1e-6)


def test_custom_operators(tiny, points, tmp_path):
    proto = tiny().proto()
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Sparkle", "my.domain"
    proto.opset_import.append(helper.make_opsetid("my.domain", 1))
    path = tmp_path / "custom.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match=r"my\.domain\.Sparkle") as caught:
        _open(path)
    assert "--custom-ops FILE --gradient-free" in caught.value.way_out
    library = tmp_path / "library.so"
    library.write_text("no library")
    with pytest.raises(UsageError, match=r"--custom-ops .*cannot be loaded"):
        _open(path, custom_ops=library)


def test_cuda_is_used_only_if_a_probe_works(tiny, monkeypatch):
    file = artifact.load(tiny().save())
    found = head.find(file)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(Runtime, "_probe", lambda *_: False)
    assert Runtime(file, found, device="auto").device == "cpu"
    with pytest.raises(UsageError, match="CUDA"):
        Runtime(file, found, device="cuda")


def test_two_distributions_side_by_side_are_said(tiny, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "1.2.3")
    (text,) = _open(tiny().save()).warnings
    assert "onnxruntime 1.2.3 and onnxruntime-gpu 1.2.3" in text and "overwrite" in text

    def one(name: str) -> str:
        if name != "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "version", one)
    assert _open(tiny().save()).warnings == ()


def test_cores_respect_affinity_and_quota(monkeypatch, tmp_path):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(cores, "_CGROUP_2", limit)
    for text, expected in (
        ("max 100000", 8),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("6400000 100000", 8),
    ):
        limit.write_text(text)
        assert cores.usable_cores() == expected
