"""Sentences whose words lead to the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from geoaudit_reports.html.glossary import GLOSSARY


@dataclass(frozen=True)
class Span:
    """A piece of a sentence; with a link, or without."""

    text: str
    link: str = ""


Prose = tuple[Span, ...]

_ANCHORS = {form.lower(): f"#{entry.anchor}" for entry in GLOSSARY for form in entry.spoken}


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Whole words only, the longest first: "NCC violation" before "NCC"."""
    forms = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{forms})(?![\w-])", re.IGNORECASE)


_FORMS = _pattern(_ANCHORS)


class Linker:
    """Links the first occurrence of every word of the glossary, over all that it is given."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def prose(self, text: str, targets: Iterable[tuple[str, str]] = ()) -> Prose:
        """`text` in spans.

        Args:
            text: a sentence or more.
            targets: other words and their links, such as the names of methods and their cards.
        """
        others = {word: link for word, link in targets if word}
        pattern = _pattern([*others, *_ANCHORS]) if others else _FORMS
        spans: list[Span] = []
        end = 0
        for match in pattern.finditer(text):
            word = match.group()
            link = others.get(word) or _ANCHORS.get(word.lower(), "")
            if not link or link in self._told:
                continue
            self._told.add(link)
            spans += [Span(text[end : match.start()]), Span(word, link)]
            end = match.end()
        return tuple(span for span in (*spans, Span(text[end:])) if span.text)
