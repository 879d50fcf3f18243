"""Operators that resize and resample pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.interpolation import SIMPLE, Axis, Rule, neighbours, outside, weights
from geoaudit.model.converters.operator import ints, operator
from geoaudit.model.converters.scalars import numbers

_HALVES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
_CROP = "tf_crop_and_resize"


@operator("Resize", since=11)
def resize(
    x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, *,
    antialias: int = 0, axes: Sequence[int] | None = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Tensor:  # fmt: skip
    """Resizing to `sizes`, or by `scales`, of all axes or of `axes`; integers are cut off."""
    chosen = [a % x.dim() for a in (range(x.dim()) if axes is None else axes)]
    if sizes is not None and sizes.numel():
        made = _by_sizes(x.shape, chosen, ints(sizes), keep_aspect_ratio_policy)
    elif scales is not None and scales.numel():
        made = _by_scales(x.shape, chosen, scales)
    else:
        raise ValueError("Resize needs scales or sizes")
    if coordinate_transformation_mode == _CROP:
        if roi is None or roi.numel() != 2 * len(made):
            raise ValueError(f"{_CROP} needs a region of interest")
        bounds = [float(v) for v in numbers(roi)]
        made = [replace(a, start=s, end=e) for a, s, e in zip(made, bounds, bounds[len(made) :], strict=False)]
    rule = Rule(
        mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, bool(exclude_outside), bool(antialias)
    )
    return _resized(x, made, rule, extrapolation_value)


@operator("Resize", since=10)
@operator("Upsample", since=9)
def upsample(x: Tensor, scales: Tensor, *, mode: str = "nearest") -> Tensor:
    """Resizing by factors, corners aligned at the start."""
    mode = {"bilinear": "linear"}.get(mode, mode)
    return _resized(x, _by_scales(x.shape, range(x.dim()), scales), Rule(mode), 0.0)


@operator("Upsample", since=7)
def upsample_7(x: Tensor, *, mode: str = "nearest", scales: Sequence[float]) -> Tensor:
    """As version 9, with fixed factors."""
    return upsample(x, torch.tensor(scales), mode=mode)


@operator("Upsample")
def upsample_1(x: Tensor, *, height_scale: float, mode: str = "nearest", width_scale: float) -> Tensor:
    """As version 9, of height and width."""
    return upsample(x, torch.tensor([1.0, 1.0, height_scale, width_scale]), mode=mode)


def _by_scales(shape: Sequence[int], axes: Sequence[int], scales: Tensor) -> list[Axis]:
    found = scales.detach().to("cpu", torch.float32)
    outputs = (found * torch.tensor([shape[a] for a in axes])).floor().long().tolist()
    return [Axis(a, shape[a], out, scale) for a, out, scale in zip(axes, outputs, found.tolist(), strict=True)]


def _by_sizes(shape: Sequence[int], axes: Sequence[int], sizes: Sequence[int], policy: str) -> list[Axis]:
    factors = torch.tensor(sizes, dtype=torch.float32) / torch.tensor([shape[a] for a in axes], dtype=torch.float32)
    if policy in ("not_larger", "not_smaller"):
        factor = float(factors.min() if policy == "not_larger" else factors.max())
        return [Axis(a, shape[a], math.floor(factor * shape[a] + 0.5), factor) for a in axes]
    if policy != "stretch":
        raise NotImplementedError(f"keep_aspect_ratio_policy {policy}")
    return [Axis(a, shape[a], out, scale) for a, out, scale in zip(axes, sizes, factors.tolist(), strict=True)]


def _resized(x: Tensor, axes: Sequence[Axis], rule: Rule, extrapolation: float) -> Tensor:
    if all(a.output == a.length for a in axes):  # onnxruntime copies, whatever the factor and the region
        return x
    axes = [a for a in axes if (a.output != a.length if rule.antialias else a.scale != 1)]
    if rule.mode == "nearest":
        if rule.antialias:
            raise NotImplementedError("antialias of nearest neighbours")
        y = _nearest(x, axes, rule)
    else:
        wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
        y = _interpolated(wide, axes, rule, None if x.is_floating_point() else torch.iinfo(x.dtype)).to(x.dtype)
    if rule.coordinate_transformation_mode != _CROP:
        return y
    for axis in axes:
        beyond = outside(axis, rule).to(x.device).reshape(-1, *[1] * (x.dim() - 1 - axis.index))
        y = torch.where(beyond, extrapolation, y)
    return y


def _nearest(x: Tensor, axes: Sequence[Axis], rule: Rule) -> Tensor:
    rounding = rule.nearest_mode
    floors = rule.coordinate_transformation_mode == "asymmetric" and rounding in ("floor", SIMPLE)
    centred = rule.coordinate_transformation_mode in _HALVES and rounding.startswith("round")
    # torch multiplies by the reciprocal factor, which is exact for these alone
    if _pictures(x, axes) and (floors or centred) and all(a.scale in (2.0, 4.0, 8.0) for a in axes):
        return functional.interpolate(x, size=_size(x, axes), mode="nearest")
    for axis in axes:
        x = x.index_select(axis.index, neighbours(axis, rule).to(x.device))
    return x


def _interpolated(x: Tensor, axes: Sequence[Axis], rule: Rule, whole: torch.iinfo | None) -> Tensor:
    """`x` along all `axes`; antialiased integers, of limits `whole`, are rounded after each."""
    if _pictures(x, axes) and _like_torch(x, axes, rule):
        corners = rule.coordinate_transformation_mode == "align_corners"
        mode = "bicubic" if rule.mode == "cubic" else ("linear", "bilinear", "trilinear")[x.dim() - 3]
        return functional.interpolate(x, size=_size(x, axes), mode=mode, align_corners=corners)
    for axis in reversed(axes):
        shares = weights(axis, rule).to(x.device, x.dtype)
        x = (x.movedim(axis.index, -1) @ shares.t()).movedim(-1, axis.index)
        if whole is not None:
            x = ((x + 0.5).floor() if rule.antialias else x).clamp(whole.min, whole.max)
    return x


def _pictures(x: Tensor, axes: Sequence[Axis]) -> bool:
    """Whether torch knows the layout: a floating-point batch of one to three spatial axes, and only those change."""
    return x.is_floating_point() and 3 <= x.dim() <= 5 and all(a.index >= 2 for a in axes)


def _like_torch(x: Tensor, axes: Sequence[Axis], rule: Rule) -> bool:
    """Whether torch's own interpolation is the same: whole outputs, nothing excluded, its cubic coefficient."""
    if rule.antialias or (
        rule.mode == "cubic" and (x.dim() != 4 or rule.exclude_outside or rule.cubic_coeff_a != -0.75)
    ):
        return False
    if rule.coordinate_transformation_mode == "align_corners":
        return True
    whole = all(math.isclose(a.scale * a.length, a.output, rel_tol=1e-6) and a.output > 1 for a in axes)
    return whole and rule.coordinate_transformation_mode in _HALVES


def _size(x: Tensor, axes: Sequence[Axis]) -> list[int]:
    size = list(x.shape)
    for axis in axes:
        size[axis.index] = axis.output
    return size[2:]


@operator("GridSample", since=16)
def grid_sample(
    x: Tensor, grid: Tensor, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Tensor:
    """Values of pictures or volumes at the places of a grid in [-1, 1]."""
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    if x.dim() not in (4, 5) or (x.dim() == 5 and mode == "bicubic"):
        raise NotImplementedError(f"GridSample, {mode}, over {x.dim() - 2} axes")
    corners = bool(align_corners)
    y: Tensor = functional.grid_sample(x, grid.to(x.dtype), mode=mode, padding_mode=padding_mode, align_corners=corners)
    return y


@operator("AffineGrid")
def affine_grid(theta: Tensor, size: Tensor, *, align_corners: int = 0) -> Tensor:
    """The grid that an affine map per picture gives."""
    return functional.affine_grid(theta, ints(size), align_corners=bool(align_corners))
