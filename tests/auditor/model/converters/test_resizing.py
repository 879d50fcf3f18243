"""Resizing and resampling against onnxruntime: every mode of every version, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.model.converters.resizing import upsample_1

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


_MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
_ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
_SIZES = [(14, 10), (4, 3), (7, 1), (9, 13)]


def _resize(given: dict[str, Any], **attributes: Any) -> tuple[Any, dict[str, Any]]:
    """A node over a picture, and its feeds; `given` are roi, scales and sizes."""
    names = [name if name in given else "" for name in ("roi", "scales", "sizes")]
    return helper.make_node("Resize", ["x", *names], ["y"], **attributes), {"x": _floats(1, 2, 7, 5), **given}


@pytest.mark.parametrize("transformation", [*_MODES, "tf_half_pixel_for_nn"])
@pytest.mark.parametrize("rounding", _ROUNDINGS)
def test_nearest(agrees: Agrees, transformation: str, rounding: str) -> None:
    if transformation == "half_pixel_symmetric" and rounding == "floor":
        pytest.skip("whole coordinates are a rounding error apart")
    symmetric = transformation == "half_pixel_symmetric"
    for height, width in _SIZES:
        given = {"roi": np.zeros(0, np.float32), "scales": np.zeros(0, np.float32)}
        given = {} if symmetric else given
        given["sizes"] = np.array([1, 2, height, width])
        node, feeds = _resize(
            given, mode="nearest", nearest_mode=rounding, coordinate_transformation_mode=transformation
        )
        agrees(node, feeds, opset=19 if symmetric else 11)


@pytest.mark.parametrize("transformation", _MODES)
@pytest.mark.parametrize("attributes", [{"mode": "linear"}, {"mode": "cubic"}, {"mode": "cubic", "exclude_outside": 1}])
@pytest.mark.parametrize("antialias", [0, 1])
def test_interpolation_to_sizes(agrees: Agrees, transformation: str, attributes: Any, antialias: int) -> None:
    for height, width in _SIZES:
        node, feeds = _resize(
            {"sizes": np.array([1, 2, height, width])}, coordinate_transformation_mode=transformation,
            antialias=antialias, **attributes,
        )  # fmt: skip
        agrees(node, feeds, opset=19, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("transformation", _MODES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [(2.0, 2.0), (0.6, 1.3), (1.0, 1.7), (4.0, 0.5)])
def test_by_scales(agrees: Agrees, transformation: str, mode: str, scales: tuple[float, float]) -> None:
    node, feeds = _resize(
        {"scales": np.array([1.0, 1.0, *scales], np.float32)}, mode=mode, coordinate_transformation_mode=transformation
    )
    agrees(node, feeds, opset=19, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("opset", [11, 13])
def test_crop(agrees: Agrees, mode: str, opset: int) -> None:
    roi = np.array([0, 0, 0.1, -0.2, 1, 1, 0.9, 1.3], np.float32)
    node, feeds = _resize(
        {"roi": roi, "scales": np.array([1, 1, 1.6, 2.0], np.float32)}, mode=mode,
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=3.0,
    )  # fmt: skip
    agrees(node, feeds, opset=opset, gradient=("x",), atol=1e-4)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_policies_over_some_axes(agrees: Agrees, policy: str, mode: str) -> None:
    node, feeds = _resize({"sizes": np.array([9, 12])}, mode=mode, keep_aspect_ratio_policy=policy, axes=[2, 3])
    agrees(node, feeds, opset=18, gradient=("x",), atol=1e-4)


def test_other_cubic_coefficient(agrees: Agrees) -> None:
    node, feeds = _resize({"sizes": np.array([1, 2, 9, 4])}, mode="cubic", cubic_coeff_a=-0.5)
    agrees(node, feeds, opset=19, gradient=("x",), atol=1e-4)


@pytest.mark.parametrize("size", [(9,), (3, 4, 5)])
def test_linear_of_other_ranks(agrees: Agrees, size: tuple[int, ...]) -> None:
    sizes = np.array([1, 2, *(n + 2 for n in size)])
    feeds = {"x": _floats(1, 2, *size), "sizes": sizes}
    if len(size) == 3:
        agrees(helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear"), feeds, gradient=("x",))
    agrees(helper.make_node("Resize", ["x", "", "", "sizes"], ["y"]), feeds, gradient=("x",))


@pytest.mark.parametrize("transformation", _MODES)
@pytest.mark.parametrize("attributes", [{"mode": "nearest"}, {"mode": "linear", "antialias": 1}, {"mode": "linear"}])
def test_gradients(agrees: Agrees, transformation: str, attributes: Any) -> None:
    node, feeds = _resize(
        {"sizes": np.array([1, 2, 4, 10])}, coordinate_transformation_mode=transformation, **attributes
    )
    agrees(node, feeds, opset=19, gradient=("x",), atol=1e-4)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("attributes", [{"mode": "nearest"}, {"mode": "linear"}, {"mode": "linear", "antialias": 1}])
def test_small_integers(agrees: Agrees, kind: Any, attributes: Any) -> None:
    feeds = {"x": _RANDOM.integers(0, 120, (1, 3, 11, 13)).astype(kind), "sizes": np.array([1, 3, 7, 9])}
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    agrees(node, feeds, opset=19, atol=1)  # a sum next to a whole number may be cut to either side


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("operator", "opset"), [("Upsample", 7), ("Upsample", 9), ("Resize", 10)])
@pytest.mark.parametrize("factors", [(2.0, 3.0), (1.5, 1.3), (2.0, 2.0), (0.6, 0.5)])
def test_before_modes(agrees: Agrees, operator: str, opset: int, mode: str, factors: tuple[float, float]) -> None:
    if operator == "Upsample" and min(factors) < 1:
        pytest.skip("Upsample does not shrink")
    feeds, scales = {"x": _floats(1, 2, 7, 5)}, [1.0, 1.0, *factors]
    if opset == 7:
        node = helper.make_node(operator, ["x"], ["y"], mode=mode, scales=scales)
    else:
        feeds["scales"] = np.array(scales, np.float32)
        node = helper.make_node(operator, ["x", "scales"], ["y"], mode=mode)
    agrees(node, feeds, opset=opset, gradient=("x",) if opset == 10 else ())


def test_the_first_upsample() -> None:
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    y = upsample_1(x, height_scale=2.0, width_scale=1.0)
    assert torch.equal(y, x.repeat_interleave(2, 2))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [0, 1])
def test_grid_sample(agrees: Agrees, padding: str, align_corners: int) -> None:
    feeds = {"x": _floats(2, 1, 3, 4), "grid": _floats(2, 2, 3, 2)}
    for opset, modes in ((16, ("bilinear", "nearest", "bicubic")), (20, ("linear", "nearest", "cubic"))):
        for mode in modes:
            node = helper.make_node(
                "GridSample", ["x", "grid"], ["y"], mode=mode, padding_mode=padding, align_corners=align_corners
            )
            agrees(node, feeds, opset=opset, gradient=("x",), rtol=1e-3, atol=1e-4)


def test_affine_grid(agrees: Agrees) -> None:
    node = helper.make_node("AffineGrid", ["x", "size"], ["y"], align_corners=1)
    agrees(node, {"x": _floats(3, 2, 3), "size": np.array([3, 1, 4, 5])}, opset=20, gradient=("x",))
