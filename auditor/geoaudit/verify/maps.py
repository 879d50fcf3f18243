"""Are the maps whole, and do the scores that a map alone decides follow from it?  One pass, one map at a time."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import InputSpace
from geoaudit.audit.result import PerImage, Report
from geoaudit.flags import SHOWS_PICTURE
from geoaudit.scoring import ncc
from geoaudit.verify.findings import compared, failed, passed, settled, skipped
from geoaudit.verify.numbers import EXACT, MEASURED_TWICE, close, from_sums, unlike
from geoaudit.verify.result import Finding
from geoaudit.words import counted

_FILE, _CONTENT, _SCORES = "maps.sha256", "maps.content", "maps.scores"
_HEADER = 1024
"""Bytes beyond the numbers that one stored array may take."""
_THUMBNAIL = "thumbnail"
_INVERTED = "inverted:"
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError)
_BROKEN = (*_DAMAGED, ValueError, NotImplementedError, RuntimeError)
"""What reading a damaged archive or array raises."""


def check_maps(path: Path, report: Report) -> Iterator[Finding]:
    """The file's digest, every array in it, and what follows from the arrays.

    Args:
        path: maps.npz.
        report: what the file should hold.
    """
    if not path.is_file():
        wanted = report.maps is not None
        make = failed if wanted else skipped
        yield make(_FILE, path.name, "is missing" if wanted else "is not there, and the report names none")
        return
    whole = True
    if report.maps is None:
        yield skipped(_FILE, path.name, "the report, of an earlier version, holds no digest of it")
    else:
        finding = compared(_FILE, path.name, report.maps.sha256, path)
        whole = finding.status == "PASS"
        yield finding
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _Reader(archive, report).findings(whole)
    except _BROKEN as error:
        yield failed(_CONTENT, path.name, f"its directory of maps is damaged ({error})")


@dataclass
class _Reader:
    """One pass over an archive."""

    archive: zipfile.ZipFile
    report: Report
    profiles: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))

    def findings(self, whole: bool) -> Iterator[Finding]:
        """Faults of the content, then of the scores; `whole`: the file has the report's digest."""
        faults = list(self._names())
        scores: list[Finding] = []
        rows = {(row.image, row.method): row for row in self.report.per_image}
        space, pictures = input_space(self.report), {image.id for image in self.report.data.images}
        read = 0
        for info in self.archive.infolist():
            key = info.filename.removesuffix(".npy")
            image, method = map_of(key, pictures)
            if image is None:
                continue
            shape = (*space.size, 3) if method == _THUMBNAIL else space.shape
            array = self._array(info, key, shape, np.dtype(np.uint8 if method == _THUMBNAIL else np.float32))
            if isinstance(array, Finding):
                faults.append(array)
                continue
            read += 1
            row = rows.get((image, method))
            if row is not None and method != _THUMBNAIL:
                scores += self._scores(row, array, space)
        told = f"{counted(read, 'array')} complete, finite and undamaged"
        if not whole and not faults:
            told += "; the file was changed where no map is stored, or written anew"
        yield from settled(_CONTENT, "maps and thumbnails", told, faults)
        scores += self._medians()
        reason = "the NCC scores and profiles, and the walks' sums, follow from the maps"
        if faults and not scores:
            yield passed(_SCORES, "scores of maps", f"{reason} that could be read")
        else:
            yield from settled(_SCORES, "scores of maps", reason, scores)

    def _names(self) -> Iterator[Finding]:
        """Maps that are missing, twice there, or of nothing in the report."""
        counts = Counter(info.filename.removesuffix(".npy") for info in self.archive.infolist())
        methods = [m for m in self.report.methods if not m.id.startswith(_INVERTED)]
        images = [image.id for image in self.report.data.images]
        allowed = {f"{image}/{m.id}" for image in images for m in methods}
        thumbnails = {f"{image}/{_THUMBNAIL}" for image in images}
        wanted = {f"{image}/{m.id}" for image in images for m in methods if m.status == "ok"}
        if thumbnails & set(counts):
            wanted |= thumbnails
        else:
            wanted -= {f"{image}/{m.id}" for image in images for m in methods if SHOWS_PICTURE in m.flags}
        for key in sorted(wanted - set(counts)):
            yield failed(_CONTENT, key, "is missing")
        for key in sorted(set(counts) - allowed - thumbnails):
            yield failed(_CONTENT, _printable(key), "belongs to no picture and method of the report")
        for key, count in sorted(counts.items()):
            if count > 1:
                yield failed(_CONTENT, _printable(key), "is stored more than once", 1, count)

    def _array(
        self, info: zipfile.ZipInfo, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> npt.NDArray[Any] | Finding:
        size = int(np.prod(shape)) * dtype.itemsize
        if info.file_size > size + _HEADER:
            return failed(_CONTENT, key, "is larger than such an array", size, info.file_size)
        try:
            array = np.lib.format.read_array(io.BytesIO(self.archive.read(info)), allow_pickle=False)
        except _BROKEN as error:
            return failed(_CONTENT, key, f"is damaged ({error})")
        if array.dtype != dtype or array.shape != shape:
            found = f"{array.dtype} {array.shape}"
            return failed(_CONTENT, key, "is no such array", f"{dtype} {shape}", found)
        if not np.isfinite(array).all():
            return failed(_CONTENT, key, "holds what is no finite number")
        return np.asarray(array)

    def _scores(self, row: PerImage, values: npt.NDArray[Any], space: InputSpace) -> Iterator[Finding]:
        """What the map alone decides."""
        flat = values.ravel()
        total, magnitude = float(flat.sum(dtype=np.float64)), float(np.abs(flat).sum(dtype=np.float64))
        if row.scores.get("ncc-violation") is not None:
            self.profiles[row.method].append(ncc.profile(values, space))
        yield from unlike(_SCORES, row, from_sums(row.walk, total, magnitude), EXACT)
        if row.walk is None:
            return
        for name, stated, found in (
            ("attribution_sum", row.walk.attribution_sum, total),
            ("magnitude", row.walk.magnitude, magnitude),
        ):
            if abs(stated - found) > MEASURED_TWICE * magnitude:
                subject = f"walk.{name} of {row.method} on {row.image}"
                yield failed(_SCORES, subject, "is not that of the map", stated, found)

    def _medians(self) -> Iterator[Finding]:
        """The NCC profiles; of methods whose maps were all read."""
        for method in self.report.methods:
            found, stated = self.profiles.get(method.id, []), method.scores.get("ncc-violation")
            if stated is None or not found or len(found) != stated.n:
                continue
            for point in method.ncc_profile:
                median = float(np.median([profile.get(point.granularity, np.nan) for profile in found]))
                if not close(point.ncc_violation, median, EXACT):
                    subject = f"NCC profile of {method.id} at {point.granularity}"
                    yield failed(_SCORES, subject, "does not follow from the maps", point.ncc_violation, median)


def input_space(report: Report) -> InputSpace:
    """Layout and shape of the report's maps; its pixel ends are not used here."""
    stated = {name: sourced.value for name, sourced in report.data.preprocess.items()}
    height, width = stated["size"]
    channels = 1 if stated["channels"] == "grey" else 3
    shape = (channels, height, width) if stated["layout"] == "NCHW" else (height, width, channels)
    return InputSpace(stated["layout"], shape, (0.0,) * channels, (1.0,) * channels)


def map_of(key: str, images: Container[str]) -> tuple[str | None, str]:
    """Image id and method of a key; both may hold slashes, so the longest known image decides.  None: no such image."""
    for place in (i for i in reversed(range(len(key))) if key[i] == "/"):
        if key[:place] in images:
            return key[:place], key[place + 1 :]
    return None, key


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode("utf-8")
