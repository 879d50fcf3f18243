"""onnxruntime's messages, shortened to what a reader needs."""

from __future__ import annotations

import re

_LEAD = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .* failed:)?\s*")
_PLACE = re.compile(r"/\S+\.(?:h|cc|cpp):\d+ ")
_LONGEST = 300


def brief(error: Exception) -> str:
    """The first line of an error's text without the places in C++ that it names, at most 300 characters."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    text = _LEAD.sub("", lines[0])
    while (place := _PLACE.search(text)) is not None:
        text = text[: place.start()] + text[_after_signature(text, place.end()) :].lstrip()
    return (text or lines[0])[:_LONGEST]


def _after_signature(text: str, start: int) -> int:
    """Where the C++ function signature that begins at `start` ends; `start` if there is none."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if text[position] == ")" and depth <= 0:
            rest = text[position + 1 :]
            return position + 1 + (len(" const") if rest.startswith(" const ") else 0)
    return start
