"""The documentation's pictures, drawn from a stored result: SVG for light and for dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_rows import rows_of

Result = Mapping[str, Any]
BLUE, ORANGE, GREY = "#2f81c7", "#d9822b", "#808890"
"""Readable on white and on black alike."""
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "geoaudit", "font.family": "sans-serif", "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip
INK = "#010203"
"""Stands for the colour of text and axes until it is replaced by the page's own."""


def draw_all(result: Result, folder: Path) -> list[Path]:
    """Draw every picture; one without figures says so, in place of an older one.

    Args:
        result: a stored result.
        folder: of the pictures; made where it is missing.

    Returns:
        The files written, sorted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = []
    for name, draw in PICTURES.items():
        places.append(folder / f"{name}.svg")
        places[-1].write_text(draw(result) or _drawn([_missing], (8.5, 1.0)), encoding="utf-8")
    return sorted(places)


def contenders(result: Result) -> str | None:
    """Seconds of each comparison as shares of the slower of the two."""
    rows = [r for r in rows_of(result) if r.required is not None and r.unit in ("s", "ms") and r.ours and r.theirs]
    rows = [r for r in rows if r.sense == "at least"]
    if not rows:
        return None

    def draw(axis: Any) -> None:
        for place, row in enumerate(reversed(rows)):
            assert row.ours is not None and row.theirs is not None  # chosen so
            longest = max(row.ours, row.theirs)
            for shift, value, colour, name in (
                (0.2, row.ours, BLUE, "geoaudit"),
                (-0.2, row.theirs, ORANGE, "beside it"),
            ):
                axis.barh(place + shift, value / longest, 0.36, color=colour, label=name if place == 0 else None)
                axis.text(value / longest + 0.01, place + shift, f"{value:.3g} {row.unit}", va="center", fontsize=8)
        axis.set_yticks(range(len(rows)), [r.name for r in reversed(rows)], fontsize=9)
        axis.set_xlim(0, 1.18)
        axis.set_xlabel("time, as a share of the longer of the two")
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=2)

    return _drawn([draw], (8.5, 0.8 + 0.62 * len(rows)))


def components(result: Result) -> str | None:
    """Where the seconds of one audit, and of the peers' parts, go."""
    own = _figures(result, "audit").get("geoaudit")
    if own is None:
        return None
    ours = {key: own[key] for key in ("gradients", "outputs", "start and imports", "everything else")}
    theirs = _figures(result, "audit").get("peers", {}).get("parts", {})
    charts = [_bars(ours, "geoaudit, seconds", BLUE), *([_bars(theirs, "peers, seconds", ORANGE)] if theirs else [])]
    return _drawn(
        charts, (8.5, 1.2 + 0.34 * (len(ours) + len(theirs))), [len(ours), *([len(theirs)] if theirs else [])]
    )


def profile(result: Result) -> str | None:
    """py-spy's samples of a quick audit, by component and by function."""
    found = _figures(result, "profile")
    if not found:
        return None
    parts, functions = ({k: 100 * v for k, v in found[key].items()} for key in ("components", "functions"))
    charts = [_bars(parts, "samples by component, %", BLUE), _bars(functions, "samples by function, %", GREY)]
    return _drawn(charts, (8.5, 1.4 + 0.3 * (len(parts) + len(functions))), [len(parts), len(functions)])


def scaling(result: Result) -> str | None:
    """Seconds and memory over images, methods, pixels and parameters."""
    series = _figures(result, "scaling").get("series")
    if not series:
        return None
    charts = []
    for name, points in series.items():

        def draw(axis: Any, name: str = name, points: Sequence[Mapping[str, float]] = points) -> None:
            sizes = [p["size"] for p in points]
            axis.loglog(sizes, [p["seconds"] for p in points], "o-", color=BLUE, label="seconds")
            axis.loglog(sizes, [p["peak"] / 2**20 for p in points], "s--", color=ORANGE, label="peak memory, MiB")
            axis.set_xlabel(name)
            axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axis.set_xticks([], minor=True)
            axis.legend(frameon=False, fontsize=8)

        charts.append(draw)
    return _drawn(charts, (8.5, 3.0 * -(-len(charts) // 2)), columns=2)


PICTURES: Mapping[str, Callable[[Result], str | None]] = {
    "contenders": contenders, "components": components, "profile": profile, "scaling": scaling,
}  # fmt: skip
"""The pictures by the name of their file."""


def _missing(axis: Any) -> None:
    axis.set_axis_off()
    axis.text(0.5, 0.5, "not measured in this run", ha="center", va="center")


def _figures(result: Result, section: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = result["figures"].get(section, {})
    return found


def _bars(values: Mapping[str, float], title: str, colour: str) -> Callable[[Any], None]:
    """Horizontal bars, the longest on top."""

    def draw(axis: Any) -> None:
        names = sorted(values, key=lambda name: values[name])
        axis.barh(range(len(names)), [values[n] for n in names], color=colour)
        for place, name in enumerate(names):
            axis.text(values[name], place, f" {values[name]:.1f}", va="center", fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_title(title, fontsize=10, loc="left")
        axis.margins(x=0.12)

    return draw


def _drawn(
    charts: Sequence[Callable[[Any], None]],
    size: tuple[float, float],
    heights: Sequence[float] | None = None,
    columns: int = 1,
) -> str:
    """The charts as one SVG; the same result gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    inks = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with matplotlib.rc_context({**STYLE, **inks}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        lines = -(-len(charts) // columns)
        axes = figure.subplots(lines, columns, squeeze=False, height_ratios=heights).ravel()
        for axis in axes[len(charts) :]:
            axis.set_axis_off()
        for axis, chart in zip(axes, charts, strict=False):
            axis.set_facecolor("none")
            chart(axis)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _follows_the_page(out.getvalue())


def _follows_the_page(svg: str) -> str:
    """Text and axes in a grey that both pages can bear, darker on a light page and lighter on a dark one."""
    rule = (
        "<style>.geoaudit-picture{--ink:#24292f}@media (prefers-color-scheme:dark){.geoaudit-picture{--ink:#c9d1d9}}"
        "</style>"
    )
    svg = re.sub(r"<svg ", '<svg class="geoaudit-picture" ', svg, count=1)
    svg = re.sub(r"(<svg [^>]*>)", lambda match: match[1] + rule, svg, count=1)
    return re.sub(r"[ \t]+$", "", svg.replace(INK, "var(--ink)"), flags=re.MULTILINE)
