from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from geoaudit.errors import ModelError, UsageError
from geoaudit.model.engine import Setting

TARGETS = np.arange(11) % 5


@pytest.mark.parametrize("space", ["logit", "probability", "log-probability", "margin"])
@pytest.mark.parametrize("tail", ["Softmax", "Sigmoid"])
def test_double_gradient_matches_central_differences(tiny, opened, points, space, tail):
    path = tiny(dtype=np.float64, tail=[helper.make_node(tail, ["logits"], ["p"])], outputs=["p"]).save()
    twin = opened(path).twin
    x = points[:3].astype(np.float64)
    value, gradient = twin.value_and_gradient(x, TARGETS[:3], space)
    assert value.dtype == gradient.dtype == np.float64 and gradient.shape == x.shape
    v = np.random.default_rng(1).standard_normal(x.shape)
    h = 1e-7
    up, _ = twin.value_and_gradient(x + h * v, TARGETS[:3], space)
    down, _ = twin.value_and_gradient(x - h * v, TARGETS[:3], space)
    np.testing.assert_allclose((up - down) / (2 * h), (gradient * v).sum((1, 2, 3)), rtol=1e-5)


def test_float32_points_give_float32_gradients_and_are_not_changed(tiny, opened, points):
    twin = opened(tiny().save()).twin
    before = points.copy()
    value, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    assert value.dtype == np.float64 and gradient.dtype == np.float32
    np.testing.assert_array_equal(points, before)
    points.flags.writeable = False
    twin.value_and_gradient(points[:2], TARGETS[:2], "logit")
    np.testing.assert_allclose(twin.logits(points)[np.arange(11), TARGETS], value, atol=1e-6)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("batch", [1, 4])
def test_companions_and_places_change_no_bit(tiny, opened, points, channels_last, batch):
    twin = opened(tiny().save(), batch_size=batch, channels_last=channels_last).twin
    value, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.setting == Setting(channels_last, batch)
    for order in (np.arange(11)[::-1], np.array([10]), np.array([3, 0, 7, 7, 2])):
        v, g = twin.value_and_gradient(points[order], TARGETS[order], "logit")
        np.testing.assert_array_equal(v, value[order])
        np.testing.assert_array_equal(g, gradient[order])


def test_settings_agree_with_each_other(tiny, opened, points):
    path = tiny().save()
    results = [
        opened(path, batch_size=b, channels_last=c).twin.value_and_gradient(points, TARGETS, "logit")[1]
        for b, c in ((1, False), (4, True), (16, False))
    ]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], atol=1e-6)


def test_fixed_and_baked_batches(tiny, opened, points):
    free = opened(tiny().save("free.onnx")).twin.value_and_gradient(points, TARGETS, "logit")[1]
    fixed = opened(tiny(batch=3).save("fixed.onnx")).twin
    np.testing.assert_allclose(fixed.value_and_gradient(points, TARGETS, "logit")[1], free, atol=1e-6)
    middle = [helper.make_node("Reshape", ["relu", "one"], ["baked"])]
    baked = opened(tiny(middle=middle, constants={"one": np.array([1, 4, 8, 8])}).save("baked.onnx")).twin
    np.testing.assert_allclose(baked.value_and_gradient(points, TARGETS, "logit")[1], free, atol=1e-6)


def test_images_that_change_each_others_scores_are_run_alone(tiny, opened, points):
    middle = [helper.make_node("CumSum", ["relu", "first"], ["mixed"])]
    free = opened(tiny().save("free.onnx")).twin.value_and_gradient(points, TARGETS, "logit")[1]
    mixed = opened(tiny(middle=middle, constants={"first": np.array(0)}).save("mixed.onnx")).twin
    np.testing.assert_allclose(mixed.value_and_gradient(points, TARGETS, "logit")[1], free, atol=1e-6)
    assert mixed.engine["batch_size"] == 1


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_flat_models_take_pictures_and_give_gradients_of_pictures(tiny, opened, points, layout):
    proto = tiny().proto()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 192]))
    proto.graph.node.insert(0, helper.make_node("Reshape", ["image", "inner"], ["planes"]))
    proto.graph.initializer.append(numpy_helper.from_array(np.array([-1, 3, 8, 8]), "inner"))
    next(node for node in proto.graph.node if node.op_type == "Conv").input[0] = "planes"
    path = tiny().folder / "flat.onnx"
    onnx.save(proto, str(path))
    bench, given = opened(path), points
    free = opened(tiny().save()).twin.value_and_gradient(points, TARGETS, "logit")[1]
    if layout == "NHWC":  # the same numbers in the same order, read as another picture
        given, free = points.reshape(11, 8, 8, 3), free.reshape(11, 8, 8, 3)
    np.testing.assert_allclose(bench.runtime.logits(given), bench.twin.logits(given), atol=1e-5)
    np.testing.assert_allclose(bench.twin.value_and_gradient(given, TARGETS, "logit")[1], free, atol=1e-6)


