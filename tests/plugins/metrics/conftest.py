"""A linear model with a planted object: its contributions are known exactly, and any metric can score maps of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, InputSpace, Problems, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.scoring.sweep import Sweep

REGISTRY = registry.load(())
SIDE = 28


class Linear(AnalyticProbe):
    """Two classes with the scores -z and z, z = gain (sum w x + b); probabilities are their logistic functions."""

    def __init__(self, weights: Any, offset: float, gain: float = 1.0) -> None:
        super().__init__(None, None)  # type: ignore[arg-type]
        self.weights, self.offset, self.gain = weights, offset, gain
        self.seen: list[Any] = []  # every evaluated batch

    def scores(self, points: Any) -> Any:
        self.spent += type(self.spent)(forwards=len(points))
        self.seen.append(points)
        z = (points.astype(np.float64) * self.weights).reshape(len(points), -1).sum(axis=1) + self.offset
        return self.gain * np.stack([-z, z], axis=1)

    def outputs(self, points: Any, targets: Any) -> Any:
        assert len(points) == len(targets)
        return self.scores(points)[np.arange(len(points)), targets]


@dataclass(frozen=True)
class Planted:
    """Problems about the linear model, and its exact contributions w (x - x')."""

    problems: Problems
    probe: Linear

    @property
    def true(self) -> Any:
        p = self.problems
        return (self.probe.gain * self.probe.weights * (p.x - p.baseline)).astype(np.float32)

    def evidence(self, metric: Any, values: Any, inverted: bool = False, group: Any = None) -> Evidence:
        group = group or self.group()
        curves = Sweep().curves(values, group) if "sweep" in metric.needs else None
        if curves is not None and inverted:
            curves = replace(curves, morf=curves.lerf, lerf=curves.morf)
        return Evidence(curves, group, inverted)

    def group(self) -> Group:
        return Group(self.problems, self.probe, {name: entry.cls() for name, entry in REGISTRY.imputers.items()})

    def score(self, metric: Any, values: Any, group: Any = None) -> Any:
        return metric.score(maps(values), self.problems, self.evidence(metric, values, group=group))

    def inverted(self, metric: Any, values: Any, scores: Any, group: Any = None) -> Any:
        asked = self.evidence(metric, values, True, group)
        return metric.score_inverted(maps(-values), self.problems, asked, scores)

    def select(self, order: Any) -> Planted:
        return replace(self, problems=self.problems.select(order))


def maps(values: Any) -> Attributions:
    return Attributions(values, (None,) * len(values))


def random_maps(shape: Any, seed: int) -> Any:
    return np.random.default_rng([17, seed]).normal(size=shape).astype(np.float32)


@lru_cache
def plant(
    n: int = 3, layout: str = "NCHW", channels: int = 3, dtype: Any = np.float32, gain: float = 1.0, lift: float = 0.0
) -> Planted:
    """Pictures of noise with a patterned square; the model counts the pattern's bright pixels, and a little the rest.

    The blurred picture has about half of the pattern's brightness: the model does not name the object on it.

    Args:
        n: pictures.
        layout, channels, dtype: of the pictures.
        gain: of the model's scores.
        lift: added to the model's scores before the gain.
    """
    rng = np.random.default_rng(5)
    pattern = np.zeros((SIDE, SIDE), bool)
    pattern[9:19, 10:20] = rng.random((10, 10)) < 0.5
    inside = np.zeros((SIDE, SIDE), bool)
    inside[9:19, 10:20] = True
    x = rng.uniform(0.05, 0.35, (n, channels, SIDE, SIDE))
    x[:, :, pattern] = rng.uniform(0.8, 1.0, (n, channels, pattern.sum()))
    weights = np.where(pattern, rng.uniform(0.5, 1.5, (channels, SIDE, SIDE)), 0.01) * 0.9 / channels
    whole = (weights * x.mean(axis=0)).sum()
    offset = -0.8 * whole + lift
    shape = (channels, SIDE, SIDE)
    if layout == "NHWC":
        x, weights, shape = x.transpose(0, 2, 3, 1), weights.transpose(1, 2, 0), (SIDE, SIDE, channels)
    space = InputSpace(layout, shape, (0.0,) * channels, (1.0,) * channels)  # type: ignore[arg-type]
    x = np.ascontiguousarray(x, dtype=dtype)
    x.flags.writeable = False
    baseline = np.zeros_like(x)
    baseline.flags.writeable = False
    probe, targets = Linear(weights, offset, gain), np.ones(n, np.int64)
    ids = tuple(f"picture {i}" for i in range(n))
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Planted(Problems(ids, x, baseline, targets, f_x, f_baseline, space), probe)


@pytest.fixture(scope="session")
def planted() -> Any:
    """`planted(**changes)`: see `plant`."""
    return plant


@pytest.fixture(scope="session")
def noise() -> Any:
    """`noise(shape, seed)`: maps that know nothing."""
    return random_maps


@pytest.fixture(scope="session")
def shelf() -> Any:
    """All plugins of this package."""
    return REGISTRY
