"""What a run says it did not check, and what its budget means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geoaudit.api import Finding, InputSpace, Status
from geoaudit.audit.limits import unchecked
from geoaudit.audit.plan import make_plan
from geoaudit.audit.settings import Settings
from geoaudit.audit.spending import describe_spending
from geoaudit.registry import load

SPACE = InputSpace("NCHW", (3, 28, 28), (0.0,) * 3, (1.0,) * 3)


def _settings(**more: Any) -> Settings:
    return Settings(Path("m"), Path("i"), **more)


def _told(**more: Any) -> str | None:
    settings = _settings(**more)
    return unchecked(make_plan(settings, load(())), settings)


def test_every_check_ran() -> None:
    assert _told(checks=("all",)) is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"checks": ("parity",)}, "completeness, "),
        ({"checks": ("parity",)}, "(not asked for)"),
        ({"checks": ("all",), "skip": ("completeness",)}, "Checks that did not run: completeness (skipped)."),
        ({"checks": ("gradient-parity",), "gradient_free": True}, "gradient-parity (it needs gradients); "),
    ],
)
def test_what_did_not_run_is_named_with_the_reason(settings: dict[str, Any], why: str) -> None:
    assert why in (_told(**settings) or "")


def test_the_budget_leaves_out_the_larger_ones_checks() -> None:
    shelf = load(()).checks
    larger = sorted(name for name, entry in shelf.items() if entry.cls.from_budget != "quick")
    told = _told(budget="quick")
    if not larger:
        assert told is None
        return
    assert f"{', '.join(larger)} (not part of the quick budget)" in (told or "")


def test_untested_weights_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = load(())
    plan = make_plan(_settings(checks=("parity",)), registry)
    object.__setattr__(plan, "left_out", ("model-randomization",))
    told = unchecked(plan, _settings(checks=("parity",)))
    assert told is not None and told.endswith("the model's weights was therefore not tested.")
    object.__setattr__(plan, "left_out", ("stability",))
    assert "weights" not in (unchecked(plan, _settings(checks=("parity",))) or "")


def test_the_budgets_meaning_names_what_runs_and_what_does_not() -> None:
    settings = _settings(budget="quick", checks=("parity",), metrics=("srg",))
    lines = describe_spending(make_plan(settings, load(())), "quick", SPACE, 100)
    assert lines[0].startswith("Budget quick: error bar ")
    assert any(line.startswith("Sweep: 7 steps of 2 px regions, imputers baseline, blur") for line in lines)
    assert "Metrics: completeness-error, ncc-violation, srg" in lines
    assert "Checks: parity" in lines
    assert any(line.startswith("Checks left out: ") and "completeness" in line for line in lines)


@pytest.mark.parametrize("status", list(Status))
def test_weights_are_untested_where_their_check_came_to_no_verdict(status: Status) -> None:
    settings = _settings(checks=("all",), methods=("gradient", "guided-ig"))
    plan = make_plan(settings, load(()))
    found = [
        Finding("model-randomization", "gradient", status, "told"),
        Finding("model-randomization", "edges", Status.FAIL, "a control, as it should"),
    ]
    told = unchecked(plan, settings, found) or ""
    assert ("no verdict on any method" in told) == (status in (Status.SKIP, Status.ERROR, Status.INCONCLUSIVE))
    decided = [*found, Finding("model-randomization", "guided-ig", Status.PASS, "it changes")]
    assert unchecked(plan, settings, decided) is None


def test_checks_that_are_not_applicable_are_announced() -> None:
    settings = _settings(checks=("gradient-parity", "preprocessing"), gradient_free=True)
    lines = describe_spending(make_plan(settings, load(())), "quick", SPACE, 1)
    assert "Checks: preprocessing" in lines
    assert "Checks not applicable without gradients: gradient-parity" in lines
