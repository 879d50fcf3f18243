"""Where the pieces of a run come from: made here one after the other, made elsewhere, or kept from before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems
from geoaudit.audit.groups import Decoded, read_ahead
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.make import Bench
from geoaudit.audit.unit import Unit

Wanted = Callable[[int, str], bool]
"""Whether a unit shall be made: the group's number, and the method's id."""


@dataclass(frozen=True)
class Pictures:
    """A group's pictures.

    Attributes:
        group: the group's number, from 0.
        images: how many images it has.
        ids: of those that are shown.
        thumbnails: of those, as they were preprocessed, uint8 RGB, shape (len(ids), h, w, 3).
    """

    group: int
    images: int
    ids: tuple[str, ...]
    thumbnails: npt.NDArray[np.uint8]


class Executor(Protocol):
    """Makes the units of a run."""

    def pieces(self, wanted: Wanted) -> Generator[Pictures | Unit, None, None]:
        """Group by group its pictures, then the wanted units in the order of the plan's methods.

        Args:
            wanted: asked at most once for a unit, before it is made.  The answer is final once all pieces of the
                groups before have been taken; whoever asks earlier may make units that are not used.
        """
        ...

    def first(self) -> Problems:
        """The first group, once its pictures have been taken."""
        ...


class LocalExecutor:
    """Makes the units one after the other in this process.

    Args:
        bench: makes units.
        inputs: the images.
        start: number of their first group, where they are a part of the run's.
    """

    def __init__(self, bench: Bench, inputs: Inputs, start: int = 0) -> None:
        self._bench = bench
        self._start = start
        self._inputs = inputs
        self._first: Problems | None = None

    def pieces(self, wanted: Wanted) -> Generator[Pictures | Unit, None, None]:
        """As `Executor.pieces`; asks just before it makes."""
        for number, decoded in enumerate(read_ahead(self._inputs, self._bench.settings), self._start):
            if number == 0:
                self._first = self._problems(decoded)
            shown = self._bench.kept(decoded.ids)
            yield Pictures(number, len(decoded.ids), tuple(decoded.ids[i] for i in shown), decoded.thumbnails[shown])
            yield from self._units(number, decoded, wanted)

    def first(self) -> Problems:
        """As `Executor.first`."""
        assert self._first is not None  # whoever asks has taken its pictures
        return self._first

    def _units(self, number: int, decoded: Decoded, wanted: Wanted) -> Iterator[Unit]:
        group = None
        with self._bench.probe.sharing():
            for method in self._bench.plan.methods:
                if not wanted(number, method.id):
                    continue
                if group is None:
                    problems = self.first() if number == 0 else self._problems(decoded)
                    group = self._bench.group(number, problems)
                yield group.unit(method)

    def _problems(self, decoded: Decoded) -> Problems:
        return decoded.problems(self._inputs, self._bench.probe)
