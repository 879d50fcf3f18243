"""Numbers, names and sentences as the conclusions write them."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 4
"""So many names are said; of more, the rest is counted."""


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} more"


def number(value: float, places: int = 2) -> str:
    """Fixed decimals; small values that are not 0 in significant ones."""
    if value != 0 and abs(value) < 0.5 * 10**-places:
        return f"{value:.1g}"
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def span(low: float | None, high: float | None, places: int = 2) -> str:
    """An interval, or that there is none."""
    return "no interval" if low is None or high is None else f"[{number(low, places)}, {number(high, places)}]"


def sentence(text: str) -> str:
    """A capital first and a full stop last."""
    return text[:1].upper() + text[1:].rstrip(".") + "."
