"""Element type and shape of every tensor of a model, for images of one shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, helper

from geoaudit.model import graph, sessions
from geoaudit.model.adjoint.unsupported import Unsupported

Types = dict[str, tuple[int, tuple[int, ...]]]


def tensor_types(proto: ModelProto, image: Sequence[int]) -> Types:
    """ONNX element type and shape of each tensor.

    What shape inference leaves open is found by one evaluation of a blank image.

    Args:
        proto: the model; not changed.
        image: the shape of the images, batch included.

    Raises:
        Unsupported: shapes cannot be inferred, or the model does not run.
    """
    found: Types = {t.name: (t.data_type, tuple(t.dims)) for t in proto.graph.initializer}
    try:
        inferred = onnx.shape_inference.infer_shapes(_declared(graph.skeleton(proto), image), data_prop=True).graph
    except Exception as error:  # inference raises bare Exceptions of several kinds
        raise Unsupported("shapes that cannot be inferred") from error
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        kind = value.type.tensor_type
        sizes = [int(d.dim_value) for d in kind.shape.dim if d.HasField("dim_value")]
        if kind.elem_type and kind.HasField("shape") and len(sizes) == len(kind.shape.dim):
            found[value.name] = (kind.elem_type, tuple(sizes))
    unknown = [name for node in proto.graph.node for name in node.output if name and name not in found]
    return found | _evaluated(proto, image, unknown) if unknown else found


def _declared(model: ModelProto, image: Sequence[int]) -> ModelProto:
    """`model`, changed: with images of this shape, and without what it declares of other tensors."""
    tensor = model.graph.input[0].type.tensor_type
    shaped = helper.make_tensor_type_proto(tensor.elem_type, list(image))
    tensor.shape.CopyFrom(shaped.tensor_type.shape)
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def _evaluated(proto: ModelProto, image: Sequence[int], names: Sequence[str]) -> Types:
    changed = _declared(graph.copy(proto), image)
    declared = {value.name for value in changed.graph.output}
    changed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in declared)
    given = changed.graph.input[0]
    blank = np.zeros(image, dtype=helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type))
    try:
        arrays = sessions.on(changed, [sessions.CPU], 1).engine.run(list(names), {given.name: blank})
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise Unsupported("shapes that cannot be inferred") from error
    return {
        name: (helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
        if isinstance(array, np.ndarray)
    }
