"""Numbers that come as tensors, such as the bounds of a clip or a shape, as Python numbers."""

from __future__ import annotations

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_READ = WeakTensorKeyDictionary()


def number(tensor: Tensor) -> float:
    """The value of a tensor of one element; see `numbers`.

    Raises:
        RuntimeError: the tensor has not exactly one element.
    """
    if _near(tensor):
        return tensor.item()
    found = numbers(tensor)
    if len(found) != 1:
        raise RuntimeError(f"a tensor of {len(found)} elements is no number")
    return found[0]


def numbers(tensor: Tensor) -> list[float]:
    """The values of a tensor, flattened.

    Reading from an accelerator waits until all work before it is done, and cannot be part of a CUDA graph, so values
    are read once and remembered as long as the tensor lives and is not written to.
    """
    if _near(tensor):
        found: list[float] = tensor.reshape(-1).tolist()
        return found
    version = tensor._version
    if tensor not in _READ or _READ[tensor][0] != version:
        _READ[tensor] = (version, tensor.reshape(-1).tolist())
    return list(_READ[tensor][1])


def _near(tensor: Tensor) -> bool:
    """Whether reading costs nothing, or what was read could not be known to hold still."""
    return tensor.device.type == "cpu" or tensor.is_inference()
