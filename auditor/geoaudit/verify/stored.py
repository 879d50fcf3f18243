"""What a verification is given: the stored report, and what its files should hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from geoaudit.audit.result import Report

REPORT = "report.json"
MAPS = "maps.npz"
CHECKSUMS = "SHA256SUMS"
PAGE, GALLERY = "report.html", "gallery"


@dataclass(frozen=True)
class Stored:
    """A report folder as found.

    Attributes:
        folder: where it lies.
        report: the report; None where report.json cannot be read as one.
        fault: why it cannot.
        checksums: the folder's list of digests: file name to sha256; None where there is no list.
        checksums_fault: why the list cannot be read; None if it can, or is not there.
        pages: renders the HTML pages from the report and the maps: name in the folder, and text.
    """

    folder: Path
    report: Report | None
    fault: str | None
    checksums: Mapping[str, str] | None
    checksums_fault: str | None
    pages: Callable[[], Iterable[tuple[str, str]]]

    @property
    def maps(self) -> Path:
        """The maps' file, there or not."""
        return self.folder / MAPS


@dataclass(frozen=True)
class Given:
    """What the verifier brings: files that a report names without holding them, and how to run.

    Attributes:
        model: the ONNX file.
        images: a folder or one picture.
        labels, calibration, autoencoder, custom_ops: as in `Settings`.
        baseline: the baseline picture; None where the report's baseline is no picture.
        device: "auto", "cpu" or "cuda"; None for the report's.
        plugins: third-party distributions that may load; None for all installed.
        skip: ids of methods that are not computed again.
        parameters: plugin parameters that the report's user set: plugin id, then name, then value.
    """

    model: Path
    images: Path
    labels: Path | None = None
    baseline: str | None = None
    calibration: Path | None = None
    autoencoder: tuple[Path, Path] | None = None
    custom_ops: Path | None = None
    device: str | None = None
    plugins: tuple[str, ...] | None = None
    skip: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """How much is to be computed again, and how closely it must agree.

    Attributes:
        sample: number of pictures; None for all of them, 0 for no re-run.
        seed: of the choice of pictures.
        tolerance: largest allowed difference of a number, at least 0 (`result.Difference.size`); of a map ten times it.
        expect: the sha256 that report.json must have; None to take it as it is.
    """

    sample: int | None
    seed: int
    tolerance: float
    expect: str | None = None
