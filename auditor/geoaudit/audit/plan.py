"""What will run, and what it will cost; printed before the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from geoaudit.api import Check, Cost, Floats, InputSpace, Method, Metric, Need
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
        idle_methods: methods and controls that do not run because they need what this run has not; sorted by id.
        idle_checks: likewise for checks.
    """

    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]
    providers: Mapping[str, str]
    budget: Budget
    idle_methods: tuple[Method, ...] = ()
    idle_checks: tuple[Check, ...] = ()

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
        shared_by = sum(method.shares_line for method in self.methods)
        total += self.budget.quadrature.curve * -max(0, shared_by - 1)
        for sweep in self.sweeps:
            per_map, shared = sweep.cost(space)
            total += per_map * len(self.methods) + shared
        return total

    def total(self, space: InputSpace, images: int, calibration: int) -> Cost:
        """Expected evaluations of the whole run.

        Args:
            space: the model's input.
            images: number of audited images.
            calibration: number of pictures that methods learn from.
        """
        total = self.cost(space) * images
        for method in self.methods:
            total += self.extra(method, space, images, calibration)
        return total

    def extra(self, method: Method, space: InputSpace, images: int, calibration: int) -> Cost:
        """Expected evaluations of a method beyond one map an image: its preparation, and the repeats of it all."""
        again = self.budget.seeds - 1 if stochastic(method) else 0
        repeated = again * min(images, self.budget.seed_images)
        map_ = method.cost(self.budget.quadrature)
        for sweep in self.sweeps[:1]:
            map_ += sweep.cost(space)[0]
        return map_ * repeated + method.preparation(self.budget.quadrature, calibration) * (1 + again)


def stochastic(method: Method) -> bool:
    """Whether the method is repeated under other seeds; controls are not, for nobody relies on their maps."""
    return method.kind == "method" and "stochastic" in method.flags


def make_plan(settings: Settings, registry: Registry) -> Plan:
    """Choose and bind the plugins.

    Raises:
        UsageError: an id, a parameter or a value is wrong, a named method cannot run, or no method is left.
    """
    shelves = {**registry.methods, **registry.metrics, **registry.checks}
    skipped = set(pick(shelves, settings.skip, "--skip"))
    methods = _chosen_methods(settings, registry, skipped)
    metrics = pick(
        registry.metrics, settings.metrics if settings.metrics is not None else registry.metrics, "--metrics"
    )
    metrics = sorted({*metrics, *RANKED_ON} - (skipped - set(RANKED_ON)))
    checks = pick(registry.checks, settings.checks if settings.checks is not None else registry.checks, "--checks")
    unmet = {name for name in (*methods, *checks) if not shelves[name].cls.needs <= available(settings)}
    used = {*methods, *metrics, *checks} - unmet
    for name in pick(shelves, settings.parameters, "--set"):
        if name not in used:
            raise UsageError(f"--set {name}", "is not part of this run", "Leave it out, or add it to what runs.")

    def bound(name: str) -> object:
        return create(shelves[name], settings.budget, settings.parameters.get(name, {}), registry.methods)

    made = [m for m in map(bound, sorted(methods)) if isinstance(m, Method)]
    examiners = [c for c in map(bound, sorted(set(checks) - skipped)) if isinstance(c, Check)]
    return Plan(
        methods=tuple(m for m in made if m.id not in unmet),
        metrics=tuple(m for m in map(bound, metrics) if isinstance(m, Metric)),
        checks=tuple(c for c in examiners if c.id not in unmet),
        providers={name: shelves[name].provider for name in (*methods, *metrics, *checks)},
        budget=BUDGETS[settings.budget],
        idle_methods=tuple(m for m in made if m.id in unmet),
        idle_checks=tuple(c for c in examiners if c.id in unmet),
    )


def available(settings: Settings) -> frozenset[Need]:
    """What plugins can be given in this run."""
    return frozenset() if settings.gradient_free else frozenset({"gradients", "layers"})


def _chosen_methods(settings: Settings, registry: Registry, skipped: set[str]) -> list[str]:
    """Ids of methods and controls, those that cannot run included unless they were named."""
    named = settings.methods or ()
    wanted = _wanted(settings.methods, registry)
    chosen = pick(registry.methods, (*wanted, *registry.running("control")), "--methods")
    methods = [name for name in chosen if name not in skipped]
    running = []
    for name in methods:
        if registry.methods[name].cls.needs <= available(settings):
            running.append(name)
        elif named and name in named:
            raise UsageError(
                f"--methods {name}",
                "needs gradients, and --gradient-free audits without them",
                "Leave one of the two out; `geoaudit methods` lists what each method needs.",
            )
    if not any(registry.methods[name].cls.kind == "method" for name in running):
        able = [n for n in registry.of_kind("method") if registry.methods[n].cls.needs <= available(settings)]
        raise UsageError("--methods", "leaves nothing to audit", f"Methods: {', '.join(able)}.")
    return methods


def _wanted(named: tuple[str, ...] | None, registry: Registry) -> list[str]:
    """The ids that --methods asks for: ids, "default", "all", and a package's methods as "package/*".

    Raises:
        UsageError: a package has no methods.
    """
    found: list[str] = []
    for name in named if named is not None else ("default",):
        if name in ("default", "all"):
            found += registry.running("method", all_=name == "all")
        elif name.endswith("/*"):
            package = sorted(m for m in registry.methods if m.startswith(name[:-1]))
            if not package:
                raise UsageError(
                    f"--methods '{name}'", "no method is called so", f"Is the package {name[:-2]} installed?"
                )
            found += package
        else:
            found.append(name)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Speed:
    """Measured seconds for one image."""

    gradient: float
    forward: float

    def seconds(self, cost: Cost) -> float:
        """What `cost` takes, bookkeeping included."""
        return _OVERHEAD * (cost.gradients * self.gradient + cost.forwards * self.forward)


def measure_speed(runtime: Runtime, twin: Twin | None, point: Floats, space: Space, rounds: int = 6) -> Speed:
    """Time of a full gradient batch and a full forward batch: the shortest of some, after one that is not counted.

    The shortest, because another program's burst lengthens a round and nothing shortens one.

    Args:
        runtime: onnxruntime on the audited file.
        twin: its differentiable twin; None: gradients cost nothing, for there are none.
        point: one image in model input space, shape (1, *shape).
        space: the explained scalar.
        rounds: batches timed of each.
    """
    forwards = np.repeat(point, runtime.batch_size, axis=0)
    forward = _shortest(lambda: runtime.logits(forwards), len(forwards), rounds)
    return Speed(0.0 if twin is None else _gradient_seconds(twin, point, space, rounds), forward)


def _gradient_seconds(twin: Twin, point: Floats, space: Space, rounds: int) -> float:
    twin.value_and_gradient(point, np.zeros(1, dtype=np.int64), space)  # settles layout and batch size
    batch = twin.setting.batch_size if twin.setting is not None else 1
    points, targets = np.repeat(point, batch, axis=0), np.zeros(batch, dtype=np.int64)
    return _shortest(lambda: twin.value_and_gradient(points, targets, space), batch, rounds)


def _shortest(evaluate: Callable[[], object], images: int, rounds: int) -> float:
    """Seconds an image in the quickest of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        evaluate()
        seconds.append(time.perf_counter() - start)
    return min(seconds) / images
