"""Numbers as a person says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoaudit.audit.result import ScoreSummary


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 image", "2,000 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds: "45 s", "3.2 min", "1.6 h"."""
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mean_told(score: ScoreSummary | None) -> str:
    """A mean with its interval, "0.29 [0.15, 0.55]"; a dash where there is none."""
    if score is None or score.mean is None:
        return "–"
    if score.ci_low is None or score.ci_high is None:
        return f"{score.mean:.2f}"
    return f"{score.mean:.2f} [{score.ci_low:.2f}, {score.ci_high:.2f}]"
