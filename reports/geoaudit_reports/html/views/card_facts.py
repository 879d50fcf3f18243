"""A method's parameters, cost and walks, as names and values."""

from __future__ import annotations

from statistics import median

from geoaudit.audit.result import CostInfo, MethodResult, PerImage, Report, WalkInfo
from geoaudit_reports.html.cells import Cell, Column, Fact, Table, code, number, rows, text
from geoaudit_reports.html.formats import count, duration, percent, setting, significant


def parameters(report: Report, method: MethodResult) -> Table | None:
    """Every parameter, and whether it was set for this run; None where there are none."""
    if not method.parameters:
        return None
    given = _given(report, method.id)
    cells = [
        (code(name), code(setting(value)),
         text("set by --set", f"{given[name]}") if name in given else text(f"default, budget {report.run.budget}"))
        for name, value in sorted(method.parameters.items())
    ]  # fmt: skip
    return Table("Parameters", (Column("Name"), Column("Value"), Column("Where it came from")), rows(cells))


def _given(report: Report, method: str) -> dict[str, str]:
    """Parameters of the method that the user set, and where."""
    option = report.config.get("set")
    if option is None or not isinstance(option.value, list):
        return {}
    found = {}
    for line in option.value:
        place = str(line).partition("=")[0]
        plugin, _, name = place.rpartition(".")
        if plugin == method:
            found[name] = option.source
    return found


def facts(method: MethodResult, per_image: list[PerImage]) -> tuple[Fact, ...]:
    """Where the method is from, what became of it, and what it cost."""
    outcome = text("ok") if method.status == "ok" else text(method.status, method.reason or "no reason was recorded")
    return (
        Fact("Reference", text(method.reference or "none given")),
        Fact("Family", text(method.family)),
        Fact("Provided by", text(method.plugin)),
        Fact("Outcome", outcome),
        Fact("Cost", _cost(method.cost, "for all images")),
        *([Fact("Cost of the repeats", _cost(method.seeds.cost, "for other seeds"))] if method.seeds else []),
        *_walk_facts([row.walk for row in per_image if row.walk is not None]),
        *_own_start(method, per_image),
    )


def _cost(cost: CostInfo, what_for: str) -> Cell:
    spent = f"{count(cost.gradients)} gradients, {count(cost.forwards)} forwards"
    return text(spent, f"{duration(cost.seconds)} {what_for}")


def _walk_facts(walks: list[WalkInfo]) -> tuple[Fact, ...]:
    if not walks:
        return ()
    bars = [w.error_bar for w in walks if w.error_bar is not None]
    misses = [w.completeness_error for w in walks if w.completeness_error is not None]
    unclear = "Δf too small to divide by on every image"
    met = sum(w.met for w in walks)
    return (
        Fact("Error bar, worst image", number(max(bars, default=None), percent, unclear)),
        Fact("Completeness error, worst image", number(max(misses, default=None), percent, unclear)),
        Fact("Tolerance met", text(f"{met} of {len(walks)} {'image' if len(walks) == 1 else 'images'}")),
        Fact("Gradients an image", text(count(sum(w.gradients for w in walks) / len(walks)), "mean")),
    )


def _own_start(method: MethodResult, per_image: list[PerImage]) -> tuple[Fact, ...]:
    """What the method's maps add up to, where that is not the run's Δf."""
    own = [row.walk.delta_f for row in per_image if row.walk is not None and row.walk.delta_f is not None]
    if "own-baseline" not in method.flags or not own:
        return ()
    usual = median(row.delta_f for row in per_image)
    note = f"median over images; {significant(usual)} from the run's baseline"
    return (Fact("Δf from its own start", number(median(own), significant, note=note)),)
