"""Text as it is shown: characters that steer the display are written out, so that no name can pass for another."""

from __future__ import annotations

import re
from typing import Any

# controls but tab and line feed; directional marks, embeddings, overrides and isolates; separators; halves of pairs
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def plain(value: Any) -> Any:
    """`value` with steering characters as \\uXXXX if it is text; markup and everything else as it is."""
    if type(value) is str and _STEERING.search(value):
        return _STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", value)
    return value
