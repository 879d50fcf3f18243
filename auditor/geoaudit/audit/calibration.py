"""The pictures that methods learn from: the user's, or else the audited ones.

They are decoded again whenever they are asked for, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoaudit.api import Calibration, Floats
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import CalibrationSet, Skipped
from geoaudit.errors import ImagesError
from geoaudit.images.decoding import DecodeError, decode
from geoaudit.images.discovery import ImageFile, choose, discover, manifest_sha256
from geoaudit.images.preprocess import Preprocessing

MOST = 256
"""Pictures that methods learn from at most; more are thinned out evenly."""
THEMSELVES = "the audited images themselves"
"""The source where the user gave no pictures to learn from."""


def from_folder(
    folder: Path, audited: Collection[ImageFile], preprocessing: Preprocessing, tell: Observer
) -> tuple[Calibration, CalibrationSet]:
    """The pictures in `folder`, found and prepared as the audited ones are.

    Args:
        folder: a folder of pictures, or one picture.
        audited: the audited images, to say how many of them are learned from too.
        preprocessing: from pixels to model input.
        tell: told of the progress.

    Raises:
        ImagesError: there is no such folder, it holds no pictures, or none of them can be read.
    """
    try:
        found = discover(folder, MOST)
    except ImagesError as error:
        raise ImagesError(f"--calibration {error.thing}", error.reason, error.way_out) from None
    tell.stage("reading pictures to learn from", len(found.files))
    skipped = [Skipped(file=s.file, reason=s.reason) for s in found.skipped]
    files = []
    for file in found.files:
        tell.advance(1)
        try:
            decode(file.path, file.sha256)
        except DecodeError as error:
            skipped.append(Skipped(file=file.id, reason=error.reason))
        else:
            files.append(file)
    if not files:
        raise ImagesError(
            f"--calibration {folder}",
            "none of its pictures can be read: " + "; ".join(f"{s.file} ({s.reason})" for s in skipped[:5]),
            "Give a folder with readable pictures, or leave it out to learn from the audited images.",
        )
    source = f"the pictures in {folder.resolve().name}"
    known = {file.sha256 for file in audited}
    told = CalibrationSet(
        source=source,
        count=len(files),
        available=found.available,
        audited=sum(file.sha256 in known for file in files),
        manifest_sha256=manifest_sha256(files),
        skipped=sorted(skipped, key=lambda s: s.file),
    )
    return _calibration(source, files, preprocessing), told


def from_audited(files: Sequence[ImageFile], preprocessing: Preprocessing) -> tuple[Calibration, CalibrationSet]:
    """The audited images, for want of others.

    Args:
        files: the audited images that could be decoded.
        preprocessing: from pixels to model input.
    """
    chosen = set(choose(sorted(file.id for file in files), MOST))
    kept = [file for file in files if file.id in chosen]
    told = CalibrationSet(
        source=THEMSELVES,
        count=len(kept),
        available=len(files),
        audited=len(kept),
        manifest_sha256=manifest_sha256(kept),
        skipped=[],
    )
    return _calibration(THEMSELVES, kept, preprocessing), told


def _calibration(source: str, files: Sequence[ImageFile], preprocessing: Preprocessing) -> Calibration:
    return Calibration(source, tuple(file.id for file in files), _Loader(tuple(files), preprocessing))


@dataclass(frozen=True)
class _Loader:
    """Reads pictures by their places in the set; another process can do so too."""

    files: tuple[ImageFile, ...]
    preprocessing: Preprocessing

    def __call__(self, indices: Sequence[int]) -> Floats:
        chosen = [self.files[i] for i in indices]
        points = [self.preprocessing.apply(decode(file.path, file.sha256))[0] for file in chosen]
        return np.stack(points) if points else np.empty((0, *self.preprocessing.space.shape), dtype=np.float32)
