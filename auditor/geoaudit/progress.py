"""What a run says while it works: stage, time left and cost; a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from geoaudit.api import Cost
from geoaudit.words import duration

HEARTBEAT = 30.0
"""Seconds between two plain lines of one stage: a log that stands still looks like a run that does."""
WORTH_TELLING = 1.0
"""Seconds from which a finished stage gets a line of its own on a terminal."""


@dataclass
class Pace:
    """How far a stage is.

    Attributes:
        name: of the stage.
        total: units of work; expected seconds where work has a price.
        started: reading of a clock in seconds.
        done: units that are done.
        on: what is worked on at present; empty where the stage does not say.
    """

    name: str
    total: float
    started: float
    done: float = 0.0
    on: str = ""

    @property
    def share(self) -> float:
        """What is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    def left(self, now: float) -> float | None:
        """Seconds left if the rest goes as what is done went; None as long as nothing is done."""
        return None if self.share == 0 else max(0.0, (now - self.started) * (1 - self.share) / self.share)


def cost_told(cost: Cost) -> str:
    """Evaluations in words."""
    spent = ((f"{cost.gradients:,.0f}", "gradient"), (f"{cost.forwards:,.0f}", "forward"))
    return ", ".join(f"{number} {noun}{'' if number == '1' else 's'}" for number, noun in spent)


class Talk:
    """An observer that speaks to a person.

    Args:
        out: where to talk.
        quiet: say nothing but warnings.
        clock: seconds that only grow.
    """

    def __init__(self, out: Console, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._quiet = quiet
        self._clock = clock
        self._pace: Pace | None = None
        self._read: Callable[[], Cost] | None = None
        self._told = 0.0
        self._task: TaskID | None = None
        self._live: Progress | None = None
        if out.is_terminal and not quiet:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), _Rest(self))
            self._live = Progress(*columns, console=out, transient=True)

    def __enter__(self) -> Talk:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()
        if self._live is not None:
            self._live.stop()

    def stage(self, name: str, total: float) -> None:
        """Begin a stage."""
        self._finish()
        self._pace = Pace(name, total, self._clock())
        self._told = self._pace.started
        if self._live is not None:
            self._task = self._live.add_task(name, total=total)
        else:
            self.say(f"{name} ...")

    def working(self, on: str) -> None:
        """What the present stage works on."""
        if self._pace is not None:
            self._pace.on = on
            if self._live is not None and self._task is not None:
                self._live.update(self._task, description=f"{self._pace.name} {on}")

    def advance(self, amount: float) -> None:
        """Move the bar; elsewhere than on a terminal say now and then how far it is."""
        if self._pace is None:
            return
        self._pace.done += amount
        if self._live is not None and self._task is not None:
            self._live.advance(self._task, amount)
        elif self._clock() - self._told >= HEARTBEAT and self._pace.share < 1:
            self._told = self._clock()
            self.say(f"{self._pace.name}: {self.standing()}")

    def meter(self, read: Callable[[], Cost]) -> None:
        """What has been spent can be read from now on."""
        self._read = read

    def standing(self) -> str:
        """Share, time left and cost of the present stage."""
        if self._pace is None:
            return ""
        left = self._pace.left(self._clock())
        parts = [] if left is None else [f"{self._pace.share:.0%}", f"{duration(left)} left"]
        if self._read is not None:
            parts.append(cost_told(self._read()))
        return ", ".join(parts)

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            self._out.print(text, markup=False)

    def warn(self, text: str) -> None:
        """One line that is shown even when quiet."""
        self._out.print(f"Warning: {text}", style="yellow", markup=False)

    def _finish(self) -> None:
        """Take the live line away; a stage that took a while leaves a line behind."""
        pace, self._pace = self._pace, None
        if pace is None or self._live is None or self._task is None:
            return
        self._live.remove_task(self._task)
        self._task = None
        spent = self._clock() - pace.started
        if spent >= WORTH_TELLING:
            self.say(f"{pace.name}: {duration(spent)}")


class _Rest(ProgressColumn):
    """Share, time left and cost, read whenever the line is drawn."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    def render(self, task: Task) -> Text:
        """The text right of the bar."""
        return Text(self._talk.standing())
