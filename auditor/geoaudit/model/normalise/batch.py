"""A batch size that is built into the graph gives way to any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from geoaudit.model import graph
from geoaudit.model.cores import usable_cores
from geoaudit.model.normalise.batch_rules import BatchRules
from geoaudit.model.normalise.batch_walk import BatchWalk
from geoaudit.model.normalise.names import all_names
from geoaudit.model.normalise.skipped import PassSkipped
from geoaudit.model.wording import brief

_SYMBOL = "batch"
_TOLERANCE = 1e-4
_ROWS = 3
Array = npt.NDArray[Any]


def dynamic_batch(proto: ModelProto) -> ModelProto:
    """Write a graph that is made for one batch size so that it takes any.

    Reshapes, expansions, sizes and concatenated constants that count images are rewritten, and the input is
    declared for any batch.  The result is then compared with the original: random images one at a time and three
    together must give the same rows, within 1e-4 of the largest score.

    Raises:
        PassSkipped: the batch size cannot be freed; images are then evaluated in batches of that size.
    """
    image = graph.data_inputs(proto.graph)[0]
    dims = image.type.tensor_type.shape.dim
    if not dims:
        return proto
    declared = int(dims[0].dim_value) if dims[0].HasField("dim_value") and dims[0].dim_value > 0 else None
    changed, rewritten = _rewrite(proto, image.name, declared or 1)
    if not rewritten and declared is None:
        return proto
    for value in (graph.data_inputs(changed.graph)[0], *changed.graph.output):
        _free(value)
    del changed.graph.value_info[:]  # it states sizes for the old batch
    _verify(proto, changed, image, declared or 1)
    return changed


def _free(value: ValueInfoProto) -> None:
    shape = value.type.tensor_type.shape
    if shape.dim:
        shape.dim[0].dim_param = _SYMBOL


def _rewrite(proto: ModelProto, image: str, batch: int) -> tuple[ModelProto, bool]:
    """A copy whose nodes take any batch as far as they can be rewritten, and whether any was."""
    changed = graph.copy(proto)
    walk = BatchWalk(proto, batch)
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    rules = BatchRules(walk, weights, batch, image, all_names(proto.graph))
    nodes: list[NodeProto] = []
    for node in changed.graph.node:
        for made in rules.rewrite(node):
            walk.follow(made)
            nodes.append(made)
    rewritten = bool(rules.added) or any(
        list(old.input) != list(new.input) for old, new in zip(proto.graph.node, changed.graph.node, strict=True)
    )
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(rules.added)
    return changed, rewritten


def _verify(proto: ModelProto, changed: ModelProto, image: ValueInfoProto, batch: int) -> None:
    if not graph.fits_one_message(proto):
        raise PassSkipped(f"a batch of {batch} is built in, and the model is too large to try another")
    images = _images(image, -(-_ROWS // batch) * batch)
    try:
        session = _session(proto)
        wanted = np.concatenate(
            [_rows(session, image.name, images[i : i + batch]) for i in range(0, len(images), batch)]
        )
        session = _session(changed)
        alone = _rows(session, image.name, images[:1])
        together = _rows(session, image.name, images[:_ROWS])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise PassSkipped(f"a batch of {batch} is built in ({brief(error)})") from error
    limit = _TOLERANCE * float(np.abs(wanted).max())
    for found in (alone, together):
        rows = wanted[: len(found)]
        if found.shape != rows.shape or not float(np.abs(found - rows).max()) <= limit:
            raise PassSkipped(f"a batch of {batch} is built in, and other batches give other scores")


def _images(image: ValueInfoProto, count: int) -> Array:
    """Random images in the model's own type; sizes that it leaves open are 224."""
    tensor = image.type.tensor_type
    dims = [int(d.dim_value) if d.HasField("dim_value") else 224 for d in tensor.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    rng = np.random.default_rng(0)
    shape = (count, *dims[1:])
    return rng.standard_normal(shape).astype(dtype) if dtype.kind == "f" else rng.integers(0, 128, shape).astype(dtype)


def _session(proto: ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = usable_cores()
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _rows(session: Any, name: str, images: Array) -> Array:
    out = np.asarray(session.run(None, {name: images})[0], dtype=np.float64)
    return out.reshape(len(images), -1)
