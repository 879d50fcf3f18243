"""What will run, and what it will cost; printed before the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geoaudit.api import Check, Cost, Floats, InputSpace, Method, Metric
from geoaudit.audit.settings import BUDGETS, Budget, Settings
from geoaudit.errors import UsageError
from geoaudit.model.explain import Space
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.registry import Registry, create, pick
from geoaudit.scoring.sweep import Sweep

RANKED_ON = ("completeness-error", "ncc-violation", "srg")
"""Metrics that always run: the ranking rests on them."""
_OVERHEAD = 1.15  # bookkeeping, decoding, scoring and writing, as a share of the model's time


@dataclass(frozen=True)
class Plan:
    """The plugins of a run with their parameters bound.

    Attributes:
        methods: methods and controls, sorted by id.
        metrics: sorted by id.
        checks: sorted by id.
        providers: distribution and version of every plugin, by id.
        budget: what the run may spend.
    """

    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]
    providers: Mapping[str, str]
    budget: Budget

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The sweeps that some metric needs, the headline one first."""
        needed = any("sweep" in metric.needs for metric in self.metrics)
        return (self.budget.sweep, *self.budget.readings) if needed else ()

    def cost(self, space: InputSpace) -> Cost:
        """Expected evaluations for one image."""
        total = Cost(forwards=5)  # target, both ends of the walk, and both imputers
        for method in self.methods:
            total += method.cost(self.budget.quadrature)
        for sweep in self.sweeps:
            per_map, shared = sweep.cost(space)
            total += per_map * len(self.methods) + shared
        return total


def make_plan(settings: Settings, registry: Registry) -> Plan:
    """Choose and bind the plugins.

    Raises:
        UsageError: an id, a parameter or a value is wrong, or no method is left.
    """
    skipped = pick({**registry.methods, **registry.metrics, **registry.checks}, settings.skip, "--skip")
    wanted = settings.methods if settings.methods is not None else registry.of_kind("method")
    chosen = pick(registry.methods, (*wanted, *registry.of_kind("control")), "--methods")
    methods = [name for name in chosen if name not in skipped]
    if not any(registry.methods[name].cls.kind == "method" for name in methods):
        raise UsageError("--methods", "leaves nothing to audit", f"Methods: {', '.join(registry.of_kind('method'))}.")
    metrics = pick(
        registry.metrics, settings.metrics if settings.metrics is not None else registry.metrics, "--metrics"
    )
    metrics = sorted({*metrics, *RANKED_ON} - (set(skipped) - set(RANKED_ON)))
    checks = pick(registry.checks, settings.checks if settings.checks is not None else registry.checks, "--checks")
    shelves = {**registry.methods, **registry.metrics, **registry.checks}
    used = {*methods, *metrics, *checks}
    for name in pick(shelves, settings.parameters, "--set"):
        if name not in used:
            raise UsageError(f"--set {name}", "is not part of this run", "Leave it out, or add it to what runs.")

    def bound(name: str) -> object:
        return create(shelves[name], settings.budget, settings.parameters.get(name, {}))

    return Plan(
        methods=tuple(m for m in map(bound, sorted(methods)) if isinstance(m, Method)),
        metrics=tuple(m for m in map(bound, metrics) if isinstance(m, Metric)),
        checks=tuple(c for c in map(bound, sorted(set(checks) - set(skipped))) if isinstance(c, Check)),
        providers={name: shelves[name].provider for name in used},
        budget=BUDGETS[settings.budget],
    )


@dataclass(frozen=True)
class Speed:
    """Measured seconds for one image."""

    gradient: float
    forward: float

    def seconds(self, cost: Cost) -> float:
        """What `cost` takes, bookkeeping included."""
        return _OVERHEAD * (cost.gradients * self.gradient + cost.forwards * self.forward)


def measure_speed(runtime: Runtime, twin: Twin, point: Floats, space: Space, rounds: int = 6) -> Speed:
    """Time of a full gradient batch and a full forward batch: the shortest of some, after one that is not counted.

    The shortest, because another program's burst lengthens a round and nothing shortens one.

    Args:
        runtime: onnxruntime on the audited file.
        twin: its differentiable twin.
        point: one image in model input space, shape (1, *shape).
        space: the explained scalar.
        rounds: batches timed of each.
    """
    twin.value_and_gradient(point, np.zeros(1, dtype=np.int64), space)  # settles layout and batch size
    batch = twin.setting.batch_size if twin.setting is not None else 1
    gradients = np.repeat(point, batch, axis=0)
    forwards = np.repeat(point, runtime.batch_size, axis=0)
    targets = np.zeros(batch, dtype=np.int64)
    slow, quick = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        twin.value_and_gradient(gradients, targets, space)
        middle = time.perf_counter()
        runtime.logits(forwards)
        slow.append((middle - start) / batch)
        quick.append((time.perf_counter() - middle) / runtime.batch_size)
    return Speed(min(slow), min(quick))
