"""Graph clean-up passes: functions from graph to graph that return their argument if nothing is to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from onnx import ModelProto

from geoaudit.model.float_input import with_float_input
from geoaudit.model.head import Head
from geoaudit.model.normalise.batch import dynamic_batch
from geoaudit.model.normalise.branches import inline_branches
from geoaudit.model.normalise.coarseness import Precision, coarsest
from geoaudit.model.normalise.constant_nodes import fold_nodes
from geoaudit.model.normalise.constants import constants_to_initializers
from geoaudit.model.normalise.cut import cut_at
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.normalise.dialect import default_domain, dense_initializers, raise_ir
from geoaudit.model.normalise.fold import fold_constants
from geoaudit.model.normalise.functions import expand_operators, inline_functions
from geoaudit.model.normalise.identities import remove_identities
from geoaudit.model.normalise.inputs import initializers_out_of_inputs
from geoaudit.model.normalise.loops import unroll_loops
from geoaudit.model.normalise.node_names import distinct_names
from geoaudit.model.normalise.outputs import trim_outputs
from geoaudit.model.normalise.padding import explicit_padding
from geoaudit.model.normalise.precision import half_to_single
from geoaudit.model.normalise.scans import unroll_scans
from geoaudit.model.normalise.shapes import static_shapes
from geoaudit.model.normalise.skipped import PassSkipped

Pass = Callable[[ModelProto], ModelProto]
Steps = Sequence[tuple[str, Pass]]

OPTIMISATION = "fold-constants"
"""The pass that is onnxruntime's offline optimisation; the others only spell the same operators otherwise."""
_WRITING: Steps = (
    ("inline-functions", inline_functions),
    ("default-domain", default_domain),
    ("dense-initializers", dense_initializers),
    ("initializers-out-of-inputs", initializers_out_of_inputs),
    ("raise-ir", raise_ir),
)
_CONSTANTS: Steps = (
    ("constants-to-initializers", constants_to_initializers),
    ("remove-identities", remove_identities),
    ("fold-nodes", fold_nodes),
    ("inline-branches", inline_branches),
    ("unroll-loops", unroll_loops),
)
_SHAPES: Steps = (("static-shapes", static_shapes), *_CONSTANTS, ("unroll-scans", unroll_scans))
_LAST: Steps = (
    ("explicit-padding", explicit_padding),
    (OPTIMISATION, fold_constants),
    ("trim-outputs", trim_outputs),
    ("remove-dead", remove_dead),
    ("distinct-names", distinct_names),
)
_ROUNDS = 16


@dataclass(frozen=True)
class Normalised:
    """A cleaned graph.

    Attributes:
        proto: the model; its one output is the explained tensor.
        passes: names of the passes that changed the graph, in the order of their first change.
        notes: passes that could not run, with the reason.
        precision: the coarsest floating type that the original computes the explained tensor in; "float16" stands
            for bfloat16 too, and such a model is widened to float32 here.
    """

    proto: ModelProto
    passes: tuple[str, ...]
    notes: tuple[str, ...]
    precision: Precision


def normalise(proto: ModelProto, head: Head, *, optimise: bool = True) -> Normalised:
    """Clean `proto` (not changed) so that it converts and ends at `head.logits`; numbers stay the same.

    Args:
        proto: the model.
        head: where the scores are read.
        optimise: have onnxruntime merge operators besides (`OPTIMISATION`); else they stay as exported.
    """
    return normalise_to(proto, head.logits, optimise=optimise)


def normalise_to(proto: ModelProto, tensor: str, *, optimise: bool = True) -> Normalised:
    """Clean `proto` (not changed) so that it converts and `tensor` is its one output; numbers stay the same."""
    work = _Work(proto)
    work.run(_WRITING)
    precision = coarsest(work.proto, tensor)
    work.run(
        (
            ("float-input", with_float_input),
            ("cut-at-explained-output", partial(cut_at, tensor=tensor)),
            ("constants-to-initializers", constants_to_initializers),
            ("remove-dead", remove_dead),
            ("half-to-single", half_to_single),
        )
    )
    work.settle(_CONSTANTS)
    work.run((("dynamic-batch", dynamic_batch),))
    work.settle(_SHAPES)
    if work.run((("expand-operators", expand_operators),)):
        work.settle(_SHAPES)
    work.run([step for step in _LAST if optimise or step[0] != OPTIMISATION])
    return Normalised(work.proto, tuple(work.passes), tuple(work.notes), precision)


@dataclass
class _Work:
    proto: ModelProto
    passes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, steps: Steps) -> bool:
        """Apply passes one after the other; whether any changed the graph."""
        before = self.proto
        for name, step in steps:
            try:
                changed = step(self.proto)
            except PassSkipped as reason:
                note = f"{name}: {reason}"
                self.notes += [] if note in self.notes else [note]
                continue
            if changed is not self.proto and name not in self.passes:
                self.passes.append(name)
            self.proto = changed
        return self.proto is not before

    def settle(self, steps: Steps) -> None:
        """Apply passes again and again until none changes the graph: each may open the way for another."""
        for _ in range(_ROUNDS):
            if not self.run(steps):
                break


__all__ = ["OPTIMISATION", "Normalised", "PassSkipped", "Precision", "normalise", "normalise_to"]
