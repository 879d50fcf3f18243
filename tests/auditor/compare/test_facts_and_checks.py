"""Settings, model facts, predictions, checks, and the sentences made of them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from geoaudit.api import Status
from geoaudit.compare import facts
from geoaudit.compare.checks import status_change

GRAVITY = ("PASS", "WARN", "INCONCLUSIVE", "SKIP", "FAIL", "ERROR")


def _check(status: str, estimate: float | None = None, low: float | None = None, high: float | None = None) -> Any:
    return {
        "id": "stability", "method": "best", "status": status, "estimate": estimate, "ci_low": low, "ci_high": high,
        "threshold": None, "reason": f"it is {status}", "details": {},
    }  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(product(GRAVITY, repeat=2)))
def test_no_status_is_better_than_one_that_stands_before_it(before: str, after: str) -> None:
    change = status_change(Status(before), Status(after))
    if before == after:
        assert change == "same"
    elif GRAVITY.index(after) > GRAVITY.index(before):
        assert change == "worse"
    else:
        assert change == ("better" if after in ("PASS", "WARN") else "undecided")


def test_a_check_that_one_report_lacks_is_told(made: Any, compared: Any, plain: Any) -> None:
    with_check, without = made(plain, checks=[_check("PASS")]), made(plain)
    assert [c.change for c in compared(with_check, without).checks] == ["only in A"]
    assert [c.change for c in compared(without, with_check).checks] == ["only in B"]


def test_the_interval_of_a_difference_holds_both(made: Any, compared: Any, plain: Any) -> None:
    a = made(plain, checks=[_check("PASS", 0.9, 0.8, 0.95)])
    b = made(plain, checks=[_check("FAIL", 0.5, 0.4, 0.7)])
    (found,) = compared(a, b).checks
    assert found.difference == pytest.approx(-0.4)
    assert found.ci_low == pytest.approx(-0.4 - (0.1**2 + 0.05**2) ** 0.5)
    assert found.ci_high == pytest.approx(-0.4 + (0.2**2 + 0.1**2) ** 0.5)
    assert "1 check came out worse: stability of best (PASS to FAIL)." in compared(a, b).conclusions
    assert "1 check came out better: stability of best (FAIL to PASS)." in compared(b, a).conclusions


def test_settings_that_may_matter_come_first(made: Any, compared: Any, plain: Any) -> None:
    a = made(plain, config={"imputers": None, "methods": None})
    b = made(plain, config={"imputers": ["blur"], "methods": ["x"]}, seed=3, parameters={"best": {"steps": 9}})
    b = b.model_copy(update={"run": b.run.model_copy(update={"device": "cuda"})})
    found = compared(a, b)
    assert [(s.name, s.matters) for s in found.settings] == [
        ("option imputers", True), ("parameters of best", True), ("seed", True), ("device", False),
    ]  # fmt: skip
    told = "Set differently: option imputers, parameters of best, seed. A change may come from these."
    assert told in found.conclusions


@pytest.mark.parametrize(
    ("a", "b", "subject"),
    [
        ({"Conv": 2}, {"Conv": 2, "QuantizeLinear": 3}, "float to quantised"),
        ({"QLinearConv": 2}, {"Conv": 2}, "quantised to float"),
        ({"Conv": 2}, {"Conv": 3}, "two model files"),
    ],
)
def test_what_the_files_are_to_each_other(made: Any, plain: Any, a: Any, b: Any, subject: str) -> None:
    first, second = made(plain, ops=a), made(plain, ops=b, model_sha="b" * 64)
    assert facts.subject(first.model, second.model) == subject
    assert facts.subject(first.model, first.model) == "one model file twice"
    differs = {d.name: (d.a, d.b) for d in facts.model(first.model, second.model)}
    assert differs["sha256"] == ("a" * 64, "b" * 64)
    assert {n for n in differs if n.startswith("operator ")} == {
        f"operator {o}" for o in {*a, *b} if a.get(o) != b.get(o)
    }


def test_accuracy_is_paired(made: Any, compared: Any, plain: Any) -> None:
    a = made(plain, label=1)
    b = made(plain, label=1, targets=[1] * 18 + [2] * 6)
    found = compared(a, b).predictions
    assert (found.accuracy_a, found.accuracy_b) == (1.0, 0.75)
    assert found.accuracy.mean == pytest.approx(-0.25) and found.accuracy.ci_high < 0
    assert found.top1_agreement.ci_low == pytest.approx(0.533, abs=0.001)  # Clopper and Pearson, 18 of 24


def test_full_agreement_is_not_certainty(made: Any, compared: Any, plain: Any) -> None:
    few = {n: {k: v[:8] for k, v in m.items()} for n, m in plain.items()}
    found = compared(made(few), made(few))
    assert found.predictions.top1_agreement.ci_low == pytest.approx(0.6306, abs=1e-4)
    assert "Both name the same class for 8 of 8 images (95 % interval 63 to 100 %)." in found.conclusions


@pytest.mark.parametrize(("shared", "start"), [(0, "0 images are"), (1, "1 image is")])
def test_below_two_pairs_nothing_is_concluded(made: Any, compared: Any, shared: int, start: str) -> None:
    shas = [f"{i:064x}" for i in range(3)]
    a = made({"m": {"srg": [0.1, 0.2, 0.3]}}, shas=shas)
    b = made({"m": {"srg": [0.1, 0.2, 0.3]}}, shas=[*shas[:shared], *(f"{i:064x}" for i in range(10, 13 - shared))])
    found = compared(a, b)
    left = f"Left out: {3 - shared} only in A, {3 - shared} only in B."
    assert found.status == "inconclusive"
    assert found.conclusions == [f"{start} in both reports. {left} Nothing can be compared."]


def test_methods_in_one_report_only_are_named(made: Any, compared: Any, plain: Any) -> None:
    less = {name: scores for name, scores in plain.items() if name != "worst"}
    found = compared(made(plain), made(less))
    assert [(m.id, m.ran, m.reason) for m in found.absent] == [("worst", ["A"], "not in B")]
    assert "Not compared: worst." in found.conclusions
    broken = compared(made(plain), made(plain, status={"worst": "error"}))
    assert broken.absent[0].reason.startswith("error in B")
