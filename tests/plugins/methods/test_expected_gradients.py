"""Expected Gradients: its estimate, its claim and error bar, and where its references come from."""

import numpy as np
import pytest

from geoaudit import Attributions, Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import NotApplicable
from geoaudit_plugins.methods.expected_gradients import ExpectedGradients, ExpectedGradientsParameters
from geoaudit_plugins.metrics.assessable import reasons

D = 6
W, V = np.random.default_rng(0).normal(size=(2, D))


def curved(calibration):
    """f = sin(w x) + (v x)^2 / 2."""
    return AnalyticProbe(
        lambda x: np.sin((x * W).sum(axis=1)) + 0.5 * (x * V).sum(axis=1) ** 2,
        lambda x: np.cos((x * W).sum(axis=1))[:, None] * W + (x * V).sum(axis=1)[:, None] * V,
        calibration=calibration,
    )


def pictures(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, 1, 1, D))


def problems(probe, count=2, seed=2):
    x, targets = pictures(count, seed), np.zeros(count, np.int64)
    baseline, space = np.zeros_like(x), InputSpace("NCHW", (1, 1, D), (0.0,), (1.0,))
    ids = tuple(f"{i}.png" for i in range(count))
    made = Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)
    probe.spent = Cost()
    return made


def make(samples):
    return ExpectedGradients(ExpectedGradientsParameters(samples=samples))


def outputs_at(probe, points):
    return probe.outputs(points, np.zeros(len(points), np.int64))


def test_a_linear_model_is_exact_with_any_references():
    known = pictures(5)
    probe = AnalyticProbe(lambda x: (x * W).sum(axis=1), lambda x: np.tile(W, (len(x), 1)), calibration=known)
    asked = problems(probe)
    made = make(20).attribute(asked, probe)
    np.testing.assert_allclose(made.values, (asked.x - known.mean(axis=0)) * W, rtol=1e-12)
    for found in made.records:
        assert found.error_bar < 1e-12 and found.completeness_error < 1e-12 and found.met


def test_one_reference_is_integrated_gradients():
    known = pictures(1)
    probe = curved(known)
    asked = problems(probe)
    expected = probe.straight_line(asked.starting_at(np.repeat(known, 2, axis=0), outputs_at(probe, known).repeat(2)))
    misses = [np.abs(make(n).attribute(asked, probe).values - expected.values).max() for n in (64, 1024)]
    assert misses[0] < 0.02 and misses[1] < misses[0] / 15, "the jittered midpoint rule gains n^1.5"


def test_every_reference_is_seen_equally_often_over_the_whole_line():
    probe = curved(pictures(8))
    method, asked = make(64), problems(curved(pictures(8)))
    pool = method._pool(asked, probe)
    drawn = method._draw(asked, 0, pool, probe)
    assert (np.floor(drawn.positions * 64) == np.arange(64)).all()
    for b in range(8):
        own = drawn.positions[drawn.references == b]
        assert (np.floor(own * 8) == np.arange(8)).all(), "one in each eighth"


def test_the_sum_is_within_three_standard_errors_of_the_claim_and_the_error_bar_is_one():
    known = pictures(40)
    probe = curved(known)
    asked = problems(probe, count=100)
    made = make(32).attribute(asked, probe)
    claims = np.array([r.delta_f for r in made.records])
    bars = np.array([r.error_bar for r in made.records]) * np.abs(claims)
    z = (made.values.reshape(100, -1).sum(axis=1) - claims) / bars
    assert (np.abs(z) < 3).mean() >= 0.97
    assert 0.85 < np.sqrt((z**2).mean()) < 1.2, "as large as the misses are: more references than samples"
    assert np.abs(z.mean()) < 0.3, "no bias"


def test_the_claim_is_the_mean_difference_to_the_references_and_tends_to_the_sets():
    known = pictures(60)
    probe = curved(known)
    asked = problems(probe)
    record = make(600).attribute(asked, probe).records[0]
    whole = float(asked.f_x[0] - outputs_at(probe, known).mean())
    assert record.delta_f == pytest.approx(whole, rel=1e-12), "600 samples, each of 60 references ten times"
    deltas = [make(30).attribute(asked, curved(known)).records[i].delta_f for i in (0, 1)]
    assert deltas[0] != pytest.approx(whole, rel=1e-6), "30 samples see half the references"


