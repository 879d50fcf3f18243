"""A comparison turned into what comparison.html shows."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.compare.result import Comparison, MethodChange, MetricChange
from geoaudit.compare.scores import FIRST
from geoaudit.words import counted
from geoaudit_reports.comparison import drawings, records, tables
from geoaudit_reports.html.cells import Fact, Table, text
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.formats import DASH, decimal, percent
from geoaudit_reports.html.views.page import Section
from geoaudit_reports.html.words import METRICS

SECTIONS = (
    Section("ranking", "Ranking"),
    Section("scores", "Scores"),
    Section("maps", "Heat maps"),
    Section("checks", "Sanity checks"),
    Section("predictions", "Predictions and images"),
    Section("differences", "Model and settings"),
    Section("policy", "Policy"),
    Section("provenance", "Provenance"),
)
_QUIET = ("same", "only in B")
"""What became of checks that need no attention."""
_HEADLINES = {
    "changed": "The order of the explanation methods changed beyond chance.",
    "no change shown": "No change of the ranking is shown.",
    "inconclusive": "Whether the ranking changed cannot be said.",
}


@dataclass(frozen=True)
class Page:
    """Everything that the template shows."""

    title: str
    names: tuple[str, str]
    headline: str
    facts: tuple[Fact, ...]
    conclusions: tuple[str, ...]
    gate: str
    gate_tone: str
    charts: tuple[Chart, ...]
    ranking: Table
    flips: Table
    metrics: tuple[Table, ...]
    more_metrics: tuple[Table, ...]
    maps: Table
    checks: Table
    quiet_checks: Table
    predictions: tuple[Fact, ...]
    images: Table
    unpaired: Table
    settings: Table
    model: Table
    policy: Table
    sources: Table


def build(found: Comparison) -> Page:
    """Turn the comparison into what is shown."""
    known = dict.fromkeys(change.metric for method in found.methods for change in method.metrics)
    first = [name for name in FIRST if name in known]
    told, tone = _gate(found)
    charts = (_places(found), _changes(found, "srg"), _changes(found, "ncc-violation"))
    return Page(
        title=f"{found.a.model.file} against {found.b.model.file}",
        names=(found.a.model.file, found.b.model.file),
        headline=_HEADLINES[found.ranking.verdict],
        facts=_facts(found),
        conclusions=tuple(found.conclusions),
        gate=told,
        gate_tone=tone,
        charts=tuple(chart for chart in charts if chart is not None),
        ranking=tables.ranking(found),
        flips=tables.flips(found),
        metrics=tuple(tables.metric(found, name) for name in first),
        more_metrics=tuple(tables.metric(found, name) for name in sorted(known) if name not in first),
        maps=tables.maps(found),
        checks=records.checks([c for c in found.checks if c.change not in _QUIET]),
        quiet_checks=records.checks([c for c in found.checks if c.change in _QUIET]),
        predictions=_predictions(found),
        images=records.images(found),
        unpaired=records.unpaired(found),
        settings=records.settings(found),
        model=records.model(found.model),
        policy=records.policy(found),
        sources=records.sources(found),
    )


def _facts(found: Comparison) -> tuple[Fact, ...]:
    tau, agreed = found.ranking.tau, found.predictions.top1_agreement.mean
    return (
        Fact("Compared", text(found.subject)),
        Fact("Common images", text(str(found.pairing.n), found.status)),
        Fact("Same class", text(DASH if agreed is None else percent(agreed), "of the common images")),
        Fact("Kendall's tau", text(DASH if tau is None else decimal(tau, 2), "between the two orders")),
        Fact("Methods in both", text(str(sum(m.kind == "method" for m in found.methods)))),
    )


def _gate(found: Comparison) -> tuple[str, str]:
    gate = found.gate
    if not gate.configured:
        return "Not gated: no policy was given, so this comparison records findings and passes nothing.", ""
    met = sum(result.status == "PASS" for result in gate.results)
    rules = counted(len(gate.results), "rule")
    told = f"Policy {gate.policy}: {gate.status}. {met} of {rules} met, judged on {found.judged} (UTC)."
    return told, "good" if gate.status == "PASS" else "bad"


def _predictions(found: Comparison) -> tuple[Fact, ...]:
    p = found.predictions
    unknown = "no image has a true label in both reports"
    accuracy = text(DASH, unknown)
    if p.accuracy_a is not None and p.accuracy_b is not None:
        accuracy = text(f"{percent(p.accuracy_a)} to {percent(p.accuracy_b)}", f"{p.accuracy.n} labelled pairs")
    return (
        Fact("Same best class", tables.estimate(p.top1_agreement, "not recorded", percent)),
        Fact("Probability of the explained class, B − A", tables.estimate(p.probability, "no pair has the same class")),
        Fact("Accuracy", accuracy),
        Fact("Accuracy, B − A", tables.estimate(p.accuracy, unknown)),
    )


def _places(found: Comparison) -> Chart | None:
    """The slope chart; None below two methods."""
    both = [m for m in found.methods if m.a is not None and m.b is not None]
    if len(both) < 2:
        return None
    moved = frozenset(name for pair in found.ranking.moved for name in pair)
    title = "Places in both rankings"
    description = f"{len(both)} methods from their place in A to their place in B. Beyond chance: {len(moved)}."
    caption = (
        "Each method from its place in A to its place in B. A thick, unbroken line is a method that moved against "
        "another beyond chance; a thin, broken one is not shown to have moved. “=” marks positions that methods share."
    )
    svg = drawings.draw_places(both, moved, title, description)
    return Chart("chart-places", title, caption, svg, tables.ranking(found))


def _changes(found: Comparison, metric: str) -> Chart | None:
    """The dot plot of a metric's differences; None where there is none."""
    changes: list[tuple[MethodChange, MetricChange]] = [
        (m, c) for m in found.methods for c in m.metrics if c.metric == metric and c.difference is not None
    ]
    if not changes:
        return None
    name = METRICS.get(metric, metric)
    better = {True: "right is better", False: "left is better", None: "no direction is better"}
    title = f"Change of {name}"
    told = [m.id for m, c in changes if c.verdict in ("better", "worse") and m.kind == "method"]
    description = f"{len(changes)} methods and controls. Intervals without 0: {', '.join(told) or 'none'}."
    caption = (
        "Mean difference B − A over the paired images with its 95 % interval. Filled: the interval leaves out 0. "
        "Controls are grey: what changed for them changed in the model and not in an explanation."
    )
    axis = f"{name}, B − A · {better[changes[0][1].higher_is_better]}"
    svg = drawings.draw_changes(changes, title, axis, f"chart-{metric}", description)
    return Chart(f"chart-{metric}", title, caption, svg, tables.metric(found, metric))
