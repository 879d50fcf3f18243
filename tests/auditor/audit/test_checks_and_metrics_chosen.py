"""What runs under which budget, what a failed check does to the ranking, and what is printed before the run."""

from __future__ import annotations

from typing import Any

import pytest

from geoaudit import Cost, Evidence, Finding, Imputer, Metric, Scores, Series, Status, registry
from geoaudit.api import Check
from geoaudit.audit.plan import RANKED_ON, make_plan
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.errors import NotApplicable, UsageError


def planned(**settings: Any) -> Any:
    from pathlib import Path

    return make_plan(Settings(model=Path("m.onnx"), images=Path("i"), **settings), registry.load(()))


def ids(plugins: Any) -> set[str]:
    return {plugin.id for plugin in plugins}


@pytest.mark.parametrize("kind", ["metrics", "checks"])
def test_a_larger_budget_runs_what_a_smaller_one_does_and_more(kind: str) -> None:
    quick, standard, thorough = (ids(getattr(planned(budget=name), kind)) for name in BUDGETS)
    assert quick < standard <= thorough
    shelf = getattr(registry.load(()), kind)
    assert thorough == set(shelf) == ids(getattr(planned(budget="quick", **{kind: ("all",)}), kind))


def test_what_is_named_runs_under_every_budget() -> None:
    shelf = registry.load(())
    late_check = next(n for n, e in sorted(shelf.checks.items()) if e.cls.from_budget != "quick")
    late_metric = next(n for n, e in sorted(shelf.metrics.items()) if e.cls.from_budget != "quick")
    plan = planned(budget="quick", checks=(late_check,), metrics=(late_metric,))
    assert ids(plan.checks) == {late_check} and ids(plan.metrics) == {late_metric, *RANKED_ON}
    both = planned(budget="quick", checks=("default", late_check))
    assert ids(both.checks) == {late_check, *ids(planned(budget="quick").checks)}
    with pytest.raises(UsageError, match=r"model-randomisation.*unknown"):
        planned(checks=("model-randomisation",))


def test_imputers_are_chosen_for_every_sweep() -> None:
    plan = planned(imputers=("blur", "channel-mean"))
    assert {sweep.imputers for sweep in plan.sweeps} == {("blur", "channel-mean")}
    assert {sweep.imputers for sweep in planned().sweeps} == {("baseline", "blur")}
    assert set(plan.imputers) == set(registry.load(()).imputers)
    with pytest.raises(UsageError, match="channel-means"):
        planned(imputers=("channel-means",))
    with pytest.raises(UsageError, match="names none"):
        planned(imputers=())


class Verdicts(Check):
    """Fails the gradient, passes the others, and says how it went."""

    id = "outside/verdicts"
    title = "Verdicts"
    reference = "a test"
    examines = "method"
    gate = True
    shown: tuple[str, ...] = ()

    def examine(self, subject: Any, problems: Any, probe: Any) -> list[Finding]:
        type(self).shown += (subject.method.id,)
        probe.outputs(problems.x[:1], problems.targets[:1])
        failed = subject.method.id == "gradient"
        told = "The map did not change." if failed else "The map changed."
        curve = Series("How it went", "line", "step", "similarity", (0.0, 1.0), (1.0, float("nan")))
        status = Status.FAIL if failed else Status.PASS
        return [Finding(self.id, subject.method.id, status, told, estimate=0.5, curves=(curve,))]

    def cost(self, method: Any, quadrature: Any, images: int, calibration: int) -> Cost:
        return Cost(forwards=1)

    def scope(self, images: int) -> str:
        return f"{images} images, once"


class Cautious(Verdicts):
    id = "outside/cautious"
    gate = False
    examines_controls = True


class Reserved(Verdicts):
    id = "outside/reserved"

    def examine(self, subject: Any, problems: Any, probe: Any) -> list[Finding]:
        raise NotApplicable("outside/reserved", "the model has no such layer", "export it anew")


