"""Reductions: axes of all versions, integers, empty sets, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

Checked = Callable[..., Any]
NAMES = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]
X = np.random.default_rng(0).uniform(0.5, 2, size=(3, 2, 4)).astype(np.float32)
SIGNED = X * np.where(np.arange(4) % 2, 1, -1).astype(np.float32)


def _feeds(name: str) -> dict[str, Any]:
    return {"x": X if name == "LogSum" else SIGNED}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("attributes", [{}, {"keepdims": 0}, {"axes": [1, -1]}, {"axes": [0], "keepdims": 0}])
def test_axes_as_attribute(agrees: Checked, name: str, attributes: dict[str, Any]) -> None:
    node = helper.make_node(f"Reduce{name}", ["x"], ["y"], **attributes)
    agrees(node, _feeds(name), opset=11, gradient=("x",) if attributes.get("axes") == [1, -1] else ())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axes", [[-1, 0], [1], []])
@pytest.mark.parametrize("noop", [0, 1])
def test_axes_as_input(agrees: Checked, name: str, axes: list[int], noop: int) -> None:
    node = helper.make_node(f"Reduce{name}", ["x", "a"], ["y"], noop_with_empty_axes=noop, keepdims=0)
    feeds = _feeds(name) | {"a": np.array(axes, np.int64)}
    agrees(node, feeds, opset=18, gradient=("x",) if axes == [] and noop else ())


@pytest.mark.parametrize("name", NAMES)
def test_single_numbers(agrees: Checked, name: str) -> None:
    agrees(helper.make_node(f"Reduce{name}", ["x"], ["y"]), {"x": np.array(2.5, np.float32)}, opset=18)


@pytest.mark.parametrize("name", NAMES)
def test_integers(agrees: Checked, name: str) -> None:
    x = np.int32([[2, 4, 1], [3, 1, 1]] if name == "LogSum" else [[-2, 4, 1], [3, 1, -5]])
    node = helper.make_node(f"Reduce{name}", ["x", "a"], ["y"])
    agrees(node, {"x": x, "a": np.int64([1])}, opset=18)


@pytest.mark.parametrize("name", NAMES)
def test_no_values(agrees: Checked, name: str) -> None:
    feeds = {"x": np.ones((2, 0, 3), np.float32), "a": np.int64([1])}
    agrees(helper.make_node(f"Reduce{name}", ["x", "a"], ["y"]), feeds, opset=20)


def test_large_exponents_do_not_overflow(agrees: Checked) -> None:
    agrees(helper.make_node("ReduceLogSumExp", ["x"], ["y"], axes=[1]), {"x": np.float32([[500, 499, -500]])}, opset=13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_small_floats_keep_their_type(name: str, kind: torch.dtype) -> None:
    from geoaudit.model.converters import Operator, definitions

    operator = Operator(helper.make_node(f"Reduce{name}", ["x"], ["y"]), definitions()["", f"Reduce{name}", 13], 13)
    found = operator(torch.from_numpy(X).to(kind))
    assert found.dtype == kind
    torch.testing.assert_close(found.float(), operator(torch.from_numpy(X)), rtol=3e-2, atol=3e-2)


def test_norm_has_a_finite_gradient_at_zero(converted: Checked) -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    converted(helper.make_node("ReduceL2", ["x"], ["y"], axes=[1]), {"x": x}).sum().backward()
    assert x.grad is not None and not x.grad.any()


@pytest.mark.parametrize("name", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", [{}, {"axis": -1, "keepdims": 0}, {"axis": 1, "select_last_index": 1}])
def test_index_of_an_extremum(agrees: Checked, name: str, attributes: dict[str, int]) -> None:
    x = np.random.default_rng(1).integers(0, 2, size=(3, 6, 5))
    for kind in (np.float32, np.int32):
        agrees(helper.make_node(name, ["x"], ["y"], **attributes), {"x": x.astype(kind)}, opset=13)
    if "select_last_index" not in attributes:
        agrees(helper.make_node(name, ["x"], ["y"], **attributes), {"x": x.astype(np.float32)}, opset=7)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [-1, 1])
def test_normalisation_by_a_norm(agrees: Checked, p: int, axis: int) -> None:
    node = helper.make_node("LpNormalization", ["x"], ["y"], p=p, axis=axis)
    agrees(node, {"x": SIGNED}, opset=7, gradient=("x",))
    agrees(node, {"x": np.zeros((2, 2, 3), np.float32)}, opset=22)


def test_normalisation_of_zeros_has_a_finite_gradient(converted: Checked) -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    converted(helper.make_node("LpNormalization", ["x"], ["y"]), {"x": x}).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("attributes", [{}, {"axes": [2, 3]}])
def test_normalisation_by_mean_and_variance(agrees: Checked, attributes: dict[str, Any]) -> None:
    x = np.random.default_rng(2).normal(size=(3, 2, 4, 5)).astype(np.float32)
    node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], **attributes)
    agrees(node, {"x": x}, opset=13, gradient=("x",))
