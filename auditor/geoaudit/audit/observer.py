"""How the engine reports progress: to an observer, for it knows no console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from geoaudit.api import Cost


class Observer(Protocol):
    """Told what is going on; every call returns at once."""

    def stage(self, name: str, total: float) -> None:
        """A stage of `total` units of work begins; the one before has ended."""
        ...

    def working(self, on: str) -> None:
        """What the present stage works on, by name."""
        ...

    def advance(self, amount: float) -> None:
        """Work of the present stage was done."""
        ...

    def meter(self, read: Callable[[], Cost]) -> None:
        """From now on `read` tells what the run has spent so far, at any time and from any thread."""
        ...

    def say(self, text: str) -> None:
        """One line for the user."""
        ...

    def warn(self, text: str) -> None:
        """One line that the user must not miss."""
        ...


class Silent:
    """An observer that keeps everything to itself."""

    def stage(self, name: str, total: float) -> None:
        """Nothing."""

    def working(self, on: str) -> None:
        """Nothing."""

    def advance(self, amount: float) -> None:
        """Nothing."""

    def meter(self, read: Callable[[], Cost]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""