def test_probabilities_are_explained_by_their_logarithms(tiny, opened, points):
    tail = [helper.make_node("Softmax", ["logits"], ["p"]), helper.make_node("Pow", ["p", "unit"], ["y"])]
    path = tiny(tail=tail, outputs=["y"], constants={"unit": np.ones(1, np.float32)}).save()
    bench = opened(path)
    twin = type(bench.twin)(bench.normalised, bench.runtime.confirm(points), device="cpu", threads=1)
    assert twin.head.tail == "Probabilities"
    value, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    known = opened(tiny(tail=tail[:1], outputs=["p"]).save("known.onnx")).twin
    expected, wanted = known.value_and_gradient(points, TARGETS, "log-probability")
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(gradient, wanted, atol=1e-4)


def test_memory_bounds_the_batch(tiny, opened, points):
    twin = opened(tiny().save(), memory=1).twin
    twin.logits(points)
    assert twin.engine["batch_size"] == 1
    assert twin.engine["device"] == "cpu" and twin.engine["threads"] == 1


def test_no_gradient_is_one_clear_error(tiny, opened, points):
    middle = [helper.make_node("Round", ["relu"], ["r"]), helper.make_node("Cast", ["r"], ["i"], to=7),
              helper.make_node("Cast", ["i"], ["f"], to=1)]  # fmt: skip
    with pytest.raises(ModelError, match="do not depend on the image in a differentiable way"):
        opened(tiny(middle=middle).save()).twin.value_and_gradient(points, TARGETS, "logit")


def test_a_node_that_cannot_run_is_named(tiny, opened, points):
    twin = opened(tiny(middle=[helper.make_node("Softplus", ["relu"], ["smooth"], name="culprit")]).save()).twin
    broken = next(m for m in twin.converted.module.modules() if getattr(m, "op_type", "") == "Softplus")
    broken._function = lambda x: x.reshape(7, -1)
    with pytest.raises(ModelError, match=r"evaluated on .* at 'smooth' \(Softplus, node 'culprit'\)"):
        twin.logits(points)


def test_global_state_is_left_alone(tiny, opened, points):
    before = (torch.is_grad_enabled(), torch.get_default_dtype(), torch.backends.cudnn.allow_tf32)
    opened(tiny().save()).twin.value_and_gradient(points, TARGETS, "logit")
    assert before == (torch.is_grad_enabled(), torch.get_default_dtype(), torch.backends.cudnn.allow_tf32)


def test_cuda_that_is_asked_for_and_absent(tiny, opened, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    bench = opened(tiny().save())
    with pytest.raises(UsageError, match="CUDA"):
        type(bench.twin)(bench.normalised, bench.head, device="cuda")


def test_a_wished_batch_size_is_not_used_where_images_change_each_other(tiny, points, opened):
    spoil = [helper.make_node("ReduceMean", ["relu"], ["m"], axes=[0]), helper.make_node("Sub", ["relu", "m"], ["c"])]
    twin = opened(tiny(middle=spoil).save(), batch_size=4).twin
    together = twin.logits(points)
    assert twin.setting is not None and twin.setting.batch_size == 1
    np.testing.assert_array_equal(together[3:4], twin.logits(points[3:4]))


def test_a_constant_of_five_axes_stands_in_no_layouts_way(tiny, opened, points):
    middle = [
        helper.make_node("Unsqueeze", ["relu", "axis"], ["raised"]),
        helper.make_node("Add", ["raised", "five"], ["added"]),
        helper.make_node("Squeeze", ["added", "axis"], ["lowered"]),
    ]
    constants = {"axis": np.array([1]), "five": np.linspace(0, 1, 4, dtype=np.float32).reshape(1, 1, 4, 1, 1)}
    path = tiny(middle=middle, constants=constants).save()
    values = [
        opened(path, batch_size=2, channels_last=layout).twin.value_and_gradient(points, TARGETS, "logit")[0]
        for layout in (False, True)
    ]
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)
