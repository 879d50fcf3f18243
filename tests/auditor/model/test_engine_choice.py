"""Which engine computes the gradients: the contest, and what a model's own pictures say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from geoaudit.errors import ModelError
from geoaudit.model import adjoint
from geoaudit.model import engine as settings
from geoaudit.model import twin as twin_module
from geoaudit.model.engine import Setting
from geoaudit.model.engines import choice, room
from geoaudit.model.engines.agreement import Agreement, Judge, Reference, compare
from geoaudit.model.engines.base import EngineRefused, GradientEngine
from geoaudit.model.engines.contest import Contest, Kind
from geoaudit.model.engines.room import EngineRoom
from geoaudit.model.engines.trials import trials

TARGETS = np.arange(11) % 5
FAST = Kind("onnxruntime", True, (4,))
LAST, PLAIN = Kind("torch", True, (8, 4)), Kind("torch", False, (8, 4))
GOOD = Agreement(1e-5, 1e-4, 1e-6, 2e-3, stable=True)


class Clock:
    """Engines that take a stated time an image."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **cost: float) -> None:
        self.now = 0.0
        self.cost = cost
        monkeypatch.setattr(settings.time, "perf_counter", lambda: self.now)

    def evaluate(self, setting: Setting) -> None:
        if setting.engine not in self.cost:
            raise EngineRefused("there is no adjoint of NonZero")
        self.now += self.cost[setting.engine] * setting.batch_size


class Wrong:
    """Another engine's gradients changed, as a defect might."""

    apart = False

    def __init__(self, engine: GradientEngine, change: Callable[..., Any]) -> None:
        self.engine = engine
        self.change = change

    def evaluate(self, points: Any, targets: Any, space: Any) -> tuple[Any, Any]:
        return self.change(*self.engine.evaluate(points, targets, space))


@pytest.fixture
def contesting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """`contesting(change)`: tiny models compete as well, torch passing for onnxruntime, changed, at no cost."""

    def prepare(change: Callable[..., Any]) -> None:
        def fake(self: EngineRoom, threads: int | None = None) -> Any:
            return Wrong(self.plain, change)

        def first(evaluate: Any, order: Any, budget: float = 0.0) -> Any:
            return {order[0]: 1.0}

        monkeypatch.setattr(choice, "WORTHWHILE", 0)
        monkeypatch.setitem(room._MAKERS, "onnxruntime", fake)
        monkeypatch.setattr(settings, "measure", first)

    return prepare


def test_noise_does_not_change_the_choice() -> None:
    order = [Setting(True, 8), Setting(False, 8), Setting(True, 4)]
    assert settings.pick({order[0]: 10.0, order[1]: 8.0, order[2]: 9.0}, order) == order[0]
    assert settings.pick({order[0]: 10.0, order[1]: 5.0, order[2]: 9.0}, order) == order[1]
    assert settings.pick({order[1]: 10.0, order[2]: 9.0}, order) == order[1]


@pytest.mark.parametrize(("torch", "winner"), [(0.008, "onnxruntime"), (0.007, "torch")])
def test_a_rival_must_be_a_quarter_faster(monkeypatch: pytest.MonkeyPatch, torch: float, winner: str) -> None:
    contest = Contest(Clock(monkeypatch, onnxruntime=0.01, torch=torch).evaluate, lambda setting: GOOD)
    assert contest.hold([FAST, LAST], LAST).engine == winner


def test_measuring_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, torch=0.1)
    contest = Contest(clock.evaluate, lambda setting: GOOD)
    assert contest.hold([LAST, PLAIN], PLAIN) == LAST.at(8)
    assert clock.now < 3 * settings.BUDGET_SECONDS


def test_what_disagrees_is_out_and_the_contest_is_held_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Agreement(0.01, 0.01, 1e-6, 2e-3)
    contest = Contest(
        Clock(monkeypatch, onnxruntime=0.001, torch=0.01).evaluate,
        lambda setting: bad if setting.engine == "onnxruntime" else GOOD,
    )
    assert contest.hold([FAST, LAST, PLAIN], PLAIN).engine == "torch"
    assert "differ from torch's by 0.01, 0.002 is allowed" in contest.refused[FAST]


