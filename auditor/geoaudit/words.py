"""Numbers as a person says them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 image", "2,000 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds: "45 s", "3.2 min", "1.6 h"."""
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
