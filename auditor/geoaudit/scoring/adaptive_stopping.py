"""When the masked images of a method are no longer evaluated: never, once all is settled, or as in an earlier run.

What stops are the metrics that evaluate the model; maps are made of all images, and what follows from them alone, such
as NCC violation, is scored on all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from geoaudit.api import Method
from geoaudit.audit.tally import Tally
from geoaudit.scoring.adaptive_decisions import REFERENCES, Bools, Decisions, Scores
from geoaudit.scoring.contenders import BY_CONSTRUCTION
from geoaudit.scoring.statistics import Array

FIRST_LOOK = 32
"""Images before the first look: as many as the bootstrap intervals of the means need to hold what they promise.

Measured on normal scores: 94.1 % of the 95 % intervals of 24 images held the mean, 95.2 % of those of 32."""
PREFIX = "adaptive: "
"""How the reason of a score begins that no forwards were spent on."""


def unread(images: int) -> str:
    """The reason of the scores that are missing after so many images."""
    return f"{PREFIX}settled after {images} images"


def is_unread(reason: str | None) -> bool:
    """Whether this is the reason of a score that no forwards were spent on."""
    return reason is not None and reason.startswith(PREFIX)


def stopping(contenders: Sequence[Method], images: int, *, adaptive: bool, stops: Mapping[str, int] | None) -> Stopping:
    """What an audit stops by.

    Args:
        contenders: all methods and controls.
        images: number of audited images; with too few of them for a look nothing stops.
        adaptive: decide while images come in.
        stops: as decided in an earlier run; decides alone.
    """
    if stops is None and adaptive and images > FIRST_LOOK:
        return Settling([m.id for m in contenders], [m.id for m in contenders if m.kind == "method"])
    return Given(stops)


class Stopping(Protocol):
    """Which contenders' masked images are evaluated."""

    @property
    def stops(self) -> Mapping[str, int]:
        """Images after which a contender's were not, by id, those that went on left out."""
        ...

    def spends(self, method: str, before: int) -> bool:
        """Whether the masked images of a method are evaluated in a group; `before`: images in the groups before."""
        ...

    def look(self, tallies: Mapping[str, Tally]) -> None:
        """Decide anew: a group has been merged."""
        ...


class Given:
    """Stops that are known beforehand; by default there are none, and all masked images are evaluated.

    Args:
        stops: images after which a contender's masked images are not evaluated, by id.
    """

    def __init__(self, stops: Mapping[str, int] | None = None) -> None:
        self.stops: Mapping[str, int] = dict(stops or {})

    def spends(self, method: str, before: int) -> bool:
        """Up to the stop."""
        return before < self.stops.get(method, before + 1)

    def look(self, tallies: Mapping[str, Tally]) -> None:
        """Nothing to decide."""


class Settling:
    """Stops a contender once every comparison that its place hangs on is settled (`adaptive_decisions`).

    A method hangs on its comparisons with the references, and with every method that may stand in its tier; a
    reference on those of all methods with it; other controls on none.  What has stopped stays stopped.  The stops
    are a function of the scores merged so far, whatever the order of methods.

    Args:
        contenders: ids of all methods and controls.
        methods: ids of the methods.
    """

    def __init__(self, contenders: Iterable[str], methods: Iterable[str]) -> None:
        self._contenders = sorted(contenders)
        self._methods = sorted(methods)
        self._decisions = Decisions(self._methods)
        self._seen = 0
        self._stops: dict[str, int] = {}

    @property
    def stops(self) -> Mapping[str, int]:
        """As `Stopping.stops`."""
        return dict(self._stops)

    def spends(self, method: str, before: int) -> bool:
        """Until it has stopped."""
        return method not in self._stops

    def look(self, tallies: Mapping[str, Tally]) -> None:
        """Add the newest images' scores; from `FIRST_LOOK` images on, stop what is settled."""
        images = max((len(tally.rows) for tally in tallies.values()), default=0)
        if images == self._seen or len(self._stops) == len(self._contenders):
            return
        self._decisions.add(self._scores(tallies, images))
        self._seen = images
        if images >= FIRST_LOOK:
            going = self._going_on(tallies)
            self._stops |= {name: images for name in self._contenders if name not in going | set(self._stops)}

    def _going_on(self, tallies: Mapping[str, Tally]) -> set[str]:
        """Everyone whose place is not settled, and the references that this takes."""
        on = np.array([not tallies[name].over for name in self._methods], dtype=np.bool_)
        going: set[str] = set()
        rejected: dict[str, bool] = {}
        for name in REFERENCES:
            if name not in tallies or tallies[name].over:
                continue
            found = self._decisions.against(name, on)
            for method, told, part in zip(self._methods, found, on, strict=True):
                if part and told.outcome is None and told.above is not None:
                    going |= {method, name}
                if name == REFERENCES[0] and told.outcome is not None:
                    rejected[method] = told.outcome != "above"
        for pair in self._decisions.pairs(on):
            tiers = [rejected.get(name) for name in (pair.first, pair.second)]
            apart = None not in tiers and tiers[0] != tiers[1]
            if pair.outcome is None and not apart:
                going |= {pair.first, pair.second}
        return going

    def _scores(self, tallies: Mapping[str, Tally], images: int) -> Scores:
        """Those of the images since the last look."""
        new = range(self._seen, images)
        tables = [tallies[name] for name in self._methods]
        controls = {n: tallies[n] for n in REFERENCES if n in tallies and not tallies[n].over}
        return Scores(
            ncc=_table([_earned(tally, new) for tally in tables], len(new)),
            srg=_table([_newest(tally, "srg", new) for tally in tables], len(new)),
            references={name: _newest(tally, "srg", new) for name, tally in controls.items()},
            read=_table([self._read(name, len(new)) for name in self._methods], len(new)),
            references_read={name: self._read(name, len(new)) for name in controls},
        )

    def _read(self, name: str, count: int) -> Bools:
        return np.full(count, name not in self._stops, dtype=np.bool_)


def _newest(tally: Tally, metric: str, new: range) -> Array:
    """Finite scores of the images in `new`, nan where missing and for a method that was given up, shape (n,)."""
    rows = tally.rows[new.start : new.stop]
    values = [row.scores.get(metric, np.nan) for row in rows] + [np.nan] * (len(new) - len(rows))
    column = np.array(values, dtype=np.float64)
    return np.where(np.isfinite(column), column, np.nan)


def _earned(tally: Tally, new: range) -> Array:
    column = _newest(tally, "ncc-violation", new)
    return np.full_like(column, np.nan) if BY_CONSTRUCTION in tally.method.flags else column


def _table(columns: Sequence[npt.NDArray[Any]], n: int) -> npt.NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.empty((n, 0), dtype=np.bool_)