def test_what_depends_on_its_neighbours_takes_part_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, onnxruntime=0.001, torch=0.01)
    evaluate = clock.evaluate

    def slower_alone(setting: Setting) -> None:
        evaluate(setting)
        clock.now += 0.001 * (setting == FAST.at(1))

    def agree(setting: Setting) -> Agreement:
        return replace(GOOD, stable=setting.engine == "torch" or setting.batch_size == 1)

    contest = Contest(slower_alone, agree, alone=True)
    assert contest.hold([FAST, LAST, PLAIN], PLAIN) == FAST.at(1)
    assert "images beside it" in contest.refused[FAST]
    rows = {(row.engine, row.batch_size): row for row in trials(contest, FAST.at(1), None, 1, None)}
    assert rows["onnxruntime", 1].stable and not rows["onnxruntime", 4].stable
    assert rows["onnxruntime", 1].reason == "the fastest", "of those that may serve"
    assert Contest(clock.evaluate, agree).hold([FAST, LAST, PLAIN], PLAIN) == LAST.at(8), "no such batch may be taken"


def test_the_batch_that_is_used_is_compared_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind("onnxruntime", True, (8, 4))
    contest = Contest(
        Clock(monkeypatch, onnxruntime=0.001).evaluate, lambda setting: replace(GOOD, stable=setting.batch_size < 8)
    )
    assert contest.hold([kind], PLAIN) == kind.at(4)
    rows = {row.batch_size: row.reason for row in trials(contest, kind.at(4), None, 1, None)}
    assert "do not hold in a batch of this size" in rows[8] and rows[4] == "the fastest"


def test_a_batch_too_large_for_an_engine_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, onnxruntime=0.001, torch=0.01)

    def evaluate(setting: Setting) -> None:
        if setting == FAST.at(8):
            raise EngineRefused("onnxruntime cannot evaluate the gradient (out of memory)")
        clock.evaluate(setting)

    contest = Contest(evaluate, lambda setting: GOOD)
    assert contest.hold([replace(FAST, sizes=(4, 8)), LAST], PLAIN) == FAST.at(4)


def test_a_model_of_a_fixed_batch_meets_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, compared = Clock(monkeypatch, torch=0.01), []
    fixed = [replace(LAST, sizes=(6,)), replace(PLAIN, sizes=(6,))]

    def evaluate(setting: Setting) -> None:
        assert setting.batch_size == 6
        clock.evaluate(setting)

    def agree(setting: Setting) -> Agreement:
        compared.append(setting.batch_size)
        return GOOD

    assert Contest(evaluate, agree).hold(fixed, fixed[1]).batch_size == 6 and compared == [6]


def noisy(exact: np.ndarray, share: float, seed: int) -> np.ndarray:
    return exact * (1 + share * np.random.default_rng(seed).standard_normal(exact.shape))


class Fixed:
    """The same gradients whatever is asked, and the values that belong to them."""

    apart = False

    def __init__(self, gradients: np.ndarray) -> None:
        self.gradients = gradients

    def evaluate(self, points: Any, targets: Any, space: Any) -> tuple[Any, Any]:
        at = np.rint(points[:, 0, 0, 0]).astype(int)
        return np.ones(len(points)), self.gradients[at]


@pytest.mark.parametrize(
    ("own", "others", "accepted"), [(0.01, 0.01, True), (0.01, 0.04, False), (1e-4, 0.01, False), (None, 0.003, False)]
)
def test_more_than_the_tolerance_is_allowed_where_float32_itself_errs(own, others, accepted) -> None:
    exact = np.random.default_rng(0).standard_normal((8, 3, 8, 8))

    def in_float64(points: Any, targets: Any, space: Any) -> np.ndarray:
        if own is None:
            raise EngineRefused("it cannot be evaluated in float64")
        return exact

    plain = Fixed(noisy(exact, own or 0.0, 1))
    reference = Reference(plain, np.zeros((3, 3, 8, 8)), np.zeros(3, np.int64), 4, in_float64)
    reference.points[:] = np.arange(8.0)[:, None, None, None]
    found = compare(Fixed(noisy(exact, others, 2)), reference, "logit", 4)
    assert found.accepted is accepted, found


