"""What will run, and what it will cost; printed before the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from geoaudit.api import Check, Cost, Imputer, InputSpace, Method, Metric, Need
from geoaudit.audit.inputs import GROUP
from geoaudit.audit.settings import BUDGETS, Budget, Settings
from geoaudit.errors import UsageError
from geoaudit.registry import Entry, Registry, create, pick
from geoaudit.scoring.sweep import Sweep

RANKED_ON = ("completeness-error", "ncc-violation", "srg")
"""Metrics that always run: the ranking rests on them."""


@dataclass(frozen=True)
class Plan:
    """The plugins of a run with their parameters bound.

    Attributes:
        methods: methods and controls, sorted by id.
        metrics: sorted by id.
        checks: sorted by id.
        imputers: all that there are, by id; the sweep and single metrics choose among them.
        providers: distribution and version of every plugin, by id.
        budget: what the run may spend.
        idle_methods: methods and controls that do not run because they need what this run has not; sorted by id.
        idle_checks: likewise for checks.
        left_out: ids of the checks that were not asked for or are not part of the budget; sorted.
    """

    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]
    imputers: Mapping[str, Imputer]
    providers: Mapping[str, str]
    budget: Budget
    idle_methods: tuple[Method, ...] = ()
    idle_checks: tuple[Check, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The sweeps that some metric needs, the headline one first."""
        needed = any("sweep" in metric.needs for metric in self.metrics)
        return (self.budget.sweep, *self.budget.readings) if needed else ()

    def cost(self, space: InputSpace) -> Cost:
        """Expected evaluations for one image."""
        total = Cost(forwards=3)  # target, and both ends of the walk
        for method in self.methods:
            total += method.cost(self.budget.quadrature)
        shared_by = sum(method.shares_line for method in self.methods)
        total += self.budget.quadrature.curve * -max(0, shared_by - 1)
        total = sum((self.scoring(method, space) for method in self.methods), total)
        return total + self._shared(space, self.sweeps)

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
        if any(map(stochastic, self.methods)):  # what the maps of the repeated images share is made anew for them
            total += self._shared(space, self.sweeps[:1]) * min(images, self.budget.seed_images)
        return total + self.checking(images, calibration)

    def _scoring(self, space: InputSpace, sweeps: Sequence[Sweep]) -> Cost:
        """Expected evaluations to score one map of one image."""
        return sum(
            (part[0] for part in (*(s.cost(space) for s in sweeps), *(m.cost(space) for m in self.metrics))), Cost()
        )

    def _shared(self, space: InputSpace, sweeps: Sequence[Sweep]) -> Cost:
        """Expected evaluations for one image that all its maps share."""
        return sum(
            (part[1] for part in (*(s.cost(space) for s in sweeps), *(m.cost(space) for m in self.metrics))), Cost()
        )

    def scoring(self, method: Method, space: InputSpace) -> Cost:
        """Expected evaluations to score a method on one image, its inverted control included."""
        inverted = [m.inversion_cost(space) for m in self.metrics] if method.kind == "method" else []
        return sum(inverted, self._scoring(space, self.sweeps))

    def checking(self, images: int, calibration: int) -> Cost:
        """Expected evaluations of all checks.

        Args:
            images: number of audited images.
        """
        total, sample = Cost(), min(images, GROUP)
        for check in self.checks:
            for method in self.examined(check, self.methods):
                total += check.cost(method, self.budget.quadrature, sample, calibration)
        return total

    @staticmethod
    def examined(check: Check, methods: Sequence[Method]) -> list[Method | None]:
        """What a check is shown: the model, or methods, with the controls where it asks for them."""
        if check.examines == "model":
            return [None]
        return [m for m in methods if m.kind == "method" or check.examines_controls]

    def extra(self, method: Method, space: InputSpace, images: int, calibration: int) -> Cost:
        """Expected evaluations of a method beyond one map an image: its preparation, and the repeats of it all."""
        again = self.budget.seeds - 1 if stochastic(method) else 0
        repeated = again * min(images, self.budget.seed_images)
        map_ = method.cost(self.budget.quadrature)
        map_ += self._scoring(space, self.sweeps[:1])
        return map_ * repeated + method.preparation(self.budget.quadrature, calibration) * (1 + again)


