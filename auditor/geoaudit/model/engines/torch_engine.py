"""Value and gradient by torch, on the converted graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.api import Floats, Ints
from geoaudit.errors import ModelError
from geoaudit.model.boundary import own_shape
from geoaudit.model.captured import Array, Captured
from geoaudit.model.engines.base import EngineRefused
from geoaudit.model.engines.recorded import Tensors, recorded, to_numpy
from geoaudit.model.explain import Space, rows_torch, values_torch
from geoaudit.model.head import Head
from geoaudit.model.wording import brief


@dataclass(frozen=True)
class Boundary:
    """How pictures enter the converted graph.

    Attributes:
        device: where it runs.
        dtype: the model's own float format.
        rank: number of axes of its input.
        thing: the file's name for messages.
    """

    device: torch.device
    dtype: np.dtype[Any]
    rank: int
    thing: str


class TorchEngine:
    """One converted graph in one memory layout.

    Args:
        module: the graph, weights frozen; its weights are laid out in place.
        head: what the graph's numbers are.
        boundary: how pictures enter it.
        explain_failure: makes the error of a graph that could not be evaluated on a batch.

    Attributes:
        apart: see `GradientEngine`.
    """

    apart = False

    def __init__(
        self, module: torch.nn.Module, head: Head, boundary: Boundary,
        explain_failure: Callable[[torch.Tensor, Exception], ModelError],
    ) -> None:  # fmt: skip
        self.module = module
        self.head = head
        self.boundary = boundary
        self.channels_last = False
        self._explain_failure = explain_failure
        self._recorded: dict[Space | None, Captured] = {}

    def like(self, kind: type[TorchEngine]) -> TorchEngine:
        """Another kind of engine over the same graph, weights shared."""
        other = kind(self.module, self.head, self.boundary, self._explain_failure)
        other.channels_last = self.channels_last
        return other

    def doubled(self) -> TorchEngine:
        """A copy in float64; evaluating it raises EngineRefused where the graph mixes float64 with its own format."""

        def refuse(x: torch.Tensor, error: Exception) -> ModelError:
            raise EngineRefused(f"it cannot be evaluated in float64 ({brief(error)})") from error

        boundary = replace(self.boundary, dtype=np.dtype(np.float64))
        return TorchEngine(deepcopy(self.module).double(), self.head, boundary, refuse)

    def lay_out(self, channels_last: bool) -> None:
        """Store weights and pictures in this layout from now on."""
        if channels_last != self.channels_last:
            laid_out(self.module, channels_last)
            self.channels_last = channels_last
            self._recorded.clear()  # they read the weights where those lay

    def logits(self, points: Floats) -> npt.NDArray[Any]:
        """The scores before the tail, shape (m, classes), for `points` (m, *shape), all in one batch."""
        return self._computed(None, np.array(points, dtype=self.boundary.dtype, order="C"))[0]

    def evaluate(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """As `GradientEngine.evaluate`.

        Raises:
            ModelError: the converted model cannot be evaluated, or its output does not depend on the input.
        """
        given = np.array(points, dtype=self.boundary.dtype, order="C"), np.ascontiguousarray(targets, dtype=np.int64)
        value, gradient = self._computed(space, *given)
        return value, gradient

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report where CUDA graphs were given up."""
        return tuple(dict.fromkeys(work.note for work in self._recorded.values() if work.note is not None))

    def _computed(self, space: Space | None, *given: Array) -> tuple[Array, ...]:
        """Values and gradients in `space` for pictures and targets; the scores for pictures alone and None."""
        with self._exact():
            if self.boundary.device.type != "cuda":
                return tuple(to_numpy(made) for made in self._tensors(space)(*self._placed(given)))
            if space not in self._recorded:
                self._recorded[space] = recorded(self._placed, self._tensors(space))
            return self._recorded[space](*given)

    def _tensors(self, space: Space | None) -> Callable[..., Tensors]:
        if space is None:
            return self._scores
        return lambda x, index: self._slope(x, index, space)

    def _scores(self, x: torch.Tensor) -> Tensors:
        with torch.no_grad():
            return (self._rows(x),)

    def _slope(self, x: torch.Tensor, index: torch.Tensor, space: Space) -> Tensors:
        value = values_torch(self._rows(x.requires_grad_(True)), index, space, self.head.tail)
        if not value.requires_grad:
            raise ModelError(
                self.boundary.thing, "its scores do not depend on the image in a differentiable way",
                "A rounding, a comparison or an ArgMax inside the graph may be the cause.",
            )  # fmt: skip
        (gradient,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), gradient

    def _run(self, x: torch.Tensor) -> torch.Tensor:
        """The graph's numbers for pictures that are shaped as it takes them."""
        out: torch.Tensor = self.module(x)
        return out

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # converted modules warn about their own code
                out = self._run(self._shaped(x))
        except (torch.OutOfMemoryError, EngineRefused):
            raise
        except Exception as error:  # converted modules raise whatever they meet
            if self.boundary.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                raise  # looking for the place would add to the recording
            raise self._explain_failure(x, error) from error
        if out.numel() != len(x) * self.head.numbers:
            raise ModelError(
                self.boundary.thing, f"the converted model gives the shape {tuple(out.shape)} for {len(x)} images",
                "Export the model with a dynamic batch axis, or a batch of 1.",
            )  # fmt: skip
        return rows_torch(out.reshape(len(x), -1), self.head.kind == "binary", self.head.tail)

    def _shaped(self, x: torch.Tensor) -> torch.Tensor:
        """The pictures as the model takes them."""
        rank = self.boundary.rank
        return x if rank == 4 else x.reshape(len(x), *own_shape(x.shape[1:], rank))

    def _placed(self, given: tuple[Array, ...]) -> Tensors:
        """Pictures, and targets if there are any, on the device, pictures in its memory layout; their own memory."""
        x, *rest = (torch.from_numpy(one).to(self.boundary.device) for one in given)
        return (x.contiguous(memory_format=torch.channels_last) if self.channels_last else x, *rest)

    def _exact(self) -> AbstractContextManager[None]:
        """On CUDA: no TF32 (its 10 bits would fail parity), repeatable algorithms; restored afterwards."""
        if self.boundary.device.type == "cpu":
            return nullcontext()
        flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        return flags


class Bfloat16Engine(TorchEngine):
    """The same graph with convolutions and products in bfloat16, which has 8 bits: a gain on processors with AMX."""

    def _run(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.boundary.device.type, dtype=torch.bfloat16):
            return super()._run(x).float()


class CompiledEngine(TorchEngine):
    """The same graph through torch.compile; a failure to compile refuses the engine."""

    _compiled: Any = None

    def _run(self, x: torch.Tensor) -> torch.Tensor:
        if self._compiled is None:
            self._compiled = torch.compile(self.module, dynamic=False)
        try:
            out: torch.Tensor = self._compiled(x)
        except Exception as error:  # compilers fail in many ways
            raise EngineRefused(f"torch.compile fails ({brief(error)})") from error
        return out


def laid_out(module: torch.nn.Module, channels_last: bool) -> torch.nn.Module:
    """The module with its images' weights in this layout; `Module.to` fails where a constant has five axes."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)
    return module
