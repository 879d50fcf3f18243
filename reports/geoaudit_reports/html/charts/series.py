"""What checks measured along the way: lines in one panel, or small panels beside each other."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from geoaudit_reports.html.charts.canvas import DASHES, INK, SERIES, SMALL, SOFT, Sheet

MOST_LINES = len(SERIES)
"""More lines in one panel than colours cannot be told apart."""
_MOST_ACROSS = 4
_LETTERS = 13  # of an axis' name in an inch
_WIDTH, _LEFT, _RIGHT, _TOP, _FOOT, _BETWEEN = 6.9, 0.75, 0.12, 0.28, 0.5, 0.16  # inches


@dataclass(frozen=True)
class Trace:
    """One line.

    Attributes:
        label: what the legend calls it; lines of the same label look the same in every panel.
        control: drawn thin and quiet.
        x: finite.
        y: nan where there is no value: the line breaks there.
    """

    label: str
    control: bool
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """Lines that share a pair of axes; `quiet` for a control's."""

    title: str
    traces: tuple[Trace, ...]
    quiet: bool = False


@dataclass(frozen=True)
class Labels:
    """What stands at a drawing: what the axes show, its title, and what it is in a sentence."""

    x: str
    y: str
    title: str
    description: str


@dataclass(frozen=True)
class Grid:
    """Where the panels stand, in inches; cheaper than a layout that is solved for.

    Attributes:
        across, down: panels in a row and rows.
        holes: places of the grid that stay empty.
        legend: height of the legend.
    """

    across: int
    down: int
    holes: int
    legend: float

    @property
    def height(self) -> float:
        """Height of the whole drawing."""
        panel = 2.6 if self.across == self.down == 1 else 1.5 if self.across < 3 else 1.1
        return panel * self.down + self._gap * (self.down - 1) + _TOP + _FOOT + self.legend

    @property
    def _gap(self) -> float:
        return 0.5 if self.holes else 0.34

    def apply(self, sheet: Sheet, labels: Labels) -> None:
        """Place the panels and the axes' names."""
        width, height, figure = _WIDTH, self.height, sheet.figure
        inside = (height - _TOP - _FOOT - self.legend - self._gap * (self.down - 1)) / self.down
        across = (width - _LEFT - _RIGHT - _BETWEEN * (self.across - 1)) / self.across
        figure.subplots_adjust(
            left=_LEFT / width, right=1 - _RIGHT / width, top=1 - _TOP / height,
            bottom=(_FOOT + self.legend) / height, wspace=_BETWEEN / across, hspace=self._gap / inside,
        )  # fmt: skip
        middle = (_FOOT + self.legend + height - _TOP) / 2 / height
        figure.text(0.5, (self.legend + 0.06) / height, labels.x, ha="center", va="bottom")
        lines = textwrap.fill(labels.y, max(24, round(_LETTERS * self.height)))
        figure.text(0.01, middle, lines, ha="left", va="center", rotation=90)


def draw(identity: str, panels: Sequence[Panel], labels: Labels) -> Markup:
    """The drawing; all panels share their axes."""
    many = len(panels)
    across = 1 if many == 1 else 2 if many in (2, 4) else 3 if many <= 9 else _MOST_ACROSS
    down = -(-many // across)
    names = list(dict.fromkeys(t.label for panel in panels for t in panel.traces if t.label))
    legend = 0.06 + 0.18 * -(-len(names) // 3) if len(names) > 1 else 0.0
    grid = Grid(across, down, across * down - many, legend)
    looks = _looks(panels)
    with Sheet(_WIDTH, grid.height, across, down, solved=False) as sheet:
        for place, axes in enumerate(sheet.axes):
            if place >= many:
                axes.set_visible(False)
                continue
            _panel(axes, panels[place], looks)
            axes.tick_params(labelbottom=place + across >= many)
            if many > 1:
                colour = SOFT if panels[place].quiet else INK
                axes.set_title(_short(panels[place].title, across), fontsize=SMALL, color=colour)
        _scale(sheet.axes[0], [t for panel in panels for t in panel.traces])
        grid.apply(sheet, labels)
        if legend:
            handles = [Line2D([], [], **looks[name]) for name in names]
            shown = [_short(name, 3) for name in names]
            sheet.figure.legend(
                handles, shown, loc="lower left", bbox_to_anchor=(0, 0), ncols=3, handlelength=2.8, borderpad=0
            )
        return sheet.svg(identity, labels.title, labels.description)


def _looks(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """One look a label: methods differ by colour and dash, controls by dash; both survive grey print."""
    looks: dict[str, dict[str, Any]] = {}
    coloured = quiet = 0
    for trace in (t for panel in panels for t in panel.traces):
        if trace.label in looks:
            continue
        if trace.control:
            quiet += 1
            looks[trace.label] = {"color": SOFT, "linewidth": 1.0, "linestyle": DASHES[quiet % len(DASHES)]}
        else:
            dash = DASHES[(coloured + coloured // len(SERIES)) % len(DASHES)]
            looks[trace.label] = {"color": SERIES[coloured % len(SERIES)], "linewidth": 1.6, "linestyle": dash}
            coloured += 1
    return looks


def _panel(axes: Axes, panel: Panel, looks: dict[str, dict[str, Any]]) -> None:
    axes.grid(True)
    for trace in panel.traces:
        axes.plot(trace.x, trace.y, marker="o", markersize=2.8, **looks[trace.label])


def _scale(axes: Axes, traces: Sequence[Trace]) -> None:
    """Axes that do not make much of little: shares and correlations keep their whole range."""
    y = [v for t in traces for v in t.y if math.isfinite(v)]
    x = [v for t in traces for v in t.x]
    low, high = min(y), max(y)
    if low >= -1 and high <= 1 and max(high, -low) > 0.3:
        axes.set_ylim(-1.06 if low < -0.3 else min(-0.03, low - 0.05), 1.06 if high > 0.3 else max(0.1, high + 0.05))
    elif low > 0 and high > 1000 * low:
        axes.set_yscale("log")
    elif low >= 0:
        axes.set_ylim(0, 1.08 * high or 1.0)
    if min(x) > 0 and max(x) > 30 * min(x):
        axes.set_xscale("log")


def _short(title: str, across: int) -> str:
    """A title that fits above its panel."""
    room = {1: 80, 2: 42, 3: 28}.get(across, 21)
    kept = title if len(title) <= room else title[: room - 1] + "…"
    return f" {kept}" if kept.startswith("_") else kept  # matplotlib hides names that begin so
