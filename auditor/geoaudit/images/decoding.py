"""From a picture file to RGB pixels, saying what had to be done to them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from geoaudit.errors import ImagesError
from geoaudit.images.sources import Place, Remote

MAX_PIXELS = 89_478_485
"""Larger pictures are refused: a quarter of a GiB of RGB, and Pillow's own mark for a decompression bomb."""


class DecodeError(ImagesError):
    """A picture cannot be decoded; `reason` is what a report lists beside the skipped file."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8 RGB, shape (H, W, 3).
        notes: what was done to the file's content beyond decoding, in plain words.
    """

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def why_no_picture(path: Place) -> str | None:
    """Why `path` is no picture, judged by its header alone; None if it looks like one."""
    try:
        with _opened(path):
            return None
    except DecodeError as error:
        return error.reason


def decode(path: Place, expected: str | None = None) -> Picture:
    """The first frame of the picture at `path`, turned upright by its EXIF orientation, as RGB.

    Transparency is composited on white, 16-bit values are scaled to 8 bits, and CMYK is converted without a
    colour profile; each of these leaves a note.

    Args:
        path: where it lies.
        expected: sha256 of the bytes that were found there before; None to take what comes.

    Raises:
        DecodeError: no picture, truncated, broken, too large, or with values that have no known range; or not the
            bytes that were expected.
    """
    with _opened(path, expected) as image:
        frames = int(getattr(image, "n_frames", 1)) if image.format != "MPO" else 1
        notes = [f"first of {frames} frames"] if frames > 1 else []
        image.load()
        orientation = image.getexif().get(0x0112, 1)
        upright = ImageOps.exif_transpose(image)
        if orientation in range(2, 9):
            notes.append(f"EXIF orientation {orientation} applied")
        rgb, note = _to_rgb(upright, path)
        if note:
            notes.append(note)
    return Picture(np.array(rgb, dtype=np.uint8), tuple(notes))


@contextmanager
def _opened(path: Place, expected: str | None = None) -> Iterator[Image.Image]:
    """The opened picture; whatever its format's reader raises inside the block becomes a DecodeError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and broken metadata are dealt with here, in one voice
            with Image.open(_source(path, expected)) as image:
                _refuse_bomb(path, image.width * image.height)
                yield image
    except DecodeError:
        raise
    except UnidentifiedImageError:
        raise DecodeError(str(path), _unidentified(path)) from None
    except Image.DecompressionBombError:
        raise _bomb(path, "far too many") from None
    except Exception as error:  # format readers raise anything from OSError to struct.error on broken bytes
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(str(path), f"cannot be decoded ({told})") from error


def _source(path: Place, expected: str | None) -> io.BytesIO | Path:
    if expected is None and not isinstance(path, Remote):
        return path
    data = path.read_bytes()
    if expected is not None and sha256(data).hexdigest() != expected:
        raise DecodeError(str(path), "is not the picture that was found there before: it has changed")
    return io.BytesIO(data)


def _unidentified(path: Place) -> str:
    if (len(path.read_bytes()) if isinstance(path, Remote) else path.stat().st_size) == 0:
        return "the file is empty"
    return f"not a picture that can be read ({path.suffix.lower() or 'no suffix'})"


def _refuse_bomb(path: Place, pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise _bomb(path, f"{pixels / 1e6:.0f}")


def _bomb(path: Place, megapixels: str) -> DecodeError:
    reason = f"too large to decode safely: {megapixels} megapixels, the limit is {MAX_PIXELS / 1e6:.0f}"
    return DecodeError(str(path), reason, "Scale the picture down first.")


def _to_rgb(image: Image.Image, path: Place) -> tuple[Image.Image, str | None]:
    """`image` as RGB, and a note if more than a change of representation was needed."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_wide(image, path)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    if image.mode == "CMYK":
        return image.convert("RGB"), "CMYK converted to RGB without a colour profile"
    note = "greyscale" if image.mode in ("1", "L") else None
    return image.convert("RGB"), note


def _on_white(image: Image.Image) -> tuple[Image.Image, str | None]:
    low, _ = image.getchannel("A").getextrema()
    if low == 255:
        return image.convert("RGB"), None
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB"), "alpha composited on white"


def _from_wide(image: Image.Image, path: Place) -> tuple[Image.Image, str]:
    """A picture of one channel with more than 8 bits; the full range of its type is mapped to 0..255."""
    values = np.asarray(image).astype(np.float64)
    top, note = _full_range(image, values, path)
    grey = np.rint(values * (255.0 / top)).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB"), note


def _full_range(image: Image.Image, values: npt.NDArray[np.float64], path: Place) -> tuple[float, str]:
    """The value that means white, with a note.

    16-bit modes mean 65535 by definition.  32-bit modes carry no range: the smallest customary one that holds
    every value is taken (floats: 0..1, 0..255; integers: 0..255, 0..65535), and the note says which.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return 65535.0, "16-bit greyscale scaled from 0..65535"
    kind, tops = ("float", (1.0, 255.0)) if image.mode == "F" else ("32-bit", (255.0, 65535.0))
    if np.isfinite(values).all() and values.min() >= 0:
        for top in tops:
            if values.max() <= top:
                return top, f"{kind} greyscale scaled from 0..{top:g}"
    reason = f"{kind} greyscale with values outside 0..{tops[-1]:g}: their range is not known"
    raise DecodeError(str(path), reason, "Convert the picture to 8 or 16 bits.")
