"""Numbers as people read them.  Values are finite; what is null is handled where the reason is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MINUS = "\u2212"
DASH = "\u2014"
_GAP = "\u202f"  # narrow no-break space: groups digits without looking like a decimal sign
_SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")

Formatter = Callable[[float], str]


def _signed(text: str) -> str:
    """A proper minus sign, and none before a number that rounds to zero."""
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.\u202f ") else MINUS + text[1:]
    return text


def decimal(value: float, places: int = 3) -> str:
    """Fixed decimals: 0.220, \u22120.031."""
    return _signed(f"{value:.{places}f}")


def share(value: float) -> str:
    """A number in [0, 1] with three decimals that never rounds to an end not reached: 0.985, > 0.999."""
    if 0.9995 <= value < 1:
        return f">{_GAP}0.999"
    if 0 < value < 0.0005:
        return f"<{_GAP}0.001"
    return decimal(value)


def percent(value: float) -> str:
    """A share as per cent: 3.0 %, 187 %, < 0.1 %."""
    if 0 < value < 0.0005:
        return f"<{_GAP}0.1{_GAP}%"
    places = 1 if abs(value) < 1 else 0
    return _signed(f"{100 * value:,.{places}f}".replace(",", _GAP)) + f"{_GAP}%"


def significant(value: float) -> str:
    """Three significant digits, powers of ten outside 0.001 to 100 000: 57.9, 1.2 \u00d7 10\u207b\u2076."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        places = 4 if abs(value) < 0.1 else 3 if abs(value) < 1 else max(0, 3 - len(str(int(abs(value)))))
        return _signed(f"{value:,.{places}f}".replace(",", _GAP))
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{_signed(mantissa)}{_GAP}\u00d7{_GAP}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def p_value(value: float) -> str:
    """A p value: 0.031, < 0.001."""
    return f"<{_GAP}0.001" if value < 0.001 else decimal(value)


def count(value: float) -> str:
    """A whole number with grouped digits."""
    return _signed(f"{value:,.0f}".replace(",", _GAP))


def duration(seconds: float) -> str:
    """3.4 s, 4 min 12 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f}{_GAP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_GAP}min {rest}{_GAP}s"
    return f"{minutes // 60}{_GAP}h {minutes % 60:02d}{_GAP}min"


def size(count_of_bytes: int) -> str:
    """18.6 MB, 4 KB (powers of 1000)."""
    if count_of_bytes >= 1_000_000:
        return f"{count_of_bytes / 1e6:.1f}{_GAP}MB"
    return f"{count_of_bytes / 1e3:.0f}{_GAP}KB" if count_of_bytes >= 1000 else f"{count_of_bytes}{_GAP}bytes"


def moment(text: str) -> str:
    """An ISO 8601 UTC time as 22 November 2026, 01:58 UTC; anything else as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    if found.tzinfo is not None:
        found = found.astimezone(UTC)
    return f"{_date(found)}, {found:%H:%M}\u00a0UTC"


def day(text: str) -> str:
    """An ISO 8601 date, or the date of a time, as 22 November 2026; anything else as it is."""
    try:
        return _date(datetime.fromisoformat(text))
    except ValueError:
        return text


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _date(found: datetime) -> str:
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


def setting(value: Any) -> str:
    """A setting's value: words for booleans and nothing, JSON for lists and mappings."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "(empty)"
    return json.dumps(value, ensure_ascii=False, sort_keys=True).replace("null", "not set")


def listing(items: list[str], last: str = "and") -> str:
    """a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


_BY_METRIC: dict[str, Formatter] = {
    "ncc-violation": share,
    "path-cancellation": share,
    "ncc-excess": significant,
    "completeness-error": percent,
    "infidelity": significant,
    "complexity": significant,
}


def for_metric(metric: str) -> Formatter:
    """How the values of `metric` are written."""
    return _BY_METRIC.get(metric, decimal)