def test_the_converted_graph_in_float64_is_its_own_copy(tiny, opened, points) -> None:
    twin = opened(tiny().save(), engine="torch").twin
    _, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    _, exact = twin._torch.doubled().evaluate(points, TARGETS, "logit")
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(twin.value_and_gradient(points, TARGETS, "logit")[1], gradient)


def test_an_unstable_engine_serves_one_image_at_a_time(tiny, opened, points, contesting) -> None:
    contesting(lambda v, g: (v, g * (1 + 1e-6 * np.arange(len(g))[:, None, None, None])))
    twin = opened(tiny().save()).twin
    _, gradients = twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.setting == Setting(True, 1, "onnxruntime")
    order = np.arange(11)[::-1]
    np.testing.assert_array_equal(twin.value_and_gradient(points[order], TARGETS[order], "logit")[1], gradients[order])


def test_what_cannot_serve_is_out_without_being_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = Contest(Clock(monkeypatch, torch=0.01).evaluate, lambda setting: GOOD)
    assert contest.hold([FAST, LAST], LAST) == LAST.at(8)
    assert contest.refused == {FAST: "there is no adjoint of NonZero"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v, g: (v, 1.01 * g), "its gradients differ from torch's by 0.01, 0.002 is allowed"),
        (lambda v, g: (1.01 * v, g), "its values differ from torch's by 0.01 of their size"),
        (lambda v, g: (v, np.roll(g, 1, axis=0)), "its gradients differ from torch's"),
        (lambda v, g: (v, g * np.nan), "its gradients differ from torch's by inf"),
    ],
)
def test_a_wrong_engine_is_refused_and_named(tiny, opened, points, contesting, change, reason) -> None:
    contesting(change)
    twin = opened(tiny().save()).twin
    _, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.setting is not None and twin.setting.engine == "torch"
    refused = next(trial for trial in twin.trials if trial.engine == "onnxruntime")
    assert reason in refused.reason and not refused.chosen
    plain = opened(tiny().save(), engine="torch", channels_last=False, batch_size=8).twin
    np.testing.assert_allclose(gradient, plain.value_and_gradient(points, TARGETS, "logit")[1], atol=1e-6)


def test_a_right_one_serves_and_changed_copies_stay_with_torch(tiny, opened, points, contesting) -> None:
    evaluated = []

    def seen(values: Any, gradients: Any) -> Any:
        evaluated.append(len(values))
        return values, gradients

    contesting(seen)
    twin = opened(tiny().save()).twin
    _, gradient = twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.engine["gradients"] == "onnxruntime" and twin.engine["batch_size"] == 4
    assert [trial.engine for trial in twin.trials if trial.chosen] == ["onnxruntime"]
    assert set(evaluated) == {4}
    evaluated.clear()
    copied = twin.with_module(twin.copied_module())
    np.testing.assert_allclose(copied.value_and_gradient(points, TARGETS, "logit")[1], gradient, atol=1e-6)
    assert copied.engine["gradients"] == "torch" and not evaluated


def test_another_scalar_is_compared_before_it_is_served(tiny, opened, points, contesting) -> None:
    contesting(lambda v, g: (v, g))
    twin = opened(tiny().save()).twin
    twin.value_and_gradient(points, TARGETS, "logit")
    made = room._MAKERS["onnxruntime"](twin._engines())
    twin._room._made["onnxruntime"] = Wrong(made, lambda v, g: (v, 1.01 * g))
    found = twin.value_and_gradient(points, TARGETS, "margin")[1]
    plain = opened(tiny().save(), engine="torch").twin.value_and_gradient(points, TARGETS, "margin")[1]
    np.testing.assert_allclose(found, plain, atol=1e-6)
    assert any("not used for margin" in trial.reason for trial in twin.trials)


