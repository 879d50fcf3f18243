"""The self-test passes on a sound instrument, fails on a bent one, and asks for nothing heavy."""

import subprocess
import sys
import time

import numpy as np
import pytest

from geoaudit import selftest
from geoaudit.api import Status
from geoaudit.paths import integrator, measures
from geoaudit.selftest import closed_form
from geoaudit.selftest.guided import CASES
from geoaudit.selftest.walks import WALKS


def failed(cases):
    return {case.case.split(":")[0] for case in cases if case.status is not Status.PASS}


def test_every_case_passes_and_says_what_was_expected():
    cases = closed_form()
    assert len(cases) == len(WALKS) + len(CASES) >= 31 and not failed(cases)
    assert len({case.case for case in cases}) == len(cases)
    for case in cases:
        assert case.expected.keys() == case.measured.keys() and "attribution" in case.expected
    for number in range(1, 11):
        assert any(case.case.startswith(f"T{number} ") for case in cases)


def test_the_quick_selection_is_quick_and_part_of_the_whole():
    closed_form(quick=True)  # the first call may import plugins
    start = time.process_time()
    quick = closed_form(quick=True)
    assert time.process_time() - start < 0.5
    names = {case.case for case in closed_form()}
    assert 8 <= len(quick) < len(names) and {case.case for case in quick} <= names
    assert any(case.case.startswith("guided-ig") for case in quick) and not failed(quick)


def test_the_data_agree_with_each_other():
    for case in WALKS:
        numbers = case.expected
        assert sum(case.attribution) == pytest.approx(case.delta_f, abs=1e-12)
        assert abs(case.delta_f) <= numbers["magnitude"] + 1e-12
        assert abs(case.delta_f) <= case.total_variation + 1e-12
        ends = np.array([case.corners[0], case.corners[-1]], dtype=float)
        assert np.diff(case.model.f(ends))[0] == pytest.approx(case.delta_f, abs=1e-3)


@pytest.mark.parametrize("model", sorted({case.model.formula for case in (*WALKS, *CASES)}))
def test_the_models_gradients_are_their_slopes(model):
    chosen = next(case.model for case in (*WALKS, *CASES) if case.model.formula == model)
    d = 1 if "sin" in model else 2
    points, step = np.random.default_rng(0).normal(size=(20, d)), 1e-6
    for i in range(d):
        shift = step * np.eye(d)[i]
        slope = (chosen.f(points + shift) - chosen.f(points - shift)) / (2 * step)
        np.testing.assert_allclose(chosen.gradient(points)[:, i], slope, atol=1e-6)


def test_a_map_that_is_one_percent_off_fails_everywhere(monkeypatch):
    sound = measures.measure

    def bent(*arguments):
        values, record = sound(*arguments)
        return values * 1.01, record

    monkeypatch.setattr(integrator, "measure", bent)
    bad = failed(closed_form())
    assert len(bad) == len(WALKS) + len(CASES) - 1  # only the map of zeros cannot tell
    assert "T7 product, straight, no difference" not in bad


def test_a_rule_without_refinement_fails_where_the_gradient_bends(monkeypatch):
    monkeypatch.setattr(integrator, "_refine", lambda *_, **__: None)
    assert {"T3 ReLU unit, along its edge", "T3 ReLU unit, x1 first"} <= failed(closed_form())


def test_numbers_that_are_not_finite_fail_without_a_crash(monkeypatch):
    sound = measures.measure

    def broken(*arguments):
        values, record = sound(*arguments)
        return values * np.nan, record

    monkeypatch.setattr(integrator, "measure", broken)
    cases = closed_form(quick=True)
    assert all(case.status is Status.FAIL and "attribution" not in case.measured for case in cases)


def test_guided_ig_that_forgets_its_band_is_found(monkeypatch):
    from geoaudit_plugins.methods import guided_ig

    sound = guided_ig.advance
    monkeypatch.setattr(guided_ig, "advance", lambda p, s, w, goal, fraction, _: sound(p, s, w, goal, fraction, 1.0))
    assert "guided-ig, published, bound .02, 200 steps" in failed(closed_form(quick=True))


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from geoaudit.selftest import closed_form; closed_form(quick=True);"
        "print([m for m in ('torch', 'onnxruntime', 'onnx2torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert selftest.QUADRATURE.tolerance <= 1e-4
