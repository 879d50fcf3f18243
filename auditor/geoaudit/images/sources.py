"""Where pictures lie: paths of this machine, and places that fsspec reaches by a URI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from geoaudit.errors import UsageError

_MARK = "://"
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")


def veiled(text: str) -> str:
    """A text without what may be secret in the URIs within it: names and passwords, queries, fragments."""
    return _QUERY.sub(r"\1", _LOGIN.sub("", text))


@dataclass(frozen=True, order=True)
class Remote:
    """A file or folder by its URI, such as s3://bucket/photographs.

    Attributes:
        uri: with its protocol; credentials come from the protocol's own environment variables and files.
        inner: the path on the file system that the URI leads to, where the URI is that of a folder above.
    """

    uri: str
    inner: str | None = None

    def __str__(self) -> str:
        """For people: without what may be secret."""
        return veiled(self.uri) if self.inner is None else f"{veiled(self.uri)} ({veiled(self.inner)})"

    def __repr__(self) -> str:
        return f"Remote({str(self)!r})"

    @property
    def name(self) -> str:
        """The last part."""
        path = veiled(self.uri).partition(_MARK)[2] if self.inner is None else veiled(self.inner)
        return PurePosixPath(path).name

    @property
    def suffix(self) -> str:
        """The name's suffix, with its dot."""
        return PurePosixPath(self.name).suffix

    def exists(self) -> bool:
        """Whether something lies there.

        Raises:
            UsageError: nothing installed reaches it.
            OSError: it cannot be asked.
        """
        system, path = self._reached()
        return bool(_tried(lambda: system.exists(path)))

    def open(self) -> BufferedReader:
        """The file's bytes as a stream.

        Raises:
            OSError: it cannot be read.
        """
        system, path = self._reached()
        stream: BufferedReader = _tried(lambda: system.open(path, "rb"))
        return stream

    def read_bytes(self) -> bytes:
        """The file's bytes.

        Raises:
            OSError: it cannot be read.
        """
        with self.open() as stream:
            return bytes(_tried(stream.read))

    def files(self) -> Iterator[tuple[str, Remote]]:
        """Every file below this folder with its path relative to it; itself by its name if it is a file.

        Raises:
            OSError: it cannot be listed.
        """
        system, path = self._reached()
        # a web server tells a folder from a file by this mark alone
        if not path.endswith("/") and _tried(lambda: system.isfile(path)):
            yield self.name, self
            return
        root = path.rstrip("/")
        for found in map(str, _tried(lambda: system.find(path))):
            if found.startswith(f"{root}/"):
                yield veiled(found)[len(root) + 1 :], replace(self, inner=found)

    def _reached(self) -> tuple[Any, str]:
        """The file system and the path on it.

        Raises:
            UsageError: fsspec, or what it needs for this protocol, is not installed.
            OSError: it cannot be reached.
        """
        try:
            import fsspec

            system, path = fsspec.core.url_to_fs(self.uri)
        except ImportError as error:
            raise UsageError(
                str(self), f"needs a package that is not installed ({error})",
                "pip install 'geoaudit[remote]', and the package that reaches the protocol: s3fs, gcsfs, adlfs, ...",
            ) from None  # fmt: skip
        except ValueError as error:
            raise UsageError(
                str(self), f"cannot be reached ({veiled(str(error))})", "Give a folder, or another URI."
            ) from None
        except Exception as error:
            raise _failure(error) from None
        return system, str(path) if self.inner is None else self.inner


Place = Path | Remote


def place(text: str) -> Place:
    """A path, or what a URI names."""
    return Remote(text) if _MARK in text else Path(text)


def _tried(ask: Any) -> Any:
    """What `ask` returns; whatever a protocol's package raises becomes an OSError that tells no secret."""
    try:
        return ask()
    except Exception as error:
        raise _failure(error) from None


def _failure(error: Exception) -> OSError:
    told = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return OSError(veiled(told if isinstance(error, OSError) and told else f"{type(error).__name__}: {told}"))
