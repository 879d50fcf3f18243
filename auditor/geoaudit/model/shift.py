"""The converted graph of f(x - shift): the graph of f with a subtraction in front."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from onnx import helper
from torch import fx, nn

from geoaudit.api import Floats
from geoaudit.errors import NotApplicable
from geoaudit.model import graph
from geoaudit.model.boundary import own_shape
from geoaudit.model.converters import Operator, definitions
from geoaudit.model.twin import Twin

_VERSION = 14


def shifted(twin: Twin, shift: Floats) -> Twin:
    """The twin of f(x - shift), with the same layout and batch size.

    Args:
        twin: of f.
        shift: in model input units, shape of one picture; rounded to the model's input format.

    Raises:
        NotApplicable: the twin's graph was put into another module, where no node can be added.
    """
    module: Any = twin.copied_module()
    if not isinstance(module, fx.GraphModule):
        raise NotApplicable("shift", "the model's graph lies inside another module, so nothing can be put in front")
    picture = graph.tensor_info(graph.data_inputs(twin.normalised.proto.graph)[0])
    dtype = picture.dtype if picture.dtype.startswith("float") else "float32"
    amount = shift.reshape(own_shape(shift.shape, len(picture.shape))).astype(dtype)
    return twin.with_module(with_shift(module, amount))


def with_shift(module: fx.GraphModule, shift: Floats) -> fx.GraphModule:
    """Subtract a constant from the picture before anything else happens to it.

    The subtraction is a node like the graph's own (`op_type` "Sub", settings, names of its tensors); the constant is
    a buffer, but no initializer of the file: `meta["weights"]` does not name it.

    Args:
        module: a private copy of a converted graph with one input; it is changed.
        shift: what is subtracted, in the shape that one picture has for the model.

    Returns:
        `module`.
    """
    (picture,) = (node for node in module.graph.nodes if node.op == "placeholder")
    name = next(f"input_shift_{i}" for i in range(len(module.graph.nodes)) if not hasattr(module, f"input_shift_{i}"))
    given, made = (str(picture.target), name), f"{picture.target}/{name}"
    subtraction = Operator(helper.make_node("Sub", given, [made], name=f"/{name}"), _definition(), _VERSION)
    subtraction.onnx_mapping = SimpleNamespace(inputs=given, outputs=(made,))  # type: ignore[assignment]
    readers = list(picture.users)
    module.add_module(f"Sub_{name}", subtraction)
    module.add_module(name, nn.Module())
    module.get_submodule(name).register_buffer("constant", torch.from_numpy(shift.copy()))
    with module.graph.inserting_after(picture):
        amount = module.graph.get_attr(f"{name}.constant")
    with module.graph.inserting_after(amount):
        moved = module.graph.call_module(f"Sub_{name}", (picture, amount))
    for reader in readers:
        reader.replace_input_with(picture, moved)
    module.graph.lint()
    module.recompile()
    return module


def _definition() -> Any:
    return definitions()["", "Sub", _VERSION]
