"""How much memory a backward pass keeps alive."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch


def saved_bytes(evaluate: Callable[[], object], weights: Iterable[torch.Tensor]) -> int:
    """Bytes of the tensors that autograd saves while `evaluate` runs, each counted once.

    Args:
        evaluate: runs a forward pass with gradients, and the backward pass if it likes.
        weights: tensors that live anyway and are not counted.
    """
    own = {tensor.data_ptr() for tensor in weights}
    saved: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            saved[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        evaluate()
    return sum(saved.values())
