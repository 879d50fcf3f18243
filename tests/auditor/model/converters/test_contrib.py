"""Fused operators of onnxruntime's optimisers; where the CPU has no kernel, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import helper

from geoaudit.model.converters import contrib, contrib_normalisation

Array = npt.NDArray[Any]
Agrees = Callable[..., list[Array]]
DOMAIN = "com.microsoft"


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, [i.strip() for i in inputs.split(",")], outputs.split(","), domain=DOMAIN, **attributes)


@pytest.fixture
def same(agrees: Agrees) -> Callable[..., list[Array]]:
    def check(op: str, feeds: dict[str, Array], inputs: str = "", **settings: Any) -> list[Array]:
        told = {k: settings.pop(k) for k in ("gradient", "rtol", "atol", "opset") if k in settings}
        made = node(op, inputs or ",".join(feeds), settings.pop("outputs", "y"), **settings)
        return agrees(made, feeds, domains={DOMAIN: 1}, **{"gradient": ("x",), **told})

    return check


@pytest.mark.parametrize(
    ("activation", "settings"),
    [
        ("Relu", []),
        ("Tanh", []),
        ("Sigmoid", []),
        ("LeakyRelu", [0.3]),
        ("Clip", [-0.2, 0.7]),
        ("HardSigmoid", [0.1, 0.4]),
    ],
)
def test_fused_convolution(same: Any, activation: str, settings: list[float]) -> None:
    feeds = {"x": numbers(3, 4, 5, 5), "w": numbers(4, 2, 3, 3, seed=1), "b": numbers(4, seed=2)}
    more = {"activation_params": settings} if settings else {}
    same("FusedConv", feeds, activation=activation, group=2, pads=[1, 1, 1, 1], strides=[2, 2], **more)


def test_fused_convolution_adds_before_it_activates(same: Any) -> None:
    feeds = {"x": numbers(2, 2, 4, 4), "w": numbers(3, 2, 1, 1, seed=1), "z": numbers(2, 3, 4, 4, seed=2)}
    same("FusedConv", feeds, "x,w,,z", activation="Relu", gradient=("x", "z"))


def test_channels_last_convolution_is_the_plain_one_turned() -> None:
    x, w, b, z = (torch.from_numpy(numbers(*s)) for s in ((2, 3, 5, 6), (4, 3, 3, 3), (4,), (2, 4, 5, 6)))
    expected = contrib.fused_conv(x, w, b, z, pads=[1, 1, 1, 1], activation="Relu")
    turned = x.permute(0, 2, 3, 1), w, b, z.permute(0, 2, 3, 1)
    found = contrib.nhwc_fused_conv(*turned, pads=[1, 1, 1, 1], activation="Relu")
    torch.testing.assert_close(found.permute(0, 3, 1, 2), expected)


def test_channels_last_pool(same: Any) -> None:
    x = (40 * numbers(2, 5, 6, 3)).astype(np.int8)
    same("NhwcMaxPool", {"x": x}, kernel_shape=[2, 2], strides=[2, 2], gradient=())


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="activation Snake"):
        contrib.activated(torch.zeros(1), "Snake")


@pytest.mark.parametrize(
    ("activation", "settings"),
    [("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.2}), ("Elu", {"activation_alpha": 0.7}),
     ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.6}), ("Softsign", {}), ("Tanh", {})],
)  # fmt: skip
def test_fused_gemm(same: Any, activation: str, settings: dict[str, float]) -> None:
    feeds = {"x": numbers(4, 3), "w": numbers(5, 4, seed=1), "c": numbers(5, seed=2)}
    same("FusedGemm", feeds, transA=1, transB=1, alpha=0.5, beta=2.0, activation=activation, **settings)


@pytest.mark.parametrize("flags", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (1, 1, 1, 1), (0, 0, 0, 1)])
def test_fused_matmul(same: Any, flags: tuple[int, int, int, int]) -> None:
    names = ("transA", "transB", "transBatchA", "transBatchB")
    feeds = {"x": numbers(3, 3, 3, 3), "b": numbers(3, 3, 3, 3, seed=1)}
    same("FusedMatMul", feeds, alpha=0.5, **dict(zip(names, flags, strict=True)))


def test_transposed_matmul_of_uneven_shapes(same: Any) -> None:
    same("TransposeMatMul", {"x": numbers(2, 5, 3), "b": numbers(4, 5, seed=1)}, transA=1, transB=1)


@pytest.mark.parametrize(
    ("op", "inputs"), [("Gelu", "x"), ("FastGelu", "x"), ("FastGelu", "x,b"), ("BiasGelu", "x,b"), ("QuickGelu", "x")]
)
def test_gelus(same: Any, op: str, inputs: str) -> None:
    feeds = {"x": 3 * numbers(2, 3, 4), "b": numbers(4, seed=1)}
    same(op, {name: feeds[name] for name in inputs.split(",")}, **({"alpha": 1.3} if op == "QuickGelu" else {}))


def test_bias_dropout_lets_everything_through(same: Any) -> None:
    x, b, residual = torch.from_numpy(numbers(2, 3)), torch.ones(3), torch.ones(2, 3)
    y, mask = contrib.bias_dropout(x, b, residual, outputs=2)
    torch.testing.assert_close(y, x + 2)
    assert bool(mask.all())
    with pytest.raises(NotImplementedError):
        contrib.bias_dropout(x, b, training_mode=torch.tensor(True), outputs=1)


def test_bias_softmax_by_numpy() -> None:
    x, bias = numbers(2, 3, 4, 5), numbers(2, 1, 1, 5, seed=1)
    flat = (x + bias).reshape(2, 3, 20)
    expected = np.exp(flat) / np.exp(flat).sum(-1, keepdims=True)
    found = contrib.bias_softmax(torch.from_numpy(x), torch.from_numpy(bias), axis=2, is_inner_broadcast=1)
    np.testing.assert_allclose(found.numpy().reshape(2, 3, 20), expected, rtol=1e-5)


def test_diffusion_additions_by_numpy() -> None:
    x, bias = torch.from_numpy(numbers(2, 3, 8)), torch.from_numpy(numbers(8, seed=1))
    left, right = (x + bias)[..., :4], (x + bias)[..., 4:]
    gelu = 0.5 * right * (1 + torch.erf(right / 2**0.5))
    torch.testing.assert_close(contrib.bias_split_gelu(x, bias), left * gelu)
    torch.testing.assert_close(contrib.bias_add(x, bias, x), 2 * x + bias)


def test_small_operators(same: Any) -> None:
    x = numbers(2, 3, 3)
    same("Inverse", {"x": x + 3 * np.eye(3, dtype=np.float32)})
    same("ExpandDims", {"x": x, "axis": np.array(1, np.int32)})
    same("Trilu", {"x": x, "k": np.array(1, np.int64)}, upper=0)
    same("Pad", {"x": x, "pads": np.array([0, 1, 2, 0, 0, 1], np.int64), "value": np.array(2, np.float32)})
    same("Pad", {"x": x, "pads": np.array([0, 1, 2, 0, 0, 1], np.int64)}, mode="reflect")
    same("Unique", {"x": np.array([3, 1, 1, 4, 3, 1], np.float32)}, outputs="y,index,counts", gradient=())


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample(same: Any, mode: str, padding_mode: str) -> None:
    feeds = {"x": numbers(2, 1, 4, 5), "grid": numbers(2, 3, 3, 2, seed=1)}
    same("GridSample", feeds, mode=mode, padding_mode=padding_mode, align_corners=1, atol=1e-4)


def test_skip_layer_normalization(same: Any) -> None:
    feeds = {
        "x": numbers(2, 3, 4),
        "skip": numbers(2, 3, 4, seed=1),
        "gamma": numbers(4, seed=2),
        "beta": numbers(4, seed=3),
        "bias": numbers(4, seed=4),
    }
    same("SkipLayerNormalization", feeds, epsilon=1e-3, outputs="y,,,sum", gradient=("x", "skip"))
    same("SkipLayerNormalization", feeds, "x,skip,gamma", epsilon=1e-3)
    feeds["skip"] = feeds["skip"][:1]
    same("SkipLayerNormalization", feeds, "x,skip,gamma,beta", epsilon=1e-3)


def test_skip_simplified_layer_normalization(same: Any) -> None:
    feeds = {
        "x": numbers(2, 3, 4),
        "skip": numbers(2, 3, 4, seed=1),
        "gamma": numbers(4, seed=2),
        "bias": numbers(4, seed=4),
    }
    same("SkipSimplifiedLayerNormalization", feeds, epsilon=1e-3, outputs="y,,,sum")
    same("SkipSimplifiedLayerNormalization", feeds, "x,skip,gamma", epsilon=1e-3)


@pytest.mark.parametrize("opset", [12, 17])
@pytest.mark.parametrize("axis", [-1, 1])
def test_simplified_layer_normalization_of_the_default_domain(agrees: Agrees, opset: int, axis: int) -> None:
    feeds = {"x": numbers(2, 3, 4), "scale": numbers(*((4,) if axis == -1 else (3, 4)), seed=1)}
    made = helper.make_node("SimplifiedLayerNormalization", ["x", "scale"], ["y"], axis=axis, epsilon=1e-2)
    agrees(made, feeds, opset=opset, gradient=("x", "scale"))


def test_layer_normalization_before_onnx_had_it(agrees: Agrees) -> None:
    feeds = {"x": numbers(2, 3, 4), "scale": numbers(4, seed=1), "b": numbers(4, seed=2)}
    made = helper.make_node("LayerNormalization", list(feeds), ["y"], epsilon=1e-2)
    agrees(made, feeds, opset=13, gradient=("x",))


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("activation", [0, 1])
def test_group_norm_by_numpy(last: int, activation: int) -> None:
    x, gamma, beta, skip = (numbers(*s, seed=i) for i, s in enumerate([(2, 6, 3, 3), (6,), (6,), (2, 6)]))
    total = x + skip[:, :, None, None] + 0.5
    groups = total.reshape(2, 2, -1)
    scaled = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    expected = scaled.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    expected = expected / (1 + np.exp(-expected)) if activation else expected
    given = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x
    y, added = contrib_normalisation.skip_group_norm(
        *(torch.from_numpy(v) for v in (given, gamma, beta, skip)), torch.full((6,), 0.5), outputs=2, groups=2,
        activation=activation, channels_last=last,
    )  # fmt: skip
    for found, right in ((y, expected), (added, total)):
        np.testing.assert_allclose(np.moveaxis(found.numpy(), -1, 1) if last else found.numpy(), right, atol=1e-5)


def test_half_precision_group_norm_keeps_its_type() -> None:
    x = torch.from_numpy(numbers(1, 4, 4, 4)).half()
    y = contrib_normalisation.group_norm(x, torch.ones(4), torch.zeros(4), groups=2)
    assert y.dtype == torch.float16
