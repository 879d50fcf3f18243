"""The run's beginning: model loaded, images read, the model converted and certified, the speed measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from geoaudit import threads
from geoaudit.api import Autoencoder, Floats, InputSpace, Status
from geoaudit.audit.inputs import Inputs, gather
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import AutoencoderInfo, GradientParity, NamedFile, Parity
from geoaudit.audit.settings import Settings
from geoaudit.audit.speed import Speed, measure_speed
from geoaudit.digests import sha256
from geoaudit.errors import UsageError
from geoaudit.images.preprocess import resolve
from geoaudit.memory import Memory
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.artifact import Artifact
from geoaudit.model.head import Head
from geoaudit.model.normalise import normalise
from geoaudit.model.parity import certify, raise_if_failed
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.words import counted

NOT_CONVERTED = "not converted: --gradient-free"
"""The certificate's reason where there is nothing to certify."""


@dataclass(frozen=True)
class Engines:
    """The audited file and what evaluates it.

    Attributes:
        artifact: the file.
        runtime: onnxruntime on it; its head is the one in force.
        twin: the differentiable twin; None in a gradient-free audit.
        clean_up: what converting the file had to change, in sentences for the report.
        autoencoder: the user's; None where none was given.
        autoencoder_info: what the report says of it.
    """

    artifact: Artifact
    runtime: Runtime
    twin: Twin | None
    clean_up: tuple[str, ...] = ()
    autoencoder: Autoencoder | None = None
    autoencoder_info: AutoencoderInfo | None = None

    @property
    def head(self) -> Head:
        """Where the scores are read."""
        return self.runtime.head

    @property
    def notes(self) -> tuple[str, ...]:
        """What running and converting the file had to change, until now, in sentences for the report."""
        return (*self.runtime.notes, *(() if self.twin is None else self.twin.notes), *self.clean_up)


def open_model(settings: Settings, tell: Observer) -> tuple[Engines, Inputs]:
    """Load the model, gather the images, and convert the model unless the audit is gradient-free.

    Raises:
        GeoauditError: the model, the images or an option cannot be used; one message says why.
    """
    if settings.custom_ops is not None and not settings.custom_ops.is_file():
        raise UsageError(f"--custom-ops {settings.custom_ops}", "there is no such file", "Name a shared library.")
    if settings.autoencoder is not None:
        _check_autoencoder(settings, settings.autoencoder)
    tell.stage("loading the model", 2)
    artifact = artifacts.load(settings.model)
    head = heads.find(artifact, output=settings.output, custom_ops=settings.custom_ops)
    preprocessing = resolve(settings.preprocess, settings.preprocess_config, artifact.proto, artifact.path)
    threads.allow(settings.threads)
    runtime = Runtime(artifact, head, settings.device, settings.threads, custom_ops=settings.custom_ops)
    for warning in runtime.warnings:
        tell.warn(warning)
    tell.advance(1)
    inputs = gather(settings, artifact, runtime, preprocessing, tell)
    if settings.gradient_free:
        return Engines(artifact, runtime, None), inputs
    tell.stage("converting", 1)
    return converted(settings, artifact, runtime, inputs.preprocessing.space, inputs.first), inputs


def converted(settings: Settings, artifact: Artifact, runtime: Runtime, space: InputSpace, first: Floats) -> Engines:
    """The engines of an audit with gradients.

    Args:
        settings: what was asked for.
        artifact: the file.
        runtime: onnxruntime on it, its head confirmed.
        space: the model's input.
        first: the first images in model input space, shape (m, *shape), m >= 1.

    Raises:
        GeoauditError: the model cannot be converted, or the autoencoder not be used.
    """
    normalised = normalise(artifact.proto, runtime.head)
    twin = Twin(
        normalised,
        runtime.head,
        settings.device,
        settings.threads,
        batch_size=settings.batch_size,
        channels_last=settings.channels_last,
        memory=_for_gradients(settings, artifact),
        thing=str(settings.model),
        remembered_as=artifact.sha256,
        engine=settings.gradient_engine,
        space=settings.explain,
    )
    notes = tuple(f"Graph clean-up: {note}" for note in normalised.notes)
    return Engines(artifact, runtime, twin, notes, *_autoencoder(settings, space, first))


