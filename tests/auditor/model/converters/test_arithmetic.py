"""Arithmetic: types, broadcasting of all versions, bounds that are computed, finite gradients at corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

Checked = Callable[..., Any]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 4)).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(1.1)
INSIDE = np.tanh(X) * np.float32(0.9)


@pytest.mark.parametrize("name", ["Neg", "Abs", "Exp", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh"])
def test_functions_of_any_number(agrees: Checked, name: str) -> None:
    agrees(helper.make_node(name, ["x"], ["y"]), {"x": X}, opset=13, gradient=("x",))


@pytest.mark.parametrize("name", ["Sqrt", "Log", "Reciprocal", "Acosh"])
def test_functions_of_positive_numbers(agrees: Checked, name: str) -> None:
    agrees(helper.make_node(name, ["x"], ["y"]), {"x": POSITIVE}, opset=13, gradient=("x",))


@pytest.mark.parametrize("name", ["Asin", "Acos", "Atanh"])
def test_functions_of_small_numbers(agrees: Checked, name: str) -> None:
    agrees(helper.make_node(name, ["x"], ["y"]), {"x": INSIDE}, opset=22, gradient=("x",))


@pytest.mark.parametrize("name", ["Floor", "Ceil", "Round", "Sign"])
def test_steps_have_no_gradient(agrees: Checked, name: str) -> None:
    x = np.float32([-2.5, -1.5, -0.3, 0.5, 1.5, 2.4])
    agrees(helper.make_node(name, ["x"], ["y"]), {"x": x}, opset=13)
    agrees(helper.make_node(name, ["x"], ["y"]), {"x": x + np.float32(0.05)}, opset=13, gradient=("x",))


@pytest.mark.parametrize("name", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("kind", [np.float32, np.int32, np.int64, np.uint8])
def test_binary_operators_broadcast(agrees: Checked, name: str, kind: type) -> None:
    a, b = RNG.integers(5, 60, size=(3, 1, 4)).astype(kind), RNG.integers(1, 5, size=(2, 1)).astype(kind)
    gradient = ("a", "b") if kind is np.float32 else ()
    agrees(helper.make_node(name, ["a", "b"], ["y"]), {"a": a, "b": b}, opset=14, gradient=gradient)


def test_division_of_integers_rounds_towards_zero(agrees: Checked) -> None:
    feeds = {"a": np.int32([-7, 7, -7]), "b": np.int32([2, -2, -2])}
    assert agrees(helper.make_node("Div", ["a", "b"], ["y"]), feeds, opset=14)[0].tolist() == [-3, -3, 3]


@pytest.mark.parametrize(("axis", "shape"), [(0, (3,)), (1, (2,)), (0, (3, 2)), (-1, (4,)), (None, (2, 4))])
def test_first_versions_broadcast_from_an_axis_on(converted: Checked, axis: int | None, shape: tuple[int, ...]) -> None:
    b = RNG.normal(size=shape).astype(np.float32)
    given = {} if axis is None else {"axis": axis}
    node = helper.make_node("Sub", ["a", "b"], ["y"], broadcast=1, **given)
    behind = 0 if axis is None else X.ndim - axis % X.ndim - b.ndim
    expected = X - b.reshape(*shape, *[1] * behind)
    np.testing.assert_array_equal(converted(node, {"a": X, "b": b}, opset=6).numpy(), expected)


@pytest.mark.parametrize("name", ["Min", "Max", "Sum", "Mean"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_inputs(agrees: Checked, name: str, count: int) -> None:
    feeds = {"a": X, "b": X[:1] * 2, "c": X[0, :, :1] - np.float32(0.5)}
    feeds = dict(list(feeds.items())[:count])
    agrees(helper.make_node(name, list(feeds), ["y"]), feeds, opset=13, gradient=tuple(feeds))


def test_square_root_has_a_finite_gradient_at_zero(converted: Checked) -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    found = converted(helper.make_node("Sqrt", ["x"], ["y"]), {"x": x})
    assert found.tolist() == [0, 2]
    (found * torch.tensor([0.0, 1.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 0.25]
    assert converted(helper.make_node("Sqrt", ["x"], ["y"]), {"x": np.float32([-1])}).isnan().all()


@pytest.mark.parametrize("exponent", [np.float32(2), np.float32(0.5), np.float32([3.0]), np.int64(3), np.float32(-1.5)])
def test_power_of_one_exponent(agrees: Checked, exponent: Any) -> None:
    feeds = {"x": POSITIVE, "e": np.asarray(exponent)}
    agrees(helper.make_node("Pow", ["x", "e"], ["y"]), feeds, opset=15, gradient=("x",))


def test_power_of_negative_numbers(agrees: Checked) -> None:
    agrees(helper.make_node("Pow", ["x", "e"], ["y"]), {"x": X, "e": np.array(2, np.float32)}, opset=7, gradient=("x",))
    agrees(helper.make_node("Pow", ["x", "e"], ["y"]), {"x": X, "e": np.array(0.5, np.float32)}, opset=15)


def test_power_of_many_exponents(agrees: Checked) -> None:
    feeds = {"x": POSITIVE, "e": np.float32([0.5, 2, 3, -1])}
    agrees(helper.make_node("Pow", ["x", "e"], ["y"]), feeds, opset=12, gradient=("x", "e"))
    feeds = {"x": POSITIVE[0, 0], "e": np.float32([[[0.5]]])}
    agrees(helper.make_node("Pow", ["x", "e"], ["y"]), feeds, opset=12, gradient=("x",))


def test_power_of_integers(agrees: Checked) -> None:
    node = helper.make_node("Pow", ["x", "e"], ["y"])
    agrees(node, {"x": np.int32([3, 5]), "e": np.float32([0.5, 2.5])}, opset=15)
    agrees(node, {"x": np.int32([-3, -1, 2]), "e": np.int32([2, -1, -1])}, opset=15)


@pytest.mark.parametrize("exponent", [[0.5], [0.5, 0.5, 2.0]])
def test_roots_have_a_finite_gradient_at_zero(converted: Checked, exponent: list[float]) -> None:
    x = torch.tensor([0.0, 4.0, 0.0], requires_grad=True)
    feeds = {"x": x, "e": np.float32(exponent)}
    converted(helper.make_node("Pow", ["x", "e"], ["y"]), feeds).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 0.25, 0]


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.int8])
@pytest.mark.parametrize("fmod", [0, 1])
def test_remainder_of_integers(agrees: Checked, kind: type, fmod: int) -> None:
    feeds = {"a": np.array([-7, 7, -7, 7], kind), "b": np.array([2, -2, -3, 3], kind)}
    agrees(helper.make_node("Mod", ["a", "b"], ["y"], fmod=fmod), feeds, opset=13)


def test_remainder_of_floats(agrees: Checked) -> None:
    feeds = {"a": np.float32([-3.5, 4.2, 5.1]), "b": np.float32([2, -3, 3])}
    agrees(helper.make_node("Mod", ["a", "b"], ["y"], fmod=1), feeds, opset=10, gradient=("a", "b"))


@pytest.mark.parametrize("attributes", [{}, {"min": -0.5}, {"max": 0.3}, {"min": -0.5, "max": 0.7}, {"min": 0.0}])
def test_clip_by_attributes(agrees: Checked, attributes: dict[str, float]) -> None:
    agrees(helper.make_node("Clip", ["x"], ["y"], **attributes), {"x": X}, opset=6, gradient=("x",))


def test_clip_of_version_6_leaves_out_infinities(agrees: Checked) -> None:
    feeds = {"x": np.float32([1e30, np.inf, -np.inf, np.nan])}
    agrees(helper.make_node("Clip", ["x"], ["y"]), feeds, opset=6)


def test_clip_of_version_6_in_half_precision(converted: Checked) -> None:
    x = torch.tensor([-5.0, 70000.0, torch.inf]).half()
    found = converted(helper.make_node("Clip", ["x"], ["y"], min=0.0), {"x": x}, opset=6)
    assert found.dtype == torch.float16 and found.tolist() == [0, torch.inf, torch.inf]


@pytest.mark.parametrize("names", [["x"], ["x", "low"], ["x", "", "high"], ["x", "low", "high"]])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8])
def test_clip_by_inputs(agrees: Checked, names: list[str], kind: type) -> None:
    x = RNG.integers(0, 60, size=(3, 5)).astype(kind)
    feeds = {"x": x, "low": np.array(10, kind), "high": np.array(40, kind)}
    feeds = {name: value for name, value in feeds.items() if name in names}
    agrees(helper.make_node("Clip", names, ["y"]), feeds, opset=13)


def test_clip_where_bounds_cross_or_numbers_are_missing(agrees: Checked) -> None:
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    agrees(node, {"x": X, "low": np.array(0.5, np.float32), "high": np.array(-0.5, np.float32)}, opset=13)
    x = np.float32([1, np.nan, 5])
    agrees(node, {"x": x, "low": np.array(0, np.float32), "high": np.array(3, np.float32)}, opset=13)
    agrees(helper.make_node("Clip", ["x", "low"], ["y"]), {"x": x, "low": np.array(2, np.float32)}, opset=13)


def test_clip_by_bounds_that_are_computed(agrees: Checked) -> None:
    nodes = [
        helper.make_node("ReduceMin", ["z"], ["low"], keepdims=0),
        helper.make_node("ReduceMax", ["z"], ["high"], keepdims=0),
        helper.make_node("Clip", ["x", "low", "high"], ["y"]),
    ]
    agrees(nodes, {"x": X * 2, "z": X / 2}, opset=17, gradient=("x", "z"))


@pytest.mark.parametrize("bounds", [("low",), ("low", "high")])
def test_clip_passes_no_gradient_at_a_bound(converted: Checked, bounds: tuple[str, ...]) -> None:
    x = torch.tensor([0.0, 3.0], requires_grad=True)
    feeds = {"x": x, "low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    feeds = {name: feeds[name] for name in ("x", *bounds)}
    converted(helper.make_node("Clip", list(feeds), ["y"]), feeds).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["CumSum", "CumProd"])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_running_values(converted: Checked, name: str, exclusive: int, reverse: int) -> None:
    node = helper.make_node(name, ["x", "a"], ["y"], exclusive=exclusive, reverse=reverse)
    x = torch.from_numpy(X).double().requires_grad_()
    x.data[0, 0, 1] = 0
    feeds = {"x": x, "a": np.array(-1, np.int64)}
    found = converted(node, feeds, opset=26)
    rows = x.detach().numpy()[..., ::-1] if reverse else x.detach().numpy()
    neutral, function = (0, np.cumsum) if name == "CumSum" else (1, np.cumprod)
    if exclusive:
        rows = np.concatenate([np.full_like(rows[..., :1], neutral), rows[..., :-1]], -1)
    expected = function(rows, -1)
    np.testing.assert_allclose(found.detach().numpy(), expected[..., ::-1] if reverse else expected)
    assert torch.autograd.gradcheck(lambda v: converted(node, feeds | {"x": v}, opset=26), (x,))


def test_running_sum_keeps_its_type(agrees: Checked) -> None:
    feeds = {"x": np.int32([[1, 2, 3]]), "a": np.int32([1])}
    agrees(helper.make_node("CumSum", ["x", "a"], ["y"], exclusive=1), feeds, opset=14)
    found = _build("CumSum", torch.ones(3, dtype=torch.float16), torch.tensor(0))
    assert found.dtype == torch.float16 and found.tolist() == [1, 2, 3]


def test_bits(agrees: Checked) -> None:
    feeds = {"a": np.uint8([200, 5, 16]), "b": np.uint8([1, 2, 9])}
    for direction in ("LEFT", "RIGHT"):
        agrees(helper.make_node("BitShift", ["a", "b"], ["y"], direction=direction), feeds, opset=11)
    for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        agrees(helper.make_node(name, ["a", "b"], ["y"]), feeds, opset=18)
    agrees(helper.make_node("BitwiseNot", ["a"], ["y"]), {"a": feeds["a"]}, opset=18)


def test_determinant(agrees: Checked) -> None:
    x = RNG.normal(size=(3, 4, 4)).astype(np.float32)
    agrees(helper.make_node("Det", ["x"], ["y"]), {"x": x}, opset=11, gradient=("x",))
    assert _build("Det", 2 * torch.eye(3).half()).item() == 8


def _build(name: str, *inputs: torch.Tensor) -> torch.Tensor:
    from geoaudit.model.converters import Operator, definitions

    version = max(v for _, known, v in definitions() if known == name)
    node = helper.make_node(name, ["x", "a"][: len(inputs)], ["y"])
    return Operator(node, definitions()["", name, version], version)(*inputs)
