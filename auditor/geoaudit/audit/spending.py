"""What a budget means for this run, in lines that are printed before it and kept in the report."""

from __future__ import annotations

from geoaudit.api import InputSpace
from geoaudit.audit.inputs import GROUP
from geoaudit.audit.plan import Plan, stochastic
from geoaudit.scoring.regions import Grid


def describe_spending(plan: Plan, budget: str, space: InputSpace, images: int) -> list[str]:
    """Which metrics and checks, with how many images, seeds and steps.

    Args:
        plan: what runs.
        budget: the budget's name.
        space: the model's input.
        images: number of audited images.
    """
    spent = plan.budget
    lines = [
        f"Budget {budget}: error bar {100 * spent.quadrature.tolerance:.3g} % by at most "
        f"{spent.quadrature.node_limit} gradients a walk"
    ]
    if plan.sweeps:
        side, steps = Grid.of(space, spent.sweep.region_px).region, spent.sweep.steps
        others = f", {len(spent.readings)} other readings" if spent.readings else ""
        lines.append(f"Sweep: {steps} steps of {side} px regions, imputers {', '.join(spent.sweep.imputers)}{others}")
    lines.append(f"Metrics: {', '.join(metric.id for metric in plan.metrics)}")
    if repeated := [method.id for method in plan.methods if stochastic(method)]:
        few = min(images, spent.seed_images)
        lines.append(f"Seeds: {spent.seeds} of {', '.join(repeated)}, on {_images(few)}")
    scopes = ((check.id, check.scope(min(images, GROUP))) for check in plan.checks)
    told = ", ".join(f"{name} ({scope})" if scope else name for name, scope in scopes)
    lines.append(f"Checks: {told or 'none'}")
    if plan.idle_checks:
        lines.append(f"Checks not applicable without gradients: {', '.join(check.id for check in plan.idle_checks)}")
    if plan.left_out:
        lines.append(f"Checks left out: {', '.join(plan.left_out)}")
    return lines


def _images(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"