def _for_gradients(settings: Settings, artifact: Artifact) -> int:
    """Bytes for one gradient batch; on CUDA a quarter of the device's memory, for what is free there changes."""
    if settings.device != "cpu" and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory) // 4
    return Memory(settings.memory).gradients(artifact.bytes)


def repeating(settings: Settings, engines: Engines) -> Settings:
    """Settings under which another process chooses the same way to compute gradients."""
    setting = None if engines.twin is None else engines.twin.setting
    if setting is None:
        return settings
    return replace(
        settings,
        channels_last=setting.channels_last,
        batch_size=setting.batch_size,
        gradient_engine=setting.engine,
    )


def _check_autoencoder(settings: Settings, files: tuple[Path, Path]) -> None:
    """What can be known of it before anything slow happens.

    Raises:
        UsageError: the audit is gradient-free, or a file is missing.
    """
    if settings.gradient_free:
        raise UsageError(
            "--autoencoder", "is of no use with --gradient-free: the methods that walk through it need gradients",
            "Leave one of the two out.",
        )  # fmt: skip
    for file in files:
        if not file.is_file():
            raise UsageError(
                f"--autoencoder {file}", "there is no such file", "Name the encoder's ONNX file, then the decoder's."
            )


def _autoencoder(
    settings: Settings, space: InputSpace, first: Floats
) -> tuple[Autoencoder | None, AutoencoderInfo | None]:
    """The user's autoencoder, loaded, and what the report says of it."""
    if settings.autoencoder is None:
        return None, None
    from geoaudit.model.autoencoder import load_autoencoder

    encoder, decoder = settings.autoencoder
    made = load_autoencoder(encoder, decoder, space, settings.device, first)
    info = AutoencoderInfo(encoder=_named(encoder), decoder=_named(decoder), code_shape=list(made.code_shape))
    return made, info


def _named(file: Path) -> NamedFile:
    return NamedFile(file=file.name, sha256=sha256([file]))


def certify_model(engines: Engines, inputs: Inputs, settings: Settings, tell: Observer) -> tuple[Parity, Speed]:
    """The parity certificate and, since everything is warm then, the speed.

    Raises:
        ParityError: the converted model does not compute what onnxruntime computes.
    """
    tell.stage("measuring the speed" if engines.twin is None else "comparing with onnxruntime", 2)
    parity = _certificate(engines, inputs, settings)
    tell.advance(1)
    if engines.twin is not None:
        _tell_engine(engines.twin, settings, tell)
    return parity, measure_speed(engines.runtime, engines.twin, inputs.first[:1], settings.explain)


def _tell_engine(twin: Twin, settings: Settings, tell: Observer) -> None:
    """Say how gradients are computed, and warn where that is not how it was asked for."""
    setting = twin.setting
    if setting is None:
        return
    batch = f"{counted(setting.batch_size, 'image')} a batch"
    tell.say(f"gradients: {setting.engine}, {'image by image' if setting.engine == 'onnxruntime' else batch}")
    if settings.gradient_engine not in (None, setting.engine):
        reasons = [trial.reason for trial in twin.trials if trial.engine == settings.gradient_engine]
        tell.warn(f"gradients: {setting.engine} instead of {settings.gradient_engine}, as was asked for: {reasons[0]}")


def _certificate(engines: Engines, inputs: Inputs, settings: Settings) -> Parity:
    if engines.twin is None:
        return uncertified()
    rng = np.random.default_rng([settings.seed, 1])
    targets = inputs.targets[: len(inputs.first)]
    parity = certify(engines.runtime, engines.twin, inputs.first, targets, settings.explain, rng)
    raise_if_failed(parity, str(settings.model))
    return parity


def uncertified() -> Parity:
    """The certificate of a model that was not converted."""
    return Parity(
        status=Status.SKIP,
        reason=NOT_CONVERTED,
        images=0,
        max_abs_diff=None,
        max_rel_diff=None,
        top1_agreement=None,
        gradient=GradientParity(directions=0, median_rel_error=None, max_rel_error=None, tolerance=None),
        tolerance=None,
        first_difference=None,
    )
