"""Recurrent layers against onnxruntime: directions, lengths, states, activations, clipping, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.model.converters.recurrent import rnn

Agrees = Callable[..., list[Any]]
_RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return _RANDOM.standard_normal(shape).astype(np.float32)


_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_LENGTH, _BATCH, _WIDTH, _SIZE = 3, 2, 2, 2


def _layer(operator: str, direction: str, optional: tuple[str, ...]) -> tuple[list[str], dict[str, Any]]:
    """The inputs' names, with gaps, and their values."""
    sides, gates = 2 if direction == "bidirectional" else 1, _GATES[operator]
    states = (sides, _BATCH, _SIZE)
    given = {
        "b": _floats(sides, 2 * gates * _SIZE), "lengths": np.array([3, 1], np.int32), "h": _floats(*states),
        "c": _floats(*states), "p": _floats(sides, 3 * _SIZE),
    }  # fmt: skip
    feeds = {"x": _floats(_LENGTH, _BATCH, _WIDTH), "w": _floats(sides, gates * _SIZE, _WIDTH)}
    feeds |= {"r": _floats(sides, gates * _SIZE, _SIZE), **{name: given[name] for name in optional}}
    last = max((list(given).index(name) for name in optional), default=-1)
    return ["x", "w", "r", *(name if name in optional else "" for name in list(given)[: last + 1])], feeds


def _outputs(operator: str) -> list[str]:
    return ["y", "last_h", "last_c"] if operator == "LSTM" else ["y", "last_h"]


@pytest.mark.parametrize("operator", _GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("optional", [(), ("b", "h"), ("b", "lengths"), ("lengths", "h")])
@pytest.mark.parametrize("opset", [7, 22])
def test_states_and_lengths(
    agrees: Agrees, operator: str, direction: str, optional: tuple[str, ...], opset: int
) -> None:
    names, feeds = _layer(operator, direction, optional)
    node = helper.make_node(operator, names, _outputs(operator), direction=direction, hidden_size=_SIZE)
    agrees(node, feeds, opset=opset, gradient=("x",) if opset == 22 and direction == "reverse" else ())


@pytest.mark.parametrize("operator", _GATES)
def test_only_the_last_state_is_asked_for(agrees: Agrees, operator: str) -> None:
    names, feeds = _layer(operator, "forward", ("b",))
    agrees(helper.make_node(operator, names, ["", "last_h"], hidden_size=_SIZE), feeds, gradient=("x",))


@pytest.mark.parametrize("attributes", [{}, {"input_forget": 1}, {"clip": 0.4}])
def test_lstm(agrees: Agrees, attributes: Any) -> None:
    names, feeds = _layer("LSTM", "bidirectional", ("b", "lengths", "h", "c", "p"))
    node = helper.make_node("LSTM", names, _outputs("LSTM"), direction="bidirectional", hidden_size=_SIZE, **attributes)
    agrees(node, feeds, opset=14, gradient=("x",))


@pytest.mark.parametrize("attributes", [{"linear_before_reset": 1}, {"clip": 0.4}])
def test_gru(agrees: Agrees, attributes: Any) -> None:
    names, feeds = _layer("GRU", "bidirectional", ("b", "h"))
    node = helper.make_node("GRU", names, _outputs("GRU"), direction="bidirectional", hidden_size=_SIZE, **attributes)
    agrees(node, feeds, opset=14, gradient=("x",))


@pytest.mark.parametrize(
    ("activations", "numbers"),
    [
        (["Relu", "LeakyRelu"], {"activation_alpha": [0.3]}),
        (["Affine", "ScaledTanh"], {"activation_alpha": [0.5, 0.9], "activation_beta": [0.1, 0.7]}),
        (["HardSigmoid", "Elu"], {}),
        (["Softsign", "Softplus"], {}),
        (["ThresholdedRelu", "HardSigmoid"], {"activation_alpha": [0.2, 0.4], "activation_beta": [0.3]}),
        (["Tanh", "ThresholdedRelu"], {}),
    ],
)
def test_activations(agrees: Agrees, activations: list[str], numbers: Any) -> None:
    names, feeds = _layer("RNN", "bidirectional", ("b",))
    node = helper.make_node(
        "RNN", names, ["y"], direction="bidirectional", hidden_size=_SIZE, activations=activations, **numbers
    )
    agrees(node, feeds)


def test_an_unknown_activation_is_named() -> None:
    x, w = torch.ones(1, 1, 1), torch.ones(1, 1, 1)
    with pytest.raises(NotImplementedError, match="activation Sine"):
        rnn(x, w, w, activations=["Sine"])
