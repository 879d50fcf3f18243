"""NCC violation against faithfulness, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from geoaudit_reports.html.charts.canvas import (
    ACCENT,
    GRID,
    INK,
    PAPER,
    SMALL,
    SOFT,
    Sheet,
    stretch_towards_one,
)
from geoaudit_reports.html.charts.points import Interval, Point

_OFFSETS = (
    (7, 5),
    (7, -11),
    (-7, 5),
    (-7, -11),
    (0, 10),
    (0, -16),
    (12, 16),
    (-12, 16),
    (12, -24),
    (-12, -24),
    (16, 28),
    (-16, 28),
    (16, -36),
    (-16, -36),
)


def draw(points: Sequence[Point], title: str, description: str) -> Markup:
    """The chart of the points that have both scores; controls are hollow."""
    shown = [(p, p.ncc, p.srg) for p in points if p.ncc is not None and p.srg is not None]
    with Sheet(6.9, 4.3) as sheet:
        axes = sheet.axes[0]
        stretch_towards_one(axes, "x", [high for _, ncc, _ in shown for high in (ncc.mean, ncc.high or 0.0)])
        axes.grid(True)
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.set_xlabel("NCC violation (mean; axis stretched towards 1) · ← better")
        axes.set_ylabel("faithfulness, SRG (mean) · better →")
        for point, ncc, srg in shown:
            _mark(axes, point, ncc, srg)
        front = sorted((ncc.mean, srg.mean) for p, ncc, srg in shown if p.pareto)
        if len(front) > 1:
            axes.plot(*zip(*front, strict=True), color=ACCENT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
        axes.margins(y=0.12)
        sheet.figure.draw_without_rendering()
        _name(axes, [(p, (ncc.mean, srg.mean)) for p, ncc, srg in shown])
        return sheet.svg("chart-tradeoff", title, description)


def _mark(axes: Axes, point: Point, ncc: Interval, srg: Interval) -> None:
    # An interval end of exactly 1 has no place on the stretched axis.
    left, right = ncc.arms
    right = [min(right[0], 1 - 1e-7 - ncc.mean)] if ncc.mean < 1 - 1e-7 else [0.0]
    axes.errorbar(
        [min(ncc.mean, 1 - 1e-7)], [srg.mean], xerr=[left, right], yerr=srg.arms,
        fmt="o", markersize=5 if point.control else 7,
        color=SOFT if point.control else ACCENT,
        ecolor=GRID if point.control else SOFT, elinewidth=1,
        markerfacecolor=PAPER if point.control else ACCENT, markeredgewidth=1.2,
        zorder=2 if point.control else 3,
    )  # fmt: skip


def _name(axes: Axes, named: Sequence[tuple[Point, tuple[float, float]]]) -> None:
    """Write each name at the first offset where it meets no mark and no other name, if there is one."""
    scale = axes.figure.dpi / 72
    spots = [axes.transData.transform(place) for _, place in named]
    taken = [Bbox.from_bounds(x - 5 * scale, y - 5 * scale, 10 * scale, 10 * scale) for x, y in spots]
    room = axes.bbox
    for (point, place), (x, y) in sorted(zip(named, spots, strict=True), key=lambda item: item[0][0].control):
        width, height = 5.0 * len(point.id) * scale, 10 * scale
        for dx, dy in _OFFSETS:
            start = x + dx * scale - (width if dx < 0 else width / 2 if dx == 0 else 0)
            box = Bbox.from_bounds(start, y + dy * scale, width, height)
            inside = box.x0 >= room.x0 and box.x1 <= room.x1 and box.y0 >= room.y0 and box.y1 <= room.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        else:
            continue  # two names over each other tell less than none; the table beside the chart has them all
        taken.append(box)
        leader = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            point.id, place, xytext=(dx, dy), textcoords="offset points", fontsize=SMALL,
            arrowprops=leader if abs(dy) > 12 else None,
            color=SOFT if point.control else INK, ha="right" if dx < 0 else "center" if dx == 0 else "left",
        )  # fmt: skip
