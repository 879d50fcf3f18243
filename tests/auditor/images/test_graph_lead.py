from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from geoaudit.images.graph_lead import walk

from .conftest import build

Build = Callable[..., onnx.ModelProto]
STEP = st.tuples(
    st.sampled_from(["Sub", "Add", "Mul", "Div", "const Sub", "const Add", "const Mul"]),
    st.sampled_from([0.25, -0.5, 2.0, 127.5]) | st.just(np.reshape([1.0, 2.0, 4.0], (3, 1, 1))),
)


@given(st.lists(STEP, max_size=4))
def test_folded_arithmetic_is_what_the_graph_computes(steps: list[Any]) -> None:
    model = build(("N", 3, 2, 2), steps)
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, 2, 2)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"image": x})
    lead = walk(model.graph, "image")
    y = lead.scale.reshape(-1, 1, 1) * x + lead.shift.reshape(-1, 1, 1)
    np.testing.assert_allclose(y.reshape(1, -1), expected, rtol=1e-4, atol=1e-3)
    assert len(lead.arithmetic) == len(steps)


def test_a_constant_over_the_input_ends_the_walk(make_model: Build) -> None:
    assert walk(make_model(steps=[("const Div", 255.0)]).graph, "image").ops == []


def test_reading_the_inputs_shape_does_not_hide_its_consumer(make_model: Build) -> None:
    model = make_model(steps=[("Div", 255.0)])
    model.graph.node.append(helper.make_node("Shape", ["image"], ["s"]))
    assert walk(model.graph, "image").ops == ["Div"]


def test_a_second_consumer_ends_the_walk(make_model: Build) -> None:
    model = make_model(steps=[("Div", 255.0)])
    model.graph.node.append(helper.make_node("Relu", ["image"], ["s"]))
    assert walk(model.graph, "image").ops == []


@pytest.mark.parametrize("groups", [1, 3])
def test_the_first_convolution_is_noted(make_model: Build, groups: int) -> None:
    model = make_model(conv_channels=3)
    model.graph.node[-1].attribute.append(helper.make_attribute("group", groups))
    lead = walk(model.graph, "image")
    assert (lead.weight, lead.groups) == ((2, 3, 1, 1), groups)
