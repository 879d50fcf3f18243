from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from geoaudit.api import Status
from geoaudit.errors import ExitCode, ParityError
from geoaudit.model import finite
from geoaudit.model.parity import certify, raise_if_failed

TARGETS = np.arange(11) % 5


def _certify(bench, points, space="logit", seed=0):
    return certify(bench.runtime, bench.twin, points, TARGETS[: len(points)], space, np.random.default_rng(seed))


@pytest.mark.parametrize("space", ["logit", "probability", "log-probability", "margin"])
def test_a_faithful_twin_passes(tiny, opened, points, space):
    parity = _certify(opened(tiny().save()), points, space)
    assert parity.status == Status.PASS, parity.reason
    assert parity.max_abs_diff < 1e-5 and parity.top1_agreement == 1.0 and parity.images == 11
    assert parity.gradient.directions >= 15
    assert parity.gradient.median_rel_error is not None and parity.gradient.median_rel_error < 0.01
    assert parity.first_difference is None
    raise_if_failed(parity)


def test_float64_is_held_to_a_finer_measure(tiny, opened, points):
    parity = _certify(opened(tiny(dtype=np.float64).save()), points.astype(np.float64))
    assert parity.status == Status.PASS and parity.tolerance == 1e-6
    assert parity.max_rel_diff < 1e-12
    assert parity.gradient.median_rel_error is not None and parity.gradient.median_rel_error < 1e-5


def test_one_seed_one_certificate(tiny, opened, points):
    bench = opened(tiny().save())
    assert _certify(bench, points) == _certify(bench, points)
    assert _certify(bench, points).gradient != _certify(bench, points, seed=1).gradient


CUMSUM = helper.make_node("CumSum", ["relu", "axis"], ["wrong"], name="culprit")
RESIZE = helper.make_node(
    "Resize", ["relu", "", "", "sizes"], ["big"], name="culprit",
    mode="linear", coordinate_transformation_mode="asymmetric",
)  # fmt: skip


@pytest.mark.parametrize(
    ("node", "constants", "operator"),
    [
        (CUMSUM, {"axis": np.array(2)}, "CumSum"),
        (RESIZE, {"sizes": np.array([1, 4, 12, 12])}, "Resize"),
    ],
)
def test_a_wrong_conversion_fails_and_is_located(tiny, opened, points, node, constants, operator):
    middle = [node]
    batch: int | str = "N"
    if operator == "Resize":  # back to the classifier's size; sizes hold the batch, so it is fixed
        middle.append(helper.make_node("Slice", ["big", "from", "to", "axes"], ["cut"]))
        constants |= {"from": np.array([2, 2]), "to": np.array([10, 10]), "axes": np.array([2, 3])}
        batch = 1
    bench = opened(tiny(middle=middle, constants=constants, batch=batch).save())
    parity = _certify(bench, points)
    assert parity.status == Status.FAIL
    assert parity.first_difference == f"'{node.output[0]}' ({operator}, node 'culprit')"
    with pytest.raises(ParityError, match=f"first difference.*{operator}") as caught:
        raise_if_failed(parity, "a.onnx")
    assert caught.value.exit_code == ExitCode.INCOMPLETE and "a.onnx" in caught.value.message


@pytest.mark.parametrize("spoil", [lambda g: 1.2 * g, lambda g: -g, lambda g: np.roll(g, 1, axis=3)])
def test_wrong_gradients_behind_right_outputs_fail(tiny, opened, points, monkeypatch, spoil):
    bench = opened(tiny().save())
    honest = bench.twin.value_and_gradient

    def spoilt(*arguments):
        value, gradient = honest(*arguments)
        return value, spoil(gradient)

    monkeypatch.setattr(bench.twin, "value_and_gradient", spoilt)
    parity = _certify(bench, points)
    assert parity.status == Status.FAIL and "gradients do not" in parity.reason
    assert parity.first_difference is None


def test_gradients_that_cannot_be_measured_are_no_pass(tiny, opened, points, monkeypatch):
    bench = opened(tiny().save())
    noise = np.random.default_rng(0)
    honest = bench.runtime.logits
    calls = []

    def noisy(batch):
        calls.append(len(batch))
        scores = honest(batch)
        return scores if len(calls) == 1 else scores + noise.standard_normal(scores.shape).astype(np.float32)

    monkeypatch.setattr(bench.runtime, "logits", noisy)
    parity = _certify(bench, points)
    assert parity.status != Status.PASS


def test_a_dead_output_has_no_slope_to_compare(tiny, opened, points):
    parity = _certify(opened(tiny().save()), np.zeros_like(points) - 1e3)
    assert parity.status in (Status.PASS, Status.WARN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_plateau_is_found(dtype):
    point = np.linspace(-1, 1, 48).reshape(3, 4, 4)
    direction = np.random.default_rng(0).standard_normal(point.shape)

    def f(batch):  # a smooth bend, rounded to the format as an engine would
        return np.exp(batch.astype(np.float64).sum((1, 2, 3)) / 10).astype(dtype).astype(np.float64)

    measured = finite.slope(f, point, direction, np.dtype(dtype))
    expected = measured.displacement.sum() / 10
    assert measured.value == pytest.approx(expected, rel=2e-2 if dtype == np.float32 else 1e-6)
    assert measured.uncertainty < 0.1 * abs(expected)


def test_steps_that_cross_a_kink_are_not_believed():
    rng = np.random.default_rng(0)
    point, direction = rng.standard_normal((2, 3, 4, 4))
    unit = direction / np.sqrt(np.mean(direction**2))
    kink = 2.0**-15 * point.std()  # the largest steps reach beyond it, where the slope is six times as large

    def f(batch):
        along = ((batch.astype(np.float64) - point) * unit).mean((1, 2, 3))
        return along + 5 * np.maximum(along - kink, 0)

    measured = finite.slope(f, point, direction, np.dtype(np.float32))
    assert measured.value == pytest.approx(1.0, abs=0.05)
