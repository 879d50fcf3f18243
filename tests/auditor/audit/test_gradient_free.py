"""Audits without gradients: what runs, what is listed as not applicable, and that nothing is converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit import registry
from geoaudit.api import Check, Status
from geoaudit.audit import opening
from geoaudit.audit.plan import make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.errors import PluginError, UsageError
from geoaudit.model.twin import Twin

REASON = "not applicable: needs gradients, and the audit is gradient-free"


@pytest.fixture(scope="module")
def free(audit: Any) -> Any:
    """A gradient-free audit of two pictures by every method, with torch's part made unusable."""
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_: Any, **__: Any) -> Any:
            raise AssertionError("a gradient-free audit converts nothing")

        patch.setattr(Twin, "__init__", refuse)
        patch.setattr(opening, "normalise", refuse)
        return audit(methods=None, gradient_free=True, limit=2)


def test_black_box_methods_are_scored_and_ranked(free: Any) -> None:
    for name in ("occlusion", "rise"):
        method = free.method(name)
        assert method.status == "ok"
        assert method.scores["srg"].n == 2
        assert (method.cost.gradients, method.cost.forwards) == (0, 2 * {"occlusion": 49, "rise": 250}[name])
        assert free.method(f"inverted:{name}").status == "ok"
    assert {e.method for e in free.report.ranking.entries} == {"occlusion", "rise"}
    assert free.report.exit_code == 0


def test_methods_that_need_gradients_are_listed_with_the_reason_and_no_number(free: Any) -> None:
    idle = {m.id: m for m in free.report.methods if m.status == "skipped"}
    shelf = registry.load(())
    assert set(idle) == {name for name in shelf.running("method") if "gradients" in shelf.methods[name].cls.needs}
    assert set(idle) > {"gradient", "guided-ig", "integrated-gradients"}
    for method in idle.values():
        assert method.reason == REASON
        assert {s.status for s in method.scores.values()} == {Status.SKIP}
        assert all(s.mean is None and s.n == 0 and s.reason == REASON for s in method.scores.values())
        assert method.cost.forwards == method.cost.gradients == 0
    assert not {p.method for p in free.report.per_image} & set(idle)
    assert not [m for m in free.report.methods if m.id.startswith("inverted:") and m.id[9:] in idle]
    assert [m.id for m in free.report.methods] == sorted(m.id for m in free.report.methods)


def test_the_certificate_is_skipped_with_null_numbers_and_the_conversion_is_empty(free: Any) -> None:
    parity = free.report.parity
    assert (parity.status, parity.reason, parity.images) == (Status.SKIP, "not converted: --gradient-free", 0)
    numbers = (parity.max_abs_diff, parity.max_rel_diff, parity.top1_agreement, parity.tolerance)
    assert {*numbers, parity.gradient.median_rel_error, parity.gradient.tolerance} == {None}
    conversion = free.report.model.conversion
    assert (conversion.passes, conversion.ops, conversion.extensions, conversion.straight_through) == ([], {}, [], [])
    assert free.report.run.engine == {}
    assert free.report.run.device == "onnxruntime cpu"


def test_checks_that_need_gradients_are_findings_with_status_skip(free: Any) -> None:
    found = {check.id: check for check in free.report.checks if check.method is None}
    for name in ("parity", "gradient-parity"):
        assert found[name].status is Status.SKIP
        assert found[name].reason == f"{REASON.capitalize()}."
        assert found[name].estimate is None
    completeness = [check for check in free.report.checks if check.id == "completeness"]
    assert {check.status for check in completeness} == {Status.SKIP}


def test_ncc_does_not_exist_without_a_walk_and_the_report_says_so_in_words(free: Any) -> None:
    score = free.method("rise").scores["ncc-violation"]
    assert (score.status, score.mean, score.reason) == (Status.SKIP, None, "no walk (2)")
    (entry,) = [e for e in free.report.ranking.entries if e.method == "rise"]
    assert any("NCC does not exist for it" in reason for reason in entry.reasons)
    assert any("gradient-free" in limit and "no walk" in limit for limit in free.report.limitations)


