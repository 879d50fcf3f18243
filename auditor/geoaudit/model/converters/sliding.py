"""Where a window that slides over a picture starts and ends: padding and output sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

_SAME = ("SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes of a tensor, one entry an axis in every field.

    Attributes:
        kernel, strides, dilations: as in ONNX, filled in.
        heads, tails: padding before and after.
        outputs: number of window positions.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    heads: tuple[int, ...]
    tails: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, ...]:
        """How many elements the dilated window reaches over."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether both ends are padded alike, and by no negative amount."""
        return self.heads == self.tails and min(self.heads, default=0) >= 0


def window(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int] | None, dilations: Sequence[int] | None,
    pads: Sequence[int] | None, auto_pad: str, *, pool: bool = False, ceil_mode: bool = False,
) -> Window:  # fmt: skip
    """The window that the attributes of a convolution or a pool describe, over an input of spatial shape `size`.

    Args:
        size: spatial shape of the input.
        kernel, strides, dilations, pads, auto_pad: the operator's attributes; None for one that is left out.
        pool: for SAME padding count as onnxruntime's pools do: from the kernel without its dilation, and cropping
            what a stride longer than the kernel leaves over.
        ceil_mode: count a last, incomplete position, unless it would start beyond the input (in the tail's padding).

    Raises:
        NotImplementedError: an unknown `auto_pad`.
    """
    rank = len(size)
    strides, dilations = list(strides or [1] * rank), list(dilations or [1] * rank)
    spans = [k if pool else (k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    heads, tails = _padding(size, spans, strides, pads, auto_pad, least=None if pool else 0)
    outputs = []
    for n, k, s, d, head, tail in zip(size, kernel, strides, dilations, heads, tails, strict=True):
        room = n + head + tail - ((k - 1) * d + 1)
        count = room // s + 1
        if ceil_mode and room % s and (count * s) < n + head:
            count += 1
        outputs.append(count)
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(heads), tuple(tails), tuple(outputs))


def _padding(
    size: Sequence[int], spans: Sequence[int], strides: Sequence[int], pads: Sequence[int] | None, auto_pad: str,
    least: int | None,
) -> tuple[list[int], list[int]]:  # fmt: skip
    rank = len(size)
    if auto_pad == "NOTSET":
        pads = list(pads or [0] * 2 * rank)
        return pads[:rank], pads[rank:]
    if auto_pad == "VALID":
        return [0] * rank, [0] * rank
    if auto_pad not in _SAME:
        raise NotImplementedError(f"auto_pad {auto_pad}")
    heads, tails = [], []
    for n, s, span in zip(size, strides, spans, strict=True):
        total = (-(-n // s) - 1) * s + span - n
        total = total if least is None else max(total, least)
        head = int((total + (auto_pad == "SAME_LOWER")) / 2)
        heads.append(head)
        tails.append(total - head)
    return heads, tails


def clip(x: Tensor, view: Window) -> tuple[Tensor, Window, tuple[int, ...]]:
    """`x` and `view` cut to what is read along the axes where the window has a single position.

    Some networks pool whole pictures by windows of hundreds of elements that hang over their ends.

    Args:
        x: its last axes are those of `view`.
        view: the window over `x`.

    Returns:
        The tensor, a window whose positions read the same elements of it, less padding, and where along each axis
        the tensor begins in `x`.
    """
    axes = list(zip(view.kernel, view.strides, view.dilations, view.heads, view.tails, view.outputs, strict=True))
    starts = [0] * len(axes)
    for i, (k, _, dilation, head, _, outputs) in enumerate(axes):
        axis = x.dim() - len(axes) + i
        start, stop = max(-head, 0), min(k - head, x.shape[axis])
        if outputs == 1 and dilation == 1 and start < stop:
            x = x.narrow(axis, start, stop - start)
            axes[i], starts[i] = (stop - start, 1, 1, 0, 0, 1), start
    return x, Window(*zip(*axes, strict=True)), tuple(starts)


def pad(x: Tensor, heads: Sequence[int], tails: Sequence[int], value: float = 0.0) -> Tensor:
    """`x` with its last axes padded by `value`; negative amounts crop."""
    if not any(heads) and not any(tails):
        return x
    amounts = [a for pair in zip(reversed(heads), reversed(tails), strict=True) for a in pair]
    return functional.pad(x, amounts, value=value)
