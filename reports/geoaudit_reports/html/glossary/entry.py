"""One word of the glossary."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GREEK = str.maketrans({"δ": "delta", "τ": "tau", "α": "alpha"})


@dataclass(frozen=True)
class Entry:
    """A word, what it means, and where that meaning ends.

    Attributes:
        term: as it is written.
        meaning: in sentences.
        formula: in the report's symbols; empty for what has none.
        range: the values that can occur, and what the ends mean.
        better: which end is better, for measures.
        source: where it is from; empty for geoaudit's own words.
        fails: what it cannot show, or is known to get wrong.
        spoken: forms that become links where they occur in sentences, by which it can also be found.
        id: of the metric, check or status that it explains; else empty.
    """

    term: str
    meaning: str
    formula: str = ""
    range: str = ""
    better: str = ""
    source: str = ""
    fails: str = ""
    spoken: tuple[str, ...] = ()
    id: str = ""

    @property
    def anchor(self) -> str:
        """The fragment of its place on the page, without "#"."""
        spelled = self.term.lower().translate(_GREEK)
        return f"glossary-{self.id or re.sub(r'[^a-z0-9]+', '-', spelled).strip('-')}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is told in a line of its own."""
        told = (("Range", self.range), ("Better", self.better), ("Cannot show", self.fails), ("Source", self.source))
        return tuple((name, text) for name, text in told if text)
