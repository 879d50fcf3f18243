"""Units that were made elsewhere, or before: handed out in their place, and paid for once."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geoaudit.api import Cost
from geoaudit.audit.executor import Pictures, Wanted
from geoaudit.audit.shelf import Shelf
from geoaudit.audit.store.executor import StoredExecutor
from geoaudit.audit.unit import Expense, Ledger, Unit

METHODS = ("a", "b", "c")
PLAN: Any = SimpleNamespace(methods=[SimpleNamespace(id=name) for name in METHODS])


class Lazy:
    """Makes units one by one, as one process does."""

    def __init__(self) -> None:
        self.made: list[tuple[int, str]] = []

    def pieces(self, wanted: Wanted) -> Iterator[Pictures | Unit]:
        for group in range(3):
            yield Pictures(group, 1, (f"{group}.png",), np.zeros((1, 2, 2, 3), np.uint8))
            for method in METHODS:
                if wanted(group, method):
                    self.made.append((group, method))
                    yield Unit(method, group)

    def first(self) -> Any:
        return "the first group"


class Eager(Lazy):
    """Asks for everything before it begins, as a cluster does."""

    def pieces(self, wanted: Wanted) -> Iterator[Pictures | Unit]:
        asked = {(group, method): wanted(group, method) for group in range(3) for method in METHODS}
        yield from super().pieces(lambda group, method: asked[group, method])


class Kept(Shelf):
    def __init__(self, *there: tuple[int, str]) -> None:
        self.units = {key: Unit(key[1], key[0], notes=("kept",)) for key in there}
        self.put_: list[tuple[int, str]] = []

    def has(self, group: int, method: Any) -> bool:
        return (group, method.id) in self.units

    def take(self, group: int, method: Any) -> Unit:
        return self.units[group, method.id]

    def put(self, unit: Unit, method: Any) -> None:
        self.put_.append((unit.group, method.id))


@pytest.mark.parametrize("cls", [Lazy, Eager])
@pytest.mark.parametrize(
    "there",
    [
        (),
        ((0, "a"),),
        ((0, "b"), (0, "c"), (1, "a")),
        ((2, "a"), (2, "b"), (2, "c")),
        tuple((group, method) for group in range(3) for method in METHODS),
    ],
)
def test_kept_units_come_in_their_places(cls: type[Any], there: tuple[tuple[int, str], ...]) -> None:
    inner, shelf = cls(), Kept(*there)
    executor: Any = StoredExecutor(inner, shelf, PLAN)
    pieces = list(executor.pieces(lambda group, method: True))
    order = [(p.group, -1) if isinstance(p, Pictures) else (p.group, METHODS.index(p.method)) for p in pieces]
    assert order == [(group, place) for group in range(3) for place in range(-1, 3)]
    kept = {(p.group, p.method) for p in pieces if isinstance(p, Unit) and p.notes}
    assert kept == set(there)
    assert set(inner.made) | kept == {(group, method) for group in range(3) for method in METHODS}
    assert not kept & set(inner.made)
    assert shelf.put_ == inner.made
    assert executor.first() == "the first group"


def test_a_method_that_is_over_is_neither_made_nor_taken() -> None:
    over: set[str] = set()
    executor: Any = StoredExecutor(Lazy(), Kept((0, "b"), (1, "b"), (2, "b")), PLAN)
    seen = []
    for piece in executor.pieces(lambda group, method: method not in over):
        if isinstance(piece, Unit):
            seen.append((piece.group, piece.method))
            if piece.group == 0 and piece.method in "ab":
                over.add(piece.method)
    assert seen == [(0, "a"), (0, "b"), (0, "c"), (1, "c"), (2, "c")]


def test_what_is_made_once_is_paid_for_once() -> None:
    """Made again after an interruption, or in another process, it costs the run nothing."""
    ledger = Ledger()
    first = Expense(Cost(1), {"graph": Cost(10), "neighbours": Cost(0, 5)})
    assert ledger.charge(first) == Cost(11, 5)
    assert ledger.charge(Expense(Cost(2), {"graph": Cost(10)})) == Cost(2)
    assert ledger.charge(Expense(Cost(3), {"another": Cost(1)})) == Cost(4)
