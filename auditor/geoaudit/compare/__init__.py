"""Two reports side by side: did the explanations change, beyond chance?

For float against quantised, one version of a model against the next, one model against another, one setting
against another.  Everything is paired by image, found by its bytes; differences are B minus A.
"""

from __future__ import annotations

from geoaudit.compare.result import Comparison
from geoaudit.compare.side import Side, compare

__all__ = ["Comparison", "Side", "compare"]
