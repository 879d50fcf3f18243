"""How much of a model's work the patterns cover: multiply-adds, counted on one picture as torch multiplies.

torch's own counter is not used: it knows no attention on processors, and loads a compiler for seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode

LEAST = 0.5
"""Share of the multiply-adds below which the patterns say nothing about the model."""


@dataclass(frozen=True)
class Work:
    """What one evaluation of a graph took.

    Attributes:
        multiply_adds: by node name; nodes that multiply nothing are missing.
        shapes: by node name, of nodes that give one tensor.
    """

    multiply_adds: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]


class WorkCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While this context lasts, counts the multiply-adds of products, convolutions and attention in `total`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; torch would load its compiler only to keep it out."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Evaluate one torch operator and count it."""
        made = func(*args, **(kwargs or {}))
        self.total += _multiply_adds(str(func).split(".")[1], args, made)
        return made


def _multiply_adds(name: str, args: Any, made: Any) -> int:
    if name in ("mm", "bmm"):
        return int(args[0].numel() * args[1].shape[-1])
    if name in ("addmm", "baddbmm"):
        return int(args[1].numel() * args[2].shape[-1])
    if name in ("mv", "dot"):
        return int(args[0].numel())
    if name == "convolution":
        x, weight, transposed = args[0], args[1], args[6]
        return int((x if transposed else made).numel() * weight[0].numel())
    if name.startswith("_scaled_dot_product"):
        query, key, value = args[:3]
        return int(query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1]))
    return 0


class Measuring(fx.Interpreter):
    """Evaluates a graph and writes down each node's multiply-adds and shape.

    Args:
        module: the graph.
        multiply_adds, shapes: what is found is put here; see `Work`.
    """

    def __init__(
        self, module: fx.GraphModule, multiply_adds: dict[str, int], shapes: dict[str, tuple[int, ...]]
    ) -> None:
        super().__init__(module)
        self._multiply_adds = multiply_adds
        self._shapes = shapes
        self._counter = WorkCounter()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the graph."""
        with self._counter:
            return super().run(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """Evaluate one node."""
        before = self._counter.total
        made = super().run_node(n)
        if spent := self._counter.total - before:
            self._multiply_adds[n.name] = spent
        if isinstance(made, Tensor):
            self._shapes[n.name] = tuple(made.shape)
        return made


@dataclass(frozen=True)
class Coverage:
    """The share of a model that patterns speak for.

    Attributes:
        covered, total: multiply-adds of one evaluation.
        layers: number of nodes with patterns.
        weighted: number of nodes that multiply and add.
        others: the other nodes that multiply and add, by operator.
    """

    covered: int
    total: int
    layers: int
    weighted: int
    others: Mapping[str, int]

    @classmethod
    def of(cls, work: Work, kinds: Mapping[str, str], patterned: Collection[str]) -> Coverage:
        """The coverage by the nodes in `patterned`; `kinds` gives the operator of each node."""
        spent = work.multiply_adds
        inside = [name for name in spent if name in patterned]
        others = Counter(kinds.get(name) or "other" for name in spent if name not in patterned)
        covered = sum(spent[name] for name in inside)
        return cls(covered, sum(spent.values()), len(inside), len(spent), dict(sorted(others.items())))

    @property
    def share(self) -> float:
        """Of the multiply-adds, in [0, 1]; 0 where nothing multiplies."""
        return self.covered / self.total if self.total else 0.0

    def describe(self) -> str:
        """One phrase: the share, and what is left out."""
        said = f"{self.share:.1%} of the multiply-adds, {self.layers} of {self.weighted} layers"
        left = ", ".join(f"{count} {kind}" for kind, count in self.others.items())
        return f"{said} (plain gradients pass through {left})" if left else said
