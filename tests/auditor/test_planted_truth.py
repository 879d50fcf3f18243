"""The planted models' answers are true, sound instruments give them, and a wrong one ends the audit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from geoaudit import registry as registries
from geoaudit.api import Attributions, Scores, Status
from geoaudit.audit import assemble
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.settings import Settings
from geoaudit.cli import main
from geoaudit.errors import ExitCode, GeoauditError
from geoaudit.model import engine_memory
from geoaudit.registry import Entry, Registry
from geoaudit.selftest import described
from geoaudit.selftest.judging import judge
from geoaudit.selftest.planted import formulas, patches, pipeline, planted_cases
from geoaudit.selftest.planted.files import LOW, model_input
from geoaudit.selftest.planted.formula_cases import METHODS, formula_cases
from geoaudit.selftest.planted.patch_cases import CHANCE, SWEEP, known_scores, patch_cases
from geoaudit.selftest.planted.sanity_cases import metric_cases, own_metrics, randomization_cases
from geoaudit.selftest.planted.subjects import Conditions

Cases = Callable[[Conditions], Any]


def run(model: Any, x: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": x})[0]


def failed(cases: Any) -> list[str]:
    return sorted(case.case for case in cases if case.status == Status.FAIL)


# the answers themselves


def test_the_formulas_are_what_the_file_computes() -> None:
    truth, x = formulas.Formulas(), model_input(formulas.pictures())
    start, model = np.full_like(x, LOW), truth.file("NCHW", np.float64)
    rise = run(model, x) - run(model, start)
    for i, picture in enumerate(x):
        kind = formulas.CLASSES[i % 3]
        assert run(model, picture[None])[0].argmax() == i % 3
        assert truth.attribution(kind, picture, start[i]).sum() == pytest.approx(rise[i, i % 3], abs=1e-9)
        step = np.random.default_rng(i).choice([-1e-6, 1e-6], picture.shape)
        slope = (run(model, (picture + step)[None]) - run(model, (picture - step)[None]))[0, i % 3] / 2
        assert (truth.gradient(kind, picture) * step).sum() == pytest.approx(slope, rel=1e-4, abs=1e-9)
        covered = picture.copy()
        covered[:, 2:4, 6:8] = LOW
        lost = (run(model, picture[None]) - run(model, covered[None]))[0, i % 3]
        found = truth.drop(kind, picture, start[i], (slice(2, 4), slice(6, 8)))
        assert found == pytest.approx(lost, abs=1e-9)


def test_the_ridge_starts_on_its_flat_side() -> None:
    truth, x = formulas.Formulas(), model_input(formulas.pictures())[2]
    assert 0.2 < truth.share_beyond_edge(x, np.full_like(x, LOW)) < 0.95


def test_the_file_is_the_same_model_in_every_layout_and_type() -> None:
    truth, x = formulas.Formulas(), model_input(formulas.pictures())
    plain = run(truth.file("NCHW", np.float32), x.astype(np.float32))
    turned = run(truth.file("NHWC", np.float64), np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(plain, turned, atol=1e-4)


def test_the_curves_are_what_the_file_says_of_masked_pictures() -> None:
    drawn = patches.pictures(4)
    shown, x, model = patches.evidence(drawn), model_input(drawn), patches.file("NCHW", np.float32)
    assert (shown.sum(axis=(1, 2)) == patches.EVIDENCE * patches.CELL**2).all()
    cells = [np.argwhere(s[::2, ::2]) for s in shown]
    assert all(len(c) == patches.EVIDENCE for c in cells)
    for gone in (0, 5, 24):
        masked = x.copy()
        for picture, found in zip(masked, cells, strict=True):
            for row, column in found[:gone]:
                picture[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = LOW
        p = run(model, masked.astype(np.float32))[range(4), [0, 1, 2, 0]]
        np.testing.assert_allclose(p, patches.probability(patches.EVIDENCE - gone), atol=1e-6)


def test_the_true_map_adds_up_to_the_score() -> None:
    drawn = patches.pictures(3)
    sums = patches.true_maps(drawn).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, patches.EVIDENCE * patches.SCORE_OF_CELL)
    assert not (patches.misleading_maps(drawn) * patches.evidence(drawn)[:, None]).any()


def test_chance_is_six_standard_errors_of_random_orders() -> None:
    rng, gains = np.random.default_rng(0), []
    fractions = np.linspace(0, 1, SWEEP.steps + 2)
    gone = np.rint(fractions * patches.CELLS).astype(int)
    for _ in range(3000):
        shown = np.zeros(patches.CELLS)
        shown[rng.permutation(patches.CELLS)[: patches.EVIDENCE]] = 1
        seen = np.concatenate([[0], np.cumsum(shown)])
        morf, lerf = patches.probability(patches.EVIDENCE - seen[gone]), patches.probability(seen[patches.CELLS - gone])
        gains.append(np.trapezoid(lerf - morf, fractions))
    error = np.std(gains) / np.sqrt(8)
    assert abs(np.mean(gains)) < 0.01
    assert 5.5 < CHANCE / error < 6.5
    assert known_scores()["srg"] > 3 * CHANCE


def test_the_known_scores_follow_from_the_curves() -> None:
    known, reverse = known_scores(), known_scores(reverse=True)
    assert known["srg"] == pytest.approx(known["insertion"] - known["deletion"])
    assert reverse["srg"] == pytest.approx(-known["srg"])
    fractions = np.linspace(0, 1, SWEEP.steps + 2)
    assert known["deletion"] == pytest.approx(np.trapezoid(patches.curves(fractions)["morf"], fractions))


# sound instruments


@pytest.fixture(scope="module")
def sound() -> Any:
    return planted_cases(True, True, 3)


def test_sound_instruments_pass(sound: Any) -> None:
    assert not [described(case) for case in sound if case.status != Status.PASS]
    assert len({case.case for case in sound}) == len(sound) > 30
    assert all(case.expected and case.expected.keys() == case.measured.keys() for case in sound)
    for start in (
        "linear classifier: integrated-gradients", "patch classifier: ranking", "additive", "ridge",
        "patch classifier: road", "patch classifier: infidelity", "patch classifier: sensitivity-n",
    ):  # fmt: skip
        assert any(case.case.startswith(start) for case in sound)


def test_it_says_the_same_again_and_leaves_nothing_behind(
    sound: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the user's cache was touched")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(engine_memory, "remember", refuse)
    monkeypatch.setattr(engine_memory, "recall", refuse)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        again = planted_cases(True, True, 3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert again == sound
    assert not list(tmp_path.iterdir())


def test_without_gradients_it_runs_what_needs_none_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "Twin", None)
    cases = planted_cases(True, False, 4)
    assert not failed(cases)
    (left,) = [case for case in cases if case.status == Status.SKIP]
    assert "gradient-free" in left.case
    assert {"linear classifier: occlusion", "patch classifier: ranking"} <= {case.case for case in cases}
    assert not any("integrated" in case.case for case in cases)


@pytest.mark.parametrize("cases", [lambda c: formula_cases(c, "NHWC", np.float64), lambda c: patch_cases(c, "NCHW")])
def test_other_layouts_and_types_pass(cases: Cases) -> None:
    assert not failed(cases(Conditions(registries.load(()), 0, False)))


# wrong instruments


def changed(wrong: dict[str, dict[str, Any]]) -> Registry:
    """The registry with some plugins' classes replaced by subclasses with other members; keys are "shelf id"."""
    found = registries.load(())
    for place, members in wrong.items():
        shelf, name = place.split()
        cls = getattr(found, shelf)[name].cls
        made = {key: make(cls) for key, make in members.items()}
        getattr(found, shelf)[name] = Entry(type(f"Wrong{cls.__name__}", (cls,), made), "test")
    return found


