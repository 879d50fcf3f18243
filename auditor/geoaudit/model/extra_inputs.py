"""Inputs beside the image that only switch training behaviour off."""

from __future__ import annotations

import re

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from geoaudit.model import graph

_TRAINING = re.compile(
    r"(is_?)?train(ing)?(_?(mode|phase|flag))?|phase(_train(ing)?)?|(keras_)?learning_phase", re.IGNORECASE
)
_DROPOUT = re.compile(r"drop_?(out|path|connect)?(_?(rate|ratio|prob|probability|p))?", re.IGNORECASE)
_KEEP = re.compile(r"keep_?(prob|probability|rate|p)|dropout_?keep_?(prob|rate)", re.IGNORECASE)


def set_switches(proto: ModelProto) -> tuple[ModelProto, tuple[str, ...]]:
    """`proto` with every extra input of plain meaning as a constant, and a sentence about each.

    An input counts if it is one number or truth value and is called like `training`, `is_training`,
    `learning_phase`, `dropout` (set to false or 0) or `keep_prob` (set to 1).  Whatever else is left as it is.

    Returns:
        `proto` itself and () if there is none.
    """
    inputs = graph.data_inputs(proto.graph)
    settled = {v.name: value for v in inputs if len(inputs) > 1 and (value := _value(v)) is not None}
    if not settled or len(settled) == len(inputs):
        return proto, ()
    changed = graph.copy(proto)
    kept = [value for value in changed.graph.input if value.name not in settled]
    notes = []
    for value in inputs:
        if value.name not in settled:
            continue
        tensor = value.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        array = np.full([1] * len(tensor.shape.dim), settled[value.name]).astype(dtype)
        changed.graph.initializer.append(numpy_helper.from_array(array, value.name))
        notes.append(f"The input '{value.name}' was set to {array.reshape(-1)[0]}, as for inference.")
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    changed.ir_version = max(4, changed.ir_version)
    return changed, tuple(notes)


def _value(value: ValueInfoProto) -> float | None:
    """What the input is set to; None if it is no switch."""
    info = graph.tensor_info(value)
    if len(info.shape) > 1 or any(isinstance(d, int) and d != 1 for d in info.shape):
        return None
    if info.dtype in ("string", "unknown") or value.type.WhichOneof("value") != "tensor_type":
        return None
    name = re.sub(r":\d+$", "", value.name).split("/")[-1]
    if _KEEP.fullmatch(name):
        return 1.0
    return 0.0 if _TRAINING.fullmatch(name) or _DROPOUT.fullmatch(name) else None
