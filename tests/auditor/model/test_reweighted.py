"""A changed copy of the graph on onnxruntime: torch's scores, and only where nothing but weights changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Quadrature
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.engines.choice import Wanted
from geoaudit.model.normalise import normalise
from geoaudit.model.reweighted import ENOUGH, Reweighted
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin


@pytest.fixture
def probe(tmp_path: Path) -> ModelProbe:
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.standard_normal((4, 3, 3, 3)),
        "bias": rng.standard_normal(4),
        "matrix": rng.standard_normal((4 * 36, 5)),
        "offset": rng.standard_normal(5),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["logits"]),
    ]
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 5])],
            [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path = tmp_path / "small.onnx"
    onnx.save(proto, path)
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    runtime = Runtime(artifact, head, "cpu", threads=1)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=4)
    return ModelProbe(runtime, twin, "logit", head.tail, Quadrature(), 0)


def points(count: int) -> Any:
    return np.random.default_rng(1).random((count, 3, 8, 8)).astype(np.float32)


def changed(probe: ModelProbe, edit: Any) -> ModelProbe:
    layers = probe.layers()
    edit(layers)
    return probe.with_layers(layers.module)


def halve(layers: Any) -> None:
    for place in layers.weights.values():
        layers.module.get_buffer(place).mul_(0.5)


def test_many_pictures_come_from_onnxruntime_with_the_changed_weights(probe: ModelProbe) -> None:
    other = changed(probe, halve)
    few, many = points(4), points(ENOUGH + 8)
    before = other.scores(few)
    assert isinstance(other._changed, Reweighted) and other._changed._session is None
    after = other.scores(many)
    assert other._changed._session is not None
    np.testing.assert_allclose(after[:4], before, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(after, other._twin.logits(many), rtol=1e-5, atol=1e-5)
    assert np.abs(after - probe.scores(many)).max() > 0.1  # not the unchanged model's


def test_every_evaluation_counts_once(probe: ModelProbe) -> None:
    before = probe.spent.forwards
    changed(probe, halve).scores(points(ENOUGH + 8))
    assert probe.spent.forwards - before == ENOUGH + 8


def test_another_graph_stays_with_torch(probe: ModelProbe) -> None:
    class Doubled(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self.inner(x)

    other = probe.with_layers(Doubled(probe.layers().module))
    found = other.scores(points(ENOUGH + 8))
    assert other._changed._session is None  # type: ignore[union-attr]
    np.testing.assert_allclose(found, 2 * probe.scores(points(ENOUGH + 8)), rtol=1e-4, atol=1e-4)


def test_what_the_file_does_not_hold_stays_with_torch(probe: ModelProbe) -> None:
    """A change that no initializer shows is noticed by its numbers."""

    def hide(layers: Any) -> None:
        for name, module in layers.module.named_modules():
            if name.startswith("Relu"):
                module.register_forward_hook(lambda _, __, out: out + 1)

    other = changed(probe, hide)
    found = other.scores(points(ENOUGH + 8))
    assert other._changed._session is None  # type: ignore[union-attr]
    assert np.abs(found - probe.scores(points(ENOUGH + 8))).max() > 0.1


TARGETS = np.zeros(3, dtype=np.int64)


def on_onnxruntime(probe: ModelProbe) -> None:
    """As if the model were large enough for its gradients to be onnxruntime's."""
    twin = probe._twin
    assert twin is not None
    twin._wanted = Wanted("onnxruntime", channels_last=False, batch_size=4)
    probe.value_and_gradient(points(3), TARGETS)
    assert twin.engine["gradients"] == "onnxruntime"


def test_a_lasting_copy_is_served_by_onnxruntime_from_the_first_picture_and_made_once(probe: ModelProbe) -> None:
    on_onnxruntime(probe)
    layers = probe.layers()
    halve(layers)
    slow, one, other = probe.with_layers(layers.module), *(
        probe.with_layers(layers.module, lasting=True) for _ in range(2)
    )  # fmt: skip
    assert one._changed is other._changed and isinstance(one._changed, Reweighted)
    np.testing.assert_allclose(one.scores(points(3)), slow.scores(points(3)), rtol=1e-5, atol=1e-5)
    assert one._changed._session is not None
    expected, found = (p.value_and_gradient(points(3), TARGETS) for p in (slow, one))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    served = one._changed._gradients
    assert served is not None and served.setting is not None and served.setting.engine == "onnxruntime"
    assert not served.trials  # nothing spoke against it
    np.testing.assert_array_equal(other.value_and_gradient(points(3), TARGETS)[1], found[1])
    assert np.abs(found[1] - probe.value_and_gradient(points(3), TARGETS)[1]).max() > 0.01


def test_a_lasting_copy_of_which_more_was_changed_stays_with_torch(probe: ModelProbe) -> None:
    on_onnxruntime(probe)

    def hide(layers: Any) -> None:
        for name, module in layers.module.named_modules():
            if name.startswith("Relu"):
                module.register_forward_hook(lambda _, __, out: 2 * out)

    layers = probe.layers()
    hide(layers)
    other = probe.with_layers(layers.module, lasting=True)
    slow = probe.with_layers(layers.module)
    np.testing.assert_array_equal(other.scores(points(3)), slow.scores(points(3)))
    found, expected = (p.value_and_gradient(points(3), TARGETS)[1] for p in (other, slow))
    np.testing.assert_array_equal(found, expected)
    (told,) = other._changed._gradients.trials  # type: ignore[union-attr]
    assert told.engine == "onnxruntime" and "differ" in told.reason


def test_a_changed_copy_may_be_moved(probe: ModelProbe) -> None:
    other = changed(probe, halve)
    shift = np.full((3, 8, 8), 2.0, dtype=np.float32)
    moved = other.shifted(shift)
    at = (points(3) + shift) - shift
    np.testing.assert_array_equal(moved.scores(at + shift), other.scores(at))
    for a, b in zip(moved.value_and_gradient(at + shift, TARGETS), other.value_and_gradient(at, TARGETS), strict=True):
        np.testing.assert_array_equal(a, b)
