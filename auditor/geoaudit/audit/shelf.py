"""Where the makers of units look first: what the run made before it was interrupted, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from geoaudit.api import Check, Method
from geoaudit.audit.unit import Unit

T = TypeVar("T")
Stage = Literal["maps", "scores", "free scores", "seeds"]
Worth = Callable[[T], bool]
"""Whether a value is to be kept; what failed is tried again."""


class Shelf:
    """Keeps nothing: everything is made when it is asked for."""

    def stage(self, stage: Stage, group: int, method: Method, kind: Any, make: Callable[[], T], worth: Worth[T]) -> T:
        """A stage of one method on one group of images: what was made before, or else what is made now and kept.

        Args:
            stage: which.
            group: the group's number.
            method: the method.
            kind: the value's type.
            make: makes it.
            worth: whether to keep it.

        Raises:
            OutputError: it cannot be kept: the disk is full, or the like.
        """
        return make()

    def check(self, check: Check, method: Method | None, kind: Any, make: Callable[[], T], worth: Worth[T]) -> T:
        """What a check found about a method, or about the model; as `stage`."""
        return make()

    def has(self, group: int, method: Method) -> bool:
        """Whether a whole unit is there."""
        return False

    def take(self, group: int, method: Method) -> Unit:
        """The whole unit that is there.

        Raises:
            OutputError: it cannot be read any more.
        """
        raise LookupError(f"{method.id}, group {group}")

    def put(self, unit: Unit, method: Method) -> None:
        """Keep a whole unit that was made elsewhere.

        Raises:
            OutputError: it cannot be kept.
        """
