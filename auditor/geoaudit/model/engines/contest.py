"""The contest: which engine, in which memory layout, with how many images at a time.

Engines are timed on a small batch, then the winner's batch sizes.  A rival must beat the favourite by a quarter, so
that two runs on one machine make one choice, and the winner must agree with the plain engine; one that does not is
out, and the contest is held again without it.  One whose numbers are right, but change with the images beside an
image, takes part again with batches of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from geoaudit.model import engine as settings
from geoaudit.model.engine import Setting
from geoaudit.model.engines.agreement import Agreement
from geoaudit.model.engines.base import EngineName, EngineRefused

_SMALL = 4  # images in the batch on which engines are compared: fewer take other routines


@dataclass(frozen=True)
class Kind:
    """An engine in one memory layout.

    Attributes:
        engine: its name.
        channels_last: layout of torch's tensors.
        sizes: batch sizes to consider, the favourite first.
    """

    engine: EngineName
    channels_last: bool
    sizes: tuple[int, ...]

    def at(self, batch_size: int) -> Setting:
        """This kind with that batch size."""
        return Setting(self.channels_last, batch_size, self.engine)

    @property
    def first(self) -> Setting:
        """This kind with the batch size that it is compared with: the only one that it may have, or a small one."""
        return self.at(self.sizes[0] if len(self.sizes) == 1 else min(_SMALL, self.sizes[0]))


@dataclass
class Contest:
    """What was measured, compared and refused, and what won.

    Attributes:
        evaluate: runs one batch; raises EngineRefused where the engine cannot serve the model.
        agree: compares with the plain engine.
        alone: the model takes batches of one, and no other size was asked for.
        seconds: an image, of every setting that was timed.
        agreements: of every kind that was compared.
        refused: kinds that are out, with the reason as a clause.
        outgrown: settings whose numbers differ from those of the kind's small batch.
    """

    evaluate: Callable[[Setting], None]
    agree: Callable[[Setting], Agreement]
    alone: bool = False
    seconds: dict[Setting, float] = field(default_factory=dict)
    agreements: dict[Kind, Agreement] = field(default_factory=dict)
    refused: dict[Kind, str] = field(default_factory=dict)
    outgrown: set[Setting] = field(default_factory=set)

    def hold(self, kinds: Sequence[Kind], plain: Kind) -> Setting:
        """Choose a setting.

        Args:
            kinds: to consider, the favourite first.
            plain: needs no comparison, and wins where all others are out.
        """
        left = list(kinds)
        while left:
            kind = self._fastest(left)
            if kind is not None and (kind == plain or self._accepted(kind)):
                return self._size(kind)
            left = [rest if rest not in self.refused else self._single(rest) for rest in left]
            left = [rest for rest in left if rest not in self.refused]
        return self._size(plain)

    def _single(self, kind: Kind) -> Kind:
        """A refused kind with batches of one, where that may mend it; else the kind."""
        found = self.agreements.get(kind)
        unstable = found is not None and found.close and not found.stable
        return replace(kind, sizes=(1,)) if unstable and self.alone else kind

    def _fastest(self, kinds: Sequence[Kind]) -> Kind | None:
        """The winner on a small batch; None where no kind could be timed."""
        if len(kinds) == 1:
            return kinds[0]
        by_setting = {kind.first: kind for kind in kinds}
        waiting = [setting for setting in by_setting if setting not in self.seconds]
        able = [setting for setting in waiting if self._runs(setting, by_setting[setting])]
        self.seconds |= settings.measure(self.evaluate, able) if able else {}
        timed = [
            setting for setting, kind in by_setting.items() if setting in self.seconds and kind not in self.refused
        ]
        return by_setting[settings.pick(self.seconds, timed)] if timed else None

    def _runs(self, setting: Setting, kind: Kind) -> bool:
        if setting.engine == "torch":
            return True
        try:
            self.evaluate(setting)
        except EngineRefused as reason:
            self.refused[kind] = str(reason)
        return kind not in self.refused

    def _accepted(self, kind: Kind) -> bool:
        """Whether the kind agrees with the plain engine."""
        try:
            found = self.agree(kind.first)
        except EngineRefused as reason:
            self.refused[kind] = str(reason)
            return False
        self.agreements[kind] = found
        if not found.accepted:
            self.refused[kind] = found.reason
        return found.accepted

    def _size(self, kind: Kind) -> Setting:
        """The kind's batch size; one that it was not compared with must hold as well."""
        order = [kind.at(size) for size in kind.sizes]
        if len(order) == 1:
            return order[0]
        waiting = [setting for setting in order if setting not in self.seconds]
        self.seconds |= self._measured(waiting)
        if not any(setting in self.seconds for setting in order):
            return kind.first
        best = settings.pick(self.seconds, order)
        if kind not in self.agreements or best == kind.first or self._holds(best):
            return best
        self.outgrown.add(best)
        return kind.first

    def _measured(self, waiting: Sequence[Setting]) -> Mapping[Setting, float]:
        """Seconds an image; nothing where one of the batches is too large for the engine."""
        try:
            return settings.measure(self.evaluate, waiting) if waiting else {}
        except EngineRefused:
            return {}

    def _holds(self, setting: Setting) -> bool:
        try:
            return self.agree(setting).accepted
        except EngineRefused:
            return False
