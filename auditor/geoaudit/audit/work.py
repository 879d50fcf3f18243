"""The work itself: every method on every group of images, each map scored as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from geoaudit.api import Attributions, Group, Method, Problems
from geoaudit.audit.attribute import attribute
from geoaudit.audit.groups import groups
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.plan import Plan, stochastic
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.score import Scorer
from geoaudit.audit.seeds import repeat
from geoaudit.audit.settings import Settings
from geoaudit.audit.speed import Speed
from geoaudit.audit.tally import Tally
from geoaudit.errors import GeoauditError, NotApplicable
from geoaudit.flags import SHOWS_PICTURE


@dataclass
class Work:
    """A run's methods, its images, and what has come of them so far.

    Attributes:
        settings: what was asked for.
        plan: what runs.
        inputs: the images.
        probe: the model.
        maps: where the maps go.
        tell: told of the progress.
        speed: for the progress bar.
        thumbnails: store the preprocessed pictures beside the maps, and the maps that show them.
        tallies: the results by id of the method or control.
    """

    settings: Settings
    plan: Plan
    inputs: Inputs
    probe: ModelProbe
    maps: MapWriter
    tell: Observer
    speed: Speed
    thumbnails: bool
    tallies: dict[str, Tally] = field(default_factory=dict)

    def run(self) -> Problems:
        """Do it; returns the first group.

        Raises:
            GeoauditError: no method is applicable to this model and these images.
        """
        plan, images = self.plan, len(self.inputs.files)
        self.tallies = {method.id: Tally(method) for method in plan.methods}
        each = {m.id: self._seconds_each(m) for m in plan.methods}
        extra = {m.id: self._seconds_extra(m) for m in plan.methods}
        self.tell.stage("auditing", sum(each.values()) * images + sum(extra.values()))
        first: Problems | None = None
        for problems, pictures in groups(self.inputs, self.settings, self.probe):
            if self.thumbnails:
                for image, picture in zip(problems.ids, pictures, strict=True):
                    self.maps.add(f"{image}/thumbnail", picture)
            scorer = Scorer(self._shared(problems), plan.metrics, plan.sweeps)
            again = self._scorer_of_repeats(problems) if first is None else None
            with self.probe.sharing():
                for method in plan.methods:
                    self.tell.working(method.id)
                    self._group(method, problems, scorer, again)
                    done = each[method.id] * len(problems)
                    self.tell.advance(done if first is not None else done + extra[method.id])
            self._require_a_method()
            first = first or problems
        assert first is not None  # gather() found at least one image
        return first

    def _seconds_each(self, method: Method) -> float:
        """Expected seconds of a method on one image, scores included."""
        scoring = self.plan.scoring(method, self.inputs.preprocessing.space)
        return self.speed.seconds(method.cost(self.plan.budget.quadrature) + scoring)

    def _seconds_extra(self, method: Method) -> float:
        space, images = self.inputs.preprocessing.space, len(self.inputs.files)
        return self.speed.seconds(self.plan.extra(method, space, images, len(self.inputs.calibration)))

    def _scorer_of_repeats(self, problems: Problems) -> Scorer:
        """Of the images that stochastic methods see under several seeds; one for all methods shares their masks."""
        few = problems.select(range(min(len(problems), self.plan.budget.seed_images)))
        return Scorer(self._shared(few), self.plan.metrics, self.plan.sweeps[:1])

    def _shared(self, problems: Problems) -> Group:
        """What all maps of these images share."""
        return Group(problems, self.probe, self.plan.imputers)

    def _group(self, method: Method, problems: Problems, scorer: Scorer, again: Scorer | None) -> None:
        """One method on one group.  A crash is that method's result; the others go on."""
        tally = self.tallies[method.id]
        if tally.over:
            return
        try:
            with self._metered(tally):
                made = attribute(method, problems, self.probe, self.plan.budget.quadrature)
            scored = scorer.score(tally, made)
        except NotApplicable as told:
            self._end(tally)
            tally.not_applicable(_not_applicable(method, told))
            self.tell.warn(f"{method.id} is {tally.skipped}")
            return
        except Exception as error:
            self._end(tally)
            tally.error = error.message if isinstance(error, GeoauditError) else f"{type(error).__name__}: {error}"
            self.tell.warn(f"{method.id} was given up: {tally.error}")
            return
        tally.note(made.notes)
        if self.thumbnails or SHOWS_PICTURE not in method.flags:
            for image, values in zip(problems.ids, made.values, strict=True):
                self.maps.add(f"{image}/{method.id}", values)
        if method.kind == "method":
            from geoaudit_plugins.controls.inverted import Inverted

            control = Inverted(method, made)
            inverse = self.tallies.setdefault(control.id, Tally(control))
            scorer.score_inverted(inverse, control.attribute(problems, self.probe), scored)
        if again is not None and stochastic(method):
            self._repeat(tally, made, again)

    def _end(self, tally: Tally) -> None:
        """A method that ends takes its inverted control along, which would lack the later images."""
        self.tallies.pop(f"inverted:{tally.method.id}", None)

    def _repeat(self, tally: Tally, made: Attributions, scorer: Scorer) -> None:
        budget, seed = self.plan.budget, self.settings.seed
        seeds = range(seed, seed + budget.seeds)
        tally.repeats = repeat(tally, made, scorer, self.probe, budget.quadrature, seeds)
        if tally.repeats.error is not None:
            self.tell.warn(f"{tally.method.id}: {tally.repeats.error}")

    def _require_a_method(self) -> None:
        methods = [t for t in self.tallies.values() if t.method.kind == "method"]
        if all(t.skipped is not None for t in methods):
            raise GeoauditError(
                str(self.settings.model),
                "no method gave a map: " + "; ".join(f"{t.method.id} is {t.skipped}" for t in methods),
                "Name others with --methods; `geoaudit methods` lists them.",
            )

    @contextmanager
    def _metered(self, tally: Tally) -> Iterator[None]:
        """Charge what the method spends, and the shared lines that it uses as if it had paid for them."""
        self.probe.open_account()
        before, clock = self.probe.spent, time.perf_counter()
        try:
            yield
        finally:
            borrowed, seconds = self.probe.borrowed
            tally.seconds += time.perf_counter() - clock + seconds
            tally.cost += self.probe.spent + before * -1.0 + borrowed


def _not_applicable(method: Method, told: NotApplicable) -> str:
    """The reason in one line, the way out included."""
    thing = "" if told.thing == method.id else f"{told.thing}: "
    parts = (part.strip().rstrip(".") for part in (told.reason, told.way_out))
    return f"not applicable: {thing}{'. '.join(part for part in parts if part)}"
