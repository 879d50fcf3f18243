"""The question that is put to the model: why this output for this image, and not for the baseline?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""A float array; float32 for real models, float64 where the model computes in float64."""
Ints = npt.NDArray[np.int64]


def smallest_difference(f_x: npt.ArrayLike, f_baseline: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The smallest |delta f| that can be divided by: max(1e-6, 1e-3 max(|f(x)|, |f(baseline)|))."""
    scale = np.maximum(np.abs(f_x), np.abs(f_baseline))
    smallest: npt.NDArray[np.float64] = np.maximum(1e-6, 1e-3 * scale)
    return smallest


@dataclass(frozen=True)
class InputSpace:
    """How the model's input is laid out and what pixel values mean in it.

    Attributes:
        layout: "NCHW" or "NHWC".
        shape: one sample's shape without the batch axis, (C, H, W) or (H, W, C).
        low: model input value of pixel 0 for each channel, shape (C,).
        high: model input value of pixel 255 for each channel, shape (C,).
    """

    layout: Literal["NCHW", "NHWC"]
    shape: tuple[int, int, int]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def channel_axis(self) -> int:
        """The channel axis of one sample (without the batch axis)."""
        return 0 if self.layout == "NCHW" else 2

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[self.channel_axis]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.shape[1], self.shape[2]) if self.layout == "NCHW" else (self.shape[0], self.shape[1])

    def per_channel(self, values: Sequence[float]) -> Floats:
        """`values` (one a channel), float64, shaped so that it broadcasts against one sample."""
        shape = (-1, 1, 1) if self.layout == "NCHW" else (1, 1, -1)
        return np.asarray(values, dtype=np.float64).reshape(shape)


@dataclass(frozen=True)
class Problems:
    """A batch of n questions: why does the model give this output for this image, and not for the baseline?

    Attributes:
        ids: the images' ids; what is random is drawn by them, so that rows of equal id meet equal random numbers.
        x: the images in model input space, shape (n, *space.shape).
        baseline: the baselines in model input space, same shape and dtype as `x`.
        targets: the explained classes, int64, shape (n,).
        f_x: explained output at `x`, float64, shape (n,), from onnxruntime.
        f_baseline: explained output at `baseline`, float64, shape (n,), from onnxruntime.
        space: what the model input means.
    """

    ids: tuple[str, ...]
    x: Floats
    baseline: Floats
    targets: Ints
    f_x: npt.NDArray[np.float64]
    f_baseline: npt.NDArray[np.float64]
    space: InputSpace

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def delta_f(self) -> npt.NDArray[np.float64]:
        """f(x) - f(baseline), float64, shape (n,)."""
        return self.f_x - self.f_baseline

    @property
    def degenerate(self) -> npt.NDArray[np.bool_]:
        """Where |delta f| is too small to divide by: max(1e-6, 1e-3 max(|f(x)|, |f(baseline)|))."""
        result: npt.NDArray[np.bool_] = np.abs(self.delta_f) < smallest_difference(self.f_x, self.f_baseline)
        return result

    def starting_at(self, baseline: Floats, f_baseline: npt.NDArray[np.float64]) -> Problems:
        """The same images asked against another baseline.

        Args:
            baseline: in model input space, shape (n, *space.shape); takes the dtype of `x`.
            f_baseline: the explained output there, shape (n,).
        """
        return replace(self, baseline=baseline.astype(self.x.dtype, copy=False), f_baseline=f_baseline)

    def select(self, indices: Sequence[int]) -> Problems:
        """The problems at `indices`, in that order."""
        chosen = list(indices)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            x=self.x[chosen],
            baseline=self.baseline[chosen],
            targets=self.targets[chosen],
            f_x=self.f_x[chosen],
            f_baseline=self.f_baseline[chosen],
        )
