"""Patterns of the audited model, learned once a run and shared by the methods that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from geoaudit.api import Calibration, Floats, Ints, Probe
from geoaudit.errors import NotApplicable
from geoaudit_plugins.patterns.coverage import LEAST, Coverage, Measuring, Work
from geoaudit_plugins.patterns.kernels import Anatomy, Kernel
from geoaudit_plugins.patterns.statistics import KernelMoments, LayerPatterns, SumMoments

BATCH = 16
"""Pictures held at a time."""
FEW = 50
"""Pictures below which a reader is told that patterns are rough."""


@dataclass(frozen=True)
class Patterns:
    """What was learned.

    Attributes:
        layers: by node name.
        shares: by name of the nodes that add two tensors, see `SumMoments.share`.
        notes: sentences for the report.
    """

    layers: Mapping[str, LayerPatterns]
    shares: Mapping[str, Tensor]
    notes: tuple[str, ...]


def learn(probe: Probe, pictures: int, thing: str) -> Patterns:
    """Learn the patterns of all layers in one pass.

    Args:
        probe: the model and its calibration set.
        pictures: most pictures to learn from, evenly spaced in the set.
        thing: the method that asks, for messages.

    Raises:
        NotApplicable: there are fewer than 2 pictures or they are all the same, or patterns cover less than half of
            the multiply-adds.
    """
    chosen = _spaced(len(probe.calibration), pictures)
    if len(chosen) < 2:
        raise NotApplicable(
            thing, f"learns from pictures and was given {len(chosen)}", "Give a folder of them: --calibration DIR."
        )
    module = probe.layers().module
    anatomy, watched = Anatomy(module), _Watched(module)
    watching = probe.with_layers(watched)
    first, varied = probe.calibration.points(chosen[:1]), False
    work = _measured(watched, watching, first)
    coverage = Coverage.of(work, {n.name: anatomy.kind(n) for n in anatomy.nodes}, anatomy.kernels)
    if coverage.share < LEAST:
        raise NotApplicable(
            thing, f"patterns cover only {coverage.describe()}",
            "Pattern methods are for networks of convolutions and ReLUs; use path methods here.",
        )  # fmt: skip
    pass_ = _Pass(anatomy, work)
    watched.visitor = pass_.visit
    for points in _batches(probe.calibration, chosen):
        pass_.rows = len(points)
        watching.outputs(points, _any_class(points))
        varied = varied or bool((points != first).any())
    if not varied:
        raise NotApplicable(
            thing, f"its {len(chosen)} pictures to learn from are all the same",
            "Give a folder of different ones: --calibration DIR.",
        )  # fmt: skip
    layers = {name: moments.patterns() for name, moments in pass_.kernels.items()}
    shares = {name: moments.share() for name, moments in pass_.sums.items()}
    return Patterns(layers, shares, _notes(coverage, layers, len(chosen), probe.calibration.source))


def _spaced(available: int, wanted: int) -> list[int]:
    """Indices of at most `wanted` of the available pictures, evenly spaced, ascending."""
    count = min(available, wanted)
    return [i * available // count for i in range(count)]


def _batches(calibration: Calibration, chosen: Sequence[int]) -> Iterator[Floats]:
    for start in range(0, len(chosen), BATCH):
        yield calibration.points(chosen[start : start + BATCH])


def _any_class(points: Floats) -> Ints:
    return np.zeros(len(points), dtype=np.int64)


def _measured(watched: _Watched, watching: Probe, picture: Floats) -> Work:
    """One evaluation, which also lets the engine settle on a batch size before anything is summed up."""
    multiply_adds: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    watched.visitor = lambda module: Measuring(module, multiply_adds, shapes)
    watching.outputs(picture, _any_class(picture))
    return Work(multiply_adds, shapes)


def _notes(coverage: Coverage, layers: Mapping[str, LayerPatterns], pictures: int, source: str) -> tuple[str, ...]:
    notes = [f"Patterns cover {coverage.describe()}; they were learned from {pictures} pictures: {source}."]
    if linear := sum(layer.linear for layer in layers.values()):
        notes.append(f"Linear patterns serve {linear} of {len(layers)} layers, which have no ReLU behind them.")
    dead, neurons = (sum(getattr(layer, what) for layer in layers.values()) for what in ("dead", "neurons"))
    if dead:
        notes.append(f"No pattern was found for {dead / neurons:.1%} of the neurons: hardly any picture wakes them.")
    if pictures < FEW:
        notes.append(f"Patterns from fewer than {FEW} pictures are rough, above all those of the last layers.")
    return tuple(notes)


class _Watched(nn.Module):
    """A graph that a visitor evaluates.

    Args:
        module: the graph.

    Attributes:
        visitor: makes the interpreter of one evaluation.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__()
        self.module = module
        self.visitor: Callable[[fx.GraphModule], fx.Interpreter] = fx.Interpreter

    def forward(self, x: Tensor) -> Any:
        """The graph's output."""
        return self.visitor(self.module).run(x)


