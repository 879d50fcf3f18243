"""The adjoint of convolutions over every combination of stride, dilation, padding and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import helper

Check = Callable[..., np.ndarray]
Images = Callable[..., np.ndarray]


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of image and weights, and attributes; the window fits the padded image."""
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    sides = [draw(st.integers(4, 9)) for _ in range(rank)]
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    pads = [draw(st.integers(0, 4)) for _ in range(2 * rank)]
    group = draw(st.sampled_from([1, 1, 2, 4]))
    ins, outs = 4, draw(st.sampled_from([4, 8]))
    for n, k, d, head, tail in zip(sides, kernel, dilations, pads[:rank], pads[rank:], strict=True):
        assume(n + head + tail >= (k - 1) * d + 1)
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": group}
    if draw(st.booleans()):
        attributes["pads"] = pads
    elif max(dilations) == 1:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    for n, k, d in zip(sides, kernel, dilations, strict=True):
        assume("pads" in attributes or n >= (k - 1) * d + 1)
    return (2, ins, *sides), (outs, ins // group, *kernel), attributes


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(convolutions())
def test_convolutions(agrees: Check, images: Images, case: Any) -> None:
    shape, weights, attributes = case
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    agrees(node, images(*shape), {"w": images(*weights, seed=1), "b": images(weights[0], seed=2)}, tolerance=5e-5)


@pytest.mark.parametrize("group", [1, 32])
@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 0, 1, 1]])
@pytest.mark.parametrize("channels", [32, 24])
def test_a_stride_within_onnxruntimes_blocked_layout(
    group: int, pads: list[int], channels: int, agrees: Check, images: Images
) -> None:
    """Convolutions before and behind keep the pictures in blocks; 24 channels do not fill theirs."""
    group = channels if group > 1 else 1
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "w"], ["b"], strides=[2, 2], pads=pads, group=group),
        helper.make_node("Clip", ["b", "low", "high"], ["c"]),
        helper.make_node("Conv", ["c", "last"], ["y"]),
    ]
    constants = {
        "first": images(channels, 3, 1, 1, seed=1),
        "w": 0.3 * images(channels, channels // group, 3, 3, seed=2),
        "last": images(16, channels, 1, 1, seed=3),
        "low": np.float32(0),
        "high": np.float32(6),
    }
    agrees(nodes, images(2, 3, 12, 8), {name: np.asarray(value, dtype=np.float32) for name, value in constants.items()})
