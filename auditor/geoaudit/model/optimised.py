"""Another graph of the same function: the file as exported where the graph in use is optimised, and the other way.

The graph that serves gradients went through onnxruntime's basic optimisation (constants folded, batch normalisation
merged into the convolution before it).  Converted without it, the same file gives another graph of the same
function.  Where that optimisation found nothing to do, the file is written out after all of onnxruntime's basic
level, its rearrangements included (a product and a sum joined into one, transposes moved): standard operators only,
so that it converts like any other file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from onnx import ModelProto, numpy_helper

from geoaudit.errors import GeoauditError, NotApplicable
from geoaudit.model import sessions
from geoaudit.model.artifact import Artifact
from geoaudit.model.float_input import with_float_input
from geoaudit.model.normalise import OPTIMISATION, Normalised, normalise
from geoaudit.model.twin import Twin
from geoaudit.model.wording import brief

_THING = "another graph of the same function"
_NAMED = 6


@dataclass(frozen=True)
class Rewritten:
    """A model by another graph.

    Attributes:
        twin: the converted graph, with the engine, memory layout and batch size of the one in use.
        changed: whether operators or weights differ from those of the one in use.
        description: how, in a sentence.
    """

    twin: Twin
    changed: bool
    description: str


class Rewriting:
    """Makes the other graph at the first call; whoever asks next gets the same.

    Args:
        artifact: the file.
        twin: its converted graph in use.
        custom_ops: a library of custom operators that the file needs.
    """

    def __init__(self, artifact: Artifact, twin: Twin, custom_ops: Path | None = None) -> None:
        self._artifact = artifact
        self._twin = twin
        self._custom_ops = custom_ops

    def __call__(self) -> Rewritten:
        """The other graph.

        Raises:
            NotApplicable: no other graph can be made or converted.
        """
        if isinstance(self._made, NotApplicable):
            raise self._made
        return self._made

    @cached_property
    def _made(self) -> Rewritten | NotApplicable:
        try:
            return rewrite(self._artifact, self._twin, self._custom_ops)
        except NotApplicable as told:
            return told


def rewrite(artifact: Artifact, twin: Twin, custom_ops: Path | None = None) -> Rewritten:
    """Convert the file by another graph than the one in use.

    Returns:
        The first that differs; one that does not, where none does.

    Raises:
        NotApplicable: none can be made and converted.
    """
    candidates: list[tuple[str, Callable[[], Normalised]]] = [
        ("optimised once more", lambda: normalise(_optimised(artifact, twin, custom_ops), twin.head))
    ]
    if OPTIMISATION in twin.normalised.passes:
        candidates.insert(0, ("as exported", lambda: normalise(artifact.proto, twin.head, optimise=False)))
    made: Rewritten | None = None
    reasons: list[str] = []
    for name, make in candidates:
        try:
            other = _converted(make(), twin)
        except GeoauditError as error:
            reasons.append(f"{name}, the model {error.reason}")
            continue
        made = Rewritten(other, *_difference(twin, other, name))
        if made.changed:
            break
    if made is None:
        raise NotApplicable(_THING, "; ".join(reasons))
    return made


def _optimised(artifact: Artifact, twin: Twin, custom_ops: Path | None) -> ModelProto:
    """The file after onnxruntime's basic optimisation.

    Raises:
        NotApplicable: onnxruntime cannot write it.
    """
    proto = sessions.with_output(with_float_input(artifact.proto), twin.head.logits)
    try:
        return sessions.optimised(proto, custom_ops)
    except GeoauditError:
        raise
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise NotApplicable(_THING, f"cannot be written by onnxruntime ({brief(error)})") from error


def _converted(normalised: Normalised, twin: Twin) -> Twin:
    """The twin of another graph, evaluated like the one in use."""
    setting = twin.setting
    device, thing = twin.device.type, "the other graph"
    if setting is None:
        return Twin(normalised, twin.head, device, twin.threads, thing=thing)
    return Twin(
        normalised, twin.head, device, twin.threads, setting.batch_size, setting.channels_last, thing=thing,
        engine=setting.engine,
    )  # fmt: skip


def _difference(before: Twin, after: Twin, name: str) -> tuple[bool, str]:
    """Whether two converted graphs differ, and how, in a sentence."""
    first, second = before.converted.ops, after.converted.ops
    counts = f"{sum(second.values())} operators, {sum(first.values())} in the graph in use"
    moves = {op: (first.get(op, 0), second.get(op, 0)) for op in sorted({*first, *second})}
    largest = sorted(moves.items(), key=lambda entry: -abs(entry[1][0] - entry[1][1]))[:_NAMED]
    changes = ", ".join(f"{there} {op}, not {here}" for op, (here, there) in largest if here != there)
    if changes:
        return True, f"The model {name} has other operators ({counts}: {changes})."
    if _weights(before.normalised.proto) != _weights(after.normalised.proto):
        return True, f"The model {name} has the same operators and other weights ({counts})."
    return False, f"The model {name} has the same operators and weights ({counts})."


def _weights(proto: ModelProto) -> Mapping[bytes, int]:
    """How often each weight occurs, by a digest of its type, shape and numbers."""
    found: Counter[bytes] = Counter()
    for tensor in proto.graph.initializer:
        digest = hashlib.sha256(f"{tensor.data_type} {list(tensor.dims)}".encode())
        digest.update(numpy_helper.to_array(tensor).tobytes())
        found[digest.digest()] += 1
    return found
