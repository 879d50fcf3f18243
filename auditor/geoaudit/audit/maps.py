"""The maps' file: float32 arrays beside the report, written one by one so that memory stays flat."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.audit.store.files import PART
from geoaudit.errors import OutputError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the archive says nothing of when it was written


class MapWriter:
    """Writes `maps.npz` under a temporary name; it appears under its own only when `keep` is called.

    As a context it leaves nothing behind when it ends by an exception, not even the folder if it made it.

    Args:
        folder: the report folder; made if missing.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "maps.npz"
        self._part = folder / PART
        self._made = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._archive = zipfile.ZipFile(self._part, "w", zipfile.ZIP_STORED, allowZip64=True)
        except OSError as error:
            raise OutputError(
                str(folder),
                f"cannot be written ({error.strerror or error})",
                "Choose another folder with -o.",
            ) from None

    def add(self, key: str, array: npt.NDArray[Any]) -> None:
        """Append one array under `key`.

        Raises:
            OutputError: the disk is full, or the like.
        """
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        with self._written():
            self._archive.writestr(zipfile.ZipInfo(f"{key}.npy", _EPOCH), buffer.getbuffer())

    def keep(self) -> Path:
        """Finish the file and give it its name.

        Raises:
            OutputError: the disk is full, or the like.
        """
        with self._written():
            self._archive.close()
            self._part.replace(self.path)
        return self.path

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                str(self.path),
                f"cannot be written ({error.strerror or error})",
                "Make room, or choose another folder.",
            ) from None

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # on a full disk closing fails like writing did; that error is on its way already
            self._archive.close()
        self._part.unlink(missing_ok=True)
        if self._made and kind is not None:
            with suppress(OSError):  # something else was written into it: then it stays
                self.path.parent.rmdir()
