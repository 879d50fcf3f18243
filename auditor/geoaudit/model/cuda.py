"""Gradients on CUDA: pinned host memory, copies that do not wait, and CUDA graphs where shapes repeat.

Nothing here was measured: it was tested without a GPU, by stand-ins for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.model.captured import Captured

Array = npt.NDArray[Any]
Evaluate = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""From points (m, *shape) and targets (m,) on the device to values (m,) and gradients (m, *shape) there."""

_WARM_UPS = 3  # runs on a side stream before a recording, so that libraries have made their choices


class Staging:
    """Host memory through which arrays go to a device and back; pinned on CUDA, and used again for equal shapes.

    Args:
        device: where the tensors live.
        pinned: pin the host memory; by default on CUDA only, elsewhere torch cannot.
    """

    def __init__(self, device: torch.device, pinned: bool | None = None) -> None:
        self.device = device
        self._pinned = device.type == "cuda" if pinned is None else pinned
        self._memory: dict[tuple[str, tuple[int, ...], torch.dtype], torch.Tensor] = {}

    def upload(self, array: Array, into: torch.Tensor | None = None) -> torch.Tensor:
        """The array on the device, without waiting for the copy; `into` is written where it is given.

        The stream orders the copy before what is computed from it; the next upload of that shape waits for it.
        """
        place = self._place("up", tuple(array.shape), torch.from_numpy(array[:0].copy()).dtype)
        self._wait()
        place.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        target = torch.empty_like(place, device=self.device) if into is None else into
        target.copy_(place, non_blocking=self._pinned)
        return target

    def download(self, *tensors: torch.Tensor) -> tuple[Array, ...]:
        """The tensors as arrays of their own; waits once for all of them."""
        places = [self._place(f"down {k}", tuple(one.shape), one.dtype) for k, one in enumerate(tensors)]
        for place, tensor in zip(places, tensors, strict=True):
            place.copy_(tensor.detach(), non_blocking=self._pinned)
        self._wait()
        return tuple(place.numpy().copy() for place in places)

    def _place(self, use: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        key = use, shape, dtype
        if key not in self._memory:
            self._memory[key] = torch.empty(shape, dtype=dtype, pin_memory=self._pinned)
        return self._memory[key]

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()


def graphed(evaluate: Evaluate, device: torch.device, record: Callable[..., Any] | None = None) -> Captured:
    """Value and gradient on a device, replayed as a CUDA graph for shapes that repeat.

    Called with points (m, *shape) and targets (m,), numpy arrays; gives values (m,) and gradients (m, *shape).  A
    recording that fails, or whose bits differ from a plain run's, is not used; `Captured.note` then says why.

    Args:
        evaluate: the gradient; allocates what it likes, but reads nothing back from the device.
        device: a CUDA device.
        record: makes a replay from `evaluate` and its two tensors; `cuda_graph` if None.
    """
    staging = Staging(device)
    make = record or cuda_graph

    def plain(inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        points, targets = (staging.upload(one) for one in inputs)
        return staging.download(*evaluate(points, targets))

    def recording(inputs: tuple[Array, ...]) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
        own = Staging(device)
        points, targets = (own.upload(one) for one in inputs)
        replay = make(evaluate, points, targets)

        def work(given: tuple[Array, ...]) -> tuple[Array, ...]:
            own.upload(given[0], into=points)
            own.upload(given[1], into=targets)
            return own.download(*replay())

        return work

    return Captured(plain, recording, "torch on CUDA")


def cuda_graph(
    evaluate: Evaluate, points: torch.Tensor, targets: torch.Tensor
) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    """A replay of `evaluate` on these two tensors; it reads what they hold at the time.

    Raises:
        RuntimeError: the work cannot be recorded, for it waits for the device or allocates where it must not.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            evaluate(points, targets)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = evaluate(points, targets)

    def replay() -> tuple[torch.Tensor, torch.Tensor]:
        graph.replay()
        return made

    return replay
