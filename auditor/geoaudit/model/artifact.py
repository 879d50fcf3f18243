"""The audited file: read once, digested, described, and refused early if it is no single-image classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto

from geoaudit.audit.result import TensorInfo
from geoaudit.digests import sha256
from geoaudit.errors import ModelError
from geoaudit.model import admission, graph
from geoaudit.model.extra_inputs import set_switches
from geoaudit.model.order import put_in_order

_MAGIC = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file (a Keras model, perhaps)"),
    (b"\x80\x02", "a Python pickle (a torch checkpoint, perhaps)"),
    (b"PK\x03\x04", "a zip archive (a torch checkpoint, perhaps)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"ORTM", "an onnxruntime flatbuffer"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
    (b"<", "a text in HTML or XML"),
    (b"{", "a JSON text"),
)
_EXPORT = "Export the classifier to ONNX again, as with torch.onnx.export(model, image, 'model.onnx')."


@dataclass(frozen=True)
class Artifact:
    """An ONNX file as found.

    Attributes:
        path: the file.
        sha256: lower-case hex digest of the file's bytes, followed by those of the external-data files in the
            order of `external_data`; without such files it is the file's own digest.
        bytes: size of the file and its external-data files together.
        proto: the model, weights included.
        external_data: external-data files, relative to the model's folder, posix style, sorted.
        producer: exporter's name and version as the file states them; may be empty.
        ir_version: ONNX IR version.
        opsets: operator set version by domain; "ai.onnx" is the default domain.
        inputs: the one image input.
        outputs: the outputs, in order.
        metadata: the file's metadata properties.
        notes: sentences about what was settled in `proto` but is open in the file: switches such as `training`.
    """

    path: Path
    sha256: str
    bytes: int
    proto: ModelProto
    external_data: tuple[str, ...]
    producer: str
    ir_version: int
    opsets: dict[str, int]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, str]
    notes: tuple[str, ...] = ()


def load(path: Path) -> Artifact:
    """Read, digest and describe the ONNX file at `path`.

    Raises:
        ModelError: the file is missing, unreadable, no ONNX model, incomplete, or no single-image classifier.
    """
    artifact = read(path)
    admission.check(str(path), artifact.inputs, artifact.outputs, artifact.metadata)
    return artifact


def read(path: Path) -> Artifact:
    """Read, digest and describe the ONNX file at `path`, whatever it computes.

    Raises:
        ModelError: the file is missing, unreadable, no ONNX model, or incomplete.
    """
    proto = _parse(path)
    sidecars = _sidecars(path, proto)
    if sidecars:
        try:
            onnx.load_external_data_for_model(proto, str(path.parent))
        except Exception as error:
            raise ModelError(str(path), f"its external data cannot be read ({error})", _EXPORT) from error
    admission.check_weights(str(path), proto)
    put_in_order(str(path), proto.graph)
    proto, notes = set_switches(proto)
    files = [path, *(path.parent / name for name in sidecars)]
    return Artifact(
        path=path,
        sha256=sha256(files),
        bytes=sum(file.stat().st_size for file in files),
        proto=proto,
        external_data=sidecars,
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        ir_version=int(proto.ir_version),
        opsets={(o.domain or "ai.onnx"): int(o.version) for o in proto.opset_import},
        inputs=tuple(graph.tensor_info(v) for v in graph.data_inputs(proto.graph)),
        outputs=tuple(graph.tensor_info(v) for v in proto.graph.output),
        metadata={p.key: p.value for p in sorted(proto.metadata_props, key=lambda p: p.key)},
        notes=notes,
    )


def _parse(path: Path) -> ModelProto:
    if path.is_dir():
        raise ModelError(str(path), "is a folder, not an ONNX model", "Give the path of the .onnx file in it.")
    if not path.exists():
        raise ModelError(str(path), "does not exist", "Check the path of the model.")
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
        _refuse_other_kinds(path, start)
        proto = onnx.load_model(str(path), load_external_data=False)
    except OSError as error:
        raise ModelError(str(path), f"cannot be read ({error.strerror})", "Check the file's permissions.") from error
    except (DecodeError, ValueError) as error:
        raise ModelError(
            str(path), "is truncated or no ONNX model: its protobuf cannot be decoded",
            "Copy or download the file again and compare its size with the original's.",
        ) from error  # fmt: skip
    if not proto.graph.node or not proto.opset_import or not proto.graph.output:
        raise ModelError(
            str(path), "is no complete ONNX model: it holds no graph, no outputs or no operator set version",
            "Copy or download the file again and compare its size with the original's.",
        )  # fmt: skip
    return proto


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    if not start:
        raise ModelError(str(path), "is empty", "Copy or download the file again.")
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            raise ModelError(str(path), f"is {kind}, not an ONNX model", _EXPORT)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        raise ModelError(str(path), "is a WebP picture, not an ONNX model", _EXPORT)
    if start[4:8] == b"TFL3":
        raise ModelError(str(path), "is a TensorFlow Lite model, not an ONNX model", _EXPORT)


def _sidecars(path: Path, proto: ModelProto) -> tuple[str, ...]:
    """The external-data files that the model names, each checked to exist inside the model's folder."""
    places = {
        entry.value
        for tensor in graph.tensors(proto.graph)
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for place in sorted(places):
        parts = PurePosixPath(place.replace("\\", "/"))
        if parts.is_absolute() or PureWindowsPath(place).drive or ".." in parts.parts:
            raise ModelError(
                str(path), f"keeps weights in '{place}', outside its own folder",
                "Keep the weights beside the model, or inside it (save_as_external_data=False).",
            )  # fmt: skip
        if not (path.parent / place).is_file():
            raise ModelError(
                str(path), f"keeps weights in '{place}', which is not beside it",
                f"Put '{place}' into {path.parent}, or export with the weights inside (external_data=False).",
            )  # fmt: skip
    return tuple(sorted(places))