def test_the_record_is_what_it_says():
    known = pictures(1)
    probe = curved(known)
    asked = problems(probe, count=1)
    made = make(400).attribute(asked, probe)
    (found,) = made.records
    line = probe.straight_line(asked.starting_at(known, outputs_at(probe, known))).records[0]
    for field in ("delta_f", "total_variation", "path_cancellation", "length", "absolute_integral", "conformal_length"):
        assert getattr(found, field) == pytest.approx(getattr(line, field), rel=0.01, abs=0.01), field
    assert found.magnitude == pytest.approx(
        np.abs(made.values).sum()
    ) and found.magnitude <= found.absolute_integral * (1 + 1e-12)
    assert found.magnitude_half == pytest.approx(found.magnitude, rel=0.05) and found.magnitude_half != found.magnitude
    assert found.method_error == 0 and found.quadrature_error == found.completeness_error
    assert (found.nodes, found.gradients, found.forwards) == (400, 400, 1)
    assert reasons(made, asked) == [None], "its NCC can be judged"


def test_the_explained_image_is_no_reference_of_its_own():
    known = pictures(4)
    probe = curved(known)
    asked = problems(probe)
    asked.x[0] = known[2]
    asked.f_x[0] = outputs_at(probe, known)[2]
    made = make(60).attribute(asked, probe)
    others = outputs_at(probe, known[[0, 1, 3]])
    assert made.records[0].delta_f == pytest.approx(asked.f_x[0] - others.mean())
    assert made.records[1].delta_f == pytest.approx(asked.f_x[1] - outputs_at(probe, known).mean())


@pytest.mark.parametrize("known", [pictures(0), pictures(1, seed=2)], ids=["none", "only the explained one"])
def test_without_another_picture_it_does_not_apply(known):
    probe = curved(known)
    with pytest.raises(NotApplicable, match="--calibration DIR"):
        make(8).attribute(problems(probe, count=1), probe)
    assert probe.spent == Cost()


def test_a_large_set_is_sampled_once_and_never_held_whole():
    loaded = []
    probe = curved(pictures(500))
    load = probe.calibration.load
    object.__setattr__(probe.calibration, "load", lambda indices: loaded.append(len(indices)) or load(indices))
    asked = problems(probe, count=3)
    made = make(10).attribute(asked, probe)
    again = make(10).attribute(asked.select([2]), probe)
    assert loaded == [64]
    np.testing.assert_array_equal(again.values[0], made.values[2])
    assert made.notes == ("Its references are 64 of the 500 pictures of the calibration set (given pictures), "
                          "without the explained one.",)  # fmt: skip


def test_a_set_of_one_picture_is_told_as_one():
    probe = curved(pictures(1))
    made = make(4).attribute(problems(probe), probe)
    assert made.notes == ("Its only reference is the one picture of the calibration set (given pictures).",)


def test_another_seed_draws_other_samples():
    probe, other = curved(pictures(9)), curved(pictures(9))
    other.rng = lambda *key: np.random.default_rng(99)
    asked = problems(probe)
    assert np.abs(make(8).attribute(asked, probe).values - make(8).attribute(asked, other).values).max() > 1e-3


def test_claims_that_cancel_are_degenerate_and_finite():
    """The output at the image is the mean of those at its references."""
    known = np.stack([np.full((1, 1, D), s) for s in (-1.0, 1.0)])
    probe = AnalyticProbe(lambda x: x.sum(axis=1), np.ones_like, calibration=known)
    asked = problems(probe, count=1)
    asked.x[:], asked.f_x[:] = 0.0, 0.0
    made = make(16).attribute(asked, probe)
    np.testing.assert_allclose(made.values, 0, atol=1e-12)
    assert np.isnan(made.records[0].error_bar) and made.records[0].met
    assert made.records[0].path_cancellation == pytest.approx(1.0)
    assert reasons(Attributions(made.values, made.records), asked) == ["degenerate baseline"]


@pytest.mark.parametrize(("budget", "samples"), [("quick", 24), ("standard", 64), ("thorough", 200)])
def test_one_gradient_a_sample_in_full_batches(budget, samples):
    probe, batches = curved(pictures(300)), []
    asked = problems(probe, count=3)
    ask = probe.value_and_gradient
    probe.value_and_gradient = lambda points, targets: batches.append(len(points)) or ask(points, targets)
    method = registry.create(registry.load(()).methods["expected-gradients"], budget, {})
    made = method.attribute(asked, probe)
    assert probe.spent.gradients == 3 * samples == 3 * method.cost(Quadrature()).gradients
    assert probe.spent.forwards == sum(r.forwards for r in made.records) <= 3 * method.cost(Quadrature()).forwards
    assert batches[:-1] == [64] * (len(batches) - 1)
