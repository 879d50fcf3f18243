"""Interpolation along one axis: where each output element looks, and with which weights.

Coordinates are computed in float32 and in onnxruntime's order of operations, so that both round alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

SIMPLE = "simple"
"""Rounding before `nearest_mode` existed: up when the axis shrinks, down when it grows."""

_HALF = 1e-6
"""What onnxruntime still takes for a half when it rounds."""


@dataclass(frozen=True)
class Axis:
    """One axis to resize.

    Attributes:
        index: which axis, not negative.
        length, output: elements before and after.
        scale: factor, in float32.
        start, end: region of interest in units of the axis, for tf_crop_and_resize.
    """

    index: int
    length: int
    output: int
    scale: float
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True)
class Rule:
    """How an operator's attributes interpolate; field names are those of Resize.

    Attributes:
        mode: nearest, linear or cubic.
    """

    mode: str
    coordinate_transformation_mode: str = "asymmetric"
    nearest_mode: str = SIMPLE
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


def coordinates(axis: Axis, mode: str) -> Tensor:
    """Where in the input each output element lies: (output,) float32.

    Raises:
        NotImplementedError: an unknown `mode`.
    """
    at = torch.arange(axis.output, dtype=torch.float32)
    numbers = (axis.length, axis.output, axis.scale, axis.start, axis.end)
    length, output, scale, start, end = (torch.tensor(n, dtype=torch.float32) for n in numbers)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and axis.output > 1):
        return (at + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return length / 2 * (1 - output / (scale * length)) + (at + 0.5) / scale - 0.5
    if mode == "asymmetric":
        return at / scale
    if mode == "tf_half_pixel_for_nn":
        return (at + 0.5) / scale
    if mode == "align_corners":
        return at * (length - 1) / (output - 1) if axis.output > 1 else at
    if mode == "pytorch_half_pixel":
        return at
    if mode == "tf_crop_and_resize":
        if axis.output == 1:
            return at + 0.5 * (start + end) * (length - 1)
        return start * (length - 1) + at * (end - start) * (length - 1) / (output - 1)
    raise NotImplementedError(f"coordinate_transformation_mode {mode}")


@lru_cache(maxsize=256)
def neighbours(axis: Axis, rule: Rule) -> Tensor:
    """The input element that each output element repeats: (output,) int64.

    Raises:
        NotImplementedError: an unknown way to round.
    """
    at, mode = coordinates(axis, rule.coordinate_transformation_mode).double(), rule.nearest_mode
    if mode == SIMPLE:
        at = at.ceil() if axis.scale < 1 else at.trunc()
    elif mode == "round_prefer_floor":
        at = (at - 0.5 - _HALF).ceil()
    elif mode == "round_prefer_ceil":
        at = (at + 0.5 + _HALF).floor()
    elif mode == "floor":
        at = at.floor()
    elif mode == "ceil":
        at = at.ceil()
    else:
        raise NotImplementedError(f"nearest_mode {mode}")
    return at.long().clamp(0, axis.length - 1)


@lru_cache(maxsize=256)
def weights(axis: Axis, rule: Rule) -> Tensor:
    """The share of each input element in each output element: (output, length) float32, rows that sum to 1.

    Weights that fall outside go to the outermost element, or with `exclude_outside` to all the others.

    Raises:
        NotImplementedError: an unknown mode.
    """
    if rule.mode not in ("linear", "cubic"):
        raise NotImplementedError(f"mode {rule.mode}")
    at = coordinates(axis, rule.coordinate_transformation_mode).double()
    shrink = min(axis.scale, 1.0) if rule.antialias else 1.0
    reach = (1 if rule.mode == "linear" else 2) / shrink
    first, last = (at - reach).floor().long() + 1, (at + reach).floor().long()
    places = first.unsqueeze(1) + torch.arange(int((last - first).max()) + 1)
    distances = (places - at.unsqueeze(1)).abs() * shrink
    shares = (1 - distances).clamp(min=0) if rule.mode == "linear" else _cubic(distances, rule.cubic_coeff_a)
    if rule.exclude_outside:
        shares = shares * ((places >= 0) & (places < axis.length))
    shares = shares / shares.sum(1, keepdim=True)
    table = torch.zeros(axis.output, axis.length, dtype=torch.float64)
    return table.scatter_add(1, places.clamp(0, axis.length - 1), shares).float()


def _cubic(distances: Tensor, a: float) -> Tensor:
    """Keys' cubic convolution kernel."""
    near = ((a + 2) * distances - (a + 3)) * distances**2 + 1
    far = ((a * distances - 5 * a) * distances + 8 * a) * distances - 4 * a
    return torch.where(distances <= 1, near, torch.where(distances < 2, far, 0.0))


def outside(axis: Axis, rule: Rule) -> Tensor:
    """Which output elements lie outside the input: (output,) bool."""
    at = coordinates(axis, rule.coordinate_transformation_mode)
    return (at < 0) | (at > axis.length - 1)
