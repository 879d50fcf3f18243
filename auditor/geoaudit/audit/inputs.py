"""The audited images: found, decoded, given targets; then handed out in groups so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geoaudit.api import Calibration, Floats
from geoaudit.audit.calibration import from_audited, from_folder
from geoaudit.audit.drawing import drawn
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import CalibrationSet, Data, ImageInfo, Labels, Skipped
from geoaudit.audit.settings import Settings
from geoaudit.errors import ImagesError, UsageError
from geoaudit.images.baseline import describe
from geoaudit.images.decoding import DecodeError, decode
from geoaudit.images.discovery import Found, ImageFile, discover, manifest_sha256
from geoaudit.images.labels import Labelling, resolve_labels
from geoaudit.images.preprocess import Preprocessing
from geoaudit.model import explain
from geoaudit.model.artifact import Artifact
from geoaudit.model.runtime import Runtime

GROUP = 8
"""Images that are worked on together: enough to fill gradient batches, few enough for any memory."""
CERTIFIED = 32
"""Images whose outputs the parity certificate compares; the first ones."""


@dataclass(frozen=True)
class Inputs:
    """Everything about the audited images but their pixels.

    Attributes:
        files: the images that could be decoded, in order of their ids; in an adaptive audit in random order.
        infos: what the report says of them, same order.
        data: the report's part.
        preprocessing: from pixels to model input.
        labelling: class names and true labels.
        first: the first images in model input space, at most `CERTIFIED`, for the parity certificate.
        forwards: onnxruntime forwards spent on choosing targets.
        calibration: the pictures that methods learn from.
    """

    files: tuple[ImageFile, ...]
    infos: tuple[ImageInfo, ...]
    data: Data
    preprocessing: Preprocessing
    labelling: Labelling
    first: Floats
    forwards: int
    calibration: Calibration

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Explained classes, shape (n,)."""
        return np.array([info.target for info in self.infos], dtype=np.int64)


def gather(
    settings: Settings,
    artifact: Artifact,
    runtime: Runtime,
    preprocessing: Preprocessing,
    tell: Observer,
) -> Inputs:
    """Find, decode and classify the images once; their pixels are not kept.

    The first images also confirm how the model's scores are to be read: `runtime.head` holds from then on.

    Raises:
        ImagesError: no image could be decoded, or none of the pictures of --calibration.
        UsageError: --target is no class of the model, --baseline no baseline, or labels cannot be read.
    """
    head = runtime.head
    if settings.target is not None and not 0 <= settings.target < head.classes:
        raise UsageError(
            f"--target {settings.target}",
            f"the model has the classes 0 to {head.classes - 1}",
            "Give one of these.",
        )
    describe(settings.baseline, preprocessing)  # refuses an unknown kind before anything slow happens
    found = discover(settings.images, settings.limit, settings.labels)
    labelling = resolve_labels(settings.labels, artifact.metadata, artifact.path, head.classes, found.files)
    if settings.adaptive:
        order = drawn([file.id for file in found.files], settings.seed)
        found = replace(found, files=tuple(found.files[i] for i in order))
    tell.stage("reading images", len(found.files))
    skipped = [Skipped(file=s.file, reason=s.reason) for s in found.skipped]
    files: list[ImageFile] = []
    infos: list[ImageInfo] = []
    first: dict[str, Floats] = {}
    certified = None if settings.sample is None else set(settings.sample[:CERTIFIED])
    for batch in _decoded(found, preprocessing, skipped, tell):
        points = np.stack([x for _, x, _ in batch])
        if not files:
            head = runtime.confirm(points)
        rows = explain.probabilities(runtime.logits(points), head.tail)
        for (file, x, notes), probabilities in zip(batch, rows, strict=True):
            files.append(file)
            infos.append(_info(file, notes, probabilities, labelling, settings))
            if len(first) < CERTIFIED and (certified is None or file.id in certified):
                first[file.id] = x
    if not files:
        raise ImagesError(
            str(settings.images),
            "none of its pictures can be read: " + "; ".join(f"{s.file} ({s.reason})" for s in skipped[:5]),
            "Give a folder with at least one readable picture.",
        )
    if settings.calibration is not None:
        calibration, learned = from_folder(settings.calibration, files, preprocessing, tell)
    else:
        calibration, learned = from_audited(sorted(files, key=lambda file: file.id), preprocessing)
    if settings.sample is not None:
        files, infos = _only(settings.sample, files, infos)
    data = _data(files, infos, skipped, labelling, preprocessing, learned)
    points = np.stack([first[file.id] for file in files[:CERTIFIED]])
    return Inputs(tuple(files), tuple(infos), data, preprocessing, labelling, points, len(files), calibration)


def _only(
    sample: Sequence[str], files: Sequence[ImageFile], infos: Sequence[ImageInfo]
) -> tuple[list[ImageFile], list[ImageInfo]]:
    """The images of the sample, in its order.

    Raises:
        ImagesError: one of them is not there, or could not be decoded.
    """
    pairs = {file.id: (file, info) for file, info in zip(files, infos, strict=True)}
    missing = [name for name in sample if name not in pairs]
    if missing:
        raise ImagesError(
            missing[0], "is not among the pictures that can be read", "Give the folder that the report was made from."
        )
    return [pairs[name][0] for name in sample], [pairs[name][1] for name in sample]


def _decoded(
    found: Found, preprocessing: Preprocessing, skipped: list[Skipped], tell: Observer
) -> Iterator[list[tuple[ImageFile, Floats, list[str]]]]:
    """Decoded images in batches; what cannot be decoded goes to `skipped`."""
    batch: list[tuple[ImageFile, Floats, list[str]]] = []
    for file in found.files:
        tell.advance(1)
        try:
            picture = decode(file.path, file.sha256)
        except DecodeError as error:
            skipped.append(Skipped(file=file.id, reason=error.reason))
            continue
        notes = list(picture.notes)
        if file.duplicate_of is not None:
            notes.append(f"same bytes as {file.duplicate_of}")
        batch.append((file, preprocessing.apply(picture)[0], notes))
        if len(batch) == GROUP:
            yield batch
            batch = []
    if batch:
        yield batch


def _info(
    file: ImageFile,
    notes: list[str],
    probabilities: npt.NDArray[np.float64],
    labelling: Labelling,
    settings: Settings,
) -> ImageInfo:
    label = labelling.true_label(file)
    target = int(probabilities.argmax())
    if settings.target is not None:
        target = settings.target
    elif settings.explain_label and label is not None:
        target = label
    return ImageInfo(
        id=file.id,
        file=file.path.name,
        sha256=file.sha256,
        target=target,
        target_name=labelling.class_names.name(target),
        probability=float(probabilities[target]),
        predicted=int(probabilities.argmax()),
        label=label,
        notes=notes,
    )


def _data(
    files: list[ImageFile],
    infos: list[ImageInfo],
    skipped: list[Skipped],
    labelling: Labelling,
    preprocessing: Preprocessing,
    learned: CalibrationSet,
) -> Data:
    known = [info for info in infos if info.label is not None]
    accuracy = float(np.mean([info.predicted == info.label for info in known])) if known else None
    return Data(
        count=len(infos),
        manifest_sha256=manifest_sha256(files),
        skipped=sorted(skipped, key=lambda s: s.file),
        preprocess=preprocessing.sourced(),
        labels=Labels(
            source=labelling.source,
            names_source=labelling.class_names.source,
            labelled=len(known),
            top1_accuracy=accuracy,
            note=labelling.note,
        ),
        images=sorted(infos, key=lambda info: info.id),
        calibration=learned,
    )
