"""onnxruntime sessions that give one tensor of the audited file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper

from geoaudit.errors import UsageError
from geoaudit.model import graph
from geoaudit.model.artifact import Artifact
from geoaudit.model.bound import Bound
from geoaudit.model.boundary import blank_shape
from geoaudit.model.captured import Captured, Work
from geoaudit.model.float_input import with_float_input
from geoaudit.model.pad_fusion import wrong_optimisers
from geoaudit.model.shared_arena import share
from geoaudit.model.wording import brief as brief

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_WIDE = {TensorProto.BFLOAT16: "bfloat16", TensorProto.DOUBLE: "float64"}
_CAST = "/float32"  # suffix of tensors that are cast because numpy has no such format


@dataclass(frozen=True)
class Session:
    """One onnxruntime session.

    Attributes:
        engine: the session.
        output: the name under which it gives the wanted tensor.
        narrowed: the float format that was computed in float32 instead, "bfloat16" or "float64"; None if none was.
        folder: where a model too large for one message lies; kept as long as the session, which may map it.
        device: "cpu" or "cuda", where it computes.
        graphed: makes a session on the same model that records CUDA graphs; None on processors.
    """

    engine: onnxruntime.InferenceSession
    output: str
    narrowed: str | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None
    device: str = "cpu"
    graphed: Callable[[], onnxruntime.InferenceSession] | None = None

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The format that the input must have."""
        name = self.engine.get_inputs()[0].type.removeprefix("tensor(").removesuffix(")")
        dtype: np.dtype[Any] = np.dtype({"float": "float32", "double": "float64"}.get(name, name))
        return dtype

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The wanted tensor for `batch`, in the model's own shape; integer inputs are rounded and clipped."""
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            batch = np.clip(np.rint(batch), limits.min, limits.max)
        given = np.ascontiguousarray(batch, dtype=self.dtype)
        if self.device != "cpu":
            return self._captured(given)[0]
        return np.asarray(self.engine.run([self.output], {self.engine.get_inputs()[0].name: given})[0])

    @property
    def note(self) -> str | None:
        """A sentence for the report where CUDA graphs were given up; None where they were not."""
        return None if self.device == "cpu" else self._captured.note

    @cached_property
    def _captured(self) -> Captured:
        """The session with its tensors on the device, and recordings of it for shapes that repeat."""
        plain = Bound(self.engine, self.output, self.device)
        recorded: list[Bound] = []

        def record(inputs: tuple[npt.NDArray[Any], ...]) -> Work:
            if self.graphed is None:
                raise RuntimeError("there is no session for them")
            if not recorded:
                recorded.append(Bound(self.graphed(), self.output, self.device, graphed=True))
            return lambda given: (recorded[0].run(given[0]),)

        return Captured(lambda given: (plain.run(given[0]),), record, "onnxruntime on CUDA")


def start(
    artifact: Artifact, tensor: str, providers: list[Any], threads: int, custom_ops: Path | None = None,
    defaults: bool = False,
) -> Session:  # fmt: skip
    """A session on the file itself where that gives `tensor`, else on a copy with it as one more output.

    onnxruntime's CPU kernels leave out much of bfloat16 and float64; a model that cannot be loaded for that
    reason is computed in float32.

    Args:
        artifact: the file.
        tensor: what is wanted.
        providers: execution providers, as onnxruntime takes them.
        threads: processor threads.
        custom_ops: a custom-operator library to load first.
        defaults: leave onnxruntime every optimisation that it has on by default, wrong ones included.

    Raises:
        UsageError: `custom_ops` cannot be loaded.
        Exception: onnxruntime cannot load the model (it has no common base class for its errors).
    """
    proto = with_output(with_float_input(artifact.proto), tensor)
    options = _options(threads, custom_ops)
    off = [] if defaults else wrong_optimisers(proto)
    found = artifact.path if proto is artifact.proto and not artifact.notes else None
    try:
        session = _create(proto, found, tensor, options, providers, off)
    except Exception as error:
        narrowed = _narrowed(proto, error)
        if narrowed is None:
            raise
        kind, proto = narrowed
        try:
            session = _create(proto, None, tensor, options, providers, off)
        except Exception:
            raise error from None
        return replace(session, narrowed=kind)
    given, made = session.engine.get_inputs()[0], session.engine.get_outputs()
    if any("bfloat16" in value.type for value in (given, *made) if value.name in (given.name, tensor)):
        return _create(_with_casts(proto, tensor), None, tensor + _CAST, options, providers, off)
    return session


def on(proto: ModelProto, providers: list[Any], threads: int, custom_ops: Path | None = None) -> Session:
    """A session on a graph in memory that gives its first output.

    Args:
        proto: the model.
        providers: execution providers, as onnxruntime takes them.
        threads: processor threads.
        custom_ops: a custom-operator library to load first.

    Raises:
        Exception: onnxruntime cannot load the model (it has no common base class for its errors).
    """
    output = proto.graph.output[0].name
    return _create(proto, None, output, _options(threads, custom_ops), providers, wrong_optimisers(proto))


def optimised(proto: ModelProto, custom_ops: Path | None = None) -> ModelProto:
    """`proto` after onnxruntime's basic optimisation, which writes standard operators only; weights included.

    Args:
        proto: the model; not changed.
        custom_ops: a custom-operator library to load first.

    Raises:
        UsageError: `custom_ops` cannot be loaded.
        Exception: onnxruntime cannot load the model (it has no common base class for its errors).
    """
    options = _options(1, custom_ops)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="geoaudit-") as folder:
        written = f"{folder}/optimised.onnx"
        options.optimized_model_filepath = written
        if not graph.fits_one_message(proto):
            setting = "session.optimized_model_external_initializers_"
            options.add_session_config_entry(f"{setting}file_name", "optimised.bin")
            options.add_session_config_entry(f"{setting}min_size_in_bytes", "1024")
        _create(proto, None, "", options, [CPU], wrong_optimisers(proto))
        return onnx.load_model(written)


