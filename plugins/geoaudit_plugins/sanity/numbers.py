"""Numbers as a report may hold them."""

from __future__ import annotations

import math


def finite(value: float) -> float | None:
    """The value, or None where it is not finite: a report knows no nan and no infinity."""
    return float(value) if math.isfinite(value) else None
