"""The shelf of a run that can be resumed: everything that is made goes into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from geoaudit.api import Check, Method
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.plan import Plan
from geoaudit.audit.shelf import Shelf, Stage, Worth
from geoaudit.audit.store import keys
from geoaudit.audit.store.store import UNITS, Store
from geoaudit.audit.unit import Unit
from geoaudit.errors import OutputError

T = TypeVar("T")


@dataclass
class StoredShelf(Shelf):
    """Keeps everything in a store.

    Attributes:
        store: where.
        run: digest of what all units of the run have in common.
        plan: what runs.
        inputs: the images.
        reused: how many units were there before, by stage.
    """

    store: Store
    run: str
    plan: Plan
    inputs: Inputs
    reused: Counter[str] = field(default_factory=Counter)

    def stage(self, stage: Stage, group: int, method: Method, kind: Any, make: Callable[[], T], worth: Worth[T]) -> T:
        """As `Shelf.stage`."""
        key = keys.unit(self.run, stage, method, self.plan, self.inputs, group)
        return self._once(key, (self.run, stage, f"{method.id}, group {group + 1}"), kind, make, worth)

    def check(self, check: Check, method: Method | None, kind: Any, make: Callable[[], T], worth: Worth[T]) -> T:
        """As `Shelf.check`."""
        key = keys.check(self.run, check, method, self.plan, self.inputs)
        name = f"{check.id} of {'the model' if method is None else method.id}"
        return self._once(key, (self.run, "check", name), kind, make, worth)

    def has(self, group: int, method: Method) -> bool:
        """As `Shelf.has`."""
        return self.store.kept(self._whole(group, method), Unit) is not None

    def take(self, group: int, method: Method) -> Unit:
        """As `Shelf.take`."""
        found: Unit | None = self.store.kept(self._whole(group, method), Unit)
        if found is None:
            raise OutputError(str(self.store.path), "was damaged during the run", "Run the same command again.")
        self.reused["unit"] += 1
        return found

    def put(self, unit: Unit, method: Method) -> None:
        """As `Shelf.put`; what failed is not kept."""
        if unit.error is None and (unit.repeats is None or unit.repeats.error is None):
            place = (self.run, "unit", f"{method.id}, group {unit.group + 1}")
            self.store.keep(self._whole(unit.group, method), place, Unit, unit)

    @property
    def units(self) -> int:
        """Units that were there before."""
        return sum(self.reused[stage] for stage in UNITS)

    def _whole(self, group: int, method: Method) -> str:
        return keys.unit(self.run, "unit", method, self.plan, self.inputs, group)

    def _once(self, key: str, place: tuple[str, str, str], kind: Any, make: Callable[[], T], worth: Worth[T]) -> T:
        found: T | None = self.store.kept(key, kind)
        if found is not None:
            self.reused[place[1]] += 1
            return found
        made = make()
        if worth(made):
            self.store.keep(key, place, kind, made)
        return made
