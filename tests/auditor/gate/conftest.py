"""Small reports with chosen facts, and policies from TOML text."""

from __future__ import annotations

import datetime
import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.audit.result import Gate, GateResult, Report
from geoaudit.gate import Policy, judge, load, parse_policy

TODAY = datetime.date(2027, 1, 31)
SHA = "ab" * 32
SYNTHETIC = Path(__file__).parents[2] / "reports" / "synthetic_report.py"
MODEL_CHECKS = ("parity", "gradient-parity", "preprocessing", "label-randomization")


def score(
    mean: float | None = 0.3,
    half: float | None = 0.1,
    *,
    n: int = 20,
    missing: int = 0,
    status: str = "PASS",
    **more: Any,
) -> dict[str, Any]:
    """A metric over the images: mean, and median a little above; the interval is mean plus and minus `half`."""
    known = mean is not None and half is not None
    return {
        "mean": mean,
        "median": None if mean is None else mean + 0.01,
        "ci_low": mean - half if known else None,
        "ci_high": mean + half if known else None,
        "n": n,
        "missing": missing,
        "higher_is_better": True,
        "status": status,
        "reason": None,
        **more,
    }


def finding(check: str, method: str | None, status: str = "PASS", **more: Any) -> dict[str, Any]:
    """One finding of a check."""
    empty = dict.fromkeys(("estimate", "ci_low", "ci_high", "threshold"))
    return {
        "id": check,
        "method": method,
        "status": status,
        "reason": f"{check} says so.",
        "details": {},
        **empty,
        **more,
    }


def method(name: str, scores: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A method with its scores."""
    return {
        "id": name, "title": name, "kind": "method", "family": "path", "reference": "", "parameters": {},
        "plugin": "geoaudit", "status": "ok", "reason": None, "flags": [], "ncc_profile": [], "readings": [],
        "scores": {"srg": score()} if scores is None else scores,
        "cost": {"gradients": 0, "forwards": 0, "seconds": 0}, **more,
    }  # fmt: skip


def entry(name: str, tier: str = "recommended", position: str = "1") -> dict[str, Any]:
    """A place in the ranking."""
    rank = {"rank": 1.0, "rank_low": 1.0, "rank_high": 1.0}
    return {
        "position": position, "tier": tier, "method": name, "reasons": [], "pareto": True, "ncc": rank,
        "faithfulness": rank, "p_best": None,
    }  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_registry() -> Iterator[None]:
    """The built-in plugins are looked up for every policy; collecting them once is enough."""
    collected = load.load(())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load", lambda plugins: collected)
        yield


@pytest.fixture(scope="session")
def synthetic() -> SimpleNamespace:
    """The names of the synthetic report's module."""
    return SimpleNamespace(**runpy.run_path(str(SYNTHETIC)))


@pytest.fixture(scope="session")
def make_report(synthetic: SimpleNamespace) -> Callable[..., Report]:
    """`make_report(...)`: a report with 20 images in which guided-ig is recommended and every check asked passes."""
    empty = synthetic.build().model_copy(update={"per_image": [], "curves": [], "calibration": []})

    def make(
        *,
        methods: Any = None,
        entries: Any = None,
        checks: Any = (),
        health: Mapping[str, str] = {},
        images: int = 20,
        skipped: int = 0,
        exit_code: int = 0,
    ) -> Report:
        data = empty.data.model_dump() | {"count": images, "images": []}
        data["skipped"] = [{"file": f"{number}.txt", "reason": "not an image"} for number in range(skipped)]
        told = {
            "data": data,
            "methods": [method("guided-ig"), method("blur-ig")] if methods is None else methods,
            "checks": list(checks),
            "metric_health": [{"metric": m, "status": s, "reason": "as tested"} for m, s in health.items()],
            "ranking": empty.ranking.model_dump()
            | {"entries": [entry("guided-ig"), entry("blur-ig", "caution", "2")] if entries is None else entries},
        }
        parts = {name: _validated(name, value) for name, value in told.items()}
        return empty.model_copy(update={**parts, "exit_code": exit_code})

    return make


def _validated(name: str, value: Any) -> Any:
    """The value as the report's field has it."""
    from pydantic import TypeAdapter

    return TypeAdapter(Report.model_fields[name].annotation).validate_python(value)


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., Policy]:
    """`make_policy(toml)`: the policy of this text, the line `version = 1` put in front."""

    def make(text: str) -> Policy:
        return parse_policy(f"version = 1\n{text}".encode(), "policy.toml", ())

    return make


@pytest.fixture(scope="session")
def judged_as(make_report: Any, make_policy: Any) -> Callable[..., tuple[Gate, dict[str, GateResult]]]:
    """`judged_as(toml, day=..., **facts)`: the verdict, and its results by id."""

    def verdict(text: str, day: datetime.date = TODAY, **facts: Any) -> tuple[Gate, dict[str, GateResult]]:
        gate = judge(make_report(**facts), make_policy(text), day)
        found = {result.id: result for result in gate.results}
        assert len(found) == len(gate.results), "ids must tell results apart"
        return gate, found

    return verdict


@pytest.fixture(scope="session")
def parts() -> SimpleNamespace:
    """What reports are put together from."""
    return SimpleNamespace(
        score=score, finding=finding, method=method, entry=entry, today=TODAY, sha=SHA, model_checks=MODEL_CHECKS
    )
