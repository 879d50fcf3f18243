"""Baselines: an idea in pixel space, carried into model input space.

In model input space a black picture is rarely zero, so a baseline is built of pixels and goes through the
same preprocessing as the images.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from geoaudit.audit.result import BaselineInfo
from geoaudit.errors import UsageError
from geoaudit.images.decoding import DecodeError, decode
from geoaudit.images.preprocess import Preprocessing

KINDS = ("black", "white", "grey", "mean", "blur", "noise")
_CONSTANTS = {"black": 0.0, "white": 255.0, "grey": 127.5}
_BLUR_SHARE = 20 / 224  # of the shorter side: nothing of an object's parts is left, its colours are


def make_baseline(
    spec: str,
    thumbnails: npt.NDArray[np.uint8],
    ids: Sequence[str],
    preprocessing: Preprocessing,
    seed: int,
) -> npt.NDArray[np.float32]:
    """The baselines of images, in model input space.

    Args:
        spec: "black", "white", "grey" (127.5), "mean" (each picture's own mean colour), "blur" (Gaussian,
            sigma 20/224 of the shorter side), "noise" (uniform in 0..255, from `seed` and the image's id
            alone), "image:PATH" or the path of a picture.
        thumbnails: the preprocessed pictures, uint8 RGB, shape (n, h, w, 3).
        ids: the images' ids, n of them.
        preprocessing: carries pixels into model input space.
        seed: of the noise.

    Returns:
        float32, shape (n, *preprocessing.space.shape).

    Raises:
        UsageError: `spec` is no kind and no readable picture.
    """
    return preprocessing.pixel_to_input(_pixels(spec, thumbnails, ids, preprocessing, seed))


def describe(spec: str, preprocessing: Preprocessing) -> BaselineInfo:
    """What the report says about a baseline; the two values are given, one a channel, for constant colours.

    Raises:
        UsageError: `spec` is no kind and no file.
    """
    kind = _kind(spec)
    if kind in _CONSTANTS:
        space = preprocessing.space
        share = _CONSTANTS[kind] / 255.0
        values = [low + share * (high - low) for low, high in zip(space.low, space.high, strict=True)]
        return BaselineInfo(kind=kind, pixel_value=[_CONSTANTS[kind]] * space.channels, input_value=values)
    told = {
        "mean": "mean (each picture's own mean colour)",
        "blur": f"blur (Gaussian, sigma {_sigma(preprocessing):.3g} px)",
        "noise": "noise (uniform, seeded by image)",
    }.get(kind, f"image:{_picture_path(spec).name}")
    return BaselineInfo(kind=told, pixel_value=None, input_value=None)


def picture_of(spec: str) -> Path | None:
    """The picture that a baseline is read from; None for the other kinds.

    Raises:
        UsageError: `spec` is no kind and no file.
    """
    return _picture_path(spec) if _kind(spec) == "image" else None


def _kind(spec: str) -> str:
    """One of KINDS, or "image".

    Raises:
        UsageError: neither a kind nor an existing file.
    """
    if spec in KINDS:
        return spec
    if spec.startswith("image:") or _picture_path(spec).is_file():
        return "image"
    near = difflib.get_close_matches(spec, KINDS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"baseline {spec!r}", "no such kind and no such file", f"{hint}Kinds: {', '.join(KINDS)}, image:PATH."
    )


def _picture_path(spec: str) -> Path:
    return Path(spec.removeprefix("image:"))


def _sigma(preprocessing: Preprocessing) -> float:
    return _BLUR_SHARE * min(preprocessing.size)


def _pixels(
    spec: str,
    thumbnails: npt.NDArray[np.uint8],
    ids: Sequence[str],
    preprocessing: Preprocessing,
    seed: int,
) -> npt.NDArray[np.float64]:
    """The baselines as RGB pixels in 0..255, float64, of the thumbnails' shape."""
    kind = _kind(spec)
    pixels = thumbnails.astype(np.float64)
    if kind in _CONSTANTS:
        return np.full_like(pixels, _CONSTANTS[kind])
    if kind == "mean":
        return np.broadcast_to(pixels.mean(axis=(1, 2), keepdims=True), pixels.shape)
    if kind == "blur":
        sigma = _sigma(preprocessing)
        blurred: npt.NDArray[np.float64] = gaussian_filter(pixels, (0, sigma, sigma, 0), mode="nearest")
        return blurred
    if kind == "noise":
        return np.stack([_noise(seed, image_id, pixels.shape[1:]) for image_id in ids])
    return np.broadcast_to(_picture(_picture_path(spec), preprocessing), pixels.shape)


def _noise(seed: int, image_id: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    key = int.from_bytes(hashlib.sha256(f"{seed}/{image_id}".encode()).digest()[:16], "big")
    return np.random.default_rng(key).uniform(0.0, 255.0, shape)


def _picture(path: Path, preprocessing: Preprocessing) -> npt.NDArray[np.float64]:
    try:
        return preprocessing.fit(decode(path).pixels).astype(np.float64)
    except DecodeError as error:
        raise UsageError(f"baseline image {path}", error.reason, f"Kinds: {', '.join(KINDS)}.") from None
