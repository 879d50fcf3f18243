"""Who reads which tensor of a converted graph, and to what end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geoaudit_plugins import graph_reading

_QUANTISED: Mapping[str, tuple[int, ...]] = {
    "ConvInteger": (0, 1),
    "DequantizeLinear": (0,),
    "DynamicQuantizeMatMul": (0, 1, 4),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1, 6),
    "QAttention": (1, 2),
    "QGemm": (0, 3, 6),
    "QLinearAdd": (0, 3),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "QLinearMul": (0, 3),
    "QuantizeLinear": (0,),
}
"""Operators on quantised numbers, and which inputs hold them; the others are scales and zero points."""
_SETTINGS: Mapping[str, tuple[int, ...]] = {
    "Clip": (0,),
    "Dropout": (0,),
    "NonMaxSuppression": (0, 1),
    "OneHot": (),
    "Pad": (0,),
    "Range": (),
    "Resize": (0,),
    "Upsample": (0,),
}
"""Operators of which some inputs say how to compute, and which inputs do not."""
_MOVES = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
_BYTES = ("torch.int8", "torch.uint8")


class Reading:
    """Who reads which tensor.

    Attributes:
        found: places of learned tensors that some layer reads.
        settings: places of tensors that say how to compute, for at least one reader.
        layers: names of layers, and the places that each is the first to read.
    """

    def __init__(self, module: Any, tensors: Mapping[str, Any]) -> None:
        self.found: set[str] = set()
        self.settings: set[str] = set()
        self.layers: list[tuple[str, list[str]]] = []
        self._module, self._tensors = module, tensors
        self._carried: dict[Any, dict[str, bool]] = {}
        fed = graph_reading.fed(module)
        for node in module.graph.nodes:
            if node.op == "get_attr" and node.target in tensors:
                self._carried[node] = {node.target: tensors[node.target].dtype.is_floating_point}
            elif node.op in ("call_module", "call_function"):
                read = self._read(node)
                if node in fed and node.op == "call_module":
                    self._layer(graph_reading.name(module, node), read)
                else:
                    self._carried[node] = read

    def _layer(self, name: str, read: dict[str, bool]) -> None:
        new = [place for place, number in read.items() if number and place not in self.found]
        self.found.update(new)
        if new:
            self.layers.append((name, new))

    def _read(self, node: Any) -> dict[str, bool]:
        """The tensors behind a node's inputs, and whether each is numbers to compute with by then."""
        operator, found = graph_reading.operator(self._module, node), {}
        table = _QUANTISED.get(operator, _SETTINGS.get(operator))
        if table is None and operator.startswith("QLinear"):
            table = (0,)
        for position, source in _inputs(self._module, node):
            for place, number in self._carried.get(source, {}).items():
                if table is not None and position not in table:
                    self.settings.add(place)
                elif operator.startswith("QLinear") or operator in _QUANTISED:
                    found[place] = True
                elif number or operator in _MOVES:
                    found[place] = number or (operator == "Cast" and str(self._tensors[place].dtype) in _BYTES)
        if node.op == "call_module":
            own = f"{node.target}."
            found |= {p: True for p, t in self._tensors.items() if p.startswith(own) and t.dtype.is_floating_point}
        return found


def _inputs(module: Any, node: Any) -> list[tuple[int, Any]]:
    """A node's inputs with their positions in the ONNX operator; gaps have none."""
    given = [source for source in (*node.args, *node.kwargs.values()) if source is not None]
    called = module.get_submodule(node.target) if node.op == "call_module" else None
    named = getattr(getattr(called, "onnx_mapping", None), "inputs", None)
    positions = range(len(given)) if named is None else [i for i, name in enumerate(named) if name]
    return [(p, s) for p, s in zip(positions, given, strict=False) if hasattr(s, "op")]
