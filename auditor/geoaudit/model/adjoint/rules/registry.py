"""How an adjoint rule is declared, and what it sees of its node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from onnx import NodeProto

from geoaudit.model import graph
from geoaudit.model.adjoint.tape import Array, Shape, Tape
from geoaudit.model.adjoint.unsupported import Unsupported


@dataclass(frozen=True)
class Site:
    """One node of the model, seen from behind.

    Attributes:
        node: the node.
        tape: where the adjoint's nodes go.
        cotangents: the derivative of the explained scalar with respect to each output; None for an output that it
            does not depend on.
        wanted: for each input, whether the image reaches it by differentiable ways.
    """

    node: NodeProto
    tape: Tape
    cotangents: Sequence[str | None]
    wanted: Sequence[bool]

    @property
    def g(self) -> str:
        """The first output's cotangent."""
        found = self.cotangents[0]
        if found is None:
            self.refuse("whose first output is not used")
        return found

    @property
    def y(self) -> str:
        """The first output."""
        return str(self.node.output[0])

    def x(self, index: int = 0) -> str:
        """An input's name."""
        return str(self.node.input[index])

    def has(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def shape(self, index: int = 0) -> Shape:
        """An input's shape."""
        return self.tape.shape(self.x(index))

    @property
    def out(self) -> Shape:
        """The first output's shape."""
        return self.tape.shape(self.y)

    def constant(self, index: int) -> Array:
        """An input's numbers.

        Raises:
            Unsupported: it is computed.
        """
        value = self.tape.value(self.x(index))
        if value is None:
            self.refuse(f"whose input {index} is computed")
        return value

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, text as str."""
        value = graph.attribute(self.node, name, default)
        return value.decode() if isinstance(value, bytes) else value

    def axis(self, default: int, rank: int) -> int:
        """The attribute `axis` as a number from 0 on."""
        return int(self.attribute("axis", default)) % rank

    def only(self, *wanted: int) -> None:
        """Refuse a node that has the image in any other input.

        Raises:
            Unsupported: it has.
        """
        for index, wants in enumerate(self.wanted):
            if wants and index not in wanted:
                self.refuse(f"whose input {index} depends on the image")

    def results(self, **given: str) -> list[str | None]:
        """The inputs' cotangents, from keywords x0, x1, ...; None for the others."""
        return [given.get(f"x{i}") for i in range(len(self.node.input))]

    def refuse(self, why: str) -> NoReturn:
        """Give up on the model."""
        raise Unsupported(f"{self.node.op_type} {why}")


Rule = Callable[[Site], Sequence[str | None]]
"""The cotangents of a node's inputs; what is given for an input that is not wanted is ignored."""
RULES: dict[tuple[str, str], Rule] = {}
"""Every declared rule by (domain, operator); the families fill it when they are imported."""


def rule(*names: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Declare the decorated function as the adjoint of operators."""

    def declare(function: Rule) -> Rule:
        for name in names:
            RULES[domain, name] = function
        return function

    return declare
