"""The audited model itself: onnxruntime on the very file that was given."""

from __future__ import annotations

import tempfile
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto

from geoaudit.api import Floats
from geoaudit.errors import ModelError, UsageError
from geoaudit.model.artifact import Artifact
from geoaudit.model.cores import usable_cores
from geoaudit.model.graph import MAX_MESSAGE, with_float_input
from geoaudit.model.head import Head, with_output

_BATCH = 8  # onnxruntime gains nothing from larger ones on processors, and memory stays small
_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"})
_CPU = "CPUExecutionProvider"
_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")


class Runtime:
    """One onnxruntime session.

    It runs the file itself; where a tail was found, or the input is an integer picture that is only cast, a
    copy in memory with the tensor before the tail as one more output and the input declared float32.

    Args:
        artifact: the file.
        head: where the scores are read.
        device: "cpu", "cuda", or "auto": CUDA if a probe inference on it works.
        threads: processor threads; None for all usable cores.
        batch_size: images evaluated together; None for 8, or what the model fixes.

    Raises:
        ModelError: onnxruntime cannot load the file.
        UsageError: CUDA was asked for and does not work.
    """

    def __init__(
        self, artifact: Artifact, head: Head, device: str = "auto", threads: int | None = None,
        batch_size: int | None = None,
    ) -> None:  # fmt: skip
        self._thing = str(artifact.path)
        self._head = head
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._model = self._source(artifact)
        self._image = artifact.inputs[0]
        self.threads = threads or usable_cores()
        self.warnings = _distribution_warnings()
        self.device, self._session = self._open(device)
        declared = self._image.shape[0]
        self._fixed = isinstance(declared, int) and declared > 0
        self.batch_size = int(declared) if self._fixed else (batch_size or _BATCH)
        given = self._session.get_inputs()[0]
        self._dtype: np.dtype[Any] = np.dtype(np.float32 if given.type == "tensor(float)" else self._image.dtype)
        self._settled = self._fixed

    def logits(self, points: Floats) -> Floats:
        """The scores before the tail.

        The batches are of one fixed size, the last one filled up with copies of its last image, so that an
        image's numbers do not depend on how many others are evaluated with it.

        Args:
            points: model input, shape (m, *shape), any float dtype; cast to the model's own.

        Returns:
            float32 (float64 if the model computes its scores in float64), shape (m, classes).

        Raises:
            ModelError: onnxruntime cannot run the model on such an input.
        """
        if not self._settled and len(points):
            self._settle(points[:1])
        rows = [self._run(points[i : i + self.batch_size]) for i in range(0, len(points), self.batch_size)]
        if not rows:
            return np.empty((0, self._head.classes), dtype=np.float32)
        return np.concatenate(rows)

    def _source(self, artifact: Artifact) -> str | bytes:
        changed: ModelProto = with_output(with_float_input(artifact.proto), self._head.logits)
        if changed is artifact.proto:
            return str(artifact.path)
        if changed.ByteSize() < MAX_MESSAGE:
            return bytes(changed.SerializeToString())
        self._folder = tempfile.TemporaryDirectory(prefix="geoaudit-")  # onnxruntime may map the weights: kept
        path = f"{self._folder.name}/model.onnx"
        onnx.save_model(changed, path, save_as_external_data=True, location="weights.bin")
        return path

    def _open(self, device: str) -> tuple[str, onnxruntime.InferenceSession]:
        listed = _CUDA[0] in onnxruntime.get_available_providers()
        if device != "cpu" and listed:
            try:
                session = self._create([_CUDA, _CPU])
                if session.get_providers()[0] == _CUDA[0] and self._probe(session):
                    return "cuda", session
            except Exception:  # a provider that is listed but cannot run fails in many ways
                session = None
        if device == "cuda":
            why = "no probe inference worked on CUDA" if listed else "this onnxruntime is built without CUDA"
            raise UsageError("--device cuda", why, "Install a CUDA build with its libraries, or use --device cpu.")
        try:
            return "cpu", self._create([_CPU])
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise ModelError(
                self._thing, f"onnxruntime {onnxruntime.__version__} cannot load it ({_brief(error)})",
                "Check that the file is complete and its operator set is supported.",
            ) from error  # fmt: skip

    def _create(self, providers: list[Any]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        onnxruntime.set_default_logger_severity(4)  # a provider's missing libraries are reported by `device`
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=providers)
        finally:
            onnxruntime.set_default_logger_severity(2)

    def _probe(self, session: onnxruntime.InferenceSession) -> bool:
        sizes = zip(self._image.shape, (1, 3, 224, 224), strict=True)
        blank = np.zeros([d if isinstance(d, int) and d > 0 else g for d, g in sizes])
        given = session.get_inputs()[0]
        dtype = np.float32 if given.type == "tensor(float)" else self._image.dtype
        out = session.run([self._head.logits], {given.name: blank.astype(dtype)})[0]
        return bool(np.isfinite(np.asarray(out, dtype=np.float64)).all())

    def _settle(self, point: Floats) -> None:
        """Find out once whether the model takes batches: some have a batch of one baked into a Reshape."""
        self._settled = True
        wanted, self.batch_size = self.batch_size, 1
        alone = self._run(point)
        if wanted == 1:
            return
        try:
            together = self._forward(np.repeat(point, wanted, axis=0))
        except ModelError:
            return
        if together.size != wanted * alone.size:
            return
        scale = max(float(np.ptp(alone)), 1e-6)
        if float(np.abs(together.reshape(wanted, -1) - alone).max()) <= 1e-2 * scale:
            self.batch_size = wanted

    def _run(self, points: Floats) -> Floats:
        missing = self.batch_size - len(points)
        batch = np.concatenate([points, np.repeat(points[-1:], missing, axis=0)]) if missing else points
        out = self._forward(batch)
        if out.size != len(batch) * self._head.classes:
            raise ModelError(
                self._thing, f"'{self._head.logits}' has shape {out.shape} for {len(batch)} images",
                "Export the model with a dynamic batch axis, or a batch of 1.",
            )  # fmt: skip
        return np.asarray(out.reshape(len(batch), -1)[: len(points)])

    def _forward(self, batch: Floats) -> npt.NDArray[Any]:
        if self._dtype.kind in "iu":
            limits = np.iinfo(self._dtype)
            batch = np.clip(np.rint(batch), limits.min, limits.max)
        try:
            feed = {self._image.name: np.ascontiguousarray(batch, dtype=self._dtype)}
            out = np.asarray(self._session.run([self._head.logits], feed)[0])
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise ModelError(
                self._thing, f"onnxruntime cannot run it on shape {batch.shape} ({_brief(error)})",
                f"The model declares the shape {self._image.shape}.",
            ) from error  # fmt: skip
        return out if out.dtype == np.float64 else out.astype(np.float32)


def _brief(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__


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
