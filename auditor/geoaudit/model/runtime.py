"""The audited model itself: onnxruntime on the very file that was given."""

from __future__ import annotations

from copy import copy
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import ModelProto

from geoaudit.api import Floats
from geoaudit.errors import GeoauditError, ModelError, UsageError
from geoaudit.model import confirmation, cuda_libraries, explain, pad_fusion, reuse, sessions
from geoaudit.model.artifact import Artifact
from geoaudit.model.boundary import blank_shape, own_shape
from geoaudit.model.companions import DISTINCT, SAME, companions
from geoaudit.model.cores import usable_cores
from geoaudit.model.head import Head
from geoaudit.model.lanes import lanes
from geoaudit.model.sessions import Session
from geoaudit.model.wording import brief

_BATCH = {"cpu": 8, "cuda": 32}  # onnxruntime gains nothing from larger ones on processors, and memory stays small
_LARGE, _ONCE = 100_000, 4
"""Weights that are used for many positions from which on images go one by one, side by side: below, calling onnxruntime
would cost more than is gained.  And how many times as many may be used once: reading these takes longer for one image
than using them, and a batch shares it."""
# HEURISTIC picks a convolution's algorithm without timing, so always the same one; DEFAULT is cuDNN's slow last resort.
_CUDA = (sessions.CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})
_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")


