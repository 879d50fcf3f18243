"""An executor whose finished units outlive the run, wherever they are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing

from geoaudit.api import Problems
from geoaudit.audit.executor import Executor, Pictures, Wanted
from geoaudit.audit.plan import Plan
from geoaudit.audit.shelf import Shelf
from geoaudit.audit.unit import Unit


class StoredExecutor:
    """Hands out kept units, has the others made, and keeps them.

    Args:
        executor: makes units; it need not know that there is a shelf.
        shelf: where they are kept.
        plan: what runs.
    """

    def __init__(self, executor: Executor, shelf: Shelf, plan: Plan) -> None:
        self._executor = executor
        self._shelf = shelf
        self._methods = {method.id: method for method in plan.methods}
        self._places = {name: place for place, name in enumerate(self._methods)}

    def pieces(self, wanted: Wanted) -> Generator[Pictures | Unit, None, None]:
        """As `Executor.pieces`."""
        waiting: deque[tuple[int, str]] = deque()  # in the order in which they are asked for

        def missing(group: int, method: str) -> bool:
            if not wanted(group, method):
                return False
            if not self._shelf.has(group, self._methods[method]):
                return True
            waiting.append((group, method))
            return False

        with closing(self._executor.pieces(missing)) as made:
            for piece in made:
                here = (piece.group, -1) if isinstance(piece, Pictures) else (piece.group, self._places[piece.method])
                yield from self._before(here, waiting)
                if isinstance(piece, Unit):
                    self._shelf.put(piece, self._methods[piece.method])
                yield piece
        yield from self._before(None, waiting)

    def first(self) -> Problems:
        """As `Executor.first`."""
        return self._executor.first()

    def _before(self, here: tuple[int, int] | None, waiting: deque[tuple[int, str]]) -> Iterator[Unit]:
        """The kept units that come before a place; None: all."""
        while waiting:
            group, method = waiting[0]
            if here is not None and (group, self._places[method]) > here:
                return
            waiting.popleft()
            yield self._shelf.take(group, self._methods[method])
