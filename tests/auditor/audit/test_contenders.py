"""What the ranking is given of a method: nothing that is missing, infinite or unchecked may pass for a result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geoaudit.api import Finding, Status
from geoaudit.audit.assemble import _contender, _inversions
from geoaudit.audit.tally import Row, Tally


def tally(name: str, scores: list[dict[str, float]], reasons: list[str | None], kind: str = "method") -> Tally:
    rows = [
        Row(f"{i}", 1.0, score, {"ncc-violation": reason}, None)
        for i, (score, reason) in enumerate(zip(scores, reasons, strict=True))
    ]
    method: Any = SimpleNamespace(id=name, kind=kind, flags=frozenset())
    return Tally(method, rows)


def facts(images: int, findings: tuple[tuple[bool, Finding], ...] = ()) -> Any:
    metric = SimpleNamespace(id="pic-sic", higher_is_better=True, reads_importance=True)
    return SimpleNamespace(
        settings=SimpleNamespace(adaptive=False),
        inputs=SimpleNamespace(files=[None] * images),
        plan=SimpleNamespace(
            budget=SimpleNamespace(sweep=SimpleNamespace(imputers=("black", "blur"))), metrics=[metric]
        ),
        examined=[SimpleNamespace(finding=finding, gate=gate) for gate, finding in findings],
    )


def test_what_is_infinite_is_missing() -> None:
    rows = [{"srg": np.inf, "ncc-violation": 0.5, "pic-sic": -np.inf}, {"srg": 0.25, "pic-sic": 0.5}]
    found = _contender(tally("m", rows, [None, "incomplete"]), facts(2))
    np.testing.assert_array_equal(found.srg, [np.nan, 0.25])
    np.testing.assert_array_equal(found.ncc, [0.5, np.nan])
    np.testing.assert_array_equal(found.readings["pic-sic"], [np.nan, 0.5])
    names = {"m": "method", "inverted:m": "control", "random": "control"}
    (case,) = _inversions(facts(2), {name: tally(name, rows, [None, None], kind) for name, kind in names.items()})
    for scores in (case.methods["m"], case.inverted["m"], case.random):
        np.testing.assert_array_equal(scores, [np.nan, 0.5])


@pytest.mark.parametrize("gate", [True, False])
def test_every_verdict_of_a_check_reaches_the_ranking(gate: bool) -> None:
    def finding(check: str, status: Status, method: str = "m") -> tuple[bool, Finding]:
        return gate, Finding(check, method, status, "so it is")

    found = _contender(
        tally("m", [{}], [None]),
        facts(1, (
            finding("a", Status.FAIL), finding("b", Status.INCONCLUSIVE), finding("c", Status.ERROR),
            finding("d", Status.PASS), finding("e", Status.FAIL, "another"),
        )),
    )  # fmt: skip
    assert (found.failed, found.doubted) == (((("a", "so it is"),), ()) if gate else ((), ("a",)))
    assert (found.inconclusive, found.unchecked) == (("b",), ("c",))


def test_the_reason_of_missing_ncc_does_not_depend_on_the_order_of_images() -> None:
    given = ["not converged", "incomplete", None]
    reasons = {_contender(tally("m", [{}] * 3, order), facts(3)).ncc_reason for order in (given, given[::-1])}
    assert reasons == {"incomplete"}
