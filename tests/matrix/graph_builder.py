"""A few lines to write down ONNX graphs by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and weights; weights come from one seeded generator."""

    def __init__(self, opset: int = 17, ir: int = 8, seed: int = 0) -> None:
        self.opset = opset
        self.ir = ir
        self.random = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.domains: dict[str, int] = {}
        self.functions: list[Any] = []

    def weight(self, *shape: int, scale: float | None = None) -> str:
        """A Gaussian weight; by default scaled so that a layer keeps its input's variance."""
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        size = scale if scale is not None else (2.0 / fan) ** 0.5 if len(shape) > 1 else 0.1
        return self.constant((self.random.standard_normal(shape) * size).astype(np.float32))

    def constant(self, value: Any) -> str:
        """An initializer."""
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A node; gives its output's name, or a list of them."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(kind, list(inputs), names, name=f"n{len(self.nodes)}", domain=domain, **attributes)
        )
        if domain:
            self.domains.setdefault(domain, 1)
        return names[0] if outputs == 1 else names

    def rename(self, tensor: str, name: str) -> str:
        """Give the output of the last maker of `tensor` a public name."""
        for node in self.nodes:
            node.output[:] = [name if o == tensor else o for o in node.output]
            node.input[:] = [name if i == tensor else i for i in node.input]
        return name

    def model(self, image: Any, outputs: dict[str, Any], dtype: int = TensorProto.FLOAT) -> ModelProto:
        """The model with the input `image` of the given shape, and outputs by name: shape or (type, shape)."""
        values = []
        for name, shape in outputs.items():
            kind, sizes = shape if isinstance(shape, tuple) else (TensorProto.FLOAT, shape)
            values.append(helper.make_tensor_value_info(name, kind, sizes))
        graph: GraphProto = helper.make_graph(
            self.nodes, "special", [helper.make_tensor_value_info("image", dtype, image)], values, self.initializers
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, v) for d, v in self.domains.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self.ir, functions=self.functions)


def cnn(
    b: Builder, x: str = "image", activation: Any = None, pool: str = "GlobalAveragePool", classes: int = 10,
    channels: int = 3,
) -> str:  # fmt: skip
    """Two strided convolutions, a pooling and a linear layer, added to `b`; gives the logits' name."""
    act = activation or (lambda name: b.op("Relu", name))
    x = act(b.op("Conv", x, b.weight(8, channels, 3, 3), b.weight(8), pads=[1, 1, 1, 1], strides=[2, 2]))
    x = act(b.op("Conv", x, b.weight(16, 8, 3, 3), b.weight(16), pads=[1, 1, 1, 1], strides=[2, 2]))
    x = b.op("Flatten", b.op(pool, x))
    return str(b.op("Gemm", x, b.weight(classes, 16), b.weight(classes), transB=1))


Array = npt.NDArray[Any]
