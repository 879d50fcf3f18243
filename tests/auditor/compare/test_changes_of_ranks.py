"""A planted swap is found; noise is not taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geoaudit.compare import ranks
from geoaudit.compare.pairing import pair_images


def _swapped(plain: Any) -> Any:
    return {"best": plain["middle"], "middle": plain["best"], "worst": plain["worst"]}


def test_a_swap_is_shown(made: Any, compared: Any, plain: Any) -> None:
    found = compared(made(plain), made(_swapped(plain), model_sha="b" * 64))
    change = found.ranking
    assert change.verdict == "changed" and change.methods == 3 and change.n == 24
    assert ["middle", "best"] in change.moved and change.tau == pytest.approx(1 / 3)
    assert change.tau_low <= change.tau <= change.tau_high < change.tau_chance == 1.0
    (flip,) = change.flips
    assert (flip.first_a, flip.first_b, flip.shown) == ("best", "middle", True)
    assert flip.separated_a == flip.separated_b == "position"
    rank = {m.id: m.rank for m in found.methods}
    assert rank["best"].difference == pytest.approx(1.0) and rank["middle"].difference == pytest.approx(-1.0)
    assert 0 < rank["best"].ci_low <= 1.0 <= rank["best"].ci_high and rank["worst"].difference == 0
    assert any(t.startswith("The other model changed the order") and "middle rose against best" in t
               for t in found.conclusions)  # fmt: skip


def test_few_pairs_cannot_show_a_swap(made: Any, compared: Any, plain: Any) -> None:
    few = {n: {k: v[:5] for k, v in m.items()} for n, m in plain.items()}
    found = compared(made(few), made(_swapped(few)))
    assert found.ranking.verdict == "inconclusive" and "fewer than 6" in found.ranking.reason
    assert all(m.rank.ci_low is None for m in found.methods)
    assert not any(flip.shown for flip in found.ranking.flips)


def test_one_method_has_no_order(made: Any, compared: Any, plain: Any) -> None:
    found = compared(made({"best": plain["best"]}), made({"best": plain["best"]}))
    assert found.ranking.verdict == "inconclusive" and found.ranking.tau is None


def test_a_rank_that_holds_by_construction_counts_for_nothing(made: Any, compared: Any, plain: Any) -> None:
    flags = {"worst": ["ncc-by-construction"]}
    later = plain | {"worst": plain["worst"] | {"ncc-violation": [0.01] * 24}}
    found = compared(made(plain, flags=flags), made(later, flags=flags))
    assert all(m.rank.difference == 0 for m in found.methods)


def test_only_images_that_both_score_are_ranked(made: Any, compared: Any, plain: Any) -> None:
    """A report that lost the NCC of some images does not move ranks by that alone."""
    later = {n: dict(m) for n, m in plain.items()}
    later["best"]["ncc-violation"] = [None if i < 8 else v for i, v in enumerate(plain["best"]["ncc-violation"])]
    found = compared(made(plain), made(later))
    assert all(m.rank.difference == 0 for m in found.methods)


def test_noise_changes_no_ranking_more_than_one_time_in_twenty(made: Any) -> None:
    """Four equal methods in both reports; anything moved is a false alarm, held at 5 %."""
    rng = np.random.default_rng(3)
    alarms, runs = 0, 80
    template = made({f"m{k}": {"srg": [0.0] * 12} for k in range(4)})
    pairs = pair_images(template, template).pairs
    for _ in range(runs):
        a, b = (_noisy(template, rng.normal(size=48)) for _ in range(2))
        alarms += bool(ranks.rerank(a, b, pairs, frozenset()).told.any())
    assert alarms <= 0.15 * runs


def _noisy(template: Any, values: Any) -> Any:
    rows = [
        row.model_copy(update={"scores": {"srg": float(v)}}) for row, v in zip(template.per_image, values, strict=True)
    ]
    return template.model_copy(update={"per_image": rows})
