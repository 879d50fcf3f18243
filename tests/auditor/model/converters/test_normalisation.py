"""Normalisation layers against onnxruntime: every version, broadcast weights, half precision, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.errors import ModelError
from geoaudit.model.converters.normalisation import batch_normalization

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


def _statistics(*shape: int) -> dict[str, Any]:
    names = {"scale": _floats(*shape), "b": _floats(*shape), "mean": _floats(*shape)}
    return {**names, "var": _RANDOM.random(shape).astype(np.float32) + 0.1}


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("size", [(), (5,), (4, 5), (2, 3, 2)])
def test_batch_normalization(agrees: Agrees, opset: int, size: tuple[int, ...]) -> None:
    feeds = {"x": _floats(3, 4, *size), **_statistics(4)}
    node = helper.make_node("BatchNormalization", list(feeds), ["y"], epsilon=0.01)
    agrees(node, feeds, opset=opset, gradient=("x",))


def test_batch_normalization_of_every_element(agrees: Agrees) -> None:
    feeds = {"x": _floats(3, 4, 2, 3), **_statistics(4, 2, 3)}
    node = helper.make_node("BatchNormalization", list(feeds), ["y"], spatial=0)
    agrees(node, feeds, opset=7, gradient=("x",))


def test_batch_normalization_of_half_precision_by_float_weights(agrees: Agrees) -> None:
    feeds = {"x": _floats(3, 4, 5).astype(np.float16), **_statistics(4)}
    agrees(helper.make_node("BatchNormalization", list(feeds), ["y"]), feeds, opset=15, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("opset", "outputs", "attributes"), [(9, 5, {}), (15, 3, {"training_mode": 1})])
def test_training_mode_over_one_picture(agrees: Agrees, opset: int, outputs: int, attributes: Any) -> None:
    feeds = {"x": _floats(1, 4, 6), **_statistics(4)}
    names = ["y", "running_mean", "running_var", "saved_mean", "saved_var"][:outputs]
    node = helper.make_node("BatchNormalization", list(feeds), names, momentum=0.7, **attributes)
    agrees(node, feeds, opset=opset, gradient=("x",))


@pytest.mark.parametrize("outputs", [1, 3])
def test_training_mode_over_several_pictures_is_refused(outputs: int) -> None:
    statistics = [torch.ones(2)] * 4
    with pytest.raises(ModelError, match=r"(?s)training mode.*\.eval\(\)"):
        batch_normalization(torch.ones(2, 2, 3), *statistics, training_mode=1, outputs=outputs)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 6), (2, 4, 1, 1)])
def test_instance_normalization(agrees: Agrees, shape: tuple[int, ...]) -> None:
    feeds = {"x": _floats(*shape), "scale": _floats(4), "b": _floats(4)}
    agrees(helper.make_node("InstanceNormalization", list(feeds), ["y"]), feeds, gradient=("x",), atol=1e-4)


@pytest.mark.parametrize("axis", [-1, 1, -2])
@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_layer_normalization(agrees: Agrees, axis: int, outputs: int, bias: bool) -> None:
    x = _floats(3, 2, 4)
    feeds = {"x": x, "scale": _floats(*x.shape[axis:]), **({"b": _floats(*x.shape[axis:])} if bias else {})}
    node = helper.make_node("LayerNormalization", list(feeds), ["y", "mean", "inverse"][:outputs], axis=axis)
    agrees(node, feeds, gradient=("x",))


@pytest.mark.parametrize("scale", [(4,), (2, 1), (3, 2, 4)])
def test_layer_normalization_by_broadcast_weights(agrees: Agrees, scale: tuple[int, ...]) -> None:
    feeds = {"x": _floats(3, 2, 4), "scale": _floats(*scale)}
    agrees(helper.make_node("LayerNormalization", list(feeds), ["y"], axis=1), feeds, gradient=("x",))


@pytest.mark.parametrize("outputs", [1, 3])
def test_layer_normalization_in_half_precision(agrees: Agrees, outputs: int) -> None:
    feeds = {"x": _floats(3, 8).astype(np.float16), "scale": _floats(8).astype(np.float16)}
    node = helper.make_node("LayerNormalization", list(feeds), ["y", "mean", "inverse"][:outputs])
    agrees(node, feeds, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("opset", "weights"), [(18, 2), (21, 6)])
def test_group_normalization(agrees: Agrees, opset: int, weights: int) -> None:
    feeds = {"x": _floats(3, 6, 2, 2), "scale": _floats(weights), "b": _floats(weights)}
    node = helper.make_node("GroupNormalization", list(feeds), ["y"], num_groups=2, epsilon=0.01)
    agrees(node, feeds, opset=opset, gradient=("x",))


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_rms_normalization(agrees: Agrees, kind: Any) -> None:
    feeds = {"x": _floats(3, 4, 5).astype(kind), "scale": _floats(4, 5).astype(kind)}
    node = helper.make_node("RMSNormalization", list(feeds), ["y"], axis=1, epsilon=0.01)
    agrees(node, feeds, opset=23, gradient=("x",), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_normalization(agrees: Agrees, size: int) -> None:
    node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.5, beta=0.6, bias=1.5)
    agrees(node, {"x": _floats(3, 7, 2, 3)}, gradient=("x",))
