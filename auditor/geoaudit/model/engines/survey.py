"""Every engine, layout and batch size, timed in turns and compared: for the engine report, not for a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch

from geoaudit.errors import ModelError
from geoaudit.model.engine import Setting
from geoaudit.model.engines.agreement import Agreement, Judge
from geoaudit.model.engines.base import ENGINES, EngineName, EngineRefused, GradientEngine, Trial
from geoaudit.model.engines.batches import fill
from geoaudit.model.engines.choice import Terms, kinds_of
from geoaudit.model.engines.room import EngineRoom, Placed
from geoaudit.model.engines.trials import NOT_COMPILED, trial, untried

ROUNDS = 3
_LARGEST = 16  # images: larger batches take their time and were never the fastest on processors
_ALONE: EngineName = "torch-compiled"


def survey(room: EngineRoom, terms: Terms, chosen: Setting, threads: int, *, compiled: bool) -> list[Trial]:
    """Try everything.

    Args:
        room: the model's engines.
        terms: pictures, scalar and batch sizes.
        chosen: the setting in use.
        threads: processor threads.
        compiled: try torch.compile too.

    Returns:
        The setting in use first, then the others as they were tried; times are medians of `ROUNDS` turns.
    """
    judge = Judge(room, terms.points, terms.sizes)
    entries: list[_Entry] = []
    told: list[Trial] = []
    for setting in _settings(terms, chosen, compiled=compiled):
        try:
            entries.append(_Entry(setting, threads, Placed(room, setting), judge(setting, terms.space)))
        except (EngineRefused, ModelError) as reason:
            if setting.engine not in {row.engine for row in told}:
                told.append(untried(setting.engine, str(reason)))
    entries += _on_one_thread(room, entries, threads)
    if not compiled:
        told.append(untried(_ALONE, NOT_COMPILED))
    seconds = _timed(entries, terms)
    in_use = next(s for e, s in zip(entries, seconds, strict=True) if e.setting == chosen and e.threads == threads)
    rows = [e.told(s, in_use, chosen, threads, terms.bytes_per_image) for e, s in zip(entries, seconds, strict=True)]
    return [*sorted(rows, key=lambda row: not row.chosen), *told]


class _Entry:
    """One setting on so many threads."""

    def __init__(self, setting: Setting, threads: int, engine: GradientEngine, agreement: Agreement) -> None:
        self.setting = setting
        self.threads = threads
        self.engine = engine
        self.agreement = agreement

    def told(self, seconds: float, in_use: float, chosen: Setting, threads: int, memory: int | None) -> Trial:
        """The record of this entry, beside the setting in use."""
        own = self.setting == chosen and self.threads == threads
        if own:
            why = "in use"
        elif not self.agreement.accepted:
            why = self.agreement.reason
        else:
            why = f"takes {seconds / in_use:.2f} times as long as the setting in use"
        return trial(
            self.setting, self.threads, why, chosen=own, seconds=seconds, agreement=self.agreement, memory=memory
        )


def _settings(terms: Terms, chosen: Setting, *, compiled: bool) -> list[Setting]:
    """Everything that makes a difference, the setting in use among it."""
    sizes = tuple(size for size in terms.sizes if size <= _LARGEST) or terms.sizes[:1]
    layouts = (True, False) if terms.spatial else (False,)
    found = [chosen]
    for name in ENGINES:
        if name == _ALONE and not compiled:
            continue
        many = sizes if name in ("onnxruntime", "torch") else sizes[:1]
        found += [kind.at(size) for kind in kinds_of(name, layouts, many) for size in sorted(kind.sizes)]
    return list(dict.fromkeys(found))


def _on_one_thread(room: EngineRoom, entries: list[_Entry], threads: int) -> list[_Entry]:
    """The first setting of each of the two main engines once more, on one thread."""
    made: list[_Entry] = []
    for name in ("onnxruntime", "torch"):
        first = next((entry for entry in entries if entry.setting.engine == name), None)
        if first is not None and threads > 1:
            engine = room.onnxruntime(1) if name == "onnxruntime" else first.engine
            made.append(_Entry(first.setting, 1, engine, first.agreement))
    return made


def _timed(entries: list[_Entry], terms: Terms) -> list[float]:
    """Median seconds an image of every entry, in turns, after one turn that is not counted."""
    seconds: list[list[float]] = [[] for _ in entries]
    for turn in range(ROUNDS + 1):
        for entry, kept in zip(entries, seconds, strict=True):
            points = fill(terms.points[:1], entry.setting.batch_size)
            targets = np.zeros(len(points), np.int64)
            with _threads(entry.threads):
                took = _clocked(lambda: entry.engine.evaluate(points, targets, terms.space))  # noqa: B023
            kept += [took / len(points)] if turn else []
    return [median(kept) for kept in seconds]


def _clocked(evaluate: Callable[[], object]) -> float:
    begun = time.perf_counter()
    evaluate()
    return time.perf_counter() - begun


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
