"""What the converted model really computes on the way to a gradient, tensor by tensor."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.model.twin import Twin

Arrays = dict[str, npt.NDArray[Any]]


def recordable(twin: Twin) -> set[str]:
    """Names, in the normalised graph, of the tensors that are outputs of the converted model's modules."""
    return {name for _, names in _makers(twin) for name in names if name}


@contextmanager
def recorded(twin: Twin, names: Collection[str], whole: bool) -> Iterator[Arrays]:
    """While the context lasts, every evaluation of the twin leaves the named tensors in the dictionary.

    Args:
        twin: the converted model.
        names: of `recordable`.
        whole: keep all rows of a batch; else only those of its first image.

    Returns:
        A dictionary of float arrays, those of the last batch.
    """
    found: Arrays = {}
    images = [1]
    hooks = [
        module.register_forward_hook(partial(_keep, found, images, frozenset(names), outputs))
        for module, outputs in _makers(twin)
        if not frozenset(names).isdisjoint(outputs)
    ]
    if not whole:
        hooks.append(twin.converted.module.register_forward_pre_hook(partial(_count, images)))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _makers(twin: Twin) -> Iterator[tuple[torch.nn.Module, tuple[str, ...]]]:
    for module in twin.converted.module.modules():
        mapping: Any = getattr(module, "onnx_mapping", None)
        if mapping is not None:
            yield module, tuple(mapping.outputs)


def _count(images: list[int], module: torch.nn.Module, given: tuple[torch.Tensor]) -> None:
    images[0] = len(given[0])


def _keep(
    found: Arrays, images: list[int], names: frozenset[str], outputs: tuple[str, ...], module: torch.nn.Module,
    given: Any, made: Any,
) -> None:  # fmt: skip
    for name, value in zip(outputs, made if isinstance(made, (tuple, list)) else (made,), strict=False):
        if name in names:
            rows = value[: len(value) // images[0]] if value.dim() else value
            found[name] = np.ascontiguousarray(rows.detach().cpu().numpy())
