"""A unit of work: one method on one group of images.  What is kept of it when it is done, and merged into a run.

Units are independent of each other: they may be made in any order, in other processes, or have been made in an
earlier run.  Merged in the order of groups, then methods, they give one report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geoaudit.api import Attributions, Cost, Floats, SweepCurves
from geoaudit.audit.rows import Row
from geoaudit.audit.tally import Repeats, Tally

Reading = tuple[int, str]
"""Region side in pixels, and order."""


@dataclass(frozen=True)
class Part:
    """What one contender, a method or its inverted control, got on the images.

    Attributes:
        rows: one an image, in the images' order.
        curves: the headline sweep; None where no metric needs it.
        readings: SRG by region side and order, one value an image.
    """

    rows: tuple[Row, ...]
    curves: SweepCurves | None
    readings: Mapping[Reading, tuple[float, ...]]

    @classmethod
    def of(cls, tally: Tally) -> Part:
        """What a tally of one group holds."""
        curves = tally.curves[0] if isinstance(tally.curves, list) and tally.curves else None
        return cls(tuple(tally.rows), curves, {key: tuple(values) for key, values in tally.readings.items()})

    def add_to(self, tally: Tally) -> None:
        """Append it."""
        tally.rows.extend(self.rows)
        if self.curves is not None:
            tally.curves.append(self.curves)
        for key, values in self.readings.items():
            tally.readings.setdefault(key, []).extend(values)


@dataclass(frozen=True)
class Expense:
    """What something cost.

    Attributes:
        cost: evaluations, without those of `shared`.
        shared: evaluations behind what a run makes once and whoever asks for it first pays, by its name.
        seconds: time, without the time of units made before.
    """

    cost: Cost = field(default_factory=Cost)
    shared: Mapping[str, Cost] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """Why a method gave nothing.

    Attributes:
        error: why it was given up.
        skipped: why it is not applicable; one of the two is there.
        warning: the sentence for the user.
    """

    error: str | None
    skipped: str | None
    warning: str


@dataclass(frozen=True)
class Mapped:
    """A method's maps of a group of images.

    Attributes:
        made: the maps; None where there are none.
        expense: what they cost.
        failure: why there are none.
    """

    made: Attributions | None
    expense: Expense
    failure: Failure | None = None


@dataclass(frozen=True)
class Scored:
    """The scores of a method's maps.

    Attributes:
        own: the method's; None where there are none.
        inverse: the inverted control's; None likewise, and for controls.
        notes: what the method says about how its maps were made.
        expense: what the maps cost, knowing what scoring has made for the whole run.
        failure: why there are none.
    """

    own: Part | None
    inverse: Part | None
    notes: tuple[str, ...]
    expense: Expense
    failure: Failure | None = None


@dataclass(frozen=True)
class Unit:
    """One method on one group of images.

    Attributes:
        method: the method's id.
        group: the group's number, from 0.
        maps: None where the method was given up or is not applicable, and where maps are not kept.
        own: None where it was given up or is not applicable.
        inverse: the inverted control's; None likewise, and for controls.
        notes: what the method says about how its maps were made.
        expense: what the maps cost, also where nothing came of it.
        repeats: the maps under other seeds, of the first group and for stochastic methods; else None.
        error: why the method was given up.
        skipped: why it is not applicable.
        warnings: sentences for the user.
    """

    method: str
    group: int
    maps: Floats | None = None
    own: Part | None = None
    inverse: Part | None = None
    notes: tuple[str, ...] = ()
    expense: Expense = field(default_factory=Expense)
    repeats: Repeats | None = None
    error: str | None = None
    skipped: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of images that have results."""
        return 0 if self.own is None else len(self.own.rows)


class Ledger:
    """Adds up expenses so that what a run makes once is paid for once, by whoever asked first.

    Without it a run that goes on after a break, or in several processes, would count what it had to make again.
    """

    def __init__(self) -> None:
        self._paid: set[str] = set()

    def charge(self, expense: Expense) -> Cost:
        """The evaluations that this expense adds to the run."""
        total = expense.cost
        for name, cost in expense.shared.items():
            if name not in self._paid:
                self._paid.add(name)
                total += cost
        return total
