"""Finds the pictures: which files are audited, in which order, and which are left out and why."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoaudit.errors import ImagesError, UsageError
from geoaudit.images.decoding import why_no_picture
from geoaudit.images.sources import Place, Remote


@dataclass(frozen=True)
class ImageFile:
    """A picture file.

    Attributes:
        id: path relative to the image folder, posix style; unique.
        path: where it lies.
        folder: first folder below the image folder (a class folder, perhaps); None for a file lying directly
            in it.
        sha256: of the file's bytes, 64 hexadecimal digits.
        duplicate_of: id of an earlier chosen picture with the same bytes; None if it is the first.
    """

    id: str
    path: Place
    folder: str | None
    sha256: str
    duplicate_of: str | None = None


@dataclass(frozen=True)
class SkippedFile:
    """A file that was left out, by its id, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What lies in the image folder.

    Attributes:
        files: the chosen pictures, sorted by id.
        skipped: files that are no pictures or cannot be read, sorted by id.
        available: number of pictures before `limit`.
    """

    files: tuple[ImageFile, ...]
    skipped: tuple[SkippedFile, ...]
    available: int


def discover(root: Place, limit: int | None, labels_file: Path | None = None) -> Found:
    """The pictures at `root`: a folder (searched with its sub-folders, links followed) or one picture file, on this
    machine or behind a URI.

    Hidden files and folders are ignored.  Only the pictures' headers are read here; a picture that breaks
    later, while it is decoded, raises `geoaudit.images.decoding.DecodeError` there.

    With `limit`, the places are dealt round to the first-level folders in turn, so that every class folder is
    represented while there are at least as many places as folders (with fewer, the folders are evenly
    spaced); within a folder the chosen pictures are evenly spaced over its sorted list.  No randomness is
    involved.

    Args:
        root: a folder or a picture file.
        limit: largest number of pictures to choose, at least 1; None for all.
        labels_file: a file that is known to hold labels, and hence is not listed as skipped.

    Raises:
        ImagesError: `root` does not exist, or holds no picture.
        UsageError: `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError("--limit", f"{limit} pictures leave nothing to audit", "Give a number from 1 on.")
    if not _exists(root):
        raise ImagesError(str(root), "no such file or folder", "Give a folder of pictures, or one picture file.")
    pictures, skipped = _sifted(root, labels_file)
    if not pictures:
        raise _nothing_usable(root, skipped)
    chosen = choose(sorted(pictures), limit)
    hashed, unreadable = _hashed([(name, pictures[name]) for name in chosen])
    skipped = sorted([*skipped, *unreadable], key=lambda file: file.file)
    if not hashed:
        raise _nothing_usable(root, skipped)
    return Found(tuple(hashed), tuple(skipped), len(pictures))


def choose(ids: Sequence[str], limit: int | None) -> list[str]:
    """At most `limit` of the sorted `ids`, by the rule of `discover`; sorted."""
    if limit is None or limit >= len(ids):
        return list(ids)
    by_folder: dict[str | None, list[str]] = defaultdict(list)
    for name in ids:
        by_folder[_folder(name)].append(name)
    groups = list(by_folder.values())
    if limit < len(groups):
        groups = [groups[i] for i in evenly_spaced(len(groups), limit)]
    places = [0] * len(groups)
    while sum(places) < limit:
        for i, group in enumerate(groups):
            if places[i] < len(group) and sum(places) < limit:
                places[i] += 1
    return sorted(
        group[i] for group, count in zip(groups, places, strict=True) for i in evenly_spaced(len(group), count)
    )


def evenly_spaced(n: int, k: int) -> list[int]:
    """`k` of the indices 0..n-1 (k <= n), at the middles of k equal stretches; ascending, distinct."""
    return [(2 * i + 1) * n // (2 * k) for i in range(k)]


def manifest_sha256(files: Iterable[ImageFile]) -> str:
    """sha256 of the sorted lines '<sha256>  <id>', each ended by a line feed (the format of sha256sum)."""
    lines = sorted(f"{file.sha256}  {file.id}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _exists(root: Place) -> bool:
    try:
        return root.exists()
    except OSError as error:
        raise ImagesError(
            str(root), f"cannot be asked for ({error})", "Check the address, the network and the credentials."
        ) from None


def _candidates(root: Place, unreadable: list[OSError]) -> Iterator[tuple[str, Place]]:
    """Every file that is not hidden, with its id; folders that cannot be read go to `unreadable`."""
    if isinstance(root, Remote):
        yield from ((name, place) for name, place in _listed(root) if not f"/{name}".count("/."))
        return
    if not root.is_dir():
        yield root.name, root
        return
    visited: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=unreadable.append):
        real = os.path.realpath(folder)
        if real in visited:  # a link that leads back up would be walked for ever
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if not name.startswith("."):
                yield path.relative_to(root).as_posix(), path


def _listed(root: Remote) -> list[tuple[str, Remote]]:
    try:
        return list(root.files())
    except OSError as error:
        raise ImagesError(str(root), f"cannot be listed ({error})", "Check the address and the credentials.") from None


def _sifted(root: Place, labels_file: Path | None) -> tuple[dict[str, Place], list[SkippedFile]]:
    """The pictures by id, and what else is there."""
    pictures: dict[str, Place] = {}
    skipped: list[SkippedFile] = []
    unreadable: list[OSError] = []
    for name, path in sorted(_candidates(root, unreadable)):
        if labels_file is not None and isinstance(path, Path) and path.resolve() == labels_file.resolve():
            continue
        reason = _why_no_id(name, pictures) or why_no_picture(path)
        if reason is None:
            pictures[name] = path
        else:
            skipped.append(SkippedFile(_printable(name), reason))
    for error in unreadable:
        folder = Path(error.filename).relative_to(str(root)).as_posix()
        skipped.append(SkippedFile(folder, f"folder cannot be read ({error.strerror})"))
    return pictures, skipped


def _why_no_id(name: str, taken: Collection[str]) -> str | None:
    """Why a file's name cannot be an id; an object store's names may be anything."""
    if any(unicodedata.category(sign) == "Cs" for sign in name):
        return "its name is not valid UTF-8"  # a report is, so an id must be
    if _printable(name) != name:
        return "its name has control characters"  # a manifest has a line for each id
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "its name is no path below the folder"
    return "another picture has the same name" if name in taken else None


def _printable(name: str) -> str:
    return "".join(
        ascii(sign)[1:-1] if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in name
    )


def _folder(image_id: str) -> str | None:
    first, slash, _ = image_id.partition("/")
    return first if slash else None


def _hashed(files: Iterable[tuple[str, Place]]) -> tuple[list[ImageFile], list[SkippedFile]]:
    first: dict[str, str] = {}
    hashed: list[ImageFile] = []
    unreadable: list[SkippedFile] = []
    for name, path in files:
        try:
            with path.open() if isinstance(path, Remote) else path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            unreadable.append(SkippedFile(name, f"cannot be read ({error.strerror or error})"))
            continue
        file = ImageFile(name, path, _folder(name), digest)
        hashed.append(replace(file, duplicate_of=first.get(digest)))
        first.setdefault(digest, name)
    return hashed, unreadable


def _nothing_usable(root: Place, skipped: Sequence[SkippedFile]) -> ImagesError:
    if not skipped:
        reason = "the folder holds no files"
    else:
        shown = "; ".join(f"{file.file}: {file.reason}" for file in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        reason = f"no picture could be used ({shown}{more})"
    return ImagesError(str(root), reason, "Give a folder with JPEG, PNG, WebP, TIFF, BMP or GIF pictures.")
