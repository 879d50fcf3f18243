"""Graph clean-up passes: functions from graph to graph that return their argument if nothing is to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from onnx import ModelProto

from geoaudit.model.graph import with_float_input
from geoaudit.model.head import Head
from geoaudit.model.normalise.constants import constants_to_initializers
from geoaudit.model.normalise.cut import cut_at
from geoaudit.model.normalise.dead import remove_dead
from geoaudit.model.normalise.fold import fold_constants
from geoaudit.model.normalise.inputs import initializers_out_of_inputs
from geoaudit.model.normalise.outputs import trim_outputs
from geoaudit.model.normalise.skipped import PassSkipped

Pass = Callable[[ModelProto], ModelProto]


@dataclass(frozen=True)
class Normalised:
    """A cleaned graph.

    Attributes:
        proto: the model; its one output is the explained tensor.
        passes: names of the passes that changed the graph, in order.
        notes: passes that could not run, with the reason.
    """

    proto: ModelProto
    passes: tuple[str, ...]
    notes: tuple[str, ...]


def normalise(proto: ModelProto, head: Head) -> Normalised:
    """Clean `proto` (not changed) so that it converts and ends at `head.logits`; numbers stay the same."""
    steps: list[tuple[str, Pass]] = [
        ("initializers-out-of-inputs", initializers_out_of_inputs),
        ("float-input", with_float_input),
        ("cut-at-explained-output", partial(cut_at, tensor=head.logits)),
        ("constants-to-initializers", constants_to_initializers),
        ("remove-dead", remove_dead),
        ("fold-constants", fold_constants),
        ("trim-outputs", trim_outputs),
        ("remove-dead", remove_dead),
    ]
    done: list[str] = []
    notes: list[str] = []
    for name, step in steps:
        try:
            changed = step(proto)
        except PassSkipped as reason:
            notes.append(f"{name}: {reason}")
            continue
        if changed is not proto and name not in done:
            done.append(name)
        proto = changed
    return Normalised(proto, tuple(done), tuple(notes))


__all__ = ["Normalised", "PassSkipped", "normalise"]
