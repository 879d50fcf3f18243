"""Is this a classifier of single images?  Everything else is refused with what was found and the way out."""

from __future__ import annotations

import math
import re

from onnx import ModelProto, TensorProto, helper

from geoaudit.audit.result import TensorInfo
from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.graph import describe

_INPUT_TYPES = {
    "bfloat16", "float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "int32", "int64",
}  # fmt: skip
_DETECTOR_NAME = re.compile(
    r"(^|[^a-z])(d?boxes|bbox(es)?|num_(dets|detections)|dets|detections?)([^a-z]|$)", re.IGNORECASE
)
_PACKED = {"INT4": 2, "UINT4": 2, "FLOAT4E2M1": 2, "INT2": 4, "UINT2": 4}  # elements in a byte
_LISTS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.INT64: "int64_data",
    TensorProto.DOUBLE: "double_data",
}
_LARGEST_PICTURE = 2**28
_LARGEST_BATCH = 1024
_WAY_OUT = "Export the classifier alone: one image in, one row of class scores out."
_TASKS = {
    "detect": "a detector",
    "segment": "a segmentation model",
    "pose": "a pose model",
    "obb": "a detector",
}


def check(
    thing: str, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...], metadata: dict[str, str]
) -> None:
    """Refuse what is no single-image classifier.

    Args:
        thing: the file's name for the message.
        inputs: the graph's inputs without its weights.
        outputs: the graph's outputs.
        metadata: the file's metadata properties; `task` is what Ultralytics exports state.

    Raises:
        ModelError: with the inputs or outputs that were found.
    """
    _check_input(thing, inputs)
    found = f"its outputs: {describe(outputs)}"
    task = metadata.get("task", "")
    if task in _TASKS:
        raise ModelError(thing, f"is {_TASKS[task]} (metadata: task = {task}), not a classifier; {found}", _WAY_OUT)
    boxes = [o.name for o in outputs if _DETECTOR_NAME.search(o.name)]
    shaped = [o for o in outputs if o.shape]
    maps = [o for o in shaped if len(o.shape) == 3 and 1 not in o.shape[1:]]
    if boxes or (shaped and len(maps) == len(shaped)):
        raise ModelError(thing, f"looks like a detector, not a classifier; {found}", _WAY_OUT)
    spatial = [o for o in outputs if len(o.shape) == 4 and sum(d != 1 for d in o.shape[1:]) > 1]
    if spatial and len(spatial) == len(outputs):
        raise ModelError(
            thing,
            f"gives one score map, not one score a class (segmentation or features?); {found}",
            _WAY_OUT,
        )


def check_weights(thing: str, proto: ModelProto) -> None:
    """Refuse a file in which a weight holds more or fewer numbers than its shape says; external data are loaded.

    Raises:
        ModelError: naming the first such weight.
    """
    for tensor in graph.tensors(proto.graph):
        if any(size < 0 for size in tensor.dims) or _wrong_length(tensor):
            raise ModelError(
                thing, f"is damaged: its weight '{tensor.name}' does not hold what its shape {list(tensor.dims)} needs",
                "Copy or download the file, and its external data, again; or export the model again.",
            )  # fmt: skip


def _wrong_length(tensor: TensorProto) -> bool:
    count = math.prod(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return False
    if not tensor.HasField("raw_data"):
        field = _LISTS.get(int(tensor.data_type))
        return field is not None and len(getattr(tensor, field)) != count
    try:
        kind = TensorProto.DataType.Name(tensor.data_type)
        each = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        return False  # onnxruntime says which type it does not know
    packed = _PACKED.get(kind, 0)
    return bool(len(tensor.raw_data) != (-(-count // packed) if packed else count * each))


def _check_input(thing: str, inputs: tuple[TensorInfo, ...]) -> None:
    found = f"its inputs: {describe(inputs)}"
    if len(inputs) != 1:
        reason = "has no input" if not inputs else f"has {len(inputs)} inputs, a classifier of single images has one"
        raise ModelError(
            thing, f"{reason}; {found}",
            f"{_WAY_OUT} Bake other inputs in as constants; switches such as 'training' are set by themselves.",
        )  # fmt: skip
    image = inputs[0]
    if len(image.shape) not in (2, 3, 4):
        raise ModelError(
            thing,
            f"takes an input of rank {len(image.shape)}; a batch of images has rank 4, 3 (grey) or 2 (flat); {found}",
            f"{_WAY_OUT} Declare the input's shape.",
        )
    _check_sizes(thing, image, found)
    if len(image.shape) == 3 and 3 in (image.shape[0], image.shape[2]):
        raise ModelError(
            thing, f"takes one colour picture without a batch axis; {found}", "Export it with a batch axis in front."
        )
    if image.dtype not in _INPUT_TYPES:
        raise ModelError(
            thing, f"takes {image.dtype} numbers, which no picture becomes; {found}",
            "Export with a float32, float16, bfloat16, float64 or uint8 input.",
        )  # fmt: skip


def _check_sizes(thing: str, image: TensorInfo, found: str) -> None:
    batch, *sizes = image.shape
    if 0 in image.shape:
        reason = f"takes no numbers at all: a declared size is 0; {found}"
    elif isinstance(batch, int) and batch > _LARGEST_BATCH:
        reason = f"takes batches of {batch} images only, {_LARGEST_BATCH} at most can be audited; {found}"
    elif math.prod(size for size in sizes if isinstance(size, int) and size > 0) > _LARGEST_PICTURE:
        reason = f"takes pictures too large for any memory; {found}"
    else:
        return
    raise ModelError(thing, reason, "Export it again with the picture's true size and a dynamic batch axis.")
