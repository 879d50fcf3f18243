"""Numbers as people read them."""

from __future__ import annotations

import pytest

from geoaudit_reports.html import formats as f
from geoaudit_reports.html.cells import interval, number


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (f.decimal(0.22), "0.220"),
        (f.decimal(-0.0313), "−0.031"),
        (f.decimal(-0.0001), "0.000"),
        (f.share(0.99961), "> 0.999"),
        (f.share(1.0), "1.000"),
        (f.share(0.0001), "< 0.001"),
        (f.share(0.0), "0.000"),
        (f.percent(0.0298), "3.0 %"),
        (f.percent(1.87), "187 %"),
        (f.percent(0.0001), "< 0.1 %"),
        (f.significant(57.94), "57.9"),
        (f.significant(1240.0), "1 240"),
        (f.significant(-0.5), "−0.500"),
        (f.significant(2.1e-6), "2.1 × 10⁻⁶"),
        (f.significant(0.0), "0"),
        (f.p_value(0.0006), "< 0.001"),
        (f.duration(252.4), "4 min 12 s"),
        (f.duration(59.99), "60.0 s"),
        (f.duration(3725), "1 h 02 min"),
        (f.size(18_612_345), "18.6 MB"),
        (f.moment("2026-03-01T09:04:12+00:00"), "1 March 2026, 09:04 UTC"),
        (f.moment("yesterday"), "yesterday"),
        (f.setting(None), "not set"),
        (f.setting([1.5, None]), "[1.5, not set]"),
        (f.listing(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_shown(shown: str, expected: str) -> None:
    assert shown.replace("\u202f", " ").replace("\u00a0", " ") == expected


def test_a_missing_number_is_a_dash_with_its_reason_and_sorts_last() -> None:
    cell = number(None, reason="incomplete")
    assert (cell.text, cell.note, cell.sort) == ("—", "incomplete", "")
    assert number(None).note, "even without a given reason there is one"
    assert interval(0.2, None, None).note == "no interval"
    assert interval(-0.01, -0.072, 0.048).note == "−0.072\u00a0to\u00a00.048"
    assert float(number(1e-7).sort) == 1e-7
