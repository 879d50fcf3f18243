"""What a run knows of the one before it in the same folder, which did not come to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from geoaudit.audit import provenance
from geoaudit.audit.groups import count_groups
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.observer import Observer
from geoaudit.audit.opening import Engines, repeating
from geoaudit.audit.plan import Plan
from geoaudit.audit.result import CalibrationCase, Parity, Resumed
from geoaudit.audit.settings import Settings
from geoaudit.audit.shelf import Shelf
from geoaudit.audit.speed import Speed
from geoaudit.audit.store import keys
from geoaudit.audit.store.shelf import StoredShelf
from geoaudit.audit.store.store import Store
from geoaudit.words import counted

Certified = tuple[Parity, Speed]


class Past:
    """There is none, and nothing is kept for a next run."""

    def opening(self) -> Settings | None:
        """The settings under which gradients are computed the way they were before; None: as was asked for."""
        return None

    def calibrated(self, make: Callable[[], list[CalibrationCase]]) -> list[CalibrationCase]:
        """The calibration, made before or now."""
        return make()

    def certified(self, engines: Engines, inputs: Inputs, make: Callable[[], Certified]) -> tuple[Certified, Shelf]:
        """The certificate and the speed, made before or now, and where units are kept from here on."""
        return make(), Shelf()

    def told(self) -> Resumed | None:
        """What the report says of it; None where nothing was made before."""
        return None


class StoredPast(Past):
    """The past as a store holds it; a run of another command has none.

    Args:
        store: the report folder's.
        settings: what was asked for.
        plan: what runs.
        pictures: maps that show the picture are kept.
        tell: told of what is there.
    """

    def __init__(self, store: Store, settings: Settings, plan: Plan, tell: Observer, *, pictures: bool) -> None:
        self._store = store
        self._settings = settings
        self._plan = plan
        self._tell = tell
        self._shelf: StoredShelf | None = None
        self._total = 0
        self._begun = keys.beginning(settings, plan, pictures)
        facts = store.facts()
        if facts.get("begun") == self._begun:
            self._since = facts["started"]
            return
        if store.units:
            tell.say("What another command has begun in this folder is dropped.")
        self._since = provenance.now()
        store.forget()
        store.note(
            begun=self._begun, started=self._since, model=settings.model.name, command=json.dumps(settings.command)
        )

    def opening(self) -> Settings | None:
        """As `Past.opening`."""
        chosen = self._store.facts().get("setting")
        return None if chosen is None else replace(self._settings, **json.loads(chosen))

    def calibrated(self, make: Callable[[], list[CalibrationCase]]) -> list[CalibrationCase]:
        """As `Past.calibrated`."""
        made: list[CalibrationCase] = self._once(self._begun, "calibration", list[CalibrationCase], make)
        return made

    def certified(self, engines: Engines, inputs: Inputs, make: Callable[[], Certified]) -> tuple[Certified, Shelf]:
        """As `Past.certified`."""
        made: Certified | None = None
        if engines.twin is not None:
            if self.opening() is None:
                made = make()
                self._store.note(setting=json.dumps(self._chosen(engines)))
            else:
                engines.twin.logits(inputs.first[:1])  # the setting is in force from the first evaluation on
        run = keys.run(self._begun, self._plan, engines, inputs)
        self._shelf = StoredShelf(self._store, run, self._plan, inputs)
        self._tell_standing(run, inputs)
        return self._once(run, "certificate", Certified, make if made is None else lambda: made), self._shelf

    def told(self) -> Resumed | None:
        """As `Past.told`."""
        if self._shelf is None or not self._shelf.units:
            return None
        return Resumed(units=self._shelf.units, of=self._total, since=self._since)

    def _tell_standing(self, run: str, inputs: Inputs) -> None:
        """What is there and what is not; rows that this run cannot use go."""
        plan = self._plan
        checks = sum(len(plan.examined(check, plan.methods)) for check in plan.checks)
        self._total = count_groups(inputs) * len(plan.methods) + checks
        self._store.keep_only((self._begun, run))
        self._store.note(units=str(self._total))
        there = self._store.count(run)
        if there:
            told = f"{there} of {counted(self._total, 'unit')} of work {'is' if there == 1 else 'are'} there"
            self._tell.say(f"{told} from the run of {self._since}")

    def _chosen(self, engines: Engines) -> dict[str, Any]:
        """The settings that make another process compute gradients in the same way."""
        repeated = repeating(self._settings, engines)
        values = {f.name: getattr(repeated, f.name) for f in fields(repeated)}
        return {name: value for name, value in values.items() if value != getattr(self._settings, name)}

    def _once(self, run: str, stage: str, kind: Any, make: Callable[[], Any]) -> Any:
        key = keys.digest(run, stage)
        found = self._store.kept(key, kind)
        if found is None:
            found = make()
            self._store.keep(key, (run, stage, f"the {stage}"), kind, found)
        return found
