"""Tiny ONNX classifiers, built by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import artifact, head
from geoaudit.model.artifact import Artifact
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised, normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

CLASSES = 5


@dataclass
class Tiny:
    """A recipe: Conv, Relu, `middle`, Flatten, Gemm to 'logits', then `tail`.

    onnxruntime has no float64 convolution: there the Conv is a multiplication of each channel.
    """

    folder: Path
    middle: Sequence[NodeProto] = ()
    tail: Sequence[NodeProto] = ()
    outputs: Sequence[str] = ("logits",)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    dtype: Any = np.float32
    batch: int | str = "N"
    opset: int = 17
    size: int = 8

    def proto(self) -> onnx.ModelProto:
        rng = np.random.default_rng(7)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        side = self.size
        double = np.dtype(self.dtype) == np.float64
        channels = 3 if double else 4
        weights = {
            "kernel": rng.standard_normal((3, 1, 1) if double else (4, 3, 3, 3)) * 0.3,
            "bias": rng.standard_normal(4) * 0.1,
            "matrix": rng.standard_normal((channels * side * side, CLASSES)) * 0.1,
            "offset": rng.standard_normal(CLASSES) * 0.1,
        }
        arrays = {k: v.astype(self.dtype) for k, v in weights.items()} | self.constants
        features = self.middle[-1].output[0] if self.middle else "relu"
        conv = helper.make_node("Conv", ["image", "kernel", "bias"], ["conv"], name="the_conv", pads=[1] * 4)
        if double:
            conv = helper.make_node("Mul", ["image", "kernel"], ["conv"], name="the_mul")
        nodes = [
            conv,
            helper.make_node("Relu", ["conv"], ["relu"], name="the_relu"),
            *self.middle,
            helper.make_node("Flatten", [features], ["flat"], name="the_flatten"),
            helper.make_node("Gemm", ["flat", "matrix", "offset"], ["logits"], name="the_gemm"),
            *self.tail,
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("image", kind, [self.batch, 3, side, side])],
            [onnx.ValueInfoProto(name=name) for name in self.outputs],
            [numpy_helper.from_array(a, k) for k, a in arrays.items()],
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8, producer_name="tests"
        )
        inferred = onnx.shape_inference.infer_shapes(proto)
        for value in inferred.graph.output:
            if value.type.WhichOneof("value") is None:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        return inferred

    def save(self, name: str = "tiny.onnx") -> Path:
        path = self.folder / name
        onnx.save(self.proto(), str(path))
        return path


@dataclass
class Opened:
    """Everything about one model."""

    artifact: Artifact
    head: Head
    normalised: Normalised
    runtime: Runtime
    twin: Twin


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Tiny]:
    """`tiny(**changes)`: a recipe whose files go to the test's folder."""
    return lambda **changes: Tiny(tmp_path, **changes)


@pytest.fixture
def opened() -> Callable[..., Opened]:
    """`opened(path, **twin options)`: load, find the head, normalise, start both engines on one thread."""

    def open_(path: Path, **options: Any) -> Opened:
        file = artifact.load(path)
        found = head.find(file)
        clean = normalise(file.proto, found)
        runtime = Runtime(file, found, device="cpu", threads=1)
        twin = Twin(clean, found, device="cpu", threads=1, **options)
        return Opened(file, found, clean, runtime, twin)

    return open_


@pytest.fixture
def points() -> np.ndarray:
    """Eleven random images, float32, shape (11, 3, 8, 8)."""
    return np.random.default_rng(3).standard_normal((11, 3, 8, 8)).astype(np.float32)
