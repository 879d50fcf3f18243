"""The few shapes that every table and list of the report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from geoaudit.api import Status
from geoaudit_reports.html.formats import DASH, Formatter, decimal

Tone = Literal["good", "warn", "bad", "quiet", "severe"]


@dataclass(frozen=True)
class Badge:
    """A verdict: always a glyph and a word, so that colour adds to it and never carries it alone."""

    word: str
    glyph: str
    tone: Tone


@dataclass(frozen=True)
class Cell:
    """One table cell or one value of a list.

    Attributes:
        text: what is shown.
        note: smaller text below it; for a dash, the reason.
        sort: what the column is sorted by, as text; numbers in full.
        kind: how it is set.
        badges: shown before the text.
        shade: a step of the heat scale, from "m3" (opposite) over "z" to "p3" (the same); empty for none.
        link: where the text leads, such as "#gate"; empty for nowhere.
    """

    text: str
    note: str = ""
    sort: str = ""
    kind: Literal["text", "number", "code", "head"] = "text"
    badges: tuple[Badge, ...] = ()
    shade: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A table column."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """A table row; `tone` "control" sets controls apart."""

    cells: tuple[Cell, ...]
    tone: Literal["", "control"] = ""


@dataclass(frozen=True)
class Table:
    """A table; an empty one is replaced by its `empty` sentence.

    Attributes:
        caption: above it.
        columns: its columns.
        rows: its rows.
        empty: what is said where there is no row.
        style: "matrix" keeps the rows' names in sight while it is scrolled sideways; "heat" sets the columns' names
            upright as well.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "Nothing to list."
    style: Literal["", "matrix", "heat"] = ""


@dataclass(frozen=True)
class Fact:
    """A name and its value."""

    name: str
    value: Cell


BADGES = {
    Status.PASS: Badge("PASS", "\u2713", "good"),
    Status.WARN: Badge("WARN", "!", "warn"),
    Status.FAIL: Badge("FAIL", "\u2715", "bad"),
    Status.ERROR: Badge("ERROR", "\u2715", "bad"),
    Status.SKIP: Badge("SKIP", "\u2013", "quiet"),
    Status.INCONCLUSIVE: Badge("INCONCLUSIVE", "?", "warn"),
}
TIERS = {
    "recommended": Badge("recommended", "\u2713", "good"),
    "caution": Badge("caution", "!", "warn"),
    "rejected": Badge("rejected", "\u2715", "bad"),
}
RULINGS = {
    "PASS": BADGES[Status.PASS],
    "WARN": BADGES[Status.WARN],
    "FAIL": BADGES[Status.FAIL],
    "WAIVED": Badge("WAIVED", "\u270e", "warn"),
}
"""What becomes of a rule of the policy."""
CONTROL = Badge("control", "\u25cb", "quiet")
PARETO = Badge("Pareto front", "\u25c6", "quiet")


def text(value: str, note: str = "") -> Cell:
    """A plain cell."""
    return Cell(value, note, sort=value)


def head(value: str, note: str = "") -> Cell:
    """The cell that names its row."""
    return Cell(value, note, sort=value, kind="head")


def code(value: str, note: str = "") -> Cell:
    """A name, digest or command in a fixed-width face."""
    return Cell(value, note, sort=value, kind="code")


def badge(mark: Badge, note: str = "") -> Cell:
    """A verdict."""
    return Cell("", note, sort=mark.word, badges=(mark,))


def status(value: Status, note: str = "") -> Cell:
    """One of the six verdicts."""
    return badge(BADGES[value], note)


def number(value: float | None, form: Formatter = decimal, reason: str | None = None, note: str = "") -> Cell:
    """A number, or a dash with the reason why there is none."""
    if value is None:
        return Cell(DASH, reason or "not measured", kind="number")
    return Cell(form(value), note, sort=repr(float(value)), kind="number")


def interval(
    value: float | None,
    low: float | None,
    high: float | None,
    form: Formatter = decimal,
    reason: str | None = None,
) -> Cell:
    """A number with its interval below it."""
    if low is None or high is None:
        return number(value, form, reason, note="no interval")
    return number(value, form, reason, note=f"{form(low)}\u00a0to\u00a0{form(high)}")


def rows(cells: Sequence[Sequence[Cell]]) -> tuple[Row, ...]:
    """Plain rows."""
    return tuple(Row(tuple(row)) for row in cells)
