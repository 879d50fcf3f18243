"""onnxruntime's blocked memory layout, kept where onnxruntime would leave it.

Its processor kernels store pictures in blocks of channels, (n, channels / block, height, width, block), and go back to
plain order around every operator that they do not have in that layout.  Yet what is done element by element does not
depend on the order, and what moves or repeats elements along height and width moves whole blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper

from geoaudit.model import graph
from geoaudit.model.adjoint.blocked_nodes import DOMAIN, Blocks
from geoaudit.model.adjoint.tape import Move

CPU = "CPUExecutionProvider"
_ELEMENTWISE = frozenset(
    {
        "Abs", "Add", "And", "Cast", "Clip", "Elu", "Equal", "Erf", "Exp", "FastGelu", "Gelu", "Greater",
        "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu", "Less", "LessOrEqual", "Max", "Min", "Mul", "Neg",
        "Not", "Or", "QuickGelu", "Relu", "Sigmoid", "Sign", "Softplus", "Sub", "Sum", "Tanh", "ThresholdedRelu",
        "Where",
    }
)  # fmt: skip
"""Finite wherever their arguments are: channels that only fill up a block hold anything finite."""
_BY_CHANNEL = frozenset({"Add", "Mul", "Sub"})


@cache
def block_size() -> int | None:
    """Channels that this machine's kernels store together; None if onnxruntime has no such layout here."""
    pixels = np.arange(256, dtype=np.float32).reshape(1, 128, 1, 2)
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain=DOMAIN)
    known = helper.make_tensor_value_info("x", TensorProto.FLOAT, pixels.shape)
    made = helper.make_graph([node], "probe", [known], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    proto = helper.make_model(made, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=[CPU])
        stored = np.asarray(session.run(None, {"x": pixels})[0]).reshape(-1)
        return int(np.flatnonzero(stored == 1)[0])  # the first channel's second pixel begins the second block
    except Exception:  # onnxruntime has no common base class for its errors
        return None


def keep_blocked(optimised: ModelProto, original: ModelProto, moves: Sequence[Move]) -> ModelProto:
    """A graph that onnxruntime has optimised, with more of it in blocks.

    Args:
        optimised: the optimised graph.
        original: the graph before, all of whose shapes can be inferred.
        moves: nodes that move elements apart, as they were named before.

    Returns:
        A changed copy; `optimised` itself where nothing is in blocks.
    """
    block = block_size()
    if block is None or not any(node.domain == DOMAIN for node in optimised.graph.node):
        return optimised
    work = Blocks(optimised, original, block)
    ends = {move.last: move for move in moves}
    begins = {move.first: str(node.input[0]) for move in moves for node in work.named(move.first)}
    for node in optimised.graph.node:
        move = ends.get(node.name)
        done = (
            _reordered(work, node)
            or (move is not None and move.first in begins and _moved(work, node, move, begins[move.first]))
            or _elementwise(work, node)
            or _by_channel(work, node)
            or _expanded(work, node)
            or _summed(work, node)
        )
        if not done:
            work.keep(node)
    return work.finished()


def _reordered(work: Blocks, node: NodeProto) -> bool:
    if node.domain != DOMAIN or graph.attribute(node, "channels_last", 0):
        return False
    if node.op_type == "ReorderOutput":
        work.keep(node)
        work.known(node.output[0], node.input[0])
        return True
    if node.op_type == "ReorderInput" and (stored := work.stored(node.input[0])):
        work.alias(node.output[0], stored)
        return True
    return False


def _moved(work: Blocks, node: NodeProto, move: Move, source: str) -> bool:
    stored = work.stored(source)
    if stored is None or len(move.strides) != 2:
        return False
    (batch, channels, rows, columns), (down, right) = move.shape, move.strides
    given = move.shape if move.kind == "spread" else (batch, down * right * channels, rows, columns)
    made_of = (batch, channels, rows * down, columns * right)
    if work.shape(source) != given or work.shape(node.output[0]) != made_of:
        return False  # onnxruntime has changed what stands before or behind
    if move.kind == "spread":
        made = work.spread(stored, move)
    elif move.shape[1] % work.block == 0:
        made = work.interleaved(stored, move)
    else:
        return False
    work.replaced(node, made)
    return True


def _elementwise(work: Blocks, node: NodeProto) -> bool:
    """Operators on pictures of one shape, and on numbers."""
    if node.op_type not in _ELEMENTWISE or node.domain not in ("", "com.microsoft") or len(node.output) != 1:
        return False
    shape = work.shape(node.output[0])
    inputs = [name if not name or work.is_number(name) else work.stored(name) for name in node.input]
    pictures = [name for name in node.input if name and not work.is_number(name)]
    if shape is None or not pictures or None in inputs or any(work.shape(name) != shape for name in pictures):
        return False
    work.replaced(node, work.like(node, [name or "" for name in inputs]))
    return True


def _by_channel(work: Blocks, node: NodeProto) -> bool:
    """A picture and one number for each of its channels."""
    if node.op_type not in _BY_CHANNEL or len(node.input) != 2:
        return False
    shape = work.shape(node.output[0])
    for picture, each in ((0, 1), (1, 0)):
        stored, numbers = work.stored(node.input[picture]), work.shape(node.input[each])
        if stored is None or shape is None or numbers is None or work.shape(node.input[picture]) != shape:
            continue
        if shape[1] % work.block or len(numbers) != 4 or numbers[1:] != (shape[1], 1, 1):
            continue
        flat = work.flat(stored, shape)
        beside = work.flat(node.input[each], numbers)
        made = work.like(node, [flat, beside] if picture == 0 else [beside, flat])
        work.replaced(node, work.reshape(made, shape))
        return True
    return False


def _expanded(work: Blocks, node: NodeProto) -> bool:
    """One number for each channel, as a picture."""
    if node.op_type != "Expand":
        return False
    given, shape = work.shape(node.input[0]), work.shape(node.output[0])
    if given is None or shape is None or len(shape) != 4 or given != (*shape[:2], 1, 1) or shape[1] % work.block:
        return False
    full = work.ints((shape[0], shape[1] // work.block, shape[2] * shape[3], work.block))
    made = work.add("Expand", work.flat(node.input[0], given), full)
    work.replaced(node, work.reshape(made, shape))
    return True


def _summed(work: Blocks, node: NodeProto) -> bool:
    """A picture's sum or mean over height and width."""
    if node.op_type not in ("ReduceSum", "ReduceMean"):
        return False
    stored, shape, sums = work.stored(node.input[0]), work.shape(node.input[0]), work.shape(node.output[0])
    if stored is None or shape is None or sums != (*shape[:2], 1, 1) or shape[1] % work.block:
        return False
    flat = work.flat(stored, shape)
    made = work.reduce(node.op_type, flat, 2)
    work.keep(helper.make_node("Reshape", [made, work.ints(sums)], [node.output[0]]))
    return True
