"""Paired differences: found where they were planted, not elsewhere, and never the same as "no change"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geoaudit.compare.scores import judge


def _change(found: Any, method: str, metric: str = "srg") -> Any:
    return next(c for m in found.methods if m.id == method for c in m.metrics if c.metric == metric)


def test_a_planted_loss_is_found_and_nothing_else(made: Any, compared: Any, plain: Any, draws: Any) -> None:
    later = {name: dict(metrics) for name, metrics in plain.items()}
    for i, name in enumerate(later):
        noise = np.array(draws(0.0, 50 + i))
        later[name]["srg"] = (np.array(plain[name]["srg"]) + noise - noise.mean() + 0.001).tolist()
    later["middle"]["srg"] = [v - 0.2 for v in later["middle"]["srg"]]
    found = compared(made(plain), made(later))
    loss = _change(found, "middle")
    assert loss.verdict == "worse" and loss.n == 24
    assert loss.ci_low < -0.2 < loss.ci_high < 0 and loss.p_holm < 0.05
    assert loss.difference == pytest.approx(loss.mean_b - loss.mean_a)
    for name in ("best", "worst"):
        still = _change(found, name)
        assert still.verdict == "no difference shown" and still.ci_low <= 0 <= still.ci_high
        assert 0 < still.smallest < 0.02
    assert any("srg: worse for 1 (middle) of 3 methods" in text for text in found.conclusions)
    assert any("remains middle" in text for text in found.conclusions)


@pytest.mark.parametrize(
    ("low", "high", "better", "verdict"),
    [
        (0.1, 0.2, True, "better"),
        (0.1, 0.2, False, "worse"),
        (-0.2, -0.1, True, "worse"),
        (-0.2, -0.1, False, "better"),
        (0.1, 0.2, None, "different"),
        (-0.1, 0.2, True, "no difference shown"),
        (0.0, 0.2, True, "no difference shown"),
        (None, None, True, "inconclusive"),
    ],
)
def test_the_interval_and_the_direction_decide(low: Any, high: Any, better: Any, verdict: str) -> None:
    assert judge(low, high, 24, better)[0] == verdict


@pytest.mark.parametrize(("n", "verdict"), [(2, "inconclusive"), (5, "inconclusive"), (6, "better")])
def test_too_few_pairs_decide_nothing(made: Any, compared: Any, n: int, verdict: str) -> None:
    a, b = ([base + 0.01 * i for i in range(n)] for base in (0.1, 0.4))
    found = compared(made({"m": {"srg": a}}), made({"m": {"srg": [v + 0.001 * (i % 2) for i, v in enumerate(b)]}}))
    assert _change(found, "m").verdict == verdict
    assert found.status == ("inconclusive" if n < 6 else "indicative")


def test_missing_values_are_counted(made: Any, compared: Any) -> None:
    a = made({"m": {"srg": [0.1, None, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}})
    b = made({"m": {"srg": [0.1, 0.2, None, 0.4, 0.5, 0.6, 0.7, 0.8]}})
    change = _change(compared(a, b), "m")
    assert change.n == 6 and change.missing == 2
    assert change.mean_a == pytest.approx(3.1 / 6)


def test_a_metric_that_failed_its_own_test_says_nothing(made: Any, compared: Any, plain: Any) -> None:
    later = {n: {k: [v - 0.3 for v in values] for k, values in m.items()} for n, m in plain.items()}
    found = compared(made(plain), made(later, failed=["srg"]))
    change = _change(found, "best")
    assert change.verdict == "inconclusive" and "B" in change.reason and change.p_holm is None
    assert _change(found, "best", "ncc-violation").verdict == "better"


def test_completeness_is_not_asked_of_methods_that_do_not_add_up(made: Any, compared: Any) -> None:
    scores = {"m": {"completeness-error": [0.1, 0.2, 0.1, 0.3, 0.2, 0.1]}}
    later = {"m": {"completeness-error": [5.1, 5.2, 5.1, 5.3, 5.2, 5.1]}}
    loose = {"m": ["not-complete"]}
    strict = compared(made(scores), made(later))
    assert _change(strict, "m", "completeness-error").verdict == "worse"
    assert any(t.startswith("completeness-error: worse for m, by its 95 % interval.") for t in strict.conclusions)
    found = compared(made(scores, flags=loose), made(later, flags=loose))
    assert _change(found, "m", "completeness-error").verdict == "inconclusive"


def test_controls_are_told_but_not_corrected_for(made: Any, compared: Any, plain: Any) -> None:
    scores = plain | {"edges": plain["worst"]}
    found = compared(made(plain | {"edges": plain["best"]}, controls=["edges"]), made(scores, controls=["edges"]))
    assert found.methods[-1].id == "edges" and found.methods[-1].kind == "control"
    control = _change(found, "edges")
    assert control.p < 0.05 and control.p_holm is None and control.verdict == "worse"
    assert all("edges" not in text for text in found.conclusions)


def test_equal_reports_are_said_to_be_equal(made: Any, compared: Any, plain: Any) -> None:
    found = compared(made(plain), made(plain))
    assert "srg is the same on every image, for 3 methods." in found.conclusions
    assert found.ranking.verdict == "no change shown" and found.ranking.tau == 1.0
    assert not found.ranking.flips and found.exit_code == 0 and found.gate.status == "not gated"


def test_the_comparison_is_reproducible(made: Any, compared: Any, plain: Any) -> None:
    later = {n: {k: [v + 0.01 for v in values] for k, values in m.items()} for n, m in plain.items()}
    a, b = made(plain), made(later)
    assert compared(a, b).model_dump_json() == compared(a, b).model_dump_json()