def test_another_scalar_is_compared_on_the_first_pictures(tiny, opened, points, contesting, monkeypatch) -> None:
    """A run that resumes another comes to it with other images."""
    contesting(lambda v, g: (v, g))
    twin = opened(tiny().save()).twin
    twin.value_and_gradient(points, TARGETS, "logit")
    seen = []

    class Watching(Judge):
        def __init__(self, *given: Any) -> None:
            seen.append(given[1])
            super().__init__(*given)

    monkeypatch.setattr(twin_module, "Judge", Watching)
    twin.value_and_gradient(points[5:], TARGETS[5:], "margin")
    np.testing.assert_array_equal(seen[0], points[:3])


def test_small_models_take_torch_without_a_contest(tiny, opened, points, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "measure", lambda *given: pytest.fail("nothing is to be measured"))
    twin = opened(tiny().save()).twin
    twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.setting == Setting(True, 8, "torch")
    assert twin.trials[0].chosen and "multiply-adds" in twin.trials[0].reason
    assert {trial.engine for trial in twin.trials} == {"onnxruntime", "torch", "torch-bfloat16", "torch-compiled"}


@pytest.mark.parametrize("fixed", [{}, {"channels_last": True, "batch_size": 4}])
def test_an_operator_without_adjoint_is_named(tiny, opened, points, fixed, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rule(*given: Any, **named: Any) -> None:
        raise adjoint.Unsupported("there is no adjoint of NonZero")

    monkeypatch.setattr(adjoint, "AdjointEngine", no_rule)
    twin = opened(tiny().save(), engine="onnxruntime", **fixed).twin
    twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.engine["gradients"] == "torch"
    refused = next(trial for trial in twin.trials if trial.engine == "onnxruntime")
    assert refused.reason == "there is no adjoint of NonZero" and not refused.chosen


def test_all_three_fixed_repeat_a_run_without_measuring(tiny, opened, points, contesting) -> None:
    contesting(lambda v, g: (v, 1.01 * g))
    twin = opened(tiny().save(), engine="onnxruntime", channels_last=True, batch_size=4).twin
    twin.value_and_gradient(points, TARGETS, "logit")
    assert twin.setting == Setting(True, 4, "onnxruntime"), "asked for, and the certificate judges it"


def test_an_engine_that_breaks_later_is_one_clear_error(tiny, opened, points, contesting) -> None:
    def breaks(values: Any, gradients: Any) -> Any:
        raise EngineRefused("onnxruntime cannot evaluate the gradient (out of memory)")

    contesting(breaks)
    twin = opened(tiny().save(), engine="onnxruntime", channels_last=True, batch_size=4).twin
    with pytest.raises(ModelError, match="--gradient-engine torch"):
        twin.value_and_gradient(points, TARGETS, "logit")


def test_onnxruntime_gives_the_gradients_of_torch(tiny, opened, points) -> None:
    path = tiny().save()
    found = opened(path, engine="onnxruntime").twin
    values, gradients = found.value_and_gradient(points, TARGETS, "log-probability")
    assert found.engine["gradients"] == "onnxruntime"
    expected = opened(path, engine="torch").twin.value_and_gradient(points, TARGETS, "log-probability")
    np.testing.assert_allclose(values, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradients, expected[1], atol=1e-5)
    for order in (np.arange(11)[::-1], np.array([10]), np.array([3, 0, 7, 7, 2])):
        v, g = found.value_and_gradient(points[order], TARGETS[order], "log-probability")
        np.testing.assert_array_equal(v, values[order])
        np.testing.assert_array_equal(g, gradients[order])


def test_the_survey_tries_everything_and_marks_what_is_in_use(tiny, opened, points) -> None:
    twin = opened(tiny().save()).twin
    rows = twin.survey(points, compiled=False)
    assert rows[0].chosen and rows[0].engine == "torch" and sum(row.chosen for row in rows) == 1
    ran = {(row.engine, row.memory_layout, row.batch_size) for row in rows if row.batch_size}
    assert {("onnxruntime", None, 4), ("torch", "contiguous", 8), ("torch", "channels-last", 16)} <= ran
    assert all(row.milliseconds and row.difference is not None and row.stable for row in rows if row.batch_size)
    assert "compiling takes a minute" in next(row.reason for row in rows if row.engine == "torch-compiled")