METHODS = ("gradient", "integrated-gradients")


def test_a_failed_gate_rejects_and_another_failure_cautions(audit: Any, with_plugin: Any) -> None:
    with_plugin(Verdicts)
    rows = {e.method: e for e in audit(methods=METHODS, checks=("outside/verdicts",)).report.ranking.entries}
    assert rows["gradient"].tier == "rejected" and "outside/verdicts" in rows["gradient"].reasons[0]
    assert "The map did not change." in rows["gradient"].reasons[0]
    assert not [text for text in rows["integrated-gradients"].reasons if "outside/verdicts" in text]
    with_plugin(Cautious)
    rows = {e.method: e for e in audit(methods=METHODS, checks=("outside/cautious",)).report.ranking.entries}
    assert rows["gradient"].tier == "caution"
    assert [text for text in rows["gradient"].reasons if "outside/cautious" in text]


def test_a_check_is_shown_controls_only_if_it_asks(audit: Any, with_plugin: Any) -> None:
    with_plugin(Verdicts)
    Verdicts.shown = ()
    found = audit(methods=METHODS, checks=("outside/verdicts",), limit=1).report.checks
    assert Verdicts.shown == METHODS and [c.method for c in found] == list(METHODS)
    with_plugin(Cautious)
    Cautious.shown = ()
    found = audit(methods=METHODS, checks=("outside/cautious",), limit=1).report.checks
    assert set(Cautious.shown) == {*METHODS, *registry.load(()).of_kind("control")}
    assert {c.status for c in found if c.method != "gradient"} == {Status.PASS}


def test_findings_keep_their_curves_and_what_they_cost(audit: Any, with_plugin: Any) -> None:
    with_plugin(Verdicts)
    done = audit(methods=METHODS, checks=("outside/verdicts",), limit=2)
    for check in done.report.checks:
        assert check.curves[0].y == [1.0, None] and check.curves[0].chart == "How it went"
        assert check.cost.forwards == 1 and check.cost.seconds >= 0
    assert "checking" in done.listener.stages
    assert any("outside/verdicts (2 images, once)" in line for line in done.listener.said)
    assert done.report.run.spending and set(done.report.run.spending) <= set(done.listener.said)


def test_a_check_that_has_nothing_to_say_is_skipped_with_the_reason(audit: Any, with_plugin: Any) -> None:
    with_plugin(Reserved)
    done = audit(checks=("outside/reserved",), limit=1)
    (found,) = done.report.checks
    assert (found.status, found.reason) == (Status.SKIP, "The model has no such layer. Export it anew.")
    assert done.report.exit_code == 0


class Counting(Metric):
    """Evaluates the model once an image, whatever the number of maps."""

    id = "outside/counting"
    title = "Counting"
    reference = "a test"
    higher_is_better = True
    ideal = None
    needs = frozenset({"probe"})
    reads_importance = True
    calls = 0

    def score(self, attributions: Any, problems: Any, evidence: Evidence) -> Scores:
        def made() -> Any:
            type(self).calls += 1
            return evidence.probe.outputs(problems.x, problems.targets)

        outputs = evidence.group.once(self.id, made)
        return Scores.of(outputs * (-1 if evidence.inverted else 1))

    def cost(self, space: Any) -> tuple[Cost, Cost]:
        return Cost(), Cost(forwards=1)


def test_what_does_not_depend_on_the_map_is_evaluated_once(audit: Any, with_plugin: Any) -> None:
    with_plugin(Counting)
    Counting.calls = 0
    done = audit(methods=METHODS)
    assert Counting.calls == 1  # five images are one group
    scores = {m.id: m.scores["outside/counting"] for m in done.report.methods}
    assert scores["random"].mean == scores["gradient"].mean == pytest.approx(-scores["inverted:gradient"].mean)
    assert "outside/counting" in {h.metric for h in done.report.metric_health}


