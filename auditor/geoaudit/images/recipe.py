"""A resolved preprocessing: the geometry and arithmetic that turn a picture into model input, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from geoaudit.api import Floats, InputSpace
from geoaudit.audit.result import Sourced
from geoaudit.errors import PreprocessingError
from geoaudit.images.decoding import Picture

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become model input: resize, crop, scale to `value_range`, subtract `mean`, divide by `std`.

    Attributes:
        layout: "NCHW" or "NHWC".
        size: height and width of the model input, in pixels.
        resize: "shortest-edge": scaled, aspect ratio kept, until it just covers size / crop_pct; "warp":
            scaled to size / crop_pct exactly.  Either way the centre of the given size is cropped then.
        crop_pct: see `resize`; in (0, 1], 1 crops only what sticks out.
        interpolation: Pillow's name of the resampling filter, in lower case.
        channels: "RGB", "BGR" or "grey" (one channel, the luminance).
        value_range: what pixel 0 and pixel 255 become before mean and std.
        mean: in units of `value_range`, one a channel of the model input, in the model's order.
        std: likewise; positive.
        dtype: the model input's element type in the file; `apply` gives float32 whatever it is.
        sources: where each field came from, keyed like `sourced()`.
    """

    layout: Literal["NCHW", "NHWC"]
    size: tuple[int, int]
    resize: Literal["shortest-edge", "warp"]
    crop_pct: float
    interpolation: str
    channels: Literal["RGB", "BGR", "grey"]
    value_range: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: str = "float32"
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = 1 if self.channels == "grey" else 3
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) not in (1, count):
                source = self.sources.get(name, name)
                reason = f"{len(values)} values of {name}, but the model input has {count} channel(s)"
                raise PreprocessingError(source, reason, f"Add --{name} with one value or one a channel.")
            object.__setattr__(self, name, tuple(float(v) for v in values) * (count // len(values)))

    @property
    def space(self) -> InputSpace:
        """The model input's layout, shape, and what pixels 0 and 255 are in it."""
        height, width = self.size
        count = len(self.mean)
        shape = (count, height, width) if self.layout == "NCHW" else (height, width, count)
        low, high = (tuple((end - m) / s for m, s in zip(self.mean, self.std, strict=True)) for end in self.value_range)
        return InputSpace(self.layout, shape, low, high)

    def apply(self, picture: Picture) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """The model input, float32 (`space.shape`), and the thumbnail it was made of, uint8 RGB (h, w, 3)."""
        thumbnail = self.fit(picture.pixels)
        return self.pixel_to_input(thumbnail), thumbnail

    def fit(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """RGB pixels (H, W, 3) resized and cropped to (h, w, 3)."""
        image = Image.fromarray(_without_far_ends(pixels))
        height, width = self.size
        # the small constant keeps 224 / (224 / 232) from becoming 231
        covered = [int(side / self.crop_pct + 1e-6) for side in (width, height)]
        if self.resize == "shortest-edge":
            scale = max(covered[0] / image.width, covered[1] / image.height)
            covered = [max(least, int(side * scale + 1e-6)) for least, side in zip(covered, image.size, strict=True)]
        resampling = Image.Resampling[self.interpolation.upper()]
        resized = image.resize((covered[0], covered[1]), resampling)
        left, top = (covered[0] - width) // 2, (covered[1] - height) // 2
        return np.array(resized.crop((left, top, left + width, top + height)), dtype=np.uint8)

    def pixel_to_input(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """RGB pixels in 0..255, (..., h, w, 3), in model input space: float32, (..., *space.shape)."""
        values = np.asarray(pixels, dtype=np.float64)
        if self.channels == "grey":
            values = (values @ np.asarray(LUMINANCE))[..., None]
        elif self.channels == "BGR":
            values = values[..., ::-1]
        low, high = self._ends()
        values = low + values * ((high - low) / 255.0)
        if self.layout == "NCHW":
            values = np.moveaxis(values, -1, -3)
        return np.ascontiguousarray(values, dtype=np.float32)

    def input_to_pixel(self, points: Floats) -> npt.NDArray[np.float64]:
        """Inverse of `pixel_to_input`: RGB pixels, float64, not clipped, (..., h, w, 3); grey is repeated."""
        values = np.asarray(points, dtype=np.float64)
        if self.layout == "NCHW":
            values = np.moveaxis(values, -3, -1)
        low, high = self._ends()
        values = (values - low) * (255.0 / (high - low))
        if self.channels == "grey":
            return np.repeat(values, 3, axis=-1)
        return values[..., ::-1].copy() if self.channels == "BGR" else values

    def sourced(self) -> dict[str, Sourced]:
        """Every field with where it came from, for the report's `data.preprocess`."""
        values: dict[str, Any] = {
            "layout": self.layout,
            "size": list(self.size),
            "resize": self.resize,
            "crop_pct": self.crop_pct,
            "interpolation": self.interpolation,
            "channels": self.channels,
            "range": list(self.value_range),
            "mean": list(self.mean),
            "std": list(self.std),
            "dtype": self.dtype,
        }
        return {name: Sourced(value=value, source=self.sources.get(name, "given")) for name, value in values.items()}

    def _ends(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        space = self.space
        return np.asarray(space.low), np.asarray(space.high)


def _without_far_ends(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle of a very long picture: the ends are cropped anyway, and resized they could fill memory."""
    for axis in (0, 1):
        length, limit = pixels.shape[axis], 16 * pixels.shape[1 - axis]
        if length > limit:
            start = (length - limit) // 2
            pixels = pixels[start : start + limit] if axis == 0 else pixels[:, start : start + limit]
    return pixels
