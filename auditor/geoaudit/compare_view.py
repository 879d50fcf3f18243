"""A comparison as a table for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from geoaudit.audit.result import GateResult
from geoaudit.compare.result import Comparison, MethodChange
from geoaudit.gate_view import GLYPHS

_DASH = "–"
_WIDTH = 80
_STYLES = {"better": "green", "worse": "red", "different": "yellow"}


def parts(found: Comparison) -> Iterator[Table | Text]:
    """What was compared, the methods at most 80 columns wide, the conclusions, and the policy's verdict."""
    yield Text(f"A: {found.a.model.file} ({found.a.file})")
    yield Text(f"B: {found.b.model.file} ({found.b.file})")
    yield Text(f"{found.subject}; {found.reason}")
    yield Text()
    if any(m.kind == "method" for m in found.methods):
        yield _methods(found)
    yield Text()
    yield from (_wrapped(f"- {sentence}") for sentence in found.conclusions)
    yield from _verdict(found)


def _methods(found: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, collapse_padding=True, width=_WIDTH)
    table.add_column("method", overflow="fold", ratio=1)
    table.add_column("A", justify="right", no_wrap=True)
    table.add_column("B", justify="right", no_wrap=True)
    table.add_column("rank ±", justify="right", no_wrap=True)
    table.add_column("SRG ±", justify="right", no_wrap=True)
    table.add_column("maps ρ", justify="right", no_wrap=True)
    for method in found.methods:
        if method.kind == "method":
            table.add_row(*_row(method))
    table.caption = (
        "A, B: positions.  rank ±, SRG ±: B minus A, 95 % interval; a positive rank is a\n"
        "drop.  maps ρ: rank correlation of the two maps, mean over images."
    )
    table.caption_justify = "left"
    return table


def _row(method: MethodChange) -> tuple[str | Text, ...]:
    rank = method.rank
    moved = _DASH
    if rank is not None and rank.difference is not None:
        moved = _change(rank.difference, rank.ci_low, rank.ci_high, 1)
    srg = next((c for c in method.metrics if c.metric == "srg"), None)
    gained = Text(_DASH)
    if srg is not None and srg.difference is not None:
        gained = Text(_change(srg.difference, srg.ci_low, srg.ci_high, 2), _STYLES.get(srg.verdict, ""))
    alike = _DASH
    if method.maps is not None and method.maps.spearman.mean is not None:
        alike = _fixed(method.maps.spearman.mean, 2)
    places = [place.position if place else _DASH for place in (method.a, method.b)]
    return method.id, *places, moved, gained, alike


def _change(value: float, low: float | None, high: float | None, places: int) -> str:
    ends = f" [{_fixed(low, places)}, {_fixed(high, places)}]" if low is not None and high is not None else ""
    return f"{_fixed(value, places)}{ends}"


def _fixed(value: float, places: int) -> str:
    """Fixed decimals, without a sign before a number that rounds to zero."""
    return f"{value:z.{places}f}"


def _verdict(found: Comparison) -> Iterator[Text]:
    if not found.gate.configured:
        yield Text("Not gated: no policy was given.")
        return
    yield from (_line(result) for result in found.gate.results if result.status != "PASS")
    met = sum(result.status == "PASS" for result in found.gate.results)
    glyph, style = GLYPHS[found.gate.status], "green" if found.gate.status == "PASS" else "bold red"
    told = f"{glyph} Policy {found.gate.policy}: {found.gate.status}, {met} of {len(found.gate.results)} rules met"
    yield Text(f"{told}, as of {found.judged} (UTC).", style)


def _line(result: GateResult) -> Text:
    told = f"{result.rule}. {result.reason} Found: {result.found}"
    return _wrapped(f"{GLYPHS[result.status]} {result.status} {result.id}: {told}")


def _wrapped(text: str) -> Text:
    """At most 80 columns, in a file too."""
    return Text(textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
