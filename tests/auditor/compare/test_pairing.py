"""Images are paired by their bytes."""

from __future__ import annotations

from typing import Any

from geoaudit.compare.pairing import pair_images


def test_names_do_not_matter(made: Any) -> None:
    a = made({"m": {"srg": [0.1, 0.2, 0.3]}}, shas=["1" * 64, "2" * 64, "3" * 64])
    b = made({"m": {"srg": [0.1, 0.2, 0.3]}}, shas=["3" * 64, "4" * 64, "1" * 64], targets=[1, 1, 2])
    found = pair_images(a, b)
    assert [(p.image_a, p.image_b) for p in found.pairs] == [("000.png", "002.png"), ("002.png", "000.png")]
    assert found.only_a == ["001.png"] and found.only_b == ["001.png"]
    assert found.n == 2 and found.same_target == 1
    assert [p.same_target for p in found.pairs] == [False, True]


def test_copies_are_paired_once_and_by_name_first(made: Any) -> None:
    a = made({"m": {"srg": [0.1, 0.2, 0.3]}}, shas=["1" * 64] * 3)
    b = made({"m": {"srg": [0.1, 0.2]}}, shas=["2" * 64, "1" * 64])
    found = pair_images(a, b)
    assert [(p.image_a, p.image_b) for p in found.pairs] == [("001.png", "001.png")]
    assert found.only_a == ["000.png", "002.png"] and found.only_b == ["000.png"]
