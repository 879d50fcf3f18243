"""Single numbers that come as tensors, such as the bounds of a clip, as Python numbers."""

from __future__ import annotations

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_READ = WeakTensorKeyDictionary()


def number(tensor: Tensor) -> float:
    """The value of a tensor of one element.

    Reading from an accelerator waits until all work before it is done, so a value is read once and remembered as
    long as the tensor lives and is not written to.

    Raises:
        RuntimeError: the tensor has not exactly one element.
    """
    if tensor.device.type == "cpu" or tensor.is_inference():
        return tensor.item()
    version = tensor._version
    if tensor not in _READ or _READ[tensor][0] != version:
        _READ[tensor] = (version, tensor.item())
    value: float = _READ[tensor][1]
    return value
