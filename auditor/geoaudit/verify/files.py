"""Are the model, the pictures and what else was given the very files of the report?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from geoaudit.audit.calibration import MOST, THEMSELVES
from geoaudit.audit.result import ModelInfo, Report
from geoaudit.digests import sha256
from geoaudit.errors import ImagesError, ModelError
from geoaudit.images.discovery import Found, discover, manifest_sha256
from geoaudit.model import artifact
from geoaudit.verify.findings import (
    compared,
    failed,
    inside,
    passed,
    settled,
    skipped,
    some,
)
from geoaudit.verify.result import Finding
from geoaudit.words import counted

_MODEL = "model.sha256"
_AUTOENCODER = "model.autoencoder"
_CALIBRATION = "data.calibration"
_PICTURES = "images.sha256"
_MORE = "images.additional"


def check_model(model: ModelInfo, path: Path) -> Finding:
    """Whether the file, with the external data that belongs to it, has the report's digest."""
    beside = [inside(path.parent, name) for name in model.external_data]
    subject = ", ".join([path.name, *model.external_data])
    if None in beside:
        return failed(_MODEL, subject, "the report names external data outside the model's folder")
    try:
        found = sha256([path, *(file for file in beside if file is not None)])
    except OSError as error:
        return failed(_MODEL, subject, f"{error.filename}: cannot be read ({error.strerror})", model.sha256)
    if found != model.sha256:
        return failed(_MODEL, subject, "is not the model that was audited", model.sha256, found)
    try:
        own = artifact.read(path)
    except ModelError as error:
        return failed(_MODEL, subject, f"has the report's sha256 but {error.reason}", model.sha256, found)
    if own.sha256 != model.sha256:
        return failed(_MODEL, subject, "keeps weights in files that the report does not name", model.sha256, own.sha256)
    return passed(_MODEL, subject, "is the model that was audited")


def check_autoencoder(model: ModelInfo, files: tuple[Path, Path] | None) -> Iterator[Finding]:
    """Whether encoder and decoder are those of the report; nothing where it had none."""
    if model.autoencoder is None:
        return
    stated = (model.autoencoder.encoder, model.autoencoder.decoder)
    if files is None:
        yield skipped(_AUTOENCODER, f"{stated[0].file}, {stated[1].file}", "not given (--autoencoder)")
        return
    for file, path in zip(stated, files, strict=True):
        yield compared(_AUTOENCODER, path.name, file.sha256, path)


def check_calibration(report: Report, folder: Path | None) -> Iterator[Finding]:
    """Whether the pictures that methods learned from are those of the report."""
    learned = report.data.calibration
    if learned is None or learned.source == THEMSELVES:
        return
    if folder is None:
        yield skipped(_CALIBRATION, learned.source, "not given (--calibration)")
        return
    left_out = {skip.file for skip in learned.skipped}
    try:
        files = [file for file in discover(folder, MOST).files if file.id not in left_out]
    except ImagesError as error:
        yield failed(_CALIBRATION, folder.name, error.reason)
        return
    found = manifest_sha256(files)
    pictures = counted(learned.count, "picture")
    if found == learned.manifest_sha256:
        yield passed(_CALIBRATION, folder.name, f"holds the {pictures} that methods learned from")
        return
    reason = f"does not hold the {pictures} that methods learned from: it has {len(files)}, or others"
    yield failed(_CALIBRATION, folder.name, reason, learned.manifest_sha256, found)


@dataclass(frozen=True)
class Pictures:
    """The report's pictures as found.

    Attributes:
        unchanged: image id to the file that has the report's digest.
        findings: what was found.
    """

    unchanged: Mapping[str, Path]
    findings: list[Finding]


def check_pictures(report: Report, root: Path) -> Pictures:
    """Look up every picture of the report by its id and compare its digest; what else lies there is noted."""
    try:
        found: Found | None = discover(root, _limit(report))
    except ImagesError:
        found = None
    known = {file.id: file.sha256 for file in found.files} if found is not None else {}
    names = {digest: name for name, digest in reversed(known.items())}
    unchanged: dict[str, Path] = {}
    faults: list[Finding] = []
    for image in report.data.images:
        path = _picture(root, image.id)
        digest = known.get(image.id) or _digest(path)
        if path is not None and digest == image.sha256:
            unchanged[image.id] = path
        elif digest is None:
            moved = names.get(image.sha256)
            elsewhere = f"; its bytes lie there as {moved}" if moved is not None else ""
            faults.append(failed(_PICTURES, image.id, f"is missing, or cannot be read{elsewhere}", image.sha256))
        else:
            faults.append(failed(_PICTURES, image.id, "is not the picture that was audited", image.sha256, digest))
    reason = f"holds the {counted(len(report.data.images), 'picture')} of the report, unchanged"
    findings = settled(_PICTURES, root.name, reason, faults)
    return Pictures(unchanged, [*findings, *_additional(report, root, found)])


def _additional(report: Report, root: Path, found: Found | None) -> Iterator[Finding]:
    """Pictures that lie there and are not part of the report."""
    if found is None:
        return
    left_out = {skip.file for skip in report.data.skipped}
    if report.data.detail is not None:
        files = [file for file in found.files if file.id not in left_out]
        pictures = counted(report.data.count, "picture")
        if manifest_sha256(files) == report.data.manifest_sha256:
            yield passed(_MORE, root.name, f"holds all {pictures} of the audit, those that are not listed included")
        else:
            reason = f"does not hold the {pictures} of the audit: it has {len(files)}, or others"
            yield failed(_MORE, root.name, reason, report.data.manifest_sha256, manifest_sha256(files))
        return
    audited = {image.id for image in report.data.images} | left_out
    more = [file.id for file in found.files if file.id not in audited]
    if more:
        verb = "is" if len(more) == 1 else "are"
        limit = _limit(report)
        why = "" if limit is None else f" though its limit of {limit} would choose {'it' if len(more) == 1 else 'them'}"
        yield skipped(
            _MORE, some(more), f"{verb} not part of the report{why}; a report can only speak of what it was given"
        )


def _limit(report: Report) -> int | None:
    stated = report.config.get("limit")
    value = None if stated is None else stated.value
    return value if isinstance(value, int) and value >= 1 else None


def _picture(root: Path, name: str) -> Path | None:
    if root.is_dir():
        return inside(root, name)
    return root if name == root.name else None


def _digest(path: Path | None) -> str | None:
    try:
        return None if path is None else sha256([path])
    except OSError:
        return None
