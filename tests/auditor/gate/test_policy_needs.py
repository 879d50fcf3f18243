"""What a policy names runs; leaving it out is refused before anything slow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geoaudit import registry
from geoaudit.audit.plan import make_plan
from geoaudit.audit.result import Sourced
from geoaudit.audit.settings import Settings
from geoaudit.errors import UsageError
from geoaudit.gate.needs import fed, needs

POLICY = """
[method]
in_use = "guided-ig"
[checks]
required = ["stability", "parity"]
[[check]]
id = "model-perturbation"
allow = ["SKIP"]
methods = ["in-use", "agi"]
[[threshold]]
metric = "road"
minimum = 0
methods = "recommended"
[[threshold]]
check = "implementation-invariance"
maximum = 1
[[threshold]]
number = "data.count"
minimum = 1
"""


def settings(**changes: Any) -> Settings:
    return Settings(model=Path("m.onnx"), images=Path("i"), budget="quick", plugins=(), **changes)


def plan(chosen: Settings) -> dict[str, set[str]]:
    made = make_plan(chosen, registry.load(()))
    return {kind: {p.id for p in getattr(made, kind)} for kind in ("methods", "metrics", "checks")}


def test_what_the_rules_are_about(make_policy: Any) -> None:
    found = needs(make_policy(POLICY))
    assert found.methods == ("guided-ig", "agi")
    assert found.metrics == ("road",)
    assert found.checks == ("stability", "parity", "implementation-invariance")
    assert found.spare == ("model-perturbation",)


def test_what_the_policy_names_runs_beside_what_the_budget_runs(make_policy: Any) -> None:
    before, after = plan(settings()), plan(fed(settings(), make_policy(POLICY)))
    assert after["methods"] - before["methods"] == {"agi"}
    assert after["metrics"] - before["metrics"] == {"road"}
    assert after["checks"] - before["checks"] == {"stability", "model-perturbation", "implementation-invariance"}
    assert all(before[kind] <= after[kind] for kind in before)


def test_the_report_is_told_where_that_came_from(make_policy: Any) -> None:
    found = fed(settings(sources={"limit": Sourced(value=1, source="default")}), make_policy(POLICY))
    assert found.sources["metrics"] == Sourced(value=["default", "road"], source="default, and the policy policy.toml")
    assert found.sources["limit"].value == 1


@pytest.mark.parametrize("text", ["images.minimum = 2", "method.in_use = 'guided-ig'\nchecks.required = ['parity']"])
def test_nothing_changes_where_nothing_is_missing(text: str, make_policy: Any) -> None:
    given = settings()
    assert fed(given, make_policy(text)) is given


def test_naming_all_is_enough(make_policy: Any) -> None:
    given = settings(methods=("all",), metrics=("all",), checks=("all",))
    assert fed(given, make_policy(POLICY)) is given


@pytest.mark.parametrize(
    ("chosen", "option", "names"),
    [
        ({"methods": ("gradient",)}, "--methods", "guided-ig, agi"),
        ({"methods": ("gradient", "guided-ig")}, "--methods", "agi"),
        ({"metrics": ("srg",)}, "--metrics", "road"),
        ({"checks": ("default",)}, "--checks", "stability, implementation-invariance"),
        ({"skip": ("stability",)}, "--skip", "stability"),
        ({"skip": ("guided-ig",)}, "--skip", "guided-ig"),
        ({"gradient_free": True}, "--gradient-free", "guided-ig"),
    ],
)
def test_leaving_out_what_the_policy_needs_is_refused(
    chosen: dict[str, Any], option: str, names: str, make_policy: Any
) -> None:
    with pytest.raises(UsageError) as caught:
        fed(settings(**chosen), make_policy(POLICY))
    assert caught.value.thing == option
    assert f"leaves out {names}" in caught.value.reason
    assert "policy.toml" in caught.value.reason


def test_what_may_be_skipped_may_be_left_out(make_policy: Any) -> None:
    found = fed(settings(skip=("model-perturbation",)), make_policy(POLICY))
    assert "model-perturbation" not in plan(found)["checks"]
    named = settings(checks=("stability", "parity", "implementation-invariance"))
    assert fed(named, make_policy(POLICY)).checks == named.checks


def test_parameters_of_what_the_policy_adds_are_kept(make_policy: Any) -> None:
    given = settings(parameters={"stability": {"draws": "2"}})
    found = fed(given, make_policy(POLICY))
    assert found.parameters == given.parameters
    assert "stability" in plan(found)["checks"]
    with pytest.raises(UsageError, match="not part of this run"):
        plan(replace(given, skip=("stability",)))


def test_a_limit_below_the_images_minimum_is_refused(make_policy: Any) -> None:
    policy = make_policy("images.minimum = 20")
    assert fed(settings(limit=20), policy).limit == 20
    with pytest.raises(UsageError, match="--limit 19: leaves fewer than the 20 images"):
        fed(settings(limit=19), policy)
