"""torch's work on CUDA as CUDA graphs: launched at once for a shape that repeats, without host copies in between.

A network of hundreds of small kernels leaves a fast device waiting for Python between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from geoaudit.model.captured import Array, Captured, Work

Tensors = tuple[torch.Tensor, ...]
_WARMING = 2  # runs before recording, in which libraries take their working memory
_REPEATS = 6
"""Runs of a shape before it is recorded: recording takes as long as ten runs, and many copies of a model serve few."""
NAME = "torch on CUDA"


def recorded(place: Callable[[tuple[Array, ...]], Tensors], compute: Callable[..., Tensors]) -> Captured:
    """`compute` on arrays, replayed as a CUDA graph where that gives the same bits.

    Args:
        place: puts the arrays into fresh tensors on the device, laid out as `compute` takes them.
        compute: from those tensors to others on the device; reads nothing back.
    """

    def plain(given: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(to_numpy(made) for made in compute(*place(given)))

    pool: list[Any] = []

    def record(given: tuple[Array, ...]) -> Work:
        if not pool:
            pool.append(torch.cuda.graph_pool_handle())  # results are copied out before another recording runs
        return _record(place(given), compute, pool[0])

    return Captured(plain, record, NAME, _REPEATS)


def to_numpy(tensor: torch.Tensor) -> Array:
    """The numbers, in memory of the processor; float16 as float32."""
    array: Array = tensor.detach().cpu().contiguous().numpy()
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _record(fixed: Tensors, compute: Callable[..., Tensors], pool: Any) -> Work:
    """Record `compute` on `fixed`, whose contents every replay overwrites."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    here = torch.cuda.current_stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        for _ in range(_WARMING):
            compute(*fixed)
    here.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # other threads may allocate on the processor meanwhile
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        made = compute(*fixed)
    sent, got = ([torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in several] for several in (fixed, made))

    def replay(given: tuple[Array, ...]) -> tuple[Array, ...]:
        with torch.no_grad():
            for array, near, far in zip(given, sent, fixed, strict=True):
                near.copy_(torch.from_numpy(np.ascontiguousarray(array)))
                far.copy_(near, non_blocking=True)
            graph.replay()
            for near, far in zip(got, made, strict=True):
                near.copy_(far, non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return tuple(np.array(to_numpy(near)) for near in got)

    return replay
