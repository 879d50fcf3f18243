"""Pictures near a picture that the model takes for the same class; the same ones for every method of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoaudit.api import Floats, InputSpace, Probe, Problems

AT_ONCE = 16
"""Neighbours held at a time while their predictions are read."""


@dataclass(frozen=True)
class Kept:
    """Which draws of one picture are used.

    Attributes:
        draws: numbers of the draws whose predicted class is the picture's, ascending; at most as many as wanted.
        rejected: draws in which the prediction changed.
    """

    draws: tuple[int, ...]
    rejected: int


def neighbour(x: Floats, space: InputSpace, radius: float, rng: np.random.Generator) -> Floats:
    """A picture within `radius` of `x`: uniform noise on every element, clipped to the pixel range.

    Args:
        x: one picture in model input space, shape (*space.shape).
        space: what the model input means.
        radius: largest change of an element, as a share of its channel's pixel range.
        rng: draws the noise.

    Returns:
        Shape and dtype of `x`.  An element that lay outside the pixel range keeps its distance to it.
    """
    low, high = space.per_channel(space.low), space.per_channel(space.high)
    reach = radius * np.abs(high - low)
    moved = x + rng.uniform(-1.0, 1.0, x.shape) * reach
    floor, ceiling = np.minimum(np.minimum(low, high), x), np.maximum(np.maximum(low, high), x)
    near: Floats = np.clip(moved, floor, ceiling).astype(x.dtype)
    return near


def kept(problem: Problems, probe: Probe, owner: str, radius: float, wanted: int, attempts: int) -> Kept:
    """The first `wanted` of at most `attempts` draws that keep the predicted class of the one picture in `problem`.

    One forward a draw and one for the picture; nobody who asks again pays.

    Args:
        problem: a single problem.
        probe: the model.
        owner: the check's id: keys the random numbers, see `drawn`.
        radius: see `neighbour`.
        wanted: draws that are needed.
        attempts: draws that may be made.
    """
    key = f"{owner}/{problem.ids[0]}/{radius}/{wanted}/{attempts}"
    return probe.once(key, lambda: _search(problem, probe, owner, radius, wanted, attempts))


def _search(problem: Problems, probe: Probe, owner: str, radius: float, wanted: int, attempts: int) -> Kept:
    prediction = int(probe.scores(problem.x)[0].argmax())
    found: list[int] = []
    made = 0
    while made < attempts and len(found) < wanted:
        numbers = range(made, min(made + min(AT_ONCE, wanted - len(found)), attempts))
        points = np.stack([drawn(problem, probe, owner, radius, number) for number in numbers])
        predictions = probe.scores(points).argmax(axis=1)
        found += [number for number, same in zip(numbers, predictions == prediction, strict=True) if same]
        made += len(numbers)
    return Kept(tuple(found), made - len(found))


def drawn(problem: Problems, probe: Probe, owner: str, radius: float, number: int) -> Floats:
    """The draw of that number for the one picture in `problem`, shape (*space.shape): by the run's seed and the id."""
    rng = probe.rng(owner, problem.ids[0], str(number))
    return neighbour(problem.x[0], problem.space, radius, rng)
