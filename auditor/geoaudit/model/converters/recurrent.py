"""Recurrent layers, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.gates import Activation, gate_functions
from geoaudit.model.converters.operator import operator

Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
"""(what the input adds to the gates, state) to the next state; the state's first tensor is the output."""


@dataclass(frozen=True)
class _Layer:
    """What the three recurrent operators have in common."""

    x: Tensor
    w: Tensor
    r: Tensor
    lengths: Tensor | None
    direction: str
    layout: int
    functions: list[Activation]

    def state(self, given: Tensor | None) -> Tensor:
        """An initial state as (directions, batch, size)."""
        if given is None:
            return self.x.new_zeros(self.w.shape[0], self.x.shape[self.layout ^ 1], self.r.shape[2])
        return given.transpose(0, 1) if self.layout else given

    def run(self, step: Callable[[int, list[Activation]], Step], bias: Tensor | None, *initial: Tensor) -> list[Tensor]:
        """Y, then the last states; `step` makes the step of one direction, `bias` joins the input's share."""
        x = self.x.transpose(0, 1) if self.layout else self.x
        count = self.w.shape[0]
        each = len(self.functions) // count
        sides, lasts = [], []
        for d in range(count):
            shares = functional.linear(x, self.w[d], None if bias is None else bias[d])
            backwards = self.direction == "reverse" or d == 1
            functions = self.functions[d * each : (d + 1) * each]
            y, last = _unroll(
                step(d, functions), shares, tuple(s[d] for s in initial), self.lengths, backwards=backwards
            )
            sides.append(y)
            lasts.append(last)
        found = [torch.stack(sides, 1), *(torch.stack(states) for states in zip(*lasts, strict=True))]
        return [found[0].permute(2, 0, 1, 3), *(s.transpose(0, 1) for s in found[1:])] if self.layout else found


def _unroll(
    step: Step, shares: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None, *, backwards: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All outputs (length, batch, size) in the input's order, and the last state."""
    times = torch.arange(len(shares), device=shares.device).unsqueeze(1)
    alive = None if lengths is None else (times < lengths).unsqueeze(2)
    shares = _reversed(shares, times, lengths) if backwards else shares
    outputs = []
    for t in range(len(shares)):
        after = step(shares[t], state)
        if alive is None:
            state = after
            outputs.append(state[0])
        else:
            state = tuple(torch.where(alive[t], new, old) for new, old in zip(after, state, strict=True))
            outputs.append(torch.where(alive[t], state[0], 0.0))
    y = torch.stack(outputs)
    return (_reversed(y, times, lengths) if backwards else y), state


def _reversed(x: Tensor, times: Tensor, lengths: Tensor | None) -> Tensor:
    """Each sequence from its end to its start; what follows the end stays where it is."""
    if lengths is None:
        return x.flip(0)
    order = torch.where(times < lengths, lengths - 1 - times, times)
    return x.gather(0, order.unsqueeze(2).expand(x.shape))


def _split_bias(b: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if b is None else tuple(b.chunk(2, 1))  # type: ignore[return-value]


@operator("RNN")
def rnn(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None, *, activation_alpha: Sequence[float] = (), activation_beta: Sequence[float] = (),
    activations: Sequence[str] | None = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int = 0, layout: int = 0, output_sequence: int = 0,
) -> list[Tensor]:  # fmt: skip
    """Elman layer: h = f(W x + R h + b)."""
    functions = gate_functions(activations, ["Tanh"], len(w), activation_alpha, activation_beta, clip)
    functions = functions[: len(w)]
    layer = _Layer(x, w, r, sequence_lens, direction, layout, functions)

    def step(d: int, functions: list[Activation]) -> Step:
        return lambda share, state: (functions[0](share + state[0] @ r[d].t()),)

    forward, recurrent = _split_bias(b)
    return layer.run(
        step, None if forward is None or recurrent is None else forward + recurrent, layer.state(initial_h)
    )


@operator("GRU")
def gru(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None, *, activation_alpha: Sequence[float] = (), activation_beta: Sequence[float] = (),
    activations: Sequence[str] | None = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int = 0, layout: int = 0, linear_before_reset: int = 0, output_sequence: int = 0,
) -> list[Tensor]:  # fmt: skip
    """Gated recurrent units; gates in the order update, reset, hidden."""
    functions = gate_functions(activations, ["Sigmoid", "Tanh"], len(w), activation_alpha, activation_beta, clip)
    layer = _Layer(x, w, r, sequence_lens, direction, layout, functions)
    forward, recurrent = _split_bias(b)

    def step(d: int, functions: list[Activation]) -> Step:
        gate, hidden = functions
        gates, last = torch.split(r[d].t(), [2 * r.shape[2], r.shape[2]], 1)
        bias = None if recurrent is None else torch.split(recurrent[d], [2 * r.shape[2], r.shape[2]])

        def advance(share: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            (h,) = state
            opened = h @ gates if bias is None else h @ gates + bias[0]
            update, reset = gate(share[:, : 2 * r.shape[2]] + opened).chunk(2, 1)
            kept = h @ last if linear_before_reset else (reset * h) @ last
            kept = kept if bias is None else kept + bias[1]
            new = hidden(share[:, 2 * r.shape[2] :] + (reset * kept if linear_before_reset else kept))
            return ((1 - update) * new + update * h,)

        return advance

    return layer.run(step, forward, layer.state(initial_h))


@operator("LSTM")
def lstm(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None, initial_c: Tensor | None = None, p: Tensor | None = None, *,
    activation_alpha: Sequence[float] = (), activation_beta: Sequence[float] = (),
    activations: Sequence[str] | None = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int = 0, input_forget: int = 0, layout: int = 0, output_sequence: int = 0,
) -> list[Tensor]:  # fmt: skip
    """Long short-term memory; gates in the order input, output, forget, cell; peepholes input, output, forget."""
    functions = gate_functions(
        activations, ["Sigmoid", "Tanh", "Tanh"], len(w), activation_alpha, activation_beta, clip
    )
    layer = _Layer(x, w, r, sequence_lens, direction, layout, functions)

    def step(d: int, functions: list[Activation]) -> Step:
        gate, cell, hidden = functions
        look = None if p is None else p[d].chunk(3)

        def advance(share: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            h, c = state
            enter, leave, forget, new = (share + h @ r[d].t()).chunk(4, 1)
            enter = gate(enter if look is None else enter + look[0] * c)
            forget = 1 - enter if input_forget else gate(forget if look is None else forget + look[2] * c)
            c = forget * c + enter * cell(new)
            leave = gate(leave if look is None else leave + look[1] * c)
            return leave * hidden(c), c

        return advance

    forward, recurrent = _split_bias(b)
    bias = None if forward is None or recurrent is None else forward + recurrent
    return layer.run(step, bias, layer.state(initial_h), layer.state(initial_c))
