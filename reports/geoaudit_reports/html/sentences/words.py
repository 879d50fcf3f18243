"""What sentences are put together from."""

from __future__ import annotations

from collections.abc import Sequence

from geoaudit.audit.result import MethodResult, Report
from geoaudit_reports.html.formats import count, listing

_NAMED = 4
"""So many names are read; of more, the rest is counted."""


def sentence(words: str, capital: bool = True) -> str:
    """`words` as a sentence: with a full stop, and a capital letter unless it goes on from something."""
    text = words.strip()
    text = text[:1].upper() + text[1:] if capital else text
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def together(parts: Sequence[str | None]) -> tuple[str, ...]:
    """The sentences that exist."""
    return tuple(part for part in parts if part)


def several(number: int, thing: str) -> str:
    """1 image, 8 images."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def first_of(names: Sequence[str]) -> str:
    """The names, or the first ones and how many more there are."""
    if len(names) <= _NAMED:
        return listing(list(names))
    return listing([*names[: _NAMED - 1], f"{count(len(names) - _NAMED + 1)} more"])


def titles(report: Report, tier: str) -> list[str]:
    """The titles of the methods of a tier, in the ranking's order."""
    known = {method.id: method.title for method in report.methods}
    return [known.get(e.method, e.method) for e in report.ranking.entries if e.tier == tier]


def find(report: Report, method: str) -> MethodResult | None:
    """A method or control by its id."""
    return next((m for m in report.methods if m.id == method), None)
