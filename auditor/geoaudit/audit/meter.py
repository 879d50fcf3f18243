"""What a piece of work costs, told apart from what it has made for the whole run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from geoaudit.api import Cost
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.unit import Expense


class Meter:
    """Runs from its making on: what is spent, and the shared lines that are used as if they had been paid for.

    Args:
        probe: the run's.
    """

    def __init__(self, probe: ModelProbe) -> None:
        self._probe = probe
        probe.open_account()
        self._before, self._clock = probe.spent, time.perf_counter()
        self._known = set(probe.spent_once)

    def read(self) -> Expense:
        """The expense so far."""
        borrowed, seconds = self._probe.borrowed
        shared = self._new()
        own = self._probe.spent + self._before * -1.0 + sum(shared.values(), Cost()) * -1.0
        return Expense(own + borrowed, shared, time.perf_counter() - self._clock + seconds)

    def settled(self, expense: Expense) -> Expense:
        """The expense, knowing also what scoring has made for the whole run, which nobody pays for."""
        later = {name: Cost() for name in self._new() if name not in expense.shared}
        return replace(expense, shared={**expense.shared, **later})

    def _new(self) -> Mapping[str, Cost]:
        return {name: cost for name, cost in self._probe.spent_once.items() if name not in self._known}
