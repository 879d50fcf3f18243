"""Makes units of work: a method's maps of one group of images, their scores, and their repeats under other seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np

from geoaudit.api import Attributions, Floats, Group, Method, Problems
from geoaudit.audit.attribute import attribute
from geoaudit.audit.inputs import GROUP
from geoaudit.audit.meter import Meter
from geoaudit.audit.plan import Plan, stochastic
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.score import Scorer
from geoaudit.audit.seeds import repeat
from geoaudit.audit.settings import Settings
from geoaudit.audit.shelf import Shelf, Stage
from geoaudit.audit.tally import Repeats, Tally
from geoaudit.audit.unit import Failure, Mapped, Part, Scored, Unit
from geoaudit.errors import GeoauditError, NotApplicable
from geoaudit.flags import SHOWS_PICTURE
from geoaudit.scoring.adaptive_stopping import Given, Stopping


@dataclass(frozen=True)
class Bench:
    """What every unit is made with.

    Attributes:
        settings: what was asked for.
        plan: what runs.
        probe: the model.
        pictures: keep maps that show the picture.
        shown: ids of the images whose maps are kept; None for all.
        shelf: where the stages of units are looked for, and kept.
        stopping: which methods' masked images are evaluated.
    """

    settings: Settings
    plan: Plan
    probe: ModelProbe
    pictures: bool
    shown: frozenset[str] | None = None
    shelf: Shelf = field(default_factory=Shelf)
    stopping: Stopping = field(default_factory=Given)

    def kept(self, ids: Sequence[str]) -> list[int]:
        """Places of the images whose pictures and maps are kept."""
        return [i for i, image in enumerate(ids) if self.shown is None or image in self.shown]

    def group(self, number: int, problems: Problems) -> GroupBench:
        """The bench for one group; its units are to be made within `ModelProbe.sharing`."""
        few = problems.select(range(min(len(problems), self.plan.budget.seed_images)))
        return GroupBench(
            self, number, problems,
            self._scorer(problems),
            # one scorer of the repeated images for all methods shares their masks
            Scorer(self._shared(few), self.plan.metrics, self.plan.sweeps[:1]) if number == 0 else None,
        )  # fmt: skip

    def _scorer(self, problems: Problems) -> tuple[Scorer, Scorer]:
        """Of all metrics, and of those that evaluate nothing."""
        shared = self._shared(problems)
        free = [metric for metric in self.plan.metrics if not metric.needs]
        return Scorer(shared, self.plan.metrics, self.plan.sweeps), Scorer(shared, free, ())

    def _shared(self, problems: Problems) -> Group:
        """What all maps of these images share."""
        return Group(problems, self.probe, self.plan.imputers)


@dataclass(frozen=True)
class GroupBench:
    """Makes the units of one group of images.

    Attributes:
        bench: what every unit is made with.
        number: the group's, from 0.
        problems: its images.
        scorers: score their maps: by all metrics, and by those that evaluate nothing.
        again: scores the maps of the repeated images, in the first group.
    """

    bench: Bench
    number: int
    problems: Problems
    scorers: tuple[Scorer, Scorer]
    again: Scorer | None

    def unit(self, method: Method) -> Unit:
        """One method, stage by stage; a crash is its result.  What the bench's shelf has is not made again.

        Raises:
            OutputError: a stage cannot be kept.
        """
        stage, kept = self.bench.shelf.stage, self.bench.pictures or SHOWS_PICTURE not in method.flags

        @cache
        def mapped() -> Mapped:
            if not kept:  # what shows the picture is not to be found on the disk
                return self._mapped(method)
            return stage("maps", self.number, method, Mapped, partial(self._mapped, method), _sound)

        spends = self.bench.stopping.spends(method.id, self.number * GROUP)
        scorer = self.scorers[0 if spends else 1]
        name: Stage = "scores" if spends else "free scores"
        scored = stage(name, self.number, method, Scored, lambda: self._scored(method, mapped(), scorer), _sound)
        if scored.own is None:
            return self._failed(method, scored)
        repeats = None
        if self.again is not None and stochastic(method):
            make = partial(self._repeats, method, mapped, scored.own, self.again)
            repeats = stage("seeds", self.number, method, Repeats, make, lambda made: made.error is None)
        made = mapped().made if kept else None
        return Unit(
            method.id, self.number, maps=None if made is None else self._shown(made.values), own=scored.own,
            inverse=scored.inverse, notes=scored.notes, expense=scored.expense, repeats=repeats,
            warnings=() if repeats is None or repeats.error is None else (f"{method.id}: {repeats.error}",),
        )  # fmt: skip

    def _shown(self, values: Floats) -> Floats:
        """The maps of the images that are shown."""
        chosen = self.bench.kept(self.problems.ids)
        return values if len(chosen) == len(values) else values[chosen]

    def _mapped(self, method: Method) -> Mapped:
        meter = Meter(self.bench.probe)
        try:
            made = attribute(method, self.problems, self.bench.probe, self.bench.plan.budget.quadrature)
        except Exception as error:
            return Mapped(None, meter.read(), _failure(method, error))
        # in one order of axes, so that sums over them add up alike when they come from the shelf
        return Mapped(replace(made, values=np.ascontiguousarray(made.values)), meter.read())

    def _scored(self, method: Method, mapped: Mapped, scorer: Scorer) -> Scored:
        if mapped.made is None:
            return Scored(None, None, (), mapped.expense, mapped.failure)
        meter = Meter(self.bench.probe)
        scratch = Tally(method)
        try:
            inverse = self._both(scratch, method, mapped.made, scorer)
        except Exception as error:
            return Scored(None, None, (), meter.settled(mapped.expense), _failure(method, error))
        return Scored(Part.of(scratch), inverse, mapped.made.notes, meter.settled(mapped.expense))

    def _both(self, scratch: Tally, method: Method, made: Attributions, scorer: Scorer) -> Part | None:
        """Score the maps into `scratch`; returns what the inverted control gets, for controls None."""
        scored = scorer.score(scratch, made)
        if method.kind != "method":
            return None
        from geoaudit_plugins.controls.inverted import Inverted

        control = Inverted(method, made)
        inverse = Tally(control)
        scorer.score_inverted(inverse, control.attribute(self.problems, self.bench.probe), scored)
        return Part.of(inverse)

    def _repeats(self, method: Method, mapped: Callable[[], Mapped], own: Part, again: Scorer) -> Repeats:
        scratch, made = Tally(method), mapped().made
        assert made is not None  # it has scores
        own.add_to(scratch)
        budget, seed = self.bench.plan.budget, self.bench.settings.seed
        seeds = range(seed, seed + budget.seeds)
        return repeat(scratch, made, again, self.bench.probe, budget.quadrature, seeds)

    def _failed(self, method: Method, scored: Scored) -> Unit:
        """The unit of a method that is not applicable, or is given up."""
        told = scored.failure
        assert told is not None  # there are no scores
        return Unit(
            method.id, self.number, expense=scored.expense, error=told.error, skipped=told.skipped,
            warnings=(told.warning,),
        )  # fmt: skip


def _sound(stage: Mapped | Scored) -> bool:
    """Whether it is worth keeping: what broke may have broken for want of memory or room, and is tried again."""
    return stage.failure is None or stage.failure.error is None


def _failure(method: Method, error: Exception) -> Failure:
    if isinstance(error, NotApplicable):
        told = _not_applicable(method, error)
        return Failure(None, told, f"{method.id} is {told}")
    why = error.message if isinstance(error, GeoauditError) else f"{type(error).__name__}: {error}"
    return Failure(why, None, f"{method.id} was given up: {why}")


def _not_applicable(method: Method, told: NotApplicable) -> str:
    """The reason in one line, the way out included."""
    thing = "" if told.thing == method.id else f"{told.thing}: "
    parts = (part.strip().rstrip(".") for part in (told.reason, told.way_out))
    return f"not applicable: {thing}{'. '.join(part for part in parts if part)}"
