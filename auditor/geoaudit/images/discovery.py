"""Finds the pictures: which files are audited, in which order, and which are left out and why."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoaudit.errors import ImagesError, UsageError
from geoaudit.images.decoding import why_no_picture


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
    path: Path
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


def discover(root: Path, limit: int | None, labels_file: Path | None = None) -> Found:
    """The pictures at `root`: a folder (searched with its sub-folders, links followed) or one picture file.

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
    if not root.exists():
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


def _candidates(root: Path, unreadable: list[OSError]) -> Iterator[tuple[str, Path]]:
    """Every file that is not hidden, with its id; folders that cannot be read go to `unreadable`."""
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


def _sifted(root: Path, labels_file: Path | None) -> tuple[dict[str, Path], list[SkippedFile]]:
    """The pictures by id, and what else is there."""
    pictures: dict[str, Path] = {}
    skipped: list[SkippedFile] = []
    unreadable: list[OSError] = []
    for name, path in sorted(_candidates(root, unreadable)):
        if labels_file is not None and path.resolve() == labels_file.resolve():
            continue
        printable = name.encode(errors="backslashreplace").decode()
        # a report is UTF-8, so an id must be
        reason = why_no_picture(path) if printable == name else "its name is not valid UTF-8"
        if reason is None:
            pictures[name] = path
        else:
            skipped.append(SkippedFile(printable, reason))
    for error in unreadable:
        folder = Path(error.filename).relative_to(root).as_posix()
        skipped.append(SkippedFile(folder, f"folder cannot be read ({error.strerror})"))
    return pictures, skipped


def _folder(image_id: str) -> str | None:
    first, slash, _ = image_id.partition("/")
    return first if slash else None


def _hashed(files: Iterable[tuple[str, Path]]) -> tuple[list[ImageFile], list[SkippedFile]]:
    first: dict[str, str] = {}
    hashed: list[ImageFile] = []
    unreadable: list[SkippedFile] = []
    for name, path in files:
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            unreadable.append(SkippedFile(name, f"cannot be read ({error.strerror or error})"))
            continue
        file = ImageFile(name, path, _folder(name), digest)
        hashed.append(replace(file, duplicate_of=first.get(digest)))
        first.setdefault(digest, name)
    return hashed, unreadable


def _nothing_usable(root: Path, skipped: Sequence[SkippedFile]) -> ImagesError:
    if not skipped:
        reason = "the folder holds no files"
    else:
        shown = "; ".join(f"{file.file}: {file.reason}" for file in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        reason = f"no picture could be used ({shown}{more})"
    return ImagesError(str(root), reason, "Give a folder with JPEG, PNG, WebP, TIFF, BMP or GIF pictures.")
