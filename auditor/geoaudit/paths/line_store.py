"""Straight lines that are kept for whoever asks next: their maps in memory, their gradients on disk.

One photograph's line takes up to a few hundred gradients, each as large as the picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Cost, Floats, Problems, Recorded, WalkRecord
from geoaudit.paths.keeping import block, let_go, put
from geoaudit.paths.strand import Strand
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]
Integrate = Callable[[Problems, Callable[[int, Strand], None]], Attributions]
"""Integrates the straight lines of problems and hands out each strand before its gradients are let go."""


_SMALL = 2**20  # bytes of a line that is not worth a file
_Key = tuple[str, int, bytes, bytes]


@dataclass(frozen=True)
class _Line:
    values: Floats
    record: WalkRecord | None
    nodes: Array
    outputs: Array
    gradients: Floats
    seconds: float

    @property
    def cost(self) -> Cost:
        """What was evaluated for it."""
        return Cost() if self.record is None else Cost(self.record.gradients, self.record.forwards)


class LineStore:
    """The straight lines of some images, each integrated once.

    Args:
        integrate: how.
        on_disk: keep the gradients of large lines in temporary files rather than in memory.

    Attributes:
        borrowed: evaluations behind the lines that were asked for since `open_account`, and paid for before; each
            line counts once.
        borrowed_seconds: the time that they took.
    """

    def __init__(self, integrate: Integrate, *, on_disk: bool = True) -> None:
        self._integrate = integrate
        self._on_disk = on_disk
        self._lines: dict[_Key, _Line] = {}
        self._accounted: set[_Key] = set()
        self.borrowed = Cost()
        self.borrowed_seconds = 0.0

    def open_account(self) -> None:
        """From now on `borrowed` and `borrowed_seconds` add up what lines cost that others have paid for."""
        self._accounted.clear()
        self.borrowed, self.borrowed_seconds = Cost(), 0.0

    def __enter__(self) -> LineStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget the lines and give the disk back."""
        self._lines.clear()

    def attributions(self, problems: Problems) -> Attributions:
        """The maps along the straight lines, as `Probe.straight_line` gives them."""
        lines = self._of(problems)
        values = np.stack([line.values for line in lines])
        return Attributions(values, tuple(line.record for line in lines))

    def recorded(self, problems: Problems) -> Recorded:
        """The lines' nodes, as `Probe.recorded_line` gives them."""
        lines, curve = self._of(problems), straight_line(problems)
        return Recorded(
            vertices=[curve.at(i, line.nodes) for i, line in enumerate(lines)],
            gradients=[line.gradients for line in lines],
            values=[line.outputs for line in lines],
        )

    def _of(self, problems: Problems) -> list[_Line]:
        let_go(line.gradients for line in self._lines.values())  # whoever asked before has read them
        keys = [_key(problems, i) for i in range(len(problems))]
        missing = [i for i, key in enumerate(keys) if key not in self._lines]
        if missing:
            wanted = problems.select(missing)
            kept: dict[int, tuple[Array, Array, Floats]] = {}

            def keep(i: int, strand: Strand) -> None:
                nodes = strand.nodes
                outputs = np.array([strand.outputs[t] for t in nodes], dtype=np.float64)
                kept[i] = nodes, outputs, self._spilled([strand.gradients[t] for t in nodes], wanted)

            clock = time.perf_counter()
            made = self._integrate(wanted, keep)
            each = (time.perf_counter() - clock) / len(missing)
            for i, place in enumerate(missing):
                self._lines[keys[place]] = _Line(made.values[i], made.records[i], *kept[i], each)
            self._accounted.update(keys[place] for place in missing)
        for key in keys:
            if key not in self._accounted:
                self._accounted.add(key)
                self.borrowed += self._lines[key].cost
                self.borrowed_seconds += self._lines[key].seconds
        return [self._lines[key] for key in keys]

    def _spilled(self, gradients: list[Floats], problems: Problems) -> Floats:
        """The gradients as one array, which lies in a temporary file if it is to."""
        shape = (len(gradients), *problems.space.shape)
        if not gradients:  # the image equals its baseline
            return np.empty(shape, dtype=problems.x.dtype)
        if not self._on_disk:
            return np.stack(gradients)
        kept = block(shape, gradients[0].dtype, in_memory=_SMALL)
        for place, gradient in zip(kept, gradients, strict=True):
            put(place, gradient)
        let_go((kept, *gradients))
        return kept


def _key(problems: Problems, i: int) -> _Key:
    """What a line depends on besides the model: the image, its target, and where the line starts."""
    end, start = (np.ascontiguousarray(points[i]) for points in (problems.x, problems.baseline))
    return problems.ids[i], int(problems.targets[i]), sha256(end.data).digest(), sha256(start.data).digest()