def evaluate_blank(artifact: Artifact, tensor: str, custom_ops: Path | None = None) -> npt.NDArray[Any] | None:
    """`tensor` for one blank image of the declared size, or of 224 by 224; None if that does not work."""
    shape = blank_shape(artifact.inputs[0].shape)
    if shape is None:
        return None
    try:
        session = start(artifact, tensor, [CPU], 1, custom_ops)
        return session.run(np.zeros(shape, dtype=np.float32))
    except UsageError:
        raise
    except Exception:  # a model that does not run is reported where it is run
        return None


def with_output(proto: ModelProto, tensor: str) -> ModelProto:
    """`proto` with `tensor` among its outputs; `proto` itself if it is one already."""
    if any(value.name == tensor for value in proto.graph.output):
        return proto
    changed = graph.copy(proto)
    changed.graph.output.add(name=tensor)  # the type is left to the runtime's own inference
    return changed


def _options(threads: int, custom_ops: Path | None) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    # waiting threads would take the cores from torch and numpy, which run in between
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Planning all tensors of a batch ahead takes a fifth more memory and no less time, measured on EfficientNet-Lite0.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    # Products with 4-bit weights stay products of float32; by default the other factor is rounded to 8 bits.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if custom_ops is not None:
        try:
            options.register_custom_ops_library(str(custom_ops.resolve()))
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise UsageError(
                f"--custom-ops {custom_ops}", f"cannot be loaded by onnxruntime ({brief(error)})",
                "Give the shared library of the operators, built for this system and this onnxruntime.",
            ) from error  # fmt: skip
    return options


def _create(
    proto: ModelProto, found: Path | None, output: str, options: onnxruntime.SessionOptions, providers: list[Any],
    off: list[str],
) -> Session:  # fmt: skip
    """A session on the file `found`, else on `proto`, with the optimisers `off` switched off."""
    model: str | bytes
    folder = None
    if found is not None:
        model = str(found)
    elif graph.fits_one_message(proto):
        model = bytes(proto.SerializeToString())
    else:
        folder = tempfile.TemporaryDirectory(prefix="geoaudit-")
        model = f"{folder.name}/model.onnx"
        onnx.save_model(graph.copy(proto), model, save_as_external_data=True, location="weights.bin")
    if providers == [CPU]:
        share(options)
    onnxruntime.set_default_logger_severity(4)  # a provider's missing libraries are told in other words
    try:
        engine = onnxruntime.InferenceSession(model, options, providers=providers, disabled_optimizers=off)
    finally:
        onnxruntime.set_default_logger_severity(3)  # its warnings at a run would go into the user's terminal
    if engine.get_providers()[0] == CPU:
        return Session(engine, output, None, folder)
    graphs = [with_graphs(provider) for provider in providers]
    return Session(
        engine, output, None, folder, "cuda",
        lambda: onnxruntime.InferenceSession(model, options, providers=graphs, disabled_optimizers=off),
    )  # fmt: skip


def with_graphs(provider: Any) -> Any:
    """An execution provider, as onnxruntime takes it; CUDA's with CUDA graphs switched on."""
    if isinstance(provider, tuple) and provider[0] == CUDA:
        return CUDA, {**provider[1], "enable_cuda_graph": "1"}
    return provider


def _narrowed(proto: ModelProto, error: Exception) -> tuple[str, ModelProto] | None:
    """The model in float32, if it holds a format that onnxruntime's error may be about.

    "Type Error": torch's exporter folds a bfloat16 network's batch normalisations into float32 weights.
    """
    if not any(mark in str(error) for mark in ("NOT_IMPLEMENTED", "INVALID_GRAPH", "Type Error")):
        return None
    kinds = [kind for kind in _WIDE if graph.holds_type(proto, kind)]
    if not kinds:
        return None
    from geoaudit.model.normalise.precision import retype

    return " and ".join(_WIDE[kind] for kind in kinds), retype(proto, dict.fromkeys(kinds, TensorProto.FLOAT))


def _with_casts(proto: ModelProto, tensor: str) -> ModelProto:
    """`proto` with a float32 input and `tensor` in float32, both cast: numpy has no bfloat16."""
    changed = graph.copy(proto)
    image = graph.data_inputs(changed.graph)[0]
    if image.type.tensor_type.elem_type == TensorProto.BFLOAT16:
        name = image.name
        image.name = name + _CAST
        image.type.tensor_type.elem_type = TensorProto.FLOAT
        changed.graph.node.insert(0, helper.make_node("Cast", [image.name], [name], to=TensorProto.BFLOAT16))
    changed.graph.node.append(helper.make_node("Cast", [tensor], [tensor + _CAST], to=TensorProto.FLOAT))
    del changed.graph.output[:]
    changed.graph.output.append(helper.make_tensor_value_info(tensor + _CAST, TensorProto.FLOAT, None))
    return changed


_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training")


def foreign_operators(proto: ModelProto) -> list[str]:
    """Operators of domains that neither ONNX nor onnxruntime has, such as "my.domain.MyOp", sorted."""
    own = {(f.domain, f.name) for f in proto.functions}
    return sorted(
        {
            f"{node.domain}.{node.op_type}"
            for node in proto.graph.node
            if node.domain not in _KNOWN_DOMAINS
            and not node.domain.startswith("com.microsoft")
            and (node.domain, node.op_type) not in own
        }
    )
