"""What every chart shares: a deterministic matplotlib canvas and the clean-up of its SVG.

Colours are drawn as stand-ins and replaced by CSS variables, so one drawing serves light, dark and print.
matplotlib writes `style` attributes, which a strict content security policy blocks; they become presentation
attributes here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from geoaudit_reports.html.cells import Table

INK, SOFT, GRID, PAPER, ACCENT = "#010101", "#010102", "#010103", "#010104", "#010105"
SERIES = tuple(f"#0102{number:02x}" for number in range(1, 9))
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)))
SMALL, TEXT = 8.0, 9.0

_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GRID: "var(--line)",
    PAPER: "var(--paper)",
    ACCENT: "var(--accent)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
}
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "geoaudit",
    "text.parse_math": False,  # a file called a$b$c is a name, not a formula
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": TEXT,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "legend.labelcolor": INK,
    "figure.facecolor": "none",
}
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Chart:
    """A drawing, what it says in words, and its numbers."""

    id: str
    title: str
    caption: str
    svg: Markup
    table: Table


class Sheet:
    """One figure; use it in a `with` block and take the SVG from `svg()` before the block ends.

    Args:
        width, height: in inches.
        panels: panels in a row.
        rows: rows of panels.
        solved: whether matplotlib solves for the panels' places; else the caller sets them.
    """

    def __init__(self, width: float, height: float, panels: int = 1, rows: int = 1, *, solved: bool = True) -> None:
        self._context = matplotlib.rc_context(_SETTINGS)
        self._size = (width, height)
        self._panels = panels
        self._rows = rows
        self._layout: Any = "constrained" if solved else None

    def __enter__(self) -> Sheet:
        self._context.__enter__()
        self.figure = Figure(figsize=self._size, layout=self._layout)
        self.canvas = FigureCanvasSVG(self.figure)
        axes = self.figure.subplots(self._rows, self._panels, squeeze=False, sharey=True, sharex=self._rows > 1)
        self.axes: list[Axes] = list(axes.flat)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._context.__exit__(*exception)

    def svg(self, identity: str, title: str, description: str) -> Markup:
        """The drawing as an `<svg role="img">` without sizes, styles, metadata or outside references."""
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return _clean(buffer.getvalue(), identity, title, description)


def stretch_towards_one(axes: Axes, axis: str, values: Sequence[float]) -> None:
    """Scale `axis` by -log10(1 - v): 0.9, 0.99 and 0.999 stand equally far apart.

    NCC violations of real photographs lie between 0.98 and 0.999, where a linear axis shows one blot.
    """
    top = min(max([*values, 0.5]), 1 - 1e-7)
    end = -np.log10(1 - top) + 0.12

    def forward(value: Any) -> Any:
        return -np.log10(1 - np.clip(value, -1.0, 1 - 1e-9))

    def backward(value: Any) -> Any:
        return 1 - 10.0 ** -np.asarray(value)

    ticks = [0, 0.5, *(1 - 10.0**-power for power in range(1, 9) if power <= end)]
    labels = ["0", "0.5", *(f"{tick:.{power}f}" for power, tick in enumerate(ticks[2:], 1))]
    limits = (backward(-0.08), backward(end))
    if axis == "x":
        axes.set_xscale("function", functions=(forward, backward))
        axes.set_xlim(*limits)
        axes.set_xticks(ticks, labels)
    else:
        axes.set_yscale("function", functions=(forward, backward))
        axes.set_ylim(*limits)
        axes.set_yticks(ticks, labels)


def _clean(raw: str, identity: str, title: str, description: str) -> Markup:
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(raw)  # written by matplotlib a moment ago: no foreign XML
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)
    for element in root.iter():
        _presentation(element)
        _own_references(element, identity)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{identity}-title {identity}-desc")
    for position, (tag, words) in enumerate((("title", title), ("desc", description))):
        node = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{identity}-{tag}"})
        node.text = words
        root.insert(position, node)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _presentation(element: ElementTree.Element) -> None:
    """Turn the style attribute into presentation attributes, colours into variables; fonts are the page's."""
    declared = element.attrib.pop("style", "")
    pairs = [part.split(":", 1) for part in declared.split(";") if ":" in part]
    for name, value in ((pair[0].strip(), pair[1].strip()) for pair in pairs):
        if name == "font":
            element.set("font-size", str(re.findall(r"([\d.]+)px", value)[0]))
        elif name != "font-family":
            element.set(name, value.removesuffix("px"))
    for name, value in list(element.attrib.items()):
        if value in _VARIABLES:
            element.set(name, _VARIABLES[value])


def _own_references(element: ElementTree.Element, identity: str) -> None:
    """Several charts share a page: their ids must not meet."""
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{identity}-{value}")
        elif value.startswith("url(#"):
            element.set(name, value.replace("url(#", f"url(#{identity}-"))
        elif name == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(name, f"#{identity}-{value[1:]}")
