"""What counts as the same number, text and map."""

from __future__ import annotations

import numpy as np
import pytest

from geoaudit.verify.comparison import MAP_TIMES, Comparison
from geoaudit.verify.projection import Leaf, Place, placed

PLACE = ("a.png", "gradient", "srg")


@pytest.mark.parametrize(
    ("stored", "found", "same"),
    [
        (0.5, 0.5009, True),
        (0.5, 0.5011, False),
        (1000.0, 1000.9, True),
        (1000.0, 1001.1, False),
        (None, None, True),
        (None, 0.0, False),
        (0.0, None, False),
        ("PASS", "WARN", False),
        ("8 images, p = 0.031", "8 images, p = 0.032", True),
        ("8 images, p = 0.031", "9 images, p = 0.031", False),
        ("8 images, p = 0.031", "8 images, p = 0.041", False),
        ("1.2e-05", "1.3e-05", True),
        ("rises", "falls", False),
    ],
)
def test_numbers_and_texts(stored: Leaf, found: Leaf, same: bool) -> None:
    comparison = Comparison(1e-3)
    comparison.leaves({PLACE: stored}, {PLACE: found}, [PLACE])
    assert (comparison.differences == []) is same
    assert comparison.compared == 1


def test_maps_by_the_share_of_their_mass() -> None:
    values = np.array([[3.0, -1.0]], dtype=np.float32)
    for change, same in ((0.9, True), (1.1, False)):
        comparison = Comparison(1e-3)
        comparison.map("a.png", "gradient", values, values + np.float32(change * MAP_TIMES * 1e-3 * 2))
        assert (comparison.differences == []) is same
    comparison.map("a.png", "gradient", np.zeros_like(values), values)
    assert comparison.differences[-1].size is None, "a map of zeros has no mass to take a share of"


def test_the_worst_of_each_kind_is_kept() -> None:
    comparison = Comparison(1.0)
    places: dict[Place, Leaf] = {
        ("a.png", "one", "srg"): 0.1,
        ("b.png", "two", "srg"): 0.3,
        ("a.png", "two", "deletion"): 0.2,
    }
    comparison.leaves(dict.fromkeys(places, 0.0), dict(places), places)
    worst = comparison.worst["srg"]
    assert (worst.size, worst.image, worst.method, worst.compared) == (0.3, "b.png", "two", 2)
    assert comparison.worst["deletion"].compared == 1


def test_places_name_methods_and_do_not_hang_on_the_order_of_lists() -> None:
    one = {
        "checks": [
            {"id": "parity", "method": None, "estimate": 1},
            {"id": "completeness", "method": "a", "estimate": 2},
        ]
    }
    other = {"checks": one["checks"][::-1]}
    assert placed(one) == placed(other)
    assert placed(one)[None, "a", "checks[completeness].estimate"] == 2.0
    assert placed({"seconds": 3, "cost": {"forwards": 4}}) == {}
