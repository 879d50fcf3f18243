"""Line charts: the NCC profile over granularity, and the masking curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from geoaudit_reports.html.charts.canvas import DASHES, SERIES, SOFT, Sheet, stretch_towards_one

MOST_METHODS = len(SERIES)
"""More lines than colours cannot be told apart."""


@dataclass(frozen=True)
class Line:
    """One line: positions and values, both finite."""

    name: str
    control: bool
    x: tuple[float, ...]
    y: tuple[float, ...]


def draw_profile(lines: Sequence[Line], steps: Sequence[str], title: str, description: str) -> Markup:
    """Median NCC violation at each granularity; `Line.x` counts the `steps`."""
    with Sheet(6.9, 3.6 + 0.17 * _legend_rows(lines)) as sheet:
        axes = sheet.axes[0]
        stretch_towards_one(axes, "y", [value for line in lines for value in line.y])
        axes.grid(True)
        for line, style in zip(lines, _styles(lines), strict=True):
            axes.plot(line.x, [min(v, 1 - 1e-7) for v in line.y], marker="o", markersize=3.5, **style)
        axes.set_xticks(range(len(steps)), list(steps))
        axes.set_xlabel("added up over")
        axes.set_ylabel("NCC violation (median) · ← better")
        _legend(sheet, lines)
        return sheet.svg("chart-profile", title, description)


def draw_curves(identity: str, panels: Mapping[str, Sequence[Line]], title: str, description: str) -> Markup:
    """Mean target probability over the share of regions replaced; one panel an order."""
    first = next(iter(panels.values()))
    with Sheet(6.9, 3.0 + 0.17 * _legend_rows(first), panels=len(panels)) as sheet:
        for axes, (name, lines) in zip(sheet.axes, panels.items(), strict=True):
            axes.grid(True)
            for line, style in zip(lines, _styles(lines), strict=True):
                axes.plot(line.x, line.y, **style)
            axes.set_title(name)
            axes.set_xlim(0, 1)
            axes.set_xlabel("share of regions replaced")
        sheet.axes[0].set_ylabel("target probability (mean)")
        sheet.figure.set_layout_engine("constrained", wspace=0.06)
        sheet.axes[0].set_ylim(bottom=0)
        _legend(sheet, first)
        return sheet.svg(identity, title, description)


def _styles(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Methods differ by colour and dash, controls are thin and quiet; both survive grey print."""
    styles: list[dict[str, Any]] = []
    methods = controls = 0
    for line in lines:
        if line.control:
            look = {"color": SOFT, "linewidth": 1.0, "linestyle": DASHES[(controls + 1) % len(DASHES)]}
            controls += 1
        else:
            look = {
                "color": SERIES[methods % len(SERIES)],
                "linewidth": 1.8,
                "linestyle": DASHES[methods % len(DASHES)],
            }
            methods += 1
        styles.append({**look, "label": line.name})
    return styles


_COLUMNS = 3


def _legend_rows(lines: Sequence[Line]) -> int:
    return -(-len(lines) // _COLUMNS)


def _legend(sheet: Sheet, lines: Sequence[Line]) -> None:
    handles, labels = sheet.axes[0].get_legend_handles_labels()
    if lines:
        sheet.figure.legend(handles, labels, loc="outside lower left", ncols=_COLUMNS, handlelength=2.8)
