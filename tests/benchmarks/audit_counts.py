"""What a quick audit has evaluated, from its report and its plan: so much work the peers are given, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from geoaudit.api import InputSpace
from geoaudit.audit.plan import Plan, make_plan, stochastic
from geoaudit.audit.settings import Settings
from geoaudit.registry import load

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """Evaluations of a method, each for one map.

    Attributes:
        gradients, forwards: of a map of the report, rounded up to at least 1 where there are any.
        check_gradients, check_forwards: of a map that is made for the checks, which need fewer.
    """

    gradients: int
    forwards: int
    check_gradients: int
    check_forwards: int


@dataclass(frozen=True)
class Counts:
    """The whole audit's.

    Attributes:
        photographs: audited.
        methods: by id.
        controls: ids of the controls that are scored by forwards; inverted maps cost nothing.
        sweep_steps: masked images of a map, an order and an imputer.
        imputers: how many the sweep has.
        infidelity, sensitivity_n: masked images of a photograph.
        randomised: models in the randomisation check.
        randomised_photographs: photographs in it.
        repeated: ids of the methods that other seeds repeat.
        repeats: how often.
        repeated_photographs: on how many photographs.
        invariance_photographs: photographs of the input invariance check; two maps each.
    """

    photographs: int
    methods: dict[str, Work]
    controls: list[str]
    sweep_steps: int
    imputers: int
    infidelity: int
    sensitivity_n: int
    randomised: int
    randomised_photographs: int
    repeated: list[str]
    repeats: int
    repeated_photographs: int
    invariance_photographs: int

    def entry(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Counts:
        """From JSON."""
        methods = {name: Work(**work) for name, work in entry["methods"].items()}
        return replace(cls(**entry), methods=methods)


def counted(report: Report, model: Path, images: Path, space: InputSpace) -> Counts:
    """The counts behind a quick audit's report.

    Args:
        report: its report.json.
        model, images: as audited.
        space: the model's input.
    """
    plan = make_plan(Settings(model=model, images=images, budget="quick"), load(()))
    n = int(report["data"]["count"])
    check = next(c for c in report["checks"] if c["id"] == "model-randomization" and c["details"].get("steps"))
    models, few = len(check["details"]["steps"]), int(check["details"]["images"])
    own = {m["id"]: m["cost"] for m in report["methods"] if m["kind"] == "method" and m["status"] == "ok"}
    examined = {c["method"]: c["cost"] for c in report["checks"] if c["id"] == "model-randomization"}
    methods = {
        name: Work(
            *_each(cost, n), *_each(examined.get(name, {"gradients": 0, "forwards": 0}), few * (models + 1))
        )
        for name, cost in own.items()
    }  # fmt: skip
    controls = [m["id"] for m in report["methods"] if m["kind"] == "control" and not m["id"].startswith("inverted:")]
    sweep = plan.budget.sweep
    (invariance,) = (c for c in plan.checks if c.id == "input-invariance")
    return Counts(
        photographs=n,
        methods=methods,
        controls=controls,
        sweep_steps=sweep.steps,
        imputers=len(sweep.imputers),
        infidelity=_draws(plan, "infidelity", space),
        sensitivity_n=_draws(plan, "sensitivity-n", space),
        randomised=models,
        randomised_photographs=few,
        repeated=[m.id for m in plan.methods if stochastic(m) and m.id in methods],
        repeats=plan.budget.seeds - 1,
        repeated_photographs=min(n, plan.budget.seed_images),
        invariance_photographs=min(n, int(invariance.parameters.images)),  # type: ignore[attr-defined]
    )


def _each(cost: Mapping[str, float], maps: int) -> tuple[int, int]:
    return round(cost["gradients"] / maps), round(cost["forwards"] / maps)


def _draws(plan: Plan, metric: str, space: InputSpace) -> int:
    """Masked images that the metric evaluates once for all maps of a photograph."""
    return next((int(m.cost(space)[1].forwards) for m in plan.metrics if m.id == metric), 0)
