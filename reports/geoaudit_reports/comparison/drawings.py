"""The two charts of a comparison: places in both rankings, and what became of SRG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from geoaudit.compare.result import MethodChange, MetricChange, Standing
from geoaudit_reports.html.charts.canvas import ACCENT, INK, PAPER, SERIES, SMALL, SOFT, Sheet
from geoaudit_reports.html.charts.points import Interval

_ROW = 0.27


def draw_places(methods: Sequence[MethodChange], moved: frozenset[str], title: str, description: str) -> Markup:
    """A line a method from its place in A to that in B; those in `moved` stand out.

    Args:
        methods: those with a place in both rankings.
        moved: ids of methods that moved beyond chance.
        title, description: what the drawing says, in words.
    """
    rows = (sorted(methods, key=lambda m: _row(m.a)), sorted(methods, key=lambda m: _row(m.b)))
    places = [{m.id: -i for i, m in enumerate(order)} for order in rows]
    with Sheet(6.9, 0.9 + _ROW * len(methods)) as sheet:
        axes = sheet.axes[0]
        for method in methods:
            loud = method.id in moved
            axes.plot(
                [0, 1], [place[method.id] for place in places], color=SERIES[1] if loud else ACCENT,
                linewidth=2.4 if loud else 1.2, linestyle="-" if loud else (0, (4, 1.5)), marker="o", markersize=4.5,
                markerfacecolor=SERIES[1] if loud else PAPER,
            )  # fmt: skip
            for x, side, align in ((-0.03, _in_a, "right"), (1.03, _in_b, "left")):
                standing, row = side(method), places[0 if x < 0 else 1][method.id]
                position = standing.position if standing else ""
                text = f"{method.id}  {position}" if x < 0 else f"{position}  {method.id}"
                axes.text(x, row, text, ha=align, va="center", fontsize=SMALL, color=INK)
        axes.set_xlim(-0.75, 1.75)
        axes.set_ylim(-len(methods) + 0.4, 0.9)
        for x, name in ((0, "A"), (1, "B")):
            axes.text(x, 0.75, name, ha="center", va="center", color=SOFT)
        axes.axis("off")
        return sheet.svg("chart-places", title, description)


def _in_a(method: MethodChange) -> Standing | None:
    return method.a


def _in_b(method: MethodChange) -> Standing | None:
    return method.b


def _row(standing: Standing | None) -> int:
    return standing.place if standing is not None else 0


def draw_changes(
    changes: Sequence[tuple[MethodChange, MetricChange]], title: str, axis: str, identity: str, description: str
) -> Markup:
    """The mean difference of a metric by method with its interval; a filled dot is one whose interval leaves out 0.

    Args:
        changes: methods and controls with a difference, from top to bottom.
        title, description: what the drawing says, in words.
        axis: what is measured.
        identity: the drawing's id in the page.
    """
    with Sheet(6.9, 1.0 + _ROW * len(changes)) as sheet:
        axes = sheet.axes[0]
        axes.axvline(0, color=SOFT, linewidth=1)
        shown = list(reversed(changes))
        for row, (method, change) in enumerate(shown):
            value = Interval(change.difference or 0.0, change.ci_low, change.ci_high)
            colour = SOFT if method.kind == "control" else ACCENT
            told = change.verdict in ("better", "worse", "different")
            axes.errorbar(
                [value.mean], [row], xerr=value.arms, fmt="o", markersize=6, capsize=2.5, elinewidth=1, ecolor=INK,
                color=colour, markerfacecolor=colour if told else PAPER, markeredgewidth=1.2,
            )  # fmt: skip
        axes.set_yticks(range(len(shown)), [method.id for method, _ in shown], fontsize=SMALL)
        for label, (method, _) in zip(axes.get_yticklabels(), shown, strict=True):
            label.set_color(SOFT if method.kind == "control" else INK)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlabel(axis)
        axes.grid(True, axis="x")
        return sheet.svg(identity, title, description)
