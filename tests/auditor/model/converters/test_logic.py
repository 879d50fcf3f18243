"""Comparisons, logic and choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

Checked = Callable[..., Any]
RNG = np.random.default_rng(0)
A, B = RNG.random((3, 1, 4)) > 0.5, RNG.random((2, 1)) > 0.5


@pytest.mark.parametrize("name", ["And", "Or", "Xor", "Equal"])
def test_logic_broadcasts(agrees: Checked, name: str) -> None:
    agrees(helper.make_node(name, ["a", "b"], ["y"]), {"a": A, "b": B}, opset=13)


@pytest.mark.parametrize("name", ["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"])
@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int32])
def test_comparisons_broadcast(agrees: Checked, name: str, kind: type) -> None:
    feeds = {"a": RNG.integers(0, 3, (3, 1, 4)).astype(kind), "b": RNG.integers(0, 3, (2, 1)).astype(kind)}
    agrees(helper.make_node(name, ["a", "b"], ["y"]), feeds, opset=16)


@pytest.mark.parametrize(("name", "function"), [("And", np.logical_and), ("Equal", np.equal)])
def test_first_versions_broadcast_from_an_axis_on(converted: Checked, name: str, function: Any) -> None:
    a = RNG.integers(0, 2, (3, 2, 4))
    b = RNG.integers(0, 2, 2)
    feeds = {"a": a.astype(bool), "b": b.astype(bool)} if name == "And" else {"a": a, "b": b}
    node = helper.make_node(name, ["a", "b"], ["y"], axis=1, broadcast=1)
    np.testing.assert_array_equal(converted(node, feeds, opset=1).numpy(), function(a, b[:, None]))


def test_not(agrees: Checked) -> None:
    agrees(helper.make_node("Not", ["a"], ["y"]), {"a": A}, opset=7)


@pytest.mark.parametrize("signs", [{}, {"detect_negative": 0}, {"detect_positive": 0}])
def test_infinities(agrees: Checked, signs: dict[str, int]) -> None:
    x = np.float32([1, np.inf, -np.inf, np.nan])
    agrees(helper.make_node("IsInf", ["x"], ["y"], **signs), {"x": x}, opset=10)
    agrees(helper.make_node("IsNaN", ["x"], ["y"]), {"x": x}, opset=13)


def test_no_sign_of_infinity_asked_for(converted: Checked) -> None:
    node = helper.make_node("IsInf", ["x"], ["y"], detect_negative=0, detect_positive=0)
    assert not converted(node, {"x": np.float32([np.inf, -np.inf])}).any()


def test_choice(agrees: Checked) -> None:
    feeds = {"c": A, "x": RNG.normal(size=(2, 1)).astype(np.float32), "z": np.float32([1.5])}
    agrees(helper.make_node("Where", ["c", "x", "z"], ["y"]), feeds, opset=16, gradient=("x", "z"))
    feeds = {"c": A, "x": np.int64([[1], [2]]), "z": np.int64([7])}
    agrees(helper.make_node("Where", ["c", "x", "z"], ["y"]), feeds, opset=9)
