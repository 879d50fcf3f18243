"""The synthetic report under many verdicts, and with hostile text wherever a user, a model or a policy can put it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.audit.result import Gate, Report

HOSTILE = (
    "a|b\\|c`d``e` <script>alert(1)</script> &amp; *x* __y__ [l](http://e.org) ![i](//e.org/p.png) @team #1 $x$ ~~z~~"
    "\r\n::error title=planted::gone\n##[set-output name=a;]b %0A::warning::x, y:z\x00\x1b[31m\u202e\u2028\ufffe]]>--> "
    "www.e.org ```\n# heading\n- item\n<!-- hidden"
)
BUILT: dict[str, Callable[[Report, Any], Report]] = {}


def result(identity: str, status: str, **more: Any) -> dict[str, Any]:
    """One gate result; a waiver stands where the status is WAIVED."""
    waiver = {"rule": identity, "reason": "known, being fixed", "owner": "A. Person", "expires": "2026-04-01"}
    return {
        "id": identity, "rule": f"what {identity} asks", "method": "guided-ig", "status": status,
        "found": f"what {identity} found", "reason": f"why {identity} is {status}", "measured": 0.12, "minimum": 0.2,
        "waiver": waiver if status == "WAIVED" else None, **more,
    }  # fmt: skip


def judged(report: Report, *results: dict[str, Any], **more: Any) -> Report:
    """The report under a policy with these results; the verdict follows from them."""
    failed = any(r["status"] == "FAIL" for r in results)
    gate = {
        "configured": True, "status": "FAIL" if failed else "PASS", "policy": "policy.toml", "title": "Release",
        "owner": "A. Person", "sha256": "12" * 32, "in_use": "guided-ig", "results": list(results), **more,
    }  # fmt: skip
    run = report.run.model_copy(update={"judged": "2026-03-02"})
    new = {"gate": Gate.model_validate(gate), "run": run, "exit_code": int(failed)}
    return report.model_copy(update=new)


def _hostile(report: Report, _: Any) -> Report:
    """Every free text of the report replaced."""
    told = judged(report, *(result(HOSTILE + str(n), s) for n, s in enumerate(("PASS", "WARN", "FAIL", "WAIVED"))))
    data = told.model_dump(mode="json")
    for row in data["gate"]["results"]:
        row |= dict.fromkeys(("rule", "found", "reason", "method"), HOSTILE)
        if row["waiver"]:
            row["waiver"] |= {"reason": HOSTILE, "owner": HOSTILE, "expires": HOSTILE}
    data["gate"] |= dict.fromkeys(("policy", "title", "owner", "in_use"), HOSTILE)
    data["model"] |= {"file": HOSTILE, "producer": HOSTILE}
    data["model"]["inputs"][0]["name"] = data["model"]["outputs"][0]["name"] = HOSTILE
    data["model"]["explained_output"]["name"] = HOSTILE
    data["run"] |= {"command": ["geoaudit", HOSTILE], "budget": HOSTILE, "judged": HOSTILE}
    data["tool"]["version"] = HOSTILE
    data["context"] = HOSTILE
    data["limitations"] = [HOSTILE]
    for check in data["checks"]:
        check |= {"id": HOSTILE, "reason": HOSTILE} if check["method"] not in (None, "edges") else {"reason": HOSTILE}
    data["ranking"]["reason"] = HOSTILE
    for place, entry in enumerate(data["ranking"]["entries"]):
        new = f"{HOSTILE}{place}"
        for method in data["methods"]:
            if method["id"] == entry["method"]:
                method["id"] = new
        entry |= {"method": new, "position": HOSTILE, "reasons": [HOSTILE] * 3}
    data["maps"] = {"file": HOSTILE, "sha256": "34" * 32}
    return Report.model_validate(data)


def _old(report: Report, _: Any) -> Report:
    """A report of an earlier version: what was added later is not there."""
    data = report.model_dump(mode="json")
    for key in ("context", "maps"):
        del data[key]
    for key in ("judged", "spending", "engine"):
        del data["run"][key]
    for key in ("title", "owner", "sha256", "in_use"):
        del data["gate"][key]
    del data["data"]["calibration"], data["ranking"]["robustness"]
    for check in data["checks"]:
        del check["title"], check["gate"], check["curves"], check["cost"]
    return Report.model_validate(data)


def _external(report: Report, _: Any) -> Report:
    model = report.model.model_copy(update={"external_data": ["a.bin", "b.bin"]})
    maps = {"file": "maps.npz", "sha256": "34" * 32}
    return Report.model_validate(report.model_copy(update={"model": model}).model_dump(mode="json") | {"maps": maps})


def _empty(report: Report, _: Any) -> Report:
    """Nothing was ranked, checked or told."""
    ranking = report.ranking.model_copy(update={"entries": [], "status": "inconclusive", "reason": ""})
    none: dict[str, Any] = {"ranking": ranking, "checks": [], "limitations": [], "methods": [], "per_image": []}
    run = report.run.model_copy(update={"started": "yesterday", "finished": ""})
    return report.model_copy(update=none | {"run": run})


BUILT |= {
    "not gated": lambda report, _: report,
    "PASS": lambda report, _: judged(report, result("a", "PASS"), result("b", "PASS", method=None, measured=None)),
    "WARN": lambda report, _: judged(report, result("a", "PASS"), result("b", "WARN")),
    "WAIVED": lambda report, _: judged(report, result("a", "PASS"), result("b", "WAIVED")),
    "FAIL": lambda report, _: judged(
        report, result("a", "PASS"), result("b", "WARN"), result("c", "WAIVED"), result("d", "FAIL", maximum=0.9),
        result("e", "FAIL", measured=None, waiver=result("e", "WAIVED")["waiver"]),
    ),
    "many": lambda report, _: judged(
        report, *(result(f"rule:{n}", ("FAIL", "WARN", "WAIVED", "PASS")[n % 4]) for n in range(200))
    ),
    "hostile": _hostile,
    "old": _old,
    "external": _external,
    "empty": _empty,
    "incomplete": lambda report, _: report.model_copy(update={"exit_code": 3}),
    "gated, incomplete": lambda report, _: judged(report, result("a", "PASS")).model_copy(update={"exit_code": 3}),
    "no rule": lambda report, _: judged(report),
    "verdict only": lambda report, _: judged(report, result("a", "PASS"), status="FAIL"),
    "mislabelled": lambda report, _: judged(report, result("a", "FAIL"), status="PASS").model_copy(
        update={"exit_code": 0}
    ),
    "gradient-free": lambda _, sample: sample.gradient_free(),
    "crowded": lambda _, sample: sample.crowded(),
}  # fmt: skip
GOOD = {"PASS": "PASS", "WARN": "WARN", "WAIVED": "WARN"}
"""The reports that pass, and how well."""
UNGATED = ("not gated", "old", "external", "empty", "gradient-free", "crowded")


@pytest.fixture(scope="session")
def report(report: Report) -> Report:
    """The synthetic report as an audit without a policy, a context and a maps file leaves it."""
    run = report.run.model_copy(update={"judged": None})
    plain = {"configured": False, "status": "not gated", "policy": None, "results": []}
    gate = Gate.model_validate(plain)
    return report.model_copy(update={"run": run, "gate": gate, "context": None, "maps": None, "exit_code": 0})


@pytest.fixture(scope="session")
def verdicts(report: Report, sample: SimpleNamespace) -> dict[str, Report]:
    """Every report by its name."""
    return {name: build(report, sample) for name, build in BUILT.items()}


@pytest.fixture(params=list(BUILT))
def case(request: pytest.FixtureRequest, verdicts: dict[str, Report]) -> SimpleNamespace:
    """One of them: its name, the report, and the verdict that every format must agree with."""
    name = request.param
    verdict = "not gated" if name in UNGATED else GOOD.get(name, "FAIL")
    return SimpleNamespace(name=name, report=verdicts[name], verdict=verdict)


@pytest.fixture(scope="session")
def hostile_text() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """`make.judged(report, *results)` and `make.result(id, status, ...)`."""
    return SimpleNamespace(judged=judged, result=result)
