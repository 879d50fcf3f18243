"""One horizontal line a method: SRG as bars, cancellation as dots on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from geoaudit_reports.html.charts.canvas import ACCENT, INK, PAPER, SMALL, SOFT, Sheet
from geoaudit_reports.html.charts.points import Interval, Point
from geoaudit_reports.html.formats import count

_ROW = 0.27


def draw_srg(points: Sequence[Point], title: str, description: str) -> Markup:
    """Bars from 0 with 95 % intervals, best on top; controls are hollow."""
    shown = sorted(((p, p.srg) for p in points if p.srg is not None), key=lambda pair: (pair[1].mean, pair[0].id))
    with Sheet(6.9, 1.0 + _ROW * len(shown)) as sheet:
        axes = sheet.axes[0]
        for row, (point, srg) in enumerate(shown):
            axes.barh(
                row, srg.mean, height=0.6, facecolor=PAPER if point.control else ACCENT,
                edgecolor=SOFT if point.control else ACCENT, linewidth=1,
            )  # fmt: skip
            axes.errorbar([srg.mean], [row], xerr=srg.arms, fmt="none", ecolor=INK, elinewidth=1, capsize=2.5)
        axes.axvline(0, color=SOFT, linewidth=0.8)
        axes.set_xlabel("SRG, mean over images, with 95 % interval · better →")
        _rows(axes, [point for point, _ in shown])
        return sheet.svg("chart-srg", title, description)


def draw_cancellation(points: Sequence[Point], title: str, description: str) -> Markup:
    """Σ|A| / |Δf| = 1 + ncc-excess on a logarithmic axis; 1 means no cancellation.  Smallest on top."""
    shown = sorted(
        ((p, _ratio(p.excess)) for p in points if p.excess is not None),
        key=lambda pair: (-pair[1].mean, pair[0].id),
    )
    with Sheet(6.9, 1.0 + _ROW * len(shown)) as sheet:
        axes = sheet.axes[0]
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        for row, (point, ratio) in enumerate(shown):
            axes.errorbar(
                [ratio.mean], [row], xerr=ratio.arms, fmt="o", markersize=6, capsize=2.5, elinewidth=1,
                ecolor=INK, color=SOFT if point.control else ACCENT,
                markerfacecolor=PAPER if point.control else ACCENT, markeredgewidth=1.2,
            )  # fmt: skip
        axes.axvline(1, color=SOFT, linewidth=0.8)
        top = max([2.0, *(r.high if r.high is not None else r.mean for _, r in shown)])
        axes.set_xlim(0.8, top * 1.5)
        axes.set_xlabel("Σ|A| / |Δf|, mean over images, logarithmic · ← better")
        _rows(axes, [point for point, _ in shown])
        return sheet.svg("chart-cancellation", title, description)


def _ratio(excess: Interval) -> Interval:
    """1 + excess.  Rounding may leave an excess just below 0, which a logarithm must not meet at -1."""
    lift = [None if value is None else max(1 + value, 0.81) for value in (excess.low, excess.high)]
    return Interval(max(1 + excess.mean, 0.81), lift[0], lift[1])


def _rows(axes: Axes, points: Sequence[Point]) -> None:
    axes.set_yticks(range(len(points)), [point.id for point in points], fontsize=SMALL)
    for label, point in zip(axes.get_yticklabels(), points, strict=True):
        label.set_color(SOFT if point.control else INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(points) - 0.4)
    axes.grid(True, axis="x")
