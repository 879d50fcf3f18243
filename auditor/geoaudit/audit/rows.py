"""Many rows in little memory: numbers in columns, texts kept once; what goes in comes out to the last bit."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import overload

from geoaudit.api import WalkRecord


@dataclass
class Row:
    """One map: a method on an image."""

    image: str
    delta_f: float
    scores: dict[str, float]
    reasons: dict[str, str | None]
    record: WalkRecord | None
    ncc_profile: Mapping[str, float] = field(default_factory=dict)


_RECORD = tuple((f.name, {"int": int, "bool": bool}.get(str(f.type), float)) for f in fields(WalkRecord))
Keys = tuple[tuple[str, ...], tuple[str, ...], bool]
"""Metrics, granularities of the NCC profile, and whether there is a walk."""
Reasons = tuple[tuple[str, str | None], ...]


@dataclass
class _Shape:
    """Rows with the same keys."""

    keys: Keys
    numbers: array[float] = field(default_factory=lambda: array("d"))

    @property
    def width(self) -> int:
        """Numbers of one row."""
        metrics, granularities, walked = self.keys
        return 1 + len(metrics) + len(granularities) + (len(_RECORD) if walked else 0)

    def add(self, row: Row) -> int:
        """Append a row; returns its place."""
        place = len(self.numbers) // self.width
        self.numbers.append(row.delta_f)
        self.numbers.extend(row.scores.values())
        self.numbers.extend(row.ncc_profile.values())
        if row.record is not None:
            self.numbers.extend(float(getattr(row.record, name)) for name, _ in _RECORD)
        return place

    def row(self, place: int, image: str, reasons: Reasons) -> Row:
        """The row at a place."""
        metrics, granularities, walked = self.keys
        values = iter(self.numbers[place * self.width : (place + 1) * self.width])
        delta_f = next(values)
        scores = {name: next(values) for name in metrics}
        profile = {name: next(values) for name in granularities}
        record = WalkRecord(**{name: kind(next(values)) for name, kind in _RECORD}) if walked else None
        return Row(image, delta_f, scores, dict(reasons), record, profile)


class Rows(Sequence[Row]):
    """Rows of one tally: those added last as they are, so that they can still be changed, the earlier ones packed.

    About 350 bytes a row with 15 metrics and a walk, where a `Row` takes 5,000.
    """

    def __init__(self) -> None:
        self._newest: list[Row] = []
        self._images: list[str] = []
        self._shapes: list[_Shape] = []
        self._known: dict[Keys, int] = {}
        self._places = array("Q")
        self._which = array("B")
        self._texts: dict[Reasons, int] = {}
        self._reasons: list[Reasons] = []
        self._told = array("L")

    def extend(self, rows: Iterable[Row]) -> None:
        """Append rows; those before them are packed."""
        for row in self._newest:
            self._pack(row)
        self._newest = list(rows)

    def append(self, row: Row) -> None:
        """Append one row."""
        self.extend([row])

    def clear(self) -> None:
        """Drop all rows."""
        self.__init__()  # type: ignore[misc]  # as if new

    def __len__(self) -> int:
        return len(self._images) + len(self._newest)

    def __iter__(self) -> Iterator[Row]:
        return (self._at(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(len(self)))]
        return self._at(range(len(self))[index])

    def column(self, metric: str) -> array[float]:
        """One metric's scores, nan where there is none."""
        found, nan = array("d"), float("nan")
        steps = [(1 + s.keys[0].index(metric) if metric in s.keys[0] else None, s.width) for s in self._shapes]
        for which, place in zip(self._which, self._places, strict=True):
            offset, width = steps[which]
            found.append(nan if offset is None else self._shapes[which].numbers[place * width + offset])
        found.extend(row.scores.get(metric, nan) for row in self._newest)
        return found

    def _at(self, index: int) -> Row:
        if index >= len(self._images):
            return self._newest[index - len(self._images)]
        shape = self._shapes[self._which[index]]
        return shape.row(self._places[index], self._images[index], self._reasons[self._told[index]])

    def _pack(self, row: Row) -> None:
        keys = (tuple(row.scores), tuple(row.ncc_profile), row.record is not None)
        if keys not in self._known:
            self._known[keys] = len(self._shapes)
            self._shapes.append(_Shape(keys))
        which = self._known[keys]
        reasons = tuple(row.reasons.items())
        if reasons not in self._texts:
            self._texts[reasons] = len(self._reasons)
            self._reasons.append(reasons)
        self._which.append(which)
        self._told.append(self._texts[reasons])
        self._places.append(self._shapes[which].add(row))
        self._images.append(sys.intern(row.image))