def scaled(factor: float) -> Any:
    def wrong(cls: type[Any]) -> Any:
        def attribute(self: Any, problems: Any, probe: Any) -> Attributions:
            made = cls.attribute(self, problems, probe)
            return Attributions(made.values * np.float32(factor), made.records, made.notes, made.claims)

        return attribute

    return wrong


def from_zero(cls: type[Any]) -> Any:
    """A method that takes 0 for the baseline, whatever the run says."""

    def attribute(self: Any, problems: Any, probe: Any) -> Attributions:
        return cls.attribute(self, replace(problems, baseline=np.zeros_like(problems.x)), probe)

    return attribute


def crashing(cls: type[Any]) -> Any:
    def attribute(self: Any, problems: Any, probe: Any) -> Attributions:
        raise RuntimeError("out of order")

    return attribute


def peeking(cls: type[Any]) -> Any:
    """A "random" map that looks at the model's answer."""

    def attribute(self: Any, problems: Any, probe: Any) -> Attributions:
        colour = np.ptp(problems.x, axis=1 + problems.space.channel_axis, keepdims=True)
        return Attributions(np.broadcast_to(colour, problems.x.shape).copy(), (None,) * len(problems))

    return attribute


def negative(cls: type[Any]) -> Any:
    def score(self: Any, attributions: Any, problems: Any, evidence: Any) -> Scores:
        found = cls.score(self, attributions, problems, evidence)
        return Scores(-found.values, found.reasons)

    return score


