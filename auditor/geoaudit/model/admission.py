"""Is this a classifier of single images?  Everything else is refused with what was found and the way out."""

from __future__ import annotations

import re

from geoaudit.audit.result import TensorInfo
from geoaudit.errors import ModelError
from geoaudit.model.graph import describe

_INPUT_TYPES = {"float16", "float32", "float64", "uint8", "int8", "int32", "int64"}
_DETECTOR_NAME = re.compile(
    r"(^|[^a-z])(d?boxes|bbox(es)?|num_(dets|detections)|dets|detections?)([^a-z]|$)", re.IGNORECASE
)
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
    ranks = [len(o.shape) for o in outputs if o.shape]
    if boxes or (ranks and all(r == 3 for r in ranks) and (len(ranks) > 1 or outputs[0].shape[1] != 1)):
        raise ModelError(thing, f"looks like a detector, not a classifier; {found}", _WAY_OUT)
    spatial = [o for o in outputs if len(o.shape) == 4 and any(d != 1 for d in o.shape[2:])]
    if spatial and len(spatial) == len(outputs):
        raise ModelError(
            thing,
            f"gives one score map, not one score a class (segmentation or features?); {found}",
            _WAY_OUT,
        )


def _check_input(thing: str, inputs: tuple[TensorInfo, ...]) -> None:
    found = f"its inputs: {describe(inputs)}"
    if len(inputs) != 1:
        reason = "has no input" if not inputs else f"has {len(inputs)} inputs, a classifier of single images has one"
        raise ModelError(thing, f"{reason}; {found}", _WAY_OUT + " Bake other inputs in as constants.")
    image = inputs[0]
    if len(image.shape) != 4:
        raise ModelError(
            thing,
            f"takes an input of rank {len(image.shape)}; a batch of images has rank 4; {found}",
            _WAY_OUT + " Flatten inside the model, and declare the input's shape.",
        )
    if image.dtype not in _INPUT_TYPES:
        raise ModelError(
            thing, f"takes {image.dtype} numbers, which no picture becomes; {found}",
            "Export with a float32, float16, float64 or uint8 input.",
        )  # fmt: skip
