"""What one writes without the tool: the stock conversion of the file, a forward pass, a backward pass.

geoaudit registers converters of its own with onnx2torch when it first converts a model, in place of the package's.  The
package's are kept here, from before that, so this module has to be imported before any model is opened.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx2torch import convert
from onnx2torch.node_converters import registry

from geoaudit.api import Floats, Ints

_STOCK = dict(registry._CONVERTER_REGISTRY)
assert not any("geoaudit" in made.__module__ for made in _STOCK.values()), "bare.py was imported too late"

Gradients = Callable[[Floats, Ints], Floats]


def converted(model: Path) -> Any:
    """onnx2torch's own conversion of the file: no graph clean-up, contiguous, weights that could be trained."""
    extended = dict(registry._CONVERTER_REGISTRY)
    registry._CONVERTER_REGISTRY.clear()
    registry._CONVERTER_REGISTRY.update(_STOCK)
    try:
        return convert(onnx.load(str(model))).eval()
    finally:
        registry._CONVERTER_REGISTRY.clear()
        registry._CONVERTER_REGISTRY.update(extended)


def gradients(module: Any, *, channels_last: bool = False, frozen: bool = False) -> Gradients:
    """Gradients of the targets' logits by a bare torch loop.

    Args:
        module: changed by both options.
        channels_last: memory layout of weights and pictures.
        frozen: weights that need no gradient.
    """
    import torch

    module = module.to(memory_format=torch.channels_last) if channels_last else module
    module.requires_grad_(not frozen)

    def evaluate(points: Floats, targets: Ints) -> Floats:
        x = torch.from_numpy(np.ascontiguousarray(points))
        x = (x.contiguous(memory_format=torch.channels_last) if channels_last else x).requires_grad_(True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converted modules warn about their own code
            chosen = module(x).gather(1, torch.from_numpy(np.ascontiguousarray(targets))[:, None])
        (made,) = torch.autograd.grad(chosen.sum(), x)
        return np.ascontiguousarray(made.numpy())

    return evaluate


def batched(evaluate: Gradients, batch: int) -> Gradients:
    """The same, so many pictures at a time."""

    def all_of(points: Floats, targets: Ints) -> Floats:
        parts = [evaluate(points[i : i + batch], targets[i : i + batch]) for i in range(0, len(points), batch)]
        return np.concatenate(parts)

    return all_of
