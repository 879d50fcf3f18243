"""The weights that a model has learned, found in its converted graph, and the way to change them.

A file may hold weights as convolution kernels, as the second factor of a matrix product, as whole numbers of a
quantised layer or inside an operator; all of them are tensors of the converted graph.  Every tensor of floating
point numbers counts, wherever it is kept, and so do whole numbers that a quantised operator multiplies or adds.
A layer is the first operator, in the order of the graph, that works on the picture and reads such tensors,
itself or through operators that only see constants (a transposed kernel, a dequantised one).

Not counted as learned: numbers that say how to compute rather than what was learned (scales and zero points of
quantisation, sizes of a resizing, limits of a clipping), whole numbers elsewhere (shapes, indices), and single
numbers and tensors with all elements equal, such as biases that are still zero: they carry nothing that could be
shuffled.  They are counted apart.  Counted as learned and left alone, so that the coverage shows it: tensors that
nothing reads, and those that are not finite (a mask of minus infinities).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Layers
from geoaudit_plugins.sanity.reading import Reading

Numbers = npt.NDArray[Any]
Change = Callable[[str, Numbers], Numbers]
"""A tensor's name and its values, own shape, to new values of that shape."""


@dataclass(frozen=True)
class LearnedTensor:
    """A tensor of learned weights.

    Attributes:
        name: as in the ONNX file, or its place where it has no name there.
        place: the buffer or parameter in the module.
        elements: number of its elements.
    """

    name: str
    place: str
    elements: int


@dataclass(frozen=True)
class LearnedLayer:
    """An operator that reads learned weights.

    Attributes:
        name: operator and node name.
        tensors: what it is the first to read, in the order of its inputs; at least one.
    """

    name: str
    tensors: tuple[LearnedTensor, ...]

    @property
    def elements(self) -> int:
        """Learned elements that it is the first to read."""
        return sum(tensor.elements for tensor in self.tensors)


@dataclass(frozen=True)
class Inventory:
    """What a converted graph has learned.

    Attributes:
        layers: in the order of the graph, input first.
        uniform: elements of single numbers and of tensors with all elements equal.
        settings: elements of floating point tensors that say how to compute.
        unread: learned elements that nothing reads.
        not_finite: learned elements of tensors that are not finite throughout.
    """

    layers: tuple[LearnedLayer, ...]
    uniform: int
    settings: int
    unread: int
    not_finite: int

    @property
    def reached(self) -> int:
        """Learned elements in `layers`."""
        return sum(layer.elements for layer in self.layers)

    @property
    def elements(self) -> int:
        """Learned elements, those left alone included."""
        return self.reached + self.unread + self.not_finite

    @property
    def coverage(self) -> float:
        """Reached elements in per cent of the learned ones, in [0, 100]; nan where nothing was learned."""
        return 100.0 * self.reached / self.elements if self.elements else math.nan


def learned(layers: Layers) -> list[LearnedLayer]:
    """The layers that hold learned weights, in the order of the graph, input first."""
    return list(inventory(layers).layers)


def inventory(layers: Layers) -> Inventory:
    """Every tensor of the converted graph, sorted into what was learned and what was not."""
    names = {place: name for name, place in layers.weights.items()}
    tensors = dict(_tensors(layers.module))
    reading = Reading(layers.module, tensors)
    counts = {"uniform": 0, "settings": 0, "unread": 0, "not_finite": 0}
    left = {place: kind for place, tensor in tensors.items() if (kind := _left(tensor)) is not None}
    for place, tensor in tensors.items():
        kind = left.get(place) or ("settings" if place in reading.settings else None)
        if kind is None and place not in reading.found:
            kind = "unread"
        if kind is not None and (tensor.dtype.is_floating_point or place in reading.found):
            counts[kind] += tensor.numel()
    found = []
    for layer, places in reading.layers:
        kept = [place for place in places if place not in left and place not in reading.settings]
        held = tuple(LearnedTensor(names.get(p, p), p, tensors[p].numel()) for p in kept)
        if held:
            found.append(LearnedLayer(layer, held))
    return Inventory(tuple(found), **counts)


def changed(
    layers: Layers, change: Change, only: Collection[str] | None = None, known: Sequence[LearnedLayer] | None = None
) -> Any:
    """The converted graph with other weights, ready for `Probe.with_layers`.

    Args:
        layers: a copy of the caller's own; its module is changed.
        change: asked for every learned tensor once, in the order of the graph.  Whole numbers that it returns
            as fractions are rounded and clipped to the tensor's range.
        only: names of the tensors to change; all learned ones by default.
        known: the layers that hold learned weights, where `learned` has been asked about such a copy before.

    Returns:
        `layers.module`.
    """
    tensors = dict(_tensors(layers.module))
    for layer in learned(layers) if known is None else known:
        for held in layer.tensors:
            if only is None or held.name in only:
                _put(tensors[held.place], change(held.name, _numbers(tensors[held.place])))
    return layers.module


def _tensors(module: Any) -> Iterator[tuple[str, Any]]:
    """Every parameter and buffer by its place, each tensor once."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _numbers(tensor: Any) -> Numbers:
    """A copy of the tensor's values; bfloat16, which numpy does not know, as float32."""
    plain = tensor.detach().cpu().contiguous()
    plain = plain.float() if str(plain.dtype) == "torch.bfloat16" else plain
    return np.array(plain.numpy())


def _put(tensor: Any, values: Numbers) -> None:
    import torch

    if not tensor.dtype.is_floating_point:
        limits = torch.iinfo(tensor.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max).astype(np.int64)
    tensor.data.copy_(torch.from_numpy(np.ascontiguousarray(values)))  # keeps type, device and memory layout


def _left(tensor: Any) -> str | None:
    """Why a tensor cannot be shuffled; None where it can."""
    if tensor.numel() < 2:
        return "uniform"
    if not tensor.dtype.is_floating_point:
        return "uniform" if bool((tensor == tensor.flatten()[0]).all()) else None
    low, high = float(tensor.min()), float(tensor.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not_finite"
    return "uniform" if low == high else None
