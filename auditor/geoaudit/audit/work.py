"""The work itself: every method on every group of images, merged as it is done."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field

from geoaudit.api import Method, Problems
from geoaudit.audit.executor import Executor, Pictures
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.plan import Plan
from geoaudit.audit.settings import Settings
from geoaudit.audit.speed import Speed
from geoaudit.audit.tally import Tally
from geoaudit.audit.unit import Ledger, Part, Unit
from geoaudit.errors import GeoauditError
from geoaudit.scoring.adaptive_stopping import Given, Stopping, unread


@dataclass
class Work:
    """A run's methods, its images, and what has come of them so far.

    Attributes:
        settings: what was asked for.
        plan: what runs.
        inputs: the images.
        executor: makes the units.
        maps: where the maps go.
        tell: told of the progress.
        speed: for the progress bar.
        thumbnails: store the preprocessed pictures beside the maps.
        ledger: of the run's expenses.
        stopping: which methods' masked images are evaluated; told of every group that is done.
        tallies: the results by id of the method or control.
    """

    settings: Settings
    plan: Plan
    inputs: Inputs
    executor: Executor
    maps: MapWriter
    tell: Observer
    speed: Speed
    thumbnails: bool
    ledger: Ledger = field(default_factory=Ledger)
    stopping: Stopping = field(default_factory=Given)
    tallies: dict[str, Tally] = field(default_factory=dict)
    _ids: tuple[str, ...] = ()
    _images: int = 0

    def run(self) -> Problems:
        """Do it; returns the first group.

        Raises:
            GeoauditError: no method is applicable to this model and these images.
        """
        plan, images = self.plan, len(self.inputs.files)
        self.tallies = {method.id: Tally.merging(method) for method in plan.methods}
        total = sum(self._seconds_each(m) * images + self._seconds_extra(m) for m in plan.methods)
        self.tell.stage("auditing", total)
        with closing(self.executor.pieces(self._wanted)) as pieces:
            for piece in pieces:
                if isinstance(piece, Pictures):
                    self._open(piece)
                else:
                    self._take(piece)
        self._require_a_method()
        return self.executor.first()

    def _wanted(self, group: int, method: str) -> bool:
        """Whether the method goes on; it is worked on now if so."""
        goes_on = not self.tallies[method].over
        if goes_on:
            self.tell.working(method)
        return goes_on

    def _open(self, pictures: Pictures) -> None:
        """Begin with a group of images."""
        if pictures.group:
            self._require_a_method()
            self.stopping.look(self.tallies)
        if self.thumbnails:
            for image, picture in zip(pictures.ids, pictures.thumbnails, strict=True):
                self.maps.add(f"{image}/thumbnail", picture)
        self._ids, self._images = pictures.ids, pictures.images
        for tally in self.tallies.values():
            if tally.over and tally.method in self.plan.methods:
                self.tell.advance(self._seconds_each(tally.method) * pictures.images)

    def _take(self, unit: Unit) -> None:
        """Merge a unit, unless it was made ahead of knowing that its method has been given up."""
        method = self.tallies[unit.method].method
        if not self.tallies[unit.method].over:
            self._merge(method, unit)
        extra = 0.0 if unit.group else self._seconds_extra(method)
        self.tell.advance(self._seconds_each(method) * self._images + extra)

    def _merge(self, method: Method, unit: Unit) -> None:
        tally = self.tallies[method.id]
        tally.seconds += unit.expense.seconds
        tally.cost += self.ledger.charge(unit.expense)
        for sentence in unit.warnings:
            self.tell.warn(sentence)
        if unit.skipped is not None or unit.error is not None:
            # the inverted control goes with it: it would lack the later images
            self.tallies.pop(f"inverted:{method.id}", None)
            tally.error = unit.error
            if unit.skipped is not None:
                tally.not_applicable(unit.skipped)
            return
        tally.note(unit.notes)
        if unit.maps is not None:
            for image, values in zip(self._ids, unit.maps, strict=True):
                self.maps.add(f"{image}/{method.id}", values)
        if unit.own is not None:
            unit.own.add_to(tally)
            self._leave_out(tally, unit.own, method)
        if unit.inverse is not None:
            from geoaudit_plugins.controls.inverted import Inverted

            control = Inverted(method)
            inverse = self.tallies.setdefault(control.id, Tally.merging(control))
            unit.inverse.add_to(inverse)
            self._leave_out(inverse, unit.inverse, method)
        if unit.repeats is not None:
            tally.repeats = unit.repeats

    def _leave_out(self, tally: Tally, newest: Part, method: Method) -> None:
        """Say of the scores that no forwards were spent on why they are missing."""
        if method.id in self.stopping.stops:
            reason = unread(self.stopping.stops[method.id])
            tally.leave_out([metric.id for metric in self.plan.metrics], len(newest.rows), reason)

    def _seconds_each(self, method: Method) -> float:
        """Expected seconds of a method on one image, scores included."""
        scoring = self.plan.scoring(method, self.inputs.preprocessing.space)
        return self.speed.seconds(method.cost(self.plan.budget.quadrature) + scoring)

    def _seconds_extra(self, method: Method) -> float:
        space, images = self.inputs.preprocessing.space, len(self.inputs.files)
        return self.speed.seconds(self.plan.extra(method, space, images, len(self.inputs.calibration)))

    def _require_a_method(self) -> None:
        methods = [t for t in self.tallies.values() if t.method.kind == "method"]
        if all(t.skipped is not None for t in methods):
            raise GeoauditError(
                str(self.settings.model),
                "no method gave a map: " + "; ".join(f"{t.method.id} is {t.skipped}" for t in methods),
                "Name others with --methods; `geoaudit methods` lists them.",
            )