class Runtime:
    """One onnxruntime session.

    It runs the file itself; where a tail was found, or the input is an integer picture that is only cast, a
    copy in memory with the tensor before the tail as one more output and the input declared float32.  On processors
    several evaluations go side by side (see `lanes`), of single images where the model is large, else of batches.

    Args:
        artifact: the file.
        head: where the scores are read.
        device: "cpu", "cuda", or "auto": CUDA if a probe inference on it works.
        threads: processor threads; None for all usable cores.
        batch_size: images evaluated together; None for 8 (32 on CUDA, 1 of a large model on processors), or what the
            model fixes.
        custom_ops: a library of custom operators, loaded only if it is given.

    Raises:
        ModelError: onnxruntime cannot load the file.
        UsageError: CUDA was asked for and does not work, or the library cannot be loaded.
    """

    def __init__(
        self, artifact: Artifact, head: Head, device: str = "auto", threads: int | None = None,
        batch_size: int | None = None, custom_ops: Path | None = None,
    ) -> None:  # fmt: skip
        self._thing = str(artifact.path)
        self._artifact = artifact
        self._head = head
        self._custom_ops = custom_ops
        self._image = artifact.inputs[0]
        self.threads = threads or usable_cores()
        self._lanes = lanes(self.threads)
        self._chosen = batch_size is None
        self.warnings = _distribution_warnings()
        self.device, self._session = self._open(device)
        declared = self._image.shape[0]
        self._fixed = isinstance(declared, int) and declared > 0
        self.batch_size = int(declared) if self._fixed else (batch_size or _BATCH[self.device])
        self._settled = self._fixed
        self._alone = False
        self._fused: float | None = None

    @property
    def head(self) -> Head:
        """Where the scores are read, and how: what was given until `confirm` has looked at the numbers."""
        return self._head

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report about how the file is run."""
        found = list(self._artifact.notes)
        if (kind := self._session.narrowed) is not None:
            found.append(f"onnxruntime has no {kind} kernels for some operators here: it computed in float32.")
        if self._alone:
            found.append("Images are run one at a time: in a larger batch they change each other's scores.")
        if (given_up := self._session.note) is not None:
            found.append(given_up)
        if self._fused is not None:
            found.append(pad_fusion.note(self._fused))
        return tuple(found)

    @property
    def precision(self) -> str | None:
        """The format that everything was computed in instead of the file's own: "float32", or None."""
        return None if self._session.narrowed is None else "float32"

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """The format that points are rounded to when the model reads them."""
        return self._session.dtype

    def on(self, proto: ModelProto) -> Runtime:
        """onnxruntime on another graph that takes and gives what this one does, on the same device.

        Args:
            proto: its one output is the tensor that holds the scores.

        Raises:
            ModelError: onnxruntime cannot load it.
        """
        other = copy(self)
        providers = [_CUDA, sessions.CPU] if self.device == "cuda" else [sessions.CPU]
        try:
            other._session = sessions.on(proto, providers, self._threads_for(providers), self._custom_ops)
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise self._refused(error) from error
        return other

    def confirm(self, points: Floats) -> Head:
        """Look at the numbers: rows that are probabilities already need no second Softmax.

        Args:
            points: the first images, shape (m, *shape), m >= 1; a blank and noise in their range are added.

        Returns:
            The head in force from now on, also `head`.

        Raises:
            ModelError: the scores are no numbers, or the same whatever the image.
        """
        raw = self._raw(np.concatenate([points, confirmation.strangers(points)]))
        confirmation.check(self._thing, raw, self._head.logits)
        if confirmation.undecided(self._head) and confirmation.are_probabilities(raw):
            self._head = self._head.as_probabilities()
        if pad_fusion.wrong_optimisers(self._artifact.proto):
            self._fused = self._difference_by_default(points, raw[: len(points)])
        return self._head

    def _difference_by_default(self, points: Floats, raw: Floats) -> float:
        """How far onnxruntime's default optimisations would move the scores, as a share of their range."""
        here, self._session = self._session, self._start([sessions.CPU], defaults=True)
        try:
            moved = np.abs(self._raw(points) - raw).max(axis=1)
        finally:
            self._session = here
        return float((moved / np.maximum(np.ptp(raw, axis=1), 1e-12)).max())

    def logits(self, points: Floats) -> Floats:
        """The scores before the tail, one a class.

        The batches are of one fixed size, the last one filled up with copies of its last image, so that an
        image's numbers do not depend on how many others are evaluated with it.

        Args:
            points: model input, shape (m, *shape), any float dtype; cast to the model's own, and flattened for a
                model that takes flat pictures.

        Returns:
            float32 (float64 if the model computes its scores in float64), shape (m, classes); see `explain.rows` for
            what a binary head's one number becomes.

        Raises:
            ModelError: onnxruntime cannot run the model on such an input.
        """
        return explain.rows(self._raw(points), self._head.kind == "binary", self._head.tail)

    def _raw(self, points: Floats) -> Floats:
        """The tensor that is read, shape (m, numbers)."""
        if not self._settled and len(points):
            self._settle(points[:1])
        parts = [points[i : i + self.batch_size] for i in range(0, len(points), self.batch_size)]
        rows = self._lanes.map(self._run, parts) if self.device == "cpu" else [self._run(part) for part in parts]
        if not rows:
            return np.empty((0, self._head.numbers), dtype=np.float32)
        return np.concatenate(rows)

    def _open(self, device: str) -> tuple[str, Session]:
        listed = _CUDA[0] in onnxruntime.get_available_providers()
        if listed and (device == "cuda" or (device == "auto" and cuda_libraries.driver())):
            usable = cuda_libraries.brought()
            try:
                session = self._start([_CUDA, sessions.CPU])
                # without the provider's libraries onnxruntime falls back to the processor by itself
                if session.engine.get_providers()[0] == _CUDA[0] and self._probe(session):
                    return "cuda", session
            except UsageError:
                raise
            except Exception:  # a provider that is listed but cannot run fails in many ways
                pass
            if usable:
                self.warnings = (*self.warnings, cuda_libraries.WITHOUT)
        if device == "cuda":
            why = "no probe inference worked on CUDA" if listed else "this onnxruntime is built without CUDA"
            raise UsageError("--device cuda", why, "Install a CUDA build with its libraries, or use --device cpu.")
        try:
            return "cpu", self._start([sessions.CPU])
        except GeoauditError:
            raise
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise self._refused(error) from error

    def _start(self, providers: list[Any], *, defaults: bool = False) -> Session:
        threads = self._threads_for(providers)
        return sessions.start(self._artifact, self._head.logits, providers, threads, self._custom_ops, defaults)

    def _threads_for(self, providers: list[Any]) -> int:
        return self._lanes.threads if providers == [sessions.CPU] else self.threads

    def _refused(self, error: Exception) -> ModelError:
        foreign = sessions.foreign_operators(self._artifact.proto)
        if foreign and self._custom_ops is None:
            return ModelError(
                self._thing, f"uses operators that onnxruntime does not have: {', '.join(foreign)}",
                "Give the library that holds them: --custom-ops FILE --gradient-free.",
            )  # fmt: skip
        return ModelError(
            self._thing, f"onnxruntime {onnxruntime.__version__} cannot load it ({brief(error)})",
            "Check that the file is complete and its operator set is supported.",
        )  # fmt: skip

    def _probe(self, session: Session) -> bool:
        shape = blank_shape(self._image.shape)
        if shape is None:
            return False
        return bool(np.isfinite(session.run(np.zeros(shape)).astype(np.float64)).all())

    def _settle(self, point: Floats) -> None:
        """Find out once whether the model takes batches, and whether the images in one leave each other alone.

        Some graphs have a batch of one baked into a Reshape, some take a mean or a decision over the whole batch.
        """
        self._settled = True
        wanted, self.batch_size = self.batch_size, 1
        if wanted == 1:
            return
        several = companions(point[0], wanted)
        distinct = min(wanted, DISTINCT)
        alone = np.concatenate([self._run(several[i : i + 1]) for i in range(distinct)])
        self._alone = True
        try:
            together = self._forward(several)
        except ModelError:
            return
        if together.size != wanted * self._head.numbers:
            return
        scale = max(float(np.ptp(alone)), 1e-6)
        difference = np.abs(together.reshape(wanted, -1)[:distinct] - alone).max()
        same = SAME["float16" if self.input_dtype == np.float16 else "float32"]
        if not difference > same * scale:
            self.batch_size, self._alone = (1 if self._one_by_one() else wanted), False

    def _one_by_one(self) -> bool:
        """Whether single images side by side are no slower than batches side by side."""
        if self.device != "cpu" or not self._chosen:
            return False
        found = reuse.weights(self._artifact.proto)
        return found.often >= max(_LARGE, found.once / _ONCE)

    def _run(self, points: Floats) -> Floats:
        missing = self.batch_size - len(points)
        batch = np.concatenate([points, np.repeat(points[-1:], missing, axis=0)]) if missing else points
        out = self._forward(batch)
        if out.size != len(batch) * self._head.numbers:
            raise ModelError(
                self._thing, f"'{self._head.logits}' has shape {out.shape} for {len(batch)} images",
                "Export the model with a dynamic batch axis, or a batch of 1.",
            )  # fmt: skip
        return np.asarray(out.reshape(len(batch), -1)[: len(points)])

    def _forward(self, batch: Floats) -> npt.NDArray[Any]:
        try:
            shaped = batch.reshape(len(batch), *own_shape(batch.shape[1:], len(self._image.shape)))
            out = self._session.run(shaped)
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise ModelError(
                self._thing, f"onnxruntime cannot run it on shape {batch.shape} ({brief(error)})",
                f"The model declares the shape {self._image.shape}.",
            ) from error  # fmt: skip
        return out if out.dtype == np.float64 else out.astype(np.float32)


def _distribution_warnings() -> tuple[str, ...]:
    """A warning if several distributions of onnxruntime share its one package folder."""
    found = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    if len(found) < 2:
        return ()
    names = " and ".join(found)
    return (
        f"{names} are both installed and overwrite each other's files. "
        "Uninstall all of them, then install the one you want.",
    )
