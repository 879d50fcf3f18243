"""What a converted graph says about itself: which values depend on the picture, and what the constants are.

For methods that look at `Probe.layers().module`; nothing here imports torch.
"""

from __future__ import annotations

from typing import Any

_BLIND = frozenset({"Shape", "Size", "ConstantOfShape", "NonZero", "ArgMax", "ArgMin", "EyeLike", "Constant"})
"""Operators whose output does not change with small changes of the picture."""


def operator(module: Any, node: Any) -> str:
    """The ONNX operator of a node that calls a module, the class' name where it is not known; else ""."""
    if node.op != "call_module":
        return ""
    called = module.get_submodule(node.target)
    return str(getattr(called, "op_type", type(called).__name__))


def name(module: Any, node: Any) -> str:
    """A node as it is called in the ONNX graph: operator and name, or the tensor that it makes."""
    called = module.get_submodule(node.target)
    outputs = getattr(getattr(called, "onnx_mapping", None), "outputs", ())
    own = getattr(called, "node_name", "") or (f"-> {outputs[0]}" if outputs else str(node.target))
    return f"{operator(module, node)} {own}"


def fed(module: Any) -> set[Any]:
    """The nodes whose values change smoothly with the picture, placeholders included."""
    found: set[Any] = set()
    for node in module.graph.nodes:
        if node.op == "placeholder" or (
            any(source in found for source in node.all_input_nodes) and operator(module, node) not in _BLIND
        ):
            found.add(node)
    return found


def constant(module: Any, node: Any) -> Any:
    """The tensor of a node that does not depend on the picture; None where it takes more than weights to know it."""
    if node is None:
        return None
    if node.op == "get_attr":
        return module.get_buffer(node.target)
    if node.op != "call_module" or any(source.op == "placeholder" for source in node.all_input_nodes):
        return None
    given = [constant(module, source) for source in node.args]
    if not given or any(value is None for value in given):
        return None
    return module.get_submodule(node.target)(*given)
