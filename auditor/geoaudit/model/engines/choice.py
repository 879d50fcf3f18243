"""Which setting a model's gradients run with, and what was tried to find out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geoaudit.api import Floats
from geoaudit.model.engine import Setting
from geoaudit.model.engines.agreement import Judge
from geoaudit.model.engines.base import EngineName, EngineRefused, Trial
from geoaudit.model.engines.batches import fill
from geoaudit.model.engines.contest import Contest, Kind
from geoaudit.model.engines.room import WORTHWHILE, EngineRoom, has_amx, multiply_adds
from geoaudit.model.engines.trials import pinned_trials, small_trials, trials
from geoaudit.model.explain import Space

_BESIDE = 4
"""Batch size that torch keeps for scores and changed copies where onnxruntime, which has none, computes gradients."""


@dataclass(frozen=True)
class Wanted:
    """What the user, or an earlier run, has fixed.

    Attributes:
        engine: the engine's name; None to choose.
        channels_last: torch's memory layout; None to choose.
        batch_size: images evaluated together; None to choose.
    """

    engine: EngineName | None = None
    channels_last: bool | None = None
    batch_size: int | None = None


@dataclass(frozen=True)
class Terms:
    """What the choice is made for.

    Attributes:
        points: pictures, model input, shape (m, *shape), m >= 1; the first ones are used.
        space: the explained scalar.
        sizes: batch sizes that the model and the memory allow, the favourite first.
        bytes_per_image: memory that one image needs in a batch, estimated; None where it was not measured.
        spatial: the model has convolutions or pooling, so that memory layouts differ.
    """

    points: Floats
    space: Space
    sizes: tuple[int, ...]
    bytes_per_image: int | None
    spatial: bool


def choose(room: EngineRoom, terms: Terms, wanted: Wanted, threads: int) -> tuple[Setting, list[Trial]]:
    """The setting, and what was tried.

    A model of fewer than `WORTHWHILE` multiply-adds takes torch and the favourite batch size without a contest.

    Args:
        room: the model's engines.
        terms: what the choice is made for.
        wanted: what is fixed; if all of it is, nothing is measured or compared.
        threads: processor threads, for the trials.

    Raises:
        ModelError: the converted model cannot be evaluated.
    """
    layouts = _layouts(wanted, terms.spatial)
    if wanted.engine is not None and len(layouts) == len(terms.sizes) == 1:
        return _pinned(room, Setting(layouts[0], terms.sizes[0], wanted.engine), threads)
    together = terms.sizes[0] if len(terms.sizes) == 1 else 1  # the model may take no other batch
    operations = multiply_adds(room.plain, fill(terms.points[:1], together)) // together
    if wanted.engine in (None, "torch") and operations < WORTHWHILE:
        setting = Setting(layouts[0], terms.sizes[0])
        return setting, small_trials(setting, threads, terms.bytes_per_image, operations)
    judge = Judge(room, terms.points, terms.sizes)
    contest = Contest(
        lambda setting: once(room, setting, terms),
        lambda setting: judge(setting, terms.space),
        alone=len(terms.sizes) > 1,
    )
    plain = Kind("torch", layouts[-1], terms.sizes)
    setting = contest.hold(_kinds(wanted.engine, layouts, terms.sizes), plain)
    return setting, trials(contest, setting, wanted.engine, threads, terms.bytes_per_image)


def kinds_of(engine: EngineName, layouts: Sequence[bool], sizes: tuple[int, ...]) -> list[Kind]:
    """The engine in the layouts and with the batch sizes that may make a difference to it."""
    if engine == "onnxruntime":
        return [Kind(engine, layouts[0], (_BESIDE,) if _BESIDE in sizes else sizes[:1])]
    return [Kind(engine, layout, sizes) for layout in (layouts if engine == "torch" else layouts[:1])]


def _kinds(wanted: EngineName | None, layouts: Sequence[bool], sizes: tuple[int, ...]) -> list[Kind]:
    """What takes part, the favourite first."""
    names: list[EngineName] = [wanted] if wanted else ["onnxruntime", "torch"]
    if wanted is None and has_amx():
        names.append("torch-bfloat16")
    return [kind for name in names for kind in kinds_of(name, layouts, sizes)]


def _layouts(wanted: Wanted, spatial: bool) -> tuple[bool, ...]:
    """Memory layouts to consider, the favourite first."""
    if wanted.channels_last is not None:
        return (wanted.channels_last,)
    return (True, False) if spatial else (False,)


def _pinned(room: EngineRoom, setting: Setting, threads: int) -> tuple[Setting, list[Trial]]:
    """The setting as it was asked for, or torch where its engine cannot serve."""
    try:
        room.ready(setting)
    except EngineRefused as reason:
        torch = Setting(setting.channels_last, setting.batch_size)
        return torch, pinned_trials(torch, threads, (setting.engine, str(reason)))
    return setting, pinned_trials(setting, threads, None)


def once(room: EngineRoom, setting: Setting, terms: Terms) -> None:
    """Evaluate one batch of the first picture."""
    batch = fill(terms.points[:1], setting.batch_size)
    room.ready(setting).evaluate(batch, np.zeros(len(batch), np.int64), terms.space)
