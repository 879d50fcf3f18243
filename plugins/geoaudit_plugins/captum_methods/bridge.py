"""The explained output as a torch module whose numbers come from the probe."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.api import Floats, Ints


class Evaluated(Protocol):
    """What is asked for numbers: a probe, or something in front of one."""

    def outputs(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The explained output (m,)."""
        ...

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[npt.NDArray[np.float64], Floats]:
        """The explained output (m,) and its gradient (m, *shape)."""
        ...


class _Evaluate(torch.autograd.Function):
    """The probe's outputs, or where a gradient is asked for its values and gradients."""

    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, probe: Evaluated, target: int) -> torch.Tensor:
        array = points.detach().cpu().numpy()
        targets = np.full(len(array), target, dtype=np.int64)
        if not ctx.needs_input_grad[0]:
            return torch.from_numpy(probe.outputs(array, targets))
        with torch.enable_grad():  # inside a Function it is off, and the probe takes gradients by torch too
            values, gradients = probe.value_and_gradient(array, targets)
        ctx.save_for_backward(torch.from_numpy(gradients))
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
        (gradients,) = ctx.saved_tensors
        scale = upstream[0].to(gradients.dtype).reshape(-1, *[1] * (gradients.dim() - 1))
        return gradients * scale, None, None


class ExplainedOutput(torch.nn.Module):
    """Points (m, *shape) to the explained output of one class, float64 (m,).

    Args:
        probe: the model.
        target: the explained class.
        inside: the module that the probe evaluates, for captum to put its hooks on; None: it sees nothing inside.
    """

    def __init__(self, probe: Evaluated, target: int, inside: torch.nn.Module | None = None) -> None:
        super().__init__()
        self._probe = probe
        self._target = target
        self.inside = inside

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """One number a point; differentiable by the probe's own gradients."""
        result: torch.Tensor = _Evaluate.apply(points, self._probe, self._target)
        return result


def run(explainer: Any, x: Floats, arguments: dict[str, Any], differentiable: bool) -> Floats:
    """One image's attribution by a captum object.

    Args:
        explainer: an instance of a class of captum.attr.
        x: the image with its batch axis, shape (1, *shape), float32 or float64.
        arguments: of its `attribute`; arrays become tensors.
        differentiable: whether the class takes gradients.

    Returns:
        float64, shape (*shape).
    """
    tensors = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (forward|backward)")  # hooks, which is what was asked for
        made: torch.Tensor = explainer.attribute(torch.from_numpy(x.copy()).requires_grad_(differentiable), **tensors)
    found: Floats = made.detach().double().numpy()[0]
    return found


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Within this context numpy's and torch's global generators, which captum draws from, are seeded by `rng`."""
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(rng.integers(2**62)))
        np.random.seed(int(rng.integers(2**32)))
        try:
            yield
        finally:
            np.random.set_state(before)
