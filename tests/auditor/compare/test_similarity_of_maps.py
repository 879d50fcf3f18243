"""Similarity of maps against scipy, across layouts, and against what two seeds leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from geoaudit.compare import similarity

METHOD = "m"


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_ranks_are_scipys(values: list[int]) -> None:
    array = np.array(values, dtype=np.float32)
    assert similarity.ranks(array).tolist() == stats.rankdata(array).tolist()


def test_the_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 9, 9)).round(1)
    b = a + rng.normal(size=a.shape).round(1)
    assert similarity.spearman(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)
    assert np.isnan(similarity.spearman(a, np.zeros_like(a)))


def _maps(count: int, noise: float, channels_last: bool = False) -> dict[tuple[str, str], Any]:
    rng = np.random.default_rng(1)
    base = rng.normal(size=(count, 3, 12, 10))
    moved = (base + noise * np.random.default_rng(2).normal(size=base.shape)).astype(np.float32)
    return {(f"{i:03d}.png", METHOD): np.moveaxis(m, 0, 2) if channels_last else m for i, m in enumerate(moved)}


def _report(made: Any, n: int = 8, **changes: Any) -> Any:
    return made({METHOD: {"srg": [0.1 * i for i in range(n)]}}, **changes)


def _alike(found: Any) -> Any:
    return found.methods[0].maps


def test_transposed_maps_are_the_same_maps(made: Any, compared: Any, stored: Any) -> None:
    a, b = _report(made), _report(made, layout="NHWC")
    alike = _alike(compared(a, b, stored(_maps(8, 0.0)), stored(_maps(8, 0.0, channels_last=True))))
    assert alike.verdict == "identical" and alike.spearman.mean == pytest.approx(1.0) and alike.n == 8
    assert alike.ssim.mean == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("seeds", "verdict"),
    [
        (0.99, "less alike than two seeds"),
        (0.10, "as alike as two seeds"),
        (None, "no seeds to compare with"),
    ],
)
def test_two_seeds_are_the_measure_of_chance(made: Any, compared: Any, stored: Any, seeds: Any, verdict: str) -> None:
    given_seeds = {} if seeds is None else {METHOD: seeds}
    a, b = _report(made, seeds=given_seeds), _report(made, seeds=given_seeds)
    found = compared(a, b, stored(_maps(8, 0.0)), stored(_maps(8, 0.5)))
    alike = _alike(found)
    assert alike.verdict == verdict and alike.seeds == seeds
    assert 0.5 < alike.spearman.ci_low < alike.spearman.mean < alike.spearman.ci_high < 0.95
    told = " ".join(found.conclusions)
    assert ("no less alike, which is no change, for 1 (m)" in told) == (seeds == 0.10)
    assert (": less alike for 1 (m)." in told) == (seeds == 0.99)


def test_the_lower_of_both_reports_seeds_counts(made: Any, compared: Any, stored: Any) -> None:
    a, b = _report(made, seeds={METHOD: 0.99}), _report(made, seeds={METHOD: 0.2})
    assert _alike(compared(a, b, stored(_maps(8, 0.0)), stored(_maps(8, 0.5)))).seeds == 0.2


def test_maps_of_different_classes_are_not_compared(made: Any, compared: Any, stored: Any) -> None:
    a, b = _report(made), _report(made, targets=[1, 1, 2, 1, 1, 1, 2, 1])
    found = compared(a, b, stored(_maps(8, 0.0)), stored(_maps(8, 0.0)))
    assert _alike(found).n == 6 and found.methods[0].metrics[0].n == 8
    assert found.predictions.top1_agreement.mean == 0.75
    assert "Another class is explained on 002.png, 006.png. Their maps are not compared; their scores are." in (
        found.conclusions
    )


def test_what_cannot_be_compared_says_why(made: Any, compared: Any, stored: Any) -> None:
    a, b = _report(made), _report(made)
    assert _alike(compared(a, b, stored({}), None)).reason == "no maps lie beside B"
    other = {key: value[:, :-1] for key, value in _maps(8, 0.0).items()}
    alike = _alike(compared(a, b, stored(_maps(8, 0.0)), stored(other)))
    assert alike.n == 0 and alike.missing == 8 and "different sizes" in alike.reason
    assert alike.spearman.mean is None and alike.verdict == "inconclusive"


def test_a_map_that_became_empty_is_told(made: Any, compared: Any, stored: Any) -> None:
    a = _report(made)
    emptied = _maps(8, 0.5) | {("003.png", METHOD): np.zeros((3, 12, 10), dtype=np.float32)}
    found = compared(a, a, stored(_maps(8, 0.0)), stored(emptied))
    assert _alike(found).n == 7 and _alike(found).missing == 1
    assert "A map is missing, constant or not finite on at least one pair for m." in found.conclusions


def test_few_maps_decide_nothing(made: Any, compared: Any, stored: Any) -> None:
    a = _report(made, 5, seeds={METHOD: 0.9})
    alike = _alike(compared(a, a, stored(_maps(5, 0.0)), stored(_maps(5, 2.0))))
    assert alike.verdict == "inconclusive" and alike.spearman.ci_low is None and alike.n == 5


def test_many_maps_are_sampled_evenly(made: Any, compared: Any, stored: Any) -> None:
    n = similarity.MOST + 30
    a = _report(made, n)
    asked: list[str] = []

    class Noted(stored):  # type: ignore[misc]
        def attribution(self, image: str, method: str) -> Any:
            asked.append(image)
            return super().attribution(image, method)

    assert _alike(compared(a, a, Noted(_maps(n, 0.0)), stored(_maps(n, 0.5)))).n == similarity.MOST
    assert len(set(asked)) == similarity.MOST and asked[0] == "000.png" and int(asked[-1][:3]) >= n - 3