def stochastic(method: Method) -> bool:
    """Whether the method is repeated under other seeds; controls are not, for nobody relies on their maps."""
    return method.kind == "method" and "stochastic" in method.flags


def make_plan(settings: Settings, registry: Registry) -> Plan:
    """Choose and bind the plugins.

    Raises:
        UsageError: an id, a parameter or a value is wrong, a named method cannot run, or no method is left.
    """
    shelves = {**registry.methods, **registry.metrics, **registry.checks, **registry.imputers}
    skipped = set(pick(shelves, settings.skip, "--skip"))
    _require_dispensable(skipped, registry)
    methods = _chosen_methods(settings, registry, skipped)
    metrics = _named("metrics", settings.metrics, settings, registry)
    metrics = sorted({*metrics, *RANKED_ON} - (skipped - set(RANKED_ON)))
    checks = _named("checks", settings.checks, settings, registry)
    budget = BUDGETS[settings.budget].reading_with(_imputers(settings, registry))
    unmet = {
        name
        for shelf, names in ((registry.methods, methods), (registry.checks, checks))
        for name in names
        if not shelf[name].cls.needs <= available(settings)
    }
    used = {*methods, *metrics, *(set(checks) - skipped), *registry.imputers} - unmet
    for name in pick(shelves, settings.parameters, "--set"):
        if name not in used:
            raise UsageError(f"--set {name}", "is not part of this run", "Leave it out, or add it to what runs.")

    def bound(shelf: Mapping[str, Entry], names: Iterable[str]) -> list[Any]:
        """Each from its own shelf: an id may stand on several."""
        given = {name: {**_adaptive(shelf[name], settings), **settings.parameters.get(name, {})} for name in names}
        return [create(shelf[name], settings.budget, given[name], registry.methods) for name in sorted(given)]

    made: list[Method] = bound(registry.methods, methods)
    examiners: list[Check] = bound(registry.checks, set(checks) - skipped)
    return Plan(
        methods=tuple(m for m in made if m.id not in unmet),
        metrics=tuple(bound(registry.metrics, metrics)),
        checks=tuple(c for c in examiners if c.id not in unmet),
        imputers={imputer.id: imputer for imputer in bound(registry.imputers, registry.imputers)},
        providers={name: shelves[name].provider for name in (*methods, *metrics, *checks)},
        budget=budget,
        idle_methods=tuple(m for m in made if m.id in unmet),
        idle_checks=tuple(c for c in examiners if c.id in unmet),
        left_out=tuple(sorted(set(registry.checks) - (set(checks) - skipped))),
    )


def _adaptive(entry: Entry, settings: Settings) -> Mapping[str, str]:
    """Parameters that an adaptive audit sets."""
    return getattr(entry.cls, "adaptive", {}) if settings.adaptive else {}


def _require_dispensable(skipped: Iterable[str], registry: Registry) -> None:
    """What cannot be left out is not left in silently.

    Raises:
        UsageError: one of `skipped` is an imputer, or a metric that the ranking rests on.
    """
    for name in sorted(skipped):
        if name in RANKED_ON:
            raise UsageError(f"--skip {name}", "the ranking rests on it", "Leave it in; other metrics can be skipped.")
        if name in registry.imputers:
            raise UsageError(f"--skip {name}", "is an imputer", "Name those that the sweep shall use with --imputers.")


def _named(
    kind: Literal["metrics", "checks"], named: tuple[str, ...] | None, settings: Settings, registry: Registry
) -> list[str]:
    """Ids of the metrics or checks that were asked for, or those of the budget."""
    shelf = registry.metrics if kind == "metrics" else registry.checks
    found: list[str] = []
    for name in named if named is not None else ("default",):
        found += (
            sorted(shelf) if name == "all" else registry.within(kind, settings.budget) if name == "default" else [name]
        )
    return pick(shelf, found, f"--{kind}")


def _imputers(settings: Settings, registry: Registry) -> tuple[str, ...] | None:
    """The imputers that were asked for, checked; None: the budget's.

    Raises:
        UsageError: one is unknown, or none is named.
    """
    if settings.imputers is None:
        return None
    chosen = tuple(pick(registry.imputers, settings.imputers, "--imputers"))
    if not chosen:
        raise UsageError("--imputers", "names none", f"Known: {', '.join(sorted(registry.imputers))}.")
    return chosen


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
