"""The user's autoencoder: an encoder and a decoder of model inputs, two ONNX files, evaluated by torch.

The encoder takes the audited model's input, in its layout and units (after preprocessing), and gives one code; the
decoder takes codes and gives model inputs back.  The first output of either file is used: of a variational encoder
that must be the mean.  Both files are converted as the audited model is, and held against onnxruntime when loaded.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geoaudit.api import Floats, InputSpace
from geoaudit.errors import ModelError
from geoaudit.model import artifact, graph, sessions
from geoaudit.model.artifact import Artifact
from geoaudit.model.autoencoder_engine import EXPORT, Engine, declared_batch, engine
from geoaudit.model.boundary import own_shape
from geoaudit.model.cores import usable_cores
from geoaudit.model.sessions import Session
from geoaudit.model.wording import brief

_OPTION = "--autoencoder"
_TRIED = 8


def load_autoencoder(
    encoder: Path, decoder: Path, space: InputSpace, device: str, probe_points: Floats
) -> OnnxAutoencoder:
    """Load, convert and check an autoencoder.

    Args:
        encoder: ONNX file from model inputs (m, *space.shape) to codes of any shape.
        decoder: ONNX file from codes to model inputs.
        space: the audited model's input.
        device: "cpu", "cuda", or "auto": CUDA if torch can use it.
        probe_points: model inputs on which torch is held against onnxruntime, shape (m, *space.shape), m >= 1; the
            first eight are used.

    Raises:
        ModelError: a file is missing or broken, cannot be converted or run, or does not fit the model or the other
            file; torch and onnxruntime disagree; or a decoded picture holds what is no number.
    """
    points = probe_points[:_TRIED]
    there, back = _read(encoder), _read(decoder)
    rank = len(there.inputs[0].shape)
    _check_picture(there, there.inputs[0].shape, space, rank)
    pictures = points.reshape(len(points), *own_shape(space.shape, rank))
    codes = _by_onnxruntime(there, pictures)
    _check_code(there, back, codes)
    drawn = _by_onnxruntime(back, codes)
    if drawn.shape[1:] not in {own_shape(space.shape, r) for r in _ranks(space)}:
        raise ModelError(
            f"{_OPTION} {decoder}", f"draws pictures of shape {_text(drawn.shape[1:])}; the model takes "
            f"{_text(space.shape)}", "Give the decoder that belongs to this model's input, in its layout and size.",
        )  # fmt: skip
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    return OnnxAutoencoder(
        engine(there, _named(there), pictures, codes, place),
        engine(back, _named(back), codes, drawn, place),
        space.shape,
        pictures.shape[1:],
    )


class OnnxAutoencoder:
    """An `api.Autoencoder` over two ONNX files.

    Args:
        encoder, decoder: the two files.
        shape: of one model input.
        declared: of one model input as the encoder takes it: `shape`, without its one channel, or flat.
    """

    def __init__(self, encoder: Engine, decoder: Engine, shape: tuple[int, ...], declared: tuple[int, ...]) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._shape = shape
        self._declared = declared

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one code."""
        return self._encoder.out

    def encode(self, points: Floats) -> Floats:
        """The codes, in the encoder's float type, (m, *code_shape), of points (m, *shape)."""
        return self._encoder.run(points.reshape(len(points), *self._declared))

    def decode(self, codes: Floats) -> Floats:
        """The points, in the decoder's float type, (m, *shape), of codes (m, *code_shape)."""
        return self._decoder.run(codes).reshape(len(codes), *self._shape)

    def pull_back(self, codes: Floats, gradients: Floats) -> Floats:
        """Gradients with respect to the points (m, *shape) carried back to the codes, dtype and shape of `codes`."""
        return self._decoder.pull_back(codes, gradients.reshape(len(gradients), *self._decoder.out))


def _read(path: Path) -> Artifact:
    try:
        found = artifact.read(path)
    except ModelError as error:
        raise ModelError(f"{_OPTION} {error.thing}", error.reason, error.way_out) from error
    if len(found.inputs) != 1 or not found.inputs[0].shape or not found.inputs[0].dtype.startswith("float"):
        raise ModelError(
            f"{_OPTION} {path}", f"must take one input of floating-point numbers; its inputs: "
            f"{graph.describe(found.inputs)}", EXPORT,
        )  # fmt: skip
    return found


def _ranks(space: InputSpace) -> tuple[int, ...]:
    """Ranks in which a batch of the model's inputs may be written."""
    return (4, 3, 2) if space.channels == 1 else (4, 2)


def _check_picture(file: Artifact, declared: list[int | str], space: InputSpace, rank: int) -> None:
    """Refuse an encoder that does not take the model's input."""
    wanted = own_shape(space.shape, rank) if rank in _ranks(space) else None
    if wanted is None or not _fits(declared[1:], wanted):
        raise ModelError(
            _named(file), f"takes pictures of shape {_text(declared[1:])}; the model takes "
            f"{_text(space.shape)}", "Give the encoder that belongs to this model's input, in its layout and size.",
        )  # fmt: skip


def _check_code(encoder: Artifact, decoder: Artifact, codes: Floats) -> None:
    """Refuse a decoder that does not take the encoder's codes."""
    declared = decoder.inputs[0].shape
    if len(declared) != codes.ndim or not _fits(declared[1:], codes.shape[1:]):
        raise ModelError(
            f"{_OPTION} {decoder.path}", f"takes codes of shape {_text(declared[1:])}; {encoder.path.name} gives "
            f"{_text(codes.shape[1:])}",
            "Give an encoder and a decoder of the same autoencoder, in that order; the first output of the encoder is "
            "the code.",
        )  # fmt: skip


def _fits(declared: list[int | str], shape: tuple[int, ...]) -> bool:
    """Whether `shape` is what is declared; names and "?" stand for any size."""
    return len(declared) == len(shape) and all(
        not isinstance(d, int) or d <= 0 or d == s for d, s in zip(declared, shape, strict=True)
    )


def _by_onnxruntime(file: Artifact, points: Floats) -> Floats:
    """The first output for each point, (m, ...), by the file itself, one batch of its declared size at a time."""
    thing = _named(file)
    try:
        session = sessions.start(file, file.outputs[0].name, [sessions.CPU], usable_cores())
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise ModelError(thing, f"onnxruntime cannot load it ({brief(error)})", EXPORT) from error
    size = declared_batch(file.inputs[0].shape) or 1
    try:
        rows = [_row(session, point, size) for point in points]
    except Exception as error:
        raise ModelError(
            thing, f"onnxruntime cannot run it on shape {_text(points.shape[1:])} ({brief(error)})", EXPORT
        ) from error
    if rows[0].ndim < 2 or len(rows[0]) != 1 or not math.prod(rows[0].shape):
        raise ModelError(
            thing, f"gives '{file.outputs[0].name}' in the shape {_text(rows[0].shape)} for one input: no batch axis",
            EXPORT,
        )  # fmt: skip
    return np.concatenate(rows)


def _row(session: Session, point: Floats, size: int) -> Floats:
    """What is given for one point, batch axis included."""
    out = session.run(np.repeat(point[None], size, axis=0))
    return np.asarray(out[:1] if size > 1 and len(out) == size else out)


def _named(file: Artifact) -> str:
    """The file, for messages."""
    return f"{_OPTION} {file.path}"


def _text(shape: Any) -> str:
    return f"({', '.join(map(str, shape))})"