def test_registry_knows_imputers() -> None:
    shelf = registry.load(()).imputers
    assert {"baseline", "blur"} <= set(shelf)
    assert all(isinstance(entry.cls(), Imputer) for entry in shelf.values())


@pytest.mark.parametrize(("name", "why"), [("srg", "ranking rests"), ("blur", "is an imputer.*\n.*--imputers")])
def test_what_cannot_be_skipped_is_not_kept_in_silence(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        planned(skip=(name,))


def test_a_parameter_of_a_skipped_check_is_not_taken_in_silence() -> None:
    given = {"model-randomization": {"images": "1"}}
    assert planned(parameters=given).checks
    with pytest.raises(UsageError, match="is not part of this run"):
        planned(parameters=given, skip=("model-randomization",))


class Twin(Metric):
    """A metric with the id of a check."""

    id = "outside/verdicts"
    title = "Twin"
    reference = "a test"
    higher_is_better = True
    ideal = None

    def score(self, attributions: Any, problems: Any, evidence: Evidence) -> Scores:
        return Scores.of([1.0] * len(problems))


def test_a_metric_and_a_check_of_one_id_both_run() -> None:
    from pathlib import Path

    shelf = registry.load(())
    for cls in (Verdicts, Twin):
        shelf.add(cls, "outside 1.0")

    given = Settings(Path("m"), Path("i"), checks=(Verdicts.id,), metrics=(Twin.id,))
    plan = make_plan(given, shelf)
    assert [type(c) for c in plan.checks] == [Verdicts]
    assert Twin in [type(m) for m in plan.metrics]


def test_what_repeated_images_share_is_in_the_estimate() -> None:
    from geoaudit.api import InputSpace

    space = InputSpace("NCHW", (3, 28, 28), (0.0,) * 3, (1.0,) * 3)
    plain, repeated = (planned(methods=(name,), metrics=("infidelity",), checks=()) for name in ("gradient", "rise"))
    (draws,) = (m.parameters.draws for m in plain.metrics if m.id == "infidelity")
    for plan, again in ((plain, 0), (repeated, plain.budget.seed_images)):
        (method,) = (m for m in plan.methods if m.kind == "method")
        beyond = plan.total(space, 10, 0).forwards - 10 * plan.cost(space).forwards
        beyond -= plan.extra(method, space, 10, 0).forwards
        assert beyond == again * (draws + 1 + 2)  # the blocks, the image, and the image under both imputers


class Odd(Check):
    """Returns what a test tells it to."""

    id = "outside/odd"
    title = "Odd"
    reference = "a test"
    examines = "method"
    gate = True
    found: tuple[Finding, ...] = ()

    def examine(self, subject: Any, problems: Any, probe: Any) -> list[Finding]:
        return list(self.found)


_LINE = Series("A chart", "line", "x", "y", (0.0, float("inf")), (1.0, 1.0))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((), "it returned no finding"),
        ((Finding("outside/odd", None, Status.FAIL, "bad"),), "a finding of outside/odd about the model"),
        ((Finding("outside/even", "gradient", Status.PASS, "well"),), "a finding of outside/even about gradient"),
        ((Finding("outside/odd", "gradient", Status.PASS, "well", curves=(_LINE,)),), "needs a finite x"),
        ((Finding("outside/odd", "gradient", Status.PASS, "well", details={"a": float("nan")}),), "are not JSON"),
        ((Finding("outside/odd", "gradient", Status.PASS, "well", details={"a": {1}}),), "are not JSON"),
    ],
)
def test_a_finding_that_cannot_be_reported_is_the_checks_own_failure(
    audit: Any, with_plugin: Any, monkeypatch: pytest.MonkeyPatch, found: tuple[Finding, ...], why: str
) -> None:
    with_plugin(Odd)
    monkeypatch.setattr(Odd, "found", found)
    report = audit(methods=("gradient",), checks=("outside/odd",), limit=1).report
    (told,) = report.checks
    assert (told.method, told.status) == ("gradient", Status.ERROR) and why in told.reason
    assert report.exit_code == 3