class _Pass:
    """The pass over the pictures: sums of all layers, and how many pictures of the batches to come count.

    Args:
        anatomy: the graph's parts.
        work: the shapes seen in one evaluation.

    Attributes:
        rows: pictures handed over and not seen yet; what the engine fills its last batch with counts for nothing.
    """

    def __init__(self, anatomy: Anatomy, work: Work) -> None:
        def gate(kernel: Kernel) -> Kernel:
            """Without an activation that has other elements than the layer's output."""
            behind = work.shapes.get(kernel.activation or "")
            same = behind is not None and np.prod(behind) == np.prod(work.shapes[kernel.node])
            return kernel if same else replace(kernel, activation=None)

        self.kernels = {name: KernelMoments(gate(kernel)) for name, kernel in anatomy.kernels.items()}
        nodes = {node.name: node for node in anatomy.nodes}
        self.sums = {
            name: SumMoments()
            for name in anatomy.sums
            if len({work.shapes.get(argument.name) for argument in nodes[name].all_input_nodes}) == 1
        }
        self.rows = 0

    def visit(self, module: fx.GraphModule) -> fx.Interpreter:
        """The interpreter of the next evaluation."""
        return _Observing(module, self)


class _Observing(fx.Interpreter):
    """Evaluates a graph and adds what its layers see to the pass's sums."""

    def __init__(self, module: fx.GraphModule, pass_: _Pass) -> None:
        super().__init__(module)
        self._pass = pass_
        self._open: dict[str, tuple[KernelMoments, Tensor, Tensor]] = {}  # by the activation that is waited for
        self._batch = self._count = 0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the graph on a batch of pictures."""
        self._batch = len(args[0])
        self._count = min(self._batch, self._pass.rows)
        self._pass.rows -= self._count
        return super().run(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """Evaluate one node."""
        if n.name in self._pass.kernels:
            return self._kernel(n, self._pass.kernels[n.name])
        made = super().run_node(n)
        if n.name in self._pass.sums:
            first, second = self.fetch_args_kwargs_from_env(n)[0]
            self._pass.sums[n.name].add(first, second, self._rows(first))
        if n.name in self._open:
            moments, y, weight = self._open.pop(n.name)
            moments.add(y, weight, made > 0, self._rows(y))
        return made

    def _kernel(self, n: fx.Node, moments: KernelMoments) -> Tensor:
        (x, weight, *bias), _ = self.fetch_args_kwargs_from_env(n)
        operator = self.fetch_attr(str(n.target))
        with torch.enable_grad():
            leaf = weight.detach().requires_grad_()
            y: Tensor = operator(x, leaf, *bias)
        activation = moments.kernel.activation
        if activation is None:
            moments.add(y, leaf, None, self._rows(y))
        else:
            self._open[activation] = (moments, y, leaf)
        return y.detach()

    def _rows(self, tensor: Tensor) -> int:
        """How many entries of the first axis belong to pictures that count."""
        each, rest = divmod(len(tensor), self._batch)
        return len(tensor) if rest else each * self._count
