"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from geoaudit.errors import OutputError


def write_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with "\\n" line ends to `path`; readers see the old file or the new, never half.

    What UTF-8 cannot hold, such as the bytes of a file name that are no text, is written out as ``\\udce9``.

    Raises:
        OutputError: the folder does not exist or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(text)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; a report is meant to be read
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Make `path` a folder if it is none yet; its parent is there.

    Raises:
        OutputError: it cannot be made, or something else goes by that name.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or type(error).__name__
    return OutputError(str(path), f"cannot be written: {reason}", "Make the place writable, or name another.")
