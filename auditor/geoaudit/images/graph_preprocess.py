"""What the graph itself says about its input: shape, type, and preprocessing that is part of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx

from geoaudit.errors import ModelError
from geoaudit.images.fields import Stated
from geoaudit.images.graph_lead import Lead, walk

_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


@dataclass(frozen=True)
class GraphFacts:
    """What is certain from the graph.

    Attributes:
        dims: the image input's four dimensions, None where dynamic; those of a flat input are (batch, None, None,
            None), those of a grey one without channel axis have a 1 for it.
        dtype: its element type, in numpy's words.
        denoted: whether its type denotation is IMAGE.
        layout: "NCHW" or "NHWC"; None where the graph does not tell.
        channels: number of channels; None where dynamic and no convolution tells.
        stated: fields that the graph's leading operators settle.
        normalises: how the graph scales pixels itself, such as "Sub, Div"; None if it does not.
        is_flat: the input has the two axes (batch, numbers); `layout` is None then, the order is the user's to say.
        numbers: of a flat input, how many numbers one picture has; None where dynamic.
    """

    dims: tuple[int | None, ...]
    dtype: str
    denoted: bool
    layout: Literal["NCHW", "NHWC"] | None
    channels: int | None
    stated: Mapping[str, Stated] = field(default_factory=dict)
    normalises: str | None = None
    is_flat: bool = False
    numbers: int | None = None

    def square(self) -> tuple[int, int] | None:
        """Channels and side of the one square picture with `numbers` numbers; None if there is none.

        n = s^2 and n = 3 s^2 exclude each other, so a square picture is grey or in colour for certain.
        """
        for channels in (1, 3):
            side = math.isqrt((self.numbers or 0) // channels)
            if side > 0 and channels * side * side == self.numbers:
                return channels, side
        return None

    def size_in(self, layout: str) -> tuple[int | None, int | None]:
        """Height and width if the layout is `layout`; None where dynamic."""
        return (self.dims[2], self.dims[3]) if layout == "NCHW" else (self.dims[1], self.dims[2])

    def channels_in(self, layout: str) -> int | None:
        """Number of channels if the layout is `layout`."""
        declared = self.dims[1] if layout == "NCHW" else self.dims[3]
        return declared if declared is not None else self.channels


def read_graph(model: onnx.ModelProto, name: str) -> GraphFacts:
    """The facts about the image input of `model` (weights kept in other files need not be loaded).

    Leading Sub, Add, Mul and Div with constants are folded to one affine map y = scale x + shift; Cast,
    Identity, Transpose and Resize are walked through.  Where the map's zero or unit is 20 or more, pixels are
    expected in 0..255, where both are at most 1.5, in 0..1; either way nothing is left to do outside: mean 0,
    std 1. Anything between fits neither range, and nothing is stated.

    An input without channel axis holds grey pictures, [N, H, W]; a flat one is [N, numbers].

    Raises:
        ModelError: no input with two to four dimensions, or its channels are neither 1 nor 3.
    """
    image = _image_input(model.graph, name)
    tensor = image.type.tensor_type
    dims = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    lead = walk(model.graph, image.name)
    denoted = image.type.denotation.upper() == "IMAGE"
    if len(dims) < 4:
        return _small(dims, dtype, denoted, *_own_preprocessing(lead, dtype))
    layout = _layout(dims, lead)
    channels = _channels(dims, layout, lead)
    if channels not in (None, 1, 3):
        reason = f"its input {image.name!r} has {channels} channels; pictures have 1 (grey) or 3 (colour)"
        raise ModelError(name, reason, "geoaudit audits image classifiers only.")
    stated, normalises = _own_preprocessing(lead, dtype)
    size = _resized_to(lead, layout)
    if size is not None:
        stated["size"] = Stated(size, "graph: leading Resize")
    return GraphFacts(dims, dtype, denoted, layout, channels, stated, normalises)


def _own_preprocessing(lead: Lead, dtype: str) -> tuple[dict[str, Stated], str | None]:
    """What the graph's arithmetic or integer input settles, and its name."""
    stated = _normalisation(lead)
    normalises = ", ".join(lead.arithmetic) if stated else None
    if dtype == "uint8":
        stated |= _scaled(True, "graph: input of type uint8")
        normalises = normalises or "it takes uint8 pixels"
    return stated, normalises


def _small(
    dims: tuple[int | None, ...], dtype: str, denoted: bool, stated: dict[str, Stated], normalises: str | None
) -> GraphFacts:
    """The facts of an input without channel axis, or without any."""
    if len(dims) == 3:
        return GraphFacts((dims[0], 1, *dims[1:]), dtype, denoted, "NCHW", 1, stated, normalises)
    return GraphFacts((dims[0], None, None, None), dtype, denoted, None, None, stated, normalises, True, dims[1])


def _image_input(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    held = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name not in held]
    for rank in (4, 3, 2):
        for value in inputs:
            if len(value.type.tensor_type.shape.dim) == rank:
                return value
    shapes = ", ".join(f"{v.name} ({len(v.type.tensor_type.shape.dim)} dimensions)" for v in inputs) or "none"
    raise ModelError(name, f"no input has the dimensions of a batch of images (inputs: {shapes})")


def _layout(dims: tuple[int | None, ...], lead: Lead) -> Literal["NCHW", "NHWC"] | None:
    first, last = dims[1] in (1, 3, 4), dims[3] in (1, 3, 4)
    if first != last:
        return "NCHW" if first else "NHWC"
    if lead.perm == _TO_NCHW:
        return "NHWC"
    if lead.perm == _TO_NHWC:
        return "NCHW"
    if lead.perm is not None:
        return None
    return "NCHW" if lead.weight is not None else None  # an ONNX convolution is NCHW by definition


def _channels(dims: tuple[int | None, ...], layout: str | None, lead: Lead) -> int | None:
    declared = None if layout is None else dims[1 if layout == "NCHW" else 3]
    if declared is None and lead.weight is not None:
        return lead.weight[1] * lead.groups
    return declared


def _normalisation(lead: Lead) -> dict[str, Stated]:
    """What the folded affine map expects; nothing if it is the identity or fits neither customary range."""
    if not np.all(np.abs(lead.scale) > 0) or (np.all(lead.scale == 1) and np.all(lead.shift == 0)):
        return {}
    unit, zero = np.abs(1 / lead.scale).max(), -lead.shift / lead.scale
    if zero.min() < -1e-6 or 1.5 < max(unit, zero.max()) < 20:
        return {}
    return _scaled(max(unit, zero.max()) >= 20, f"graph: leading {', '.join(lead.arithmetic)}")


def _scaled(wide: bool, source: str) -> dict[str, Stated]:
    values = {"range": (0.0, 255.0 if wide else 1.0), "mean": (0.0,), "std": (1.0,)}
    return {name: Stated(value, source) for name, value in values.items()}


def _resized_to(lead: Lead, layout: str | None) -> tuple[int, int] | None:
    """The size that the graph resizes to: pictures given in it are not resized twice."""
    if lead.resized is None or lead.resized.size != 4 or layout is None:
        return None
    sizes = [int(side) for side in lead.resized.reshape(-1)]
    channels_first = (layout == "NCHW") != lead.resized_after_perm
    height, width = (sizes[2], sizes[3]) if channels_first else (sizes[1], sizes[2])
    return (height, width) if height > 0 and width > 0 else None
