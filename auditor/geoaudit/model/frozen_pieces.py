"""What stands in a quantised graph's place of a rounding, and of a choice between equals, at one image.

Each piece replaces one node by nodes that take constants of the image as further inputs.  Whole numbers meet exactly
where real ones hardly ever do: the inputs of a rectifier at its bend, the candidates of a maximum among themselves.
There a gradient is a choice, and torch's are made: at a bend the flat side (of a leaky rectifier the negative one), of
equal candidates the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from geoaudit.model import graph
from geoaudit.model.normalise.names import all_names, fresh_name
from geoaudit.model.spelled import Rounding, Spelled

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
_STEP = 1e-2
"""How far numbers at a bend are moved, as a share of the tensor's largest: farther than finite differences go."""
_BENDS = ("Relu", "LeakyRelu", "PRelu", "Clip")


@dataclass(frozen=True)
class Piece:
    """The replacement of one node.

    Attributes:
        made: the tensor that it makes instead.
        reads: tensors whose values at the image its constants are made from.
        nodes: new nodes; none where the tensor itself becomes a constant.
        inputs: names of the constants, with their ONNX element types.
        constants: from what was read to the constants.
    """

    made: str
    reads: tuple[str, ...]
    nodes: tuple[NodeProto, ...]
    inputs: Mapping[str, int]
    constants: Callable[[Arrays], Arrays] = field(compare=False)


def pieces(spelled: Spelled) -> tuple[GraphProto, list[Piece]]:
    """The graph with what must be read exposed by its nodes, and the pieces.

    Args:
        spelled: the quantised graph written out; not changed.

    Returns:
        A copy of its graph, in which every MaxPool also gives the places of its maxima, and one piece for each
        rounding, computed scale or zero point, MaxPool, and operator with a bend.
    """
    main = GraphProto()
    main.CopyFrom(spelled.proto.graph)
    taken = all_names(main)
    present = {name for node in main.node for name in node.output}
    found = [_rounding(r, taken) for r in spelled.roundings if r.made in present]
    found += [_held(name) for name in spelled.held if name in present]
    made = {piece.made for piece in found}
    weights = {tensor.name: tensor for tensor in main.initializer}
    for node in main.node:
        if node.output[0] in made:
            continue
        if node.op_type == "MaxPool" and not graph.attribute(node, "storage_order", 0):
            found.append(_pool(node, taken))
        elif node.op_type in _BENDS and not node.domain:
            found += _bend(node, {k: numpy_helper.to_array(weights[k]) for k in node.input[1:] if k in weights}, taken)
    return main, found


def _rounding(rounding: Rounding, taken: set[str]) -> Piece:
    """slope * given + offset: the slope is 1 up to and on the limits and 0 beyond."""
    slope, offset, product = (fresh_name(f"{rounding.made}/{kind}", taken) for kind in ("slope", "offset", "product"))

    def constants(read: Arrays) -> Arrays:
        given, moved = read[rounding.given], read[rounding.moved]
        least, most = rounding.limits
        within = ((moved >= least) & (moved <= most)).astype(given.dtype)
        return {slope: within, offset: read[rounding.made] - within * given}

    nodes = (
        helper.make_node("Mul", [rounding.given, slope], [product]),
        helper.make_node("Add", [product, offset], [rounding.made]),
    )
    inputs = {slope: TensorProto.FLOAT, offset: TensorProto.FLOAT}
    return Piece(rounding.made, (rounding.given, rounding.moved, rounding.made), nodes, inputs, constants)


def _held(name: str) -> Piece:
    return Piece(name, (name,), (), {name: TensorProto.FLOAT}, lambda read: {name: read[name]})


def _pool(node: NodeProto, taken: set[str]) -> Piece:
    """The numbers at the places of the image's maxima."""
    if len(node.output) < 2 or not node.output[1]:
        del node.output[1:]
        node.output.append(fresh_name(f"{node.output[0]}/places", taken))
    places = node.output[1]
    chosen, flat = (fresh_name(f"{node.output[0]}/{kind}", taken) for kind in ("chosen", "flat"))
    nodes = (
        helper.make_node("Flatten", [node.input[0]], [flat], axis=1),
        helper.make_node("Gather", [flat, chosen], [node.output[0]], axis=1),
    )
    return Piece(node.output[0], (places,), nodes, {chosen: TensorProto.INT64}, lambda read: {chosen: read[places][0]})


def _bend(node: NodeProto, settings: Arrays, taken: set[str]) -> Iterator[Piece]:
    """f(x + shift) + lift: numbers at a bend are moved to one side of it, and the result back."""
    bends = list(_bends(node, settings))
    if not bends:
        return
    x, y = node.input[0], node.output[0]
    shift, lift, moved, bent = (fresh_name(f"{y}/{kind}", taken) for kind in ("shift", "lift", "moved", "bent"))
    slope = settings[node.input[1]] if node.op_type == "PRelu" else np.float32(0)
    if node.op_type == "LeakyRelu":
        slope = np.float32(graph.attribute(node, "alpha", 0.01))

    def constants(read: Arrays) -> Arrays:
        given = read[x]
        far = given.dtype.type(_STEP * (float(np.abs(given).max(initial=0)) or 1))
        moves = sum(((given == place) * side * far for place, side in bends), np.zeros_like(given))
        moves = moves.astype(given.dtype)
        return {shift: moves, lift: (-slope * moves).astype(given.dtype)}

    same = NodeProto()
    same.CopyFrom(node)
    same.input[0], same.output[0] = moved, bent
    nodes = (
        helper.make_node("Add", [x, shift], [moved]),
        same,
        helper.make_node("Add", [bent, lift], [y]),
    )
    yield Piece(y, (x,), nodes, {shift: TensorProto.FLOAT, lift: TensorProto.FLOAT}, constants)


def _bends(node: NodeProto, settings: Arrays) -> Iterator[tuple[float, int]]:
    """Where the operator bends, and the side that torch takes there; nothing where a bound is computed."""
    if node.op_type == "PRelu" and node.input[1] not in settings:
        return
    if node.op_type != "Clip":
        yield 0.0, -1
        return
    for position, side in ((1, -1), (2, 1)):
        name = node.input[position] if len(node.input) > position else ""
        if name in settings:
            yield float(settings[name].reshape(-1)[0]), side


def constants(found: Sequence[Piece], read: Arrays) -> Arrays:
    """Every piece's constants, by name, from the tensors read at one image."""
    return {name: array for piece in found for name, array in piece.constants(read).items()}