def test_the_estimate_counts_forwards_alone(free: Any) -> None:
    (line,) = [text for text in free.listener.said if "forwards" in text]
    assert line.startswith("2 images, 2 methods, 6 controls: about 0 gradients and ")
    assert free.report.run.estimate_seconds > 0
    assert "converting" not in free.listener.stages


def test_black_box_maps_are_the_same_in_a_normal_audit(audit: Any, free: Any, stored_maps: Any) -> None:
    usual = audit(methods=("occlusion", "rise", "gradient"), limit=2)
    maps, before = stored_maps(usual.folder), stored_maps(free.folder)
    shared = [key for key in before if key.endswith(("/occlusion", "/rise", "/edges"))]
    assert len(shared) == 6
    for key in shared:
        np.testing.assert_allclose(maps[key], before[key], atol=1e-6)
    assert usual.method("gradient").status == "ok"
    assert usual.report.parity.status is Status.PASS


def settings(**changes: Any) -> Settings:
    return Settings(model=Path("model.onnx"), images=Path("images"), gradient_free=True, **changes)


@pytest.mark.parametrize("named", [("integrated-gradients",), ("occlusion", "guided-ig")])
def test_a_named_method_that_needs_gradients_is_refused(named: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="needs gradients, and --gradient-free audits without them") as caught:
        make_plan(settings(methods=named), registry.load(()))
    assert caught.value.thing == f"--methods {named[-1]}"


def test_the_plan_keeps_apart_what_runs_and_what_cannot() -> None:
    everything = registry.load(())
    plan = make_plan(settings(), everything)
    assert {m.id for m in plan.methods if m.kind == "method"} == {"occlusion", "rise"}
    assert {m.id for m in plan.methods} >= set(everything.of_kind("control"))
    assert {c.id for c in plan.idle_checks} == {n for n, e in everything.checks.items() if e.cls.needs}
    assert {"parity", "gradient-parity", "model-randomization"} <= {c.id for c in plan.idle_checks}
    assert not {m.id for m in plan.methods} & {m.id for m in plan.idle_methods}
    normal = make_plan(Settings(model=Path("m"), images=Path("i")), everything)
    assert normal.idle_methods == normal.idle_checks == ()
    assert {m.id for m in normal.methods} == {m.id for m in (*plan.methods, *plan.idle_methods)}
    assert not [m.id for m in normal.methods if m.id.startswith("captum/")], "they have to be named"


def test_what_is_skipped_or_set_follows_the_plan() -> None:
    everything = registry.load(())
    plan = make_plan(settings(skip=("gradient", "parity", "rise")), everything)
    assert "gradient" not in {m.id for m in plan.idle_methods}
    assert "gradient-parity" in {c.id for c in plan.idle_checks} and "parity" not in {c.id for c in plan.idle_checks}
    with pytest.raises(UsageError, match="is not part of this run"):
        make_plan(settings(parameters={"guided-ig": {"steps": "3"}}), everything)
    with pytest.raises(UsageError, match="leaves nothing to audit") as caught:
        make_plan(settings(skip=("occlusion", "rise")), everything)
    assert "occlusion" in caught.value.way_out
    assert "integrated-gradients" not in caught.value.way_out


def test_a_probe_without_gradients_names_the_need() -> None:
    probe = ModelProbe(None, None, "logit", None, BUDGETS["quick"].quadrature, 0)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="gradient-free") as caught:
        probe.value_and_gradient(np.zeros((1, 3, 2, 2)), np.zeros(1, np.int64))
    assert "gradients" in caught.value.thing
    assert "needs" in caught.value.way_out
    assert probe.spent.gradients == 0


def test_a_check_that_hides_its_need_is_an_error_not_a_pass(audit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden(Check):
        id, title, reference, examines = "outside/hidden", "Hidden", "a test", "model"

        def examine(self, subject: Any, problems: Any, probe: Any) -> Any:
            return probe.value_and_gradient(problems.x, problems.targets)

    from geoaudit.audit import execute

    def load(pinned: Any = None) -> Any:
        found = registry.load(pinned)
        found.add(Hidden, "outside 1.0")
        return found

    monkeypatch.setattr(execute, "load", load)
    done = audit(methods=("occlusion",), gradient_free=True, limit=1, checks=("outside/hidden",))
    (finding,) = done.report.checks
    assert finding.status is Status.ERROR
    assert "gradient-free" in finding.reason
