"""Time spent inside the model, by wrapping the engines' entry points; the code under test stays as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

_ENTRIES: tuple[tuple[type, str], ...] = ((Runtime, "logits"), (Twin, "logits"), (Twin, "value_and_gradient"))


@dataclass
class Clock:
    """Wall seconds inside onnxruntime and inside torch, batching and copies included."""

    runtime: float = 0.0
    twin: float = 0.0

    @property
    def model(self) -> float:
        """Both together."""
        return self.runtime + self.twin


@contextmanager
def model_clock() -> Iterator[Clock]:
    """Within this context every evaluation of any engine is timed."""
    clock = Clock()
    originals = [(owner, name, getattr(owner, name)) for owner, name in _ENTRIES]
    for owner, name, original in originals:
        setattr(owner, name, _timed(original, clock, "runtime" if owner is Runtime else "twin"))
    try:
        yield clock
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(original: Callable[..., Any], clock: Clock, engine: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            setattr(clock, engine, getattr(clock, engine) + perf_counter() - begun)

    return timed
