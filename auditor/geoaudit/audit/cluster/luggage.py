"""What a worker needs of the run, and the files that it may not find on its own machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.audit import provenance
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.make import Bench
from geoaudit.audit.opening import Engines, repeating
from geoaudit.audit.settings import Settings
from geoaudit.digests import sha256
from geoaudit.errors import GeoauditError, UsageError
from geoaudit.images.baseline import picture_of
from geoaudit.model import artifact as artifacts
from geoaudit.model.head import Head


@dataclass(frozen=True)
class Packed:
    """One file.

    Attributes:
        path: where it lies on the machine that started the run; absolute.
        folder: its place below a worker's own folder; files that name each other share one.
        sha256: of its bytes.
    """

    path: Path
    folder: str
    sha256: str


@dataclass(frozen=True)
class Witness:
    """The first image's numbers as the process that started the run computes them.

    Attributes:
        scores: of onnxruntime, shape (1, classes).
        gradient: of the explained output, shape (1, *shape); None in a gradient-free audit.
    """

    scores: Floats
    gradient: Floats | None


@dataclass(frozen=True)
class Luggage:
    """A run as a worker sees it.

    Attributes:
        settings: with the measured engine settings made explicit; files under their names on the first machine.
        inputs: without images, but with the first one in `first`.
        head: where the scores are read, confirmed.
        providers: distribution and version of every plugin that runs, by id.
        packages: versions that numbers depend on.
        files: what a worker may lack.
        picture: the one that the baseline is read from.
        witness: what its own numbers are compared with.
        memory: bytes that one method's arrays may take.
        shown: ids of the images whose maps and pictures are wanted; None for all.
        pictures: keep maps that show the picture.
    """

    settings: Settings
    inputs: Inputs
    head: Head
    providers: Mapping[str, str]
    packages: Mapping[str, str]
    files: tuple[Packed, ...]
    picture: Path | None
    witness: Witness
    memory: int
    shown: frozenset[str] | None
    pictures: bool


def pack(settings: Settings, bench: Bench, engines: Engines, inputs: Inputs) -> Luggage:
    """The run as its workers need it.

    Args:
        settings: with absolute paths.
        bench: of this process.
        engines: of this process.
        inputs: the images.

    Raises:
        GeoauditError: a file cannot be read any more.
        UsageError: workers would have GPUs, and this process has none.
    """
    first, targets = inputs.first[:1], inputs.targets[:1]
    gradient = None
    if engines.twin is not None:
        gradient = engines.twin.value_and_gradient(first, targets, settings.explain)[1]
    picture = picture_of(settings.baseline)
    device = engines.runtime.device if engines.twin is None else engines.twin.device.type
    if settings.cluster is not None and settings.cluster.gpus and device == "cpu":
        raise UsageError(
            "--worker-gpus", "this process computes without a GPU, and its workers compute as it does",
            "Start the audit on a node with a GPU, or leave --worker-gpus out.",
        )  # fmt: skip
    told = replace(
        repeating(settings, engines), images=Path(), labels=None, calibration=None, cluster=None, sources={},
        device=device, threads=engines.runtime.threads,
    )  # fmt: skip
    empty = replace(
        inputs, files=(), infos=inputs.infos[:1], first=first, data=inputs.data.model_copy(update={"images": []}),
        labelling=replace(inputs.labelling, labels={}),
    )  # fmt: skip
    return Luggage(
        settings=told,
        inputs=empty,
        head=engines.head,
        providers=dict(bench.plan.providers),
        packages=provenance.packages(set()),
        files=tuple(_packed(settings, engines, picture)),
        picture=None if picture is None else picture.absolute(),
        witness=Witness(engines.runtime.logits(first), gradient),
        memory=bench.probe.memory,
        shown=bench.shown,
        pictures=bench.pictures,
    )


def absolute(settings: Settings) -> Settings:
    """With paths that do not depend on where a process was started, for workers are started elsewhere."""
    coder, operators, learned = settings.autoencoder, settings.custom_ops, settings.calibration
    return replace(
        settings,
        model=settings.model.absolute(),
        images=settings.images.absolute() if isinstance(settings.images, Path) else settings.images,
        calibration=None if learned is None else learned.absolute(),
        autoencoder=None if coder is None else (coder[0].absolute(), coder[1].absolute()),
        custom_ops=None if operators is None else operators.absolute(),
    )


def _packed(settings: Settings, engines: Engines, picture: Path | None) -> Iterator[Packed]:
    yield from _with_companions(engines.artifact.path, engines.artifact.external_data, "model")
    for path, folder in zip(settings.autoencoder or (), ("encoder", "decoder"), strict=False):
        yield from _with_companions(path, artifacts.read(path).external_data, folder)
    for single, folder in ((settings.custom_ops, "operators"), (picture, "baseline")):
        if single is not None:
            yield from _with_companions(single, (), folder)


def _with_companions(path: Path, others: tuple[str, ...], folder: str) -> Iterator[Packed]:
    for file, below in ((path, ""), *((path.parent / name, str(Path(name).parent)) for name in others)):
        try:
            yield Packed(file.absolute(), f"{folder}/{below}" if below not in ("", ".") else folder, sha256([file]))
        except OSError as error:
            raise GeoauditError(str(file), f"cannot be read ({error.strerror})", "Check the file.") from None


def content(packed: Packed) -> npt.NDArray[np.uint8]:
    """The file's bytes; an array, so that a cluster's memory is mapped instead of copied."""
    return np.fromfile(packed.path, dtype=np.uint8)


def unpacked(luggage: Luggage, contents: Mapping[str, Any], folder: Path) -> Settings:
    """The settings with every file where this machine has it: under the same path, or else in `folder`.

    Args:
        luggage: the run.
        contents: for every file its bytes, by path; called only where they are needed.
        folder: of this worker.

    Raises:
        GeoauditError: a file arrived damaged.
    """
    there = all(_same(packed, packed.path) for packed in luggage.files)
    places = {
        packed.path: packed.path if there else _written(packed, contents[str(packed.path)](), folder)
        for packed in luggage.files
    }

    settings = luggage.settings
    coder, operators, picture = settings.autoencoder, settings.custom_ops, luggage.picture
    return replace(
        settings,
        model=places[settings.model],
        autoencoder=None if coder is None else (places[coder[0]], places[coder[1]]),
        custom_ops=None if operators is None else places[operators],
        baseline=settings.baseline if picture is None else f"image:{places[picture]}",
    )


def _same(packed: Packed, path: Path) -> bool:
    try:
        return sha256([path]) == packed.sha256
    except OSError:
        return False


def _written(packed: Packed, data: npt.NDArray[np.uint8], folder: Path) -> Path:
    path = folder / packed.folder / packed.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    data.tofile(path)
    if not _same(packed, path):
        raise GeoauditError(str(packed.path), "arrived damaged at a worker", "Run the audit again.")
    return path
