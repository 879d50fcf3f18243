"""Time spent inside the model, by wrapping the engines' entry points; the code under test stays as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Any

from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

_ENTRIES: tuple[tuple[type, str, str], ...] = (
    (Runtime, "logits", "runtime"),
    (Twin, "logits", "twin"),
    (Twin, "value_and_gradient", "twin"),
)


@dataclass
class Meter:
    """Seconds during which at least one thread was inside; calls within calls count once."""

    seconds: float = 0.0
    _inside: int = 0
    _since: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def enter(self) -> None:
        """A call begins."""
        with self._lock:
            if self._inside == 0:
                self._since = perf_counter()
            self._inside += 1

    def leave(self) -> None:
        """A call ends."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self.seconds += perf_counter() - self._since


@dataclass
class Clock:
    """Wall seconds inside the engines, batching and copies included."""

    _outputs: Meter = field(default_factory=Meter)
    _gradients: Meter = field(default_factory=Meter)
    _either: Meter = field(default_factory=Meter)

    @property
    def runtime(self) -> float:
        """Inside onnxruntime on the file."""
        return self._outputs.seconds

    @property
    def twin(self) -> float:
        """Inside the gradient engine."""
        return self._gradients.seconds

    @property
    def model(self) -> float:
        """Inside either; where both run at a time, less than the two together."""
        return self._either.seconds


@contextmanager
def model_clock() -> Iterator[Clock]:
    """Within this context every evaluation of any engine is timed."""
    clock = Clock()
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in _ENTRIES]
    for owner, name, engine in _ENTRIES:
        own = clock._outputs if engine == "runtime" else clock._gradients
        setattr(owner, name, _timed(getattr(owner, name), (own, clock._either)))
    try:
        yield clock
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(original: Callable[..., Any], meters: tuple[Meter, ...]) -> Callable[..., Any]:
    @functools.wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:
        for meter in meters:
            meter.enter()
        try:
            return original(*args, **kwargs)
        finally:
            for meter in meters:
                meter.leave()

    return timed
