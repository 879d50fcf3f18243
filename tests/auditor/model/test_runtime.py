from __future__ import annotations

from importlib import metadata

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from geoaudit.errors import ModelError, UsageError
from geoaudit.model import artifact, cores, head, runtime
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
    monkeypatch.setattr(runtime, "MAX_MESSAGE", 10)  # as if it were too large for one message
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
