"""maps.npz: attribution maps and thumbnails, read one at a time so that memory stays flat."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.errors import UsageError

Layout = Literal["NCHW", "NHWC"]

_WAY_OUT = "Run the audit again, or remove the file to render the report without pictures."


class MapStore:
    """The arrays of a maps.npz.

    Keys are `<image id>/<method id>` (float32, one sample in the model's layout, signed, in units of the
    explained output) and `<image id>/thumbnail` (uint8, (h, w, 3), RGB).

    Args:
        path: the file; opened at once, its arrays are read when asked for.

    Raises:
        UsageError: the file is missing or is no .npz archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            archive = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise UsageError(str(path), "there is no such file", _WAY_OUT) from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(str(path), f"is no readable maps file ({error})", _WAY_OUT) from error
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise UsageError(str(path), "is no .npz archive", _WAY_OUT)
        self._archive = archive
        self._names = frozenset(archive.files)

    def __enter__(self) -> MapStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    def holds(self, image: str, method: str) -> bool:
        """Whether the map of `method` on `image` is stored; reads nothing."""
        return f"{image}/{method}" in self._names

    def attribution(self, image: str, method: str) -> npt.NDArray[np.float32] | None:
        """The map of `method` on `image` as it was scored: float32, the model's layout, signed; None if not stored.

        Raises:
            UsageError: the array is damaged or has no three axes.
        """
        values = self._read(f"{image}/{method}")
        if values is not None and values.ndim != 3:
            raise UsageError(str(self._path), f"{image}/{method} has {values.ndim} axes instead of 3", _WAY_OUT)
        return values

    def summed_map(self, image: str, method: str, layout: Layout) -> npt.NDArray[np.float32] | None:
        """The map of `method` on `image`, summed over channels: float32 (h, w), signed; None if not stored.

        Raises:
            UsageError: the array is damaged or has no three axes.
        """
        values = self.attribution(image, method)
        if values is None:
            return None
        summed: npt.NDArray[np.float32] = values.sum(axis=0 if layout == "NCHW" else 2, dtype=np.float32)
        return summed

    def thumbnail(self, image: str) -> npt.NDArray[np.uint8] | None:
        """The picture: uint8 (h, w, 3), RGB, 0..255; None if pictures were not stored.

        Raises:
            UsageError: the array is damaged or no uint8 RGB picture.
        """
        pixels = self._read(f"{image}/thumbnail")
        if pixels is None:
            return None
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise UsageError(str(self._path), f"{image}/thumbnail is no uint8 RGB picture", _WAY_OUT)
        return pixels

    def _read(self, key: str) -> npt.NDArray[Any] | None:
        if key not in self._names:
            return None
        try:
            array: npt.NDArray[Any] = self._archive[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UsageError(str(self._path), f"{key} cannot be read ({error})", _WAY_OUT) from error
        return array
