"""The explained output: the scores before any Softmax or Sigmoid at the graph's end."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from geoaudit.audit.result import TensorInfo
from geoaudit.errors import ModelError, UsageError
from geoaudit.model import graph
from geoaudit.model.artifact import Artifact
from geoaudit.model.explain import Tail
from geoaudit.model.graph_view import View
from geoaudit.model.support_vectors import check_order
from geoaudit.model.trail import walk_back

Kind = Literal["one-label", "multi-label", "binary"]
_FLOATS = ("float16", "float32", "float64", "bfloat16", "unknown")
_SCORE_NAME = re.compile(
    r"(^|[^a-z])(logits?|scores?|outputs?|prob(s|abilit(y|ies))?|predictions?|pred|class(es|ifier)?)([^a-z]|$)",
    re.IGNORECASE,
)
_AUXILIARY_NAME = re.compile(r"(^|[^a-z])aux", re.IGNORECASE)
_LINEAR = ("Gemm", "MatMul", "Conv", "FusedGemm", "FusedMatMul", "FusedConv", "QGemm", "QLinearConv", "QLinearMatMul")
_BEHIND_LINEAR = ("Add", "Reshape", "Squeeze", "Flatten", "DequantizeLinear")


@dataclass(frozen=True)
class Head:
    """Where the scores are read.

    Attributes:
        output: the graph output (or the tensor asked for) that leads there.
        logits: the tensor that is read, float, shape (n, numbers) up to axes of size 1.
        tail: the operator that follows and is left out ("Softmax", "LogSoftmax", "Sigmoid"); "Probabilities" where
            the numbers are probabilities already and nothing can be left out; else None.
        classes: number of classes, at least 2.
        kind: "one-label": the classes compete; "multi-label": each is a yes-or-no question of its own; "binary":
            one number stands for two classes, see `geoaudit.model.explain.rows`.
        assumed: "binary" without a Sigmoid in the graph: the number is read as the logit.
        linear: a product with weights makes the numbers, so that they are no probabilities.
        others: graph outputs that give other rows of scores and are left out.
    """

    output: str
    logits: str
    tail: Tail | None
    classes: int
    kind: Kind = "one-label"
    assumed: bool = False
    linear: bool = field(default=False, compare=False)
    others: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        """Numbers that the model gives for one image."""
        return 1 if self.kind == "binary" else self.classes

    def as_probabilities(self) -> Head:
        """The same tensor, read as probabilities."""
        return replace(self, tail="Probabilities", assumed=False)

    def describe(self) -> str:
        """One sentence for the report: which tensor is read, what is left out, what the classes mean."""
        left = f" Other outputs are left out: {', '.join(self.others)}." if self.others else ""
        if self.tail == "Probabilities":
            numbers = "The one number is the probability of class 1" if self.kind == "binary" else "The numbers are"
            numbers += "" if self.kind == "binary" else " probabilities"
            return f"{numbers} already ('{self.logits}'); its logarithm is explained, without a second Softmax.{left}"
        before = f"'{self.logits}'" + (f", before the {self.tail}" if self.tail and not self.assumed else "")
        if self.kind == "binary":
            how = "is read as the logit, no Sigmoid follows it" if self.assumed else "is the logit"
            return f"One number, {before}, {how}: it speaks for class 1, its negative for class 0.{left}"
        if self.kind == "multi-label":
            return f"{self.classes} classes, {before}, each a yes-or-no question of its own.{left}"
        return f"{self.classes} classes that exclude each other, {before}.{left}"


def find(artifact: Artifact, output: str | None = None, custom_ops: Path | None = None) -> Head:
    """The explained output of `artifact`.

    From every output the graph is walked back over operators that only choose, relabel or reshape.  If that meets
    a Softmax, LogSoftmax or Sigmoid over the classes, written out or not, the tensor before it is taken; so a
    model that gives logits, probabilities and the best class as three outputs has one explained output, not three.
    Where several different rows remain, these rules are tried in turn: a row from which another output chooses the
    best class; the one row with a tail; the one row named as scores are; the row that a product with weights makes
    from all the others, which are its features; of rows of equal length, but for those named "aux...", the first.
    One number is a binary head, and is taken only if there is no longer row.

    Args:
        artifact: the file.
        output: a graph output, or any tensor of the main graph, to use instead.
        custom_ops: a custom-operator library, where row lengths must be measured by running the model.

    Raises:
        ModelError: no output is a row of scores, or several different ones are, or its scores contradict its label.
        UsageError: `output` is no tensor of the model, or no row of scores; `custom_ops` cannot be loaded.
    """
    view = View.of(artifact.proto)
    declared = [value.name for value in artifact.proto.graph.output]
    if output is not None:
        _check_exists(artifact, output, view)
    rows = _rows(artifact, view, [output] if output is not None else declared, custom_ops)
    if not rows:
        _refuse(artifact, output, view)
    several = [row for row in rows if row.numbers > 1] or rows
    chosen = several[0] if len(several) == 1 else _best(several, view)
    if chosen is None:
        names = ", ".join(f"'{row.output}' ({row.numbers} numbers)" for row in several)
        raise ModelError(
            str(artifact.path),
            f"more than one output could be the class scores: {names}; its outputs: {graph.describe(artifact.outputs)}",
            "Say which: --output NAME.",
        )
    check_order(str(artifact.path), chosen.tensor, chosen.numbers, view)
    others = tuple(f"'{row.output}'" for row in rows if row is not chosen)
    return _head(chosen, view, others)


@dataclass(frozen=True)
class _Row:
    output: str
    tensor: str
    tail: str | None
    numbers: int
    chosen: bool
    named: bool


def _rows(artifact: Artifact, view: View, names: list[str], custom_ops: Path | None) -> list[_Row]:
    """Every different row of scores that an output leads to, in the outputs' order.

    A row that is an output stands before one that is only known through the best class chosen from it.
    """
    trails = {name: walk_back(name, view) for name in names}
    batch = artifact.inputs[0].shape[0]
    unknown = {t.tensor for t in trails.values() if _numbers(view.known.get(t.tensor), batch) is None}
    measured = _measured(artifact, sorted(unknown), custom_ops) if unknown else {}
    found: dict[str, _Row] = {}
    for name, trail in trails.items():
        info = view.known.get(trail.tensor)
        numbers = _numbers(info, batch)
        if numbers is None:
            numbers = measured.get(trail.tensor, 0)
        if not numbers or (info is not None and info.dtype not in _FLOATS) or _useless(trail.tail, numbers):
            continue
        named = _SCORE_NAME.search(name) is not None and _AUXILIARY_NAME.search(name) is None
        known = found.get(trail.tensor)
        if known is None:
            found[trail.tensor] = _Row(name, trail.tensor, trail.tail, numbers, trail.chosen, named)
        else:
            found[trail.tensor] = replace(
                known, tail=known.tail or trail.tail, chosen=known.chosen or trail.chosen, named=known.named or named
            )
    direct = {t.tensor for t in trails.values() if not t.chosen}
    rows = [row for row in found.values() if row.tensor in direct]
    return rows or list(found.values())


def _best(rows: list[_Row], view: View) -> _Row | None:
    """The row to explain among several, by the rules of `find`; None if none decides."""
    for rule in (
        [row for row in rows if row.chosen],
        [row for row in rows if row.tail is not None],
        [row for row in rows if row.named],
        [row for row in rows if _is_linear(row.tensor, view) and _made_from_all(row, rows, view)],
    ):
        if len(rule) == 1:
            return rule[0]
    main = [row for row in rows if _AUXILIARY_NAME.search(row.output) is None] or rows
    return main[0] if len({row.numbers for row in main}) == 1 and main[0].numbers > 1 else None


def _made_from_all(row: _Row, rows: list[_Row], view: View) -> bool:
    others = {other.tensor for other in rows if other is not row}
    return others <= view.ancestors(row.tensor)


def _head(row: _Row, view: View, others: tuple[str, ...]) -> Head:
    linear = _is_linear(row.tensor, view)
    tail: Tail | None = row.tail  # type: ignore[assignment]
    if row.numbers == 1:
        return Head(row.output, row.tensor, "Sigmoid", 2, "binary", row.tail is None, linear, others)
    kind: Kind = "multi-label" if tail == "Sigmoid" else "one-label"
    return Head(row.output, row.tensor, tail, row.numbers, kind, False, linear, others)


def _is_linear(tensor: str, view: View) -> bool:
    queue, seen = [tensor], {tensor}
    while queue:
        node = view.node(queue.pop(), *_LINEAR, *_BEHIND_LINEAR)
        if node is None:
            continue
        if node.op_type in _LINEAR:
            return True
        queue += [name for name in node.input if name not in view.held | seen]
        seen.update(node.input)
    return False


def _useless(tail: str | None, numbers: int) -> bool:
    return numbers == 1 and tail in ("Softmax", "LogSoftmax")  # always 1


def _numbers(info: TensorInfo | None, batch: int | str) -> int | None:
    """The length of a row of scores; None where it is not declared; 0 for what is no row."""
    if info is None or (not info.shape and info.dtype == "unknown"):
        return None
    if not info.shape:
        return 0 if info.dtype not in _FLOATS else None
    first = info.shape[0]
    if len(info.shape) == 1 and isinstance(first, int) and first > 1 and not _several(batch):
        return first  # the one row of the one image
    sizes = [d for d in info.shape[1:] if d != 1]
    if len(sizes) > 1:
        return 0
    if not sizes:
        return 1
    return sizes[0] if isinstance(sizes[0], int) and sizes[0] > 0 else None


def _several(batch: int | str) -> bool:
    return isinstance(batch, int) and batch > 1


def _measured(artifact: Artifact, tensors: list[str], custom_ops: Path | None) -> dict[str, int]:
    """Row lengths of `tensors` by one evaluation of a blank image; nothing of a tensor that is no row."""
    from geoaudit.model import sessions

    lengths = {}
    for tensor in tensors:
        array = sessions.evaluate_blank(artifact, tensor, custom_ops)
        if array is None or array.ndim < 1 or sum(d != 1 for d in array.shape[1:]) > 1:
            continue
        one_row = array.ndim == 1 and not _several(artifact.inputs[0].shape[0])
        lengths[tensor] = int(array.size if one_row else array.size // max(array.shape[0], 1))
    return lengths


def _check_exists(artifact: Artifact, output: str, view: View) -> None:
    declared = [value.name for value in artifact.proto.graph.output]
    if output in declared or output in view.makers:
        return
    near = difflib.get_close_matches(output, [*declared, *view.makers], n=3, cutoff=0.6)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    raise UsageError(
        f"--output {output}", f"{artifact.path} has no such tensor",
        f"{hint}Its outputs: {graph.describe(artifact.outputs)}; tensors inside the graph may be named too.",
    )  # fmt: skip


def _refuse(artifact: Artifact, output: str | None, view: View) -> None:
    if output is not None:
        info = view.known.get(output)
        found = f" ({graph.describe((info,))})" if info is not None else ""
        raise UsageError(
            f"--output {output}", f"is no row of class scores{found}",
            f"The model's outputs: {graph.describe(artifact.outputs)}.",
        )  # fmt: skip
    raise ModelError(
        str(artifact.path),
        f"no output is a row of class scores; its outputs: {graph.describe(artifact.outputs)}",
        "Name the tensor that is: --output NAME. Or export the model so that one row of scores, one a class, is an "
        "output.",
    )