def doing_nothing(cls: type[Any]) -> Any:
    return lambda self, problems, probe: problems.x


def passing_everything(cls: type[Any]) -> Any:
    def examine(self: Any, subject: Any, problems: Any, probe: Any) -> Any:
        return [replace(f, status=Status.PASS) for f in cls.examine(self, subject, problems, probe)]

    return examine


def none_missing(cls: type[Any]) -> Any:
    return lambda self, attributions, problems, evidence: Scores.of(np.ones(len(problems)))


def broken_metric(cls: type[Any]) -> Any:
    def score(self: Any, attributions: Any, problems: Any, evidence: Any) -> Scores:
        raise RuntimeError("out of order")

    return score


@dataclass(frozen=True)
class Wrong:
    """Some wrong plugins, the cases that are run, and the beginnings of the names of those that must fail, no others.

    Every wrong method spoils cases of its own only, so that several of them can be tried at once.
    """

    cases: Cases
    plugins: dict[str, dict[str, Any]]
    bad: tuple[str, ...]
    gradients: bool = True


WRONG = {
    "methods": Wrong(
        formula_cases,
        {
            "methods integrated-gradients": {"attribute": scaled(1.01)},
            "methods gradient": {"attribute": scaled(-1.0)},
            "methods gradient-x-input": {"attribute": from_zero},
            "methods guided-ig": {"attribute": crashing},
            "methods occlusion": {"attribute": from_zero},
        },
        tuple(f"{kind} classifier: {name}" for kind, name in product(formulas.CLASSES, (*METHODS, "metrics of"))
              if (kind, name) != ("ridge", "guided-ig")),
    ),
    "one per mille": Wrong(
        formula_cases,
        {"methods guided-ig": {"attribute": scaled(0.999)}, "metrics ncc-violation": {"score": negative},
         "metrics completeness-error": {"score": none_missing}},
        ("linear classifier: guided-ig", "linear classifier: metrics of", "additive classifier: metrics of",
         "ridge classifier: metrics of", "formulas: controls"),
    ),
    "metrics": Wrong(
        patch_cases, {"metrics srg": {"score": negative}},
        tuple(f"patch classifier: {what}" for what in (
            "faithfulness of", "the true map, inverted", "occlusion finds", "pictures on which", "metric health",
            "ranking",
        )),
        gradients=False,
    ),
    "imputer": Wrong(
        patch_cases, {"imputers blur": {"fill": doing_nothing}, "metrics deletion": {"score": negative}},
        tuple(f"patch classifier: {what}" for what in (
            "masking curves", "faithfulness of", "the true map, inverted", "occlusion finds",
        )),
        gradients=False,
    ),
    "controls": Wrong(
        patch_cases, {"methods random": {"attribute": peeking}, "methods occlusion": {"attribute": scaled(0.0)}},
        tuple(f"patch classifier: {what}" for what in (
            "random maps are at chance", "occlusion finds", "pictures on which", "metric health", "ranking",
        )),
        gradients=False,
    ),
    "metrics of their own": Wrong(
        lambda c: metric_cases(c, "thorough"),
        {"metrics infidelity": {"score": negative}, "metrics road": {"score": none_missing},
         "metrics sensitivity-n": {"score": broken_metric}},
        tuple(f"patch classifier: {name}" for name in ("infidelity", "road", "sensitivity-n")), gradients=False,
    ),
    "a control that crashes": Wrong(
        formula_cases, {"methods uniform-complete": {"attribute": crashing}}, ("formulas: controls",), gradients=False,
    ),
    "check": Wrong(
        randomization_cases, {"checks model-randomization": {"examine": passing_everything}},
        ("formulas: model-randomization",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_plugins_are_named(name: str) -> None:
    wrong = WRONG[name]
    bad = failed(wrong.cases(Conditions(changed(wrong.plugins), 0, wrong.gradients)))
    assert all(any(case.startswith(start) for start in wrong.bad) for case in bad), bad
    assert all(any(case.startswith(start) for case in bad) for start in wrong.bad), bad


def test_a_twin_with_a_perturbed_weight_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true_one = pipeline.normalise

    def perturbed(proto: Any, head: Any) -> Any:
        found = true_one(proto, head)
        kept = max(found.proto.graph.initializer, key=lambda t: int(np.prod(t.dims)))
        values = numpy_helper.to_array(kept).copy()
        values.flat[:40] *= 1.05
        kept.CopyFrom(numpy_helper.from_array(values, kept.name))
        return found

    monkeypatch.setattr(pipeline, "normalise", perturbed)
    bad = failed(formula_cases(Conditions(registries.load(()), 0, True)))
    assert "formulas: converted model against onnxruntime" in bad


def test_a_ranking_that_puts_the_misleading_map_first_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true_one = assemble.rank

    def reversed_(*given: Any, **named: Any) -> Any:
        found = true_one(*given, **named)
        return found.model_copy(update={"entries": found.entries[::-1]})

    monkeypatch.setattr(assemble, "rank", reversed_)
    bad = failed(patch_cases(Conditions(registries.load(()), 0, False)))
    assert bad == ["patch classifier: ranking"]


def test_a_ranking_in_which_the_true_map_shares_its_position_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true_one = assemble.rank

    def shared(*given: Any, **named: Any) -> Any:
        found = true_one(*given, **named)
        return found.model_copy(update={"entries": [e.model_copy(update={"position": "1="}) for e in found.entries]})

    monkeypatch.setattr(assemble, "rank", shared)
    bad = failed(patch_cases(Conditions(registries.load(()), 0, False)))
    assert bad == ["patch classifier: ranking"]


def test_an_audit_that_breaks_off_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("no such thing")

    monkeypatch.setattr(pipeline, "certify", broken)
    with pytest.raises(GeoauditError) as told:
        formula_cases(Conditions(registries.load(()), 0, True))
    assert "classifier made of formulas" in told.value.message and "ValueError: no such thing" in told.value.message


def test_no_room_for_the_planted_files_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(GeoauditError, match="TMPDIR"):
        formula_cases(Conditions(registries.load(()), 0, False))


def test_metrics_of_their_own_are_found_by_what_they_declare() -> None:
    found = registries.load(())
    assert "srg" not in own_metrics(found, "thorough")
    assert set(own_metrics(found, "quick")) <= set(own_metrics(found, "thorough"))


# the audit


@pytest.fixture
def wrong_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integrated gradients that are 1 % too large, in every registry."""
    cls = registries.load(()).methods["integrated-gradients"].cls
    monkeypatch.setattr(cls, "attribute", scaled(1.01)(type("True", (cls,), {"attribute": cls.attribute})))


@pytest.mark.usefixtures("wrong_gradients")
def test_a_wrong_instrument_ends_the_audit(
    small_model: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    given = [small_model, pictures, "-o", out, "--methods", "gradient", "--budget", "quick", "--limit", "1", "-q"]
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in given])
    told = capsys.readouterr().err
    assert ended.value.code == ExitCode.INCOMPLETE
    assert "linear classifier: integrated-gradients" in told and "expected 0, measured 0.01" in told
    assert "geoaudit selftest" in told and "Traceback" not in told
    assert not out.exists()


def test_an_audit_reports_the_planted_cases(small_model: Path, pictures: Path, tmp_path: Path) -> None:
    from geoaudit.audit.execute import run_audit

    said: list[str] = []

    class Listener(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    settings = Settings(
        small_model, pictures, methods=("occlusion",), budget="quick", limit=1, gradient_free=True, device="cpu"
    )
    with MapWriter(tmp_path / "out") as maps:
        report = run_audit(settings, maps, Listener())
    rows = {case.case: case.status for case in report.calibration}
    assert rows["patch classifier: ranking"] == Status.PASS
    assert any("left out" in line and "gradient" in line for line in said)


def test_a_number_that_is_missing_or_of_another_shape_fails() -> None:
    assert judge("a", {"x": 1.0}, {}, 0.1).status == Status.FAIL
    assert judge("a", {"x": [1.0, 2.0]}, {"x": [1.0]}, 0.1).status == Status.FAIL
    assert judge("a", {"x": 1.0}, {"x": float("nan")}, 0.1).measured == {}
    assert described(judge("a", {"x": 1.0}, {}, 0.1)) == "a (x: expected 1, measured no number)"
