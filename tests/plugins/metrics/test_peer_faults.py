"""Faults that were found in other packages' metrics, each with a test that would catch it here.

Where a fault belongs to one metric there, every metric here that could repeat it is held to its absence.
"""

from dataclasses import replace

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, InputSpace, SweepCurves, registry
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.metrics.completeness_error import CompletenessError
from geoaudit_plugins.metrics.infidelity import Infidelity, InfidelityParameters, random_blocks
from geoaudit_plugins.metrics.pic import SHARES, _sharp_at_first, area
from geoaudit_plugins.metrics.pic_aic import PicAic
from geoaudit_plugins.metrics.pic_sic import PicSic
from geoaudit_plugins.metrics.sensitivity_n import SensitivityN

SHELF = registry.load(())
READERS = [name for name, entry in SHELF.metrics.items() if entry.cls.reads_importance]
EVALUATING = [name for name, entry in SHELF.metrics.items() if entry.cls.needs]
BATCHES = ("geoaudit.scoring.sweep", "geoaudit_plugins.metrics.removal")


def bound(name, budget="quick"):
    return registry.create(SHELF.metrics[name], budget, {}, SHELF.methods)


@pytest.mark.parametrize("name", SHELF.metrics)
def test_a_map_is_not_normalised_by_its_batch_mates(name, planted):
    scene, metric = planted(), bound(name)
    louder = scene.true.copy()
    louder[1:] *= 1000
    alone, beside = (scene.score(metric, values).values[0] for values in (scene.true, louder))
    assert alone == pytest.approx(beside, rel=1e-9, nan_ok=True)


def test_the_baseline_is_the_runs_and_not_the_images_minimum(planted):
    scene = planted()
    assert (scene.problems.x.min(axis=(1, 2, 3)) > 0.04).all()  # the baseline is 0
    lifted = replace(scene.problems, baseline=np.full_like(scene.problems.x, 0.05))
    short = replace(scene, problems=lifted)
    assert np.abs(scene.true - short.true).max() > 0  # contributions from another baseline are others
    for here in (scene, short):
        np.testing.assert_allclose(here.score(Infidelity(), here.true).values, 0.0, atol=1e-6)
        np.testing.assert_allclose(here.score(SensitivityN(), here.true).values, 1.0, atol=1e-5)
    scene.probe.seen.clear()
    scene.score(Infidelity(), scene.true)
    assert min(points.min() for points in scene.probe.seen) == 0.0


@pytest.mark.parametrize("steps", [2, 7, 28, 112])
def test_an_area_does_not_grow_with_the_number_of_steps(steps):
    fractions = np.linspace(0, 1, steps + 2)
    falling = SweepCurves(fractions, ("baseline",), (1 - fractions)[None, None], np.ones((1, 1, steps + 2)))
    evidence = Evidence(falling, None)
    wanted = {"deletion": 0.5, "insertion": 1.0, "srg": 0.5}
    for name, value in wanted.items():
        assert bound(name).score(None, None, evidence).values[0] == pytest.approx(value)
    information, answer = fractions, np.sqrt(fractions)
    found = area(np.concatenate([[0, 1], information]), np.concatenate([[0, 1], answer]))
    assert found == pytest.approx(2 / 3, abs=0.1 if steps == 2 else 0.02)


@pytest.mark.parametrize("name", READERS)
def test_the_last_image_is_scored_as_well_as_the_first(name, planted, monkeypatch):
    """Batches of two: a score that is read from the first one knows nothing of the last image."""
    for place in BATCHES:
        monkeypatch.setattr(f"{place}.BATCH", 2)
    scene, metric = planted(), bound(name)
    changed = scene.true.copy()
    changed[2] = np.random.default_rng(0).normal(size=changed[2].shape)
    before, after = (scene.score(metric, values).values for values in (scene.true, changed))
    np.testing.assert_array_equal(after[:2], before[:2])
    assert after[2] != before[2]
    alone = scene.select([2])
    assert alone.score(metric, changed[2:]).values[0] == pytest.approx(after[2], rel=1e-9)


def test_sensitivity_n_correlates_over_subsets_of_one_image_and_not_over_images(planted):
    scene = planted().select([1])
    assert scene.score(SensitivityN(), scene.true).values[0] == pytest.approx(1.0, abs=1e-5)
    mixed = scene.true + np.random.default_rng(0).normal(0, 0.3, scene.true.shape).astype(np.float32)
    value = scene.score(SensitivityN(), mixed).values[0]
    assert 0.1 < value < 0.99  # neither 1 nor -1, as a correlation of two points would be


def test_the_perturbations_are_drawn_and_not_one_repeated(planted):
    blocks = random_blocks(np.random.default_rng(0), 96, (28, 28))
    assert len(np.unique(blocks, axis=0)) > 90
    scene = planted()
    mixed = scene.true + np.random.default_rng(0).normal(0, 0.3, scene.true.shape).astype(np.float32)
    scene.probe.seen.clear()
    one, ten = (scene.score(Infidelity(InfidelityParameters(draws=d)), mixed).values for d in (10, 100))
    assert (one != ten).all()
    points = np.concatenate(scene.probe.seen).reshape(-1, scene.problems.x[0].size)
    assert len(np.unique(points, axis=0)) > 0.9 * 3 * 100
    for first, second in ((0, 1), (1, 2)):  # and every image has its own
        masks = [_sharp_at_first(scene.group(), 0.01)[i] for i in (first, second)]
        assert (masks[0] != masks[1]).any()


@pytest.mark.parametrize("name", READERS)
def test_no_metric_says_the_same_of_every_map(name, planted):
    """As one does that starts at the baseline and replaces by the baseline: nothing ever changes."""
    scene, metric = planted(), bound(name)
    true = scene.score(metric, scene.true)
    random = scene.score(metric, np.random.default_rng(0).normal(size=scene.true.shape).astype(np.float32))
    turned = scene.inverted(metric, scene.true, true)
    assert (np.abs(true.values - random.values) > 0.02).all()
    assert (np.abs(true.values - turned.values) > 0.02).all()


def test_completeness_is_graded_and_never_a_question_of_the_last_bit(planted):
    scene = planted()
    gap = np.abs(scene.true.reshape(3, -1).sum(axis=1) - scene.problems.delta_f)
    assert (gap > 0).any()  # float32 maps do not add up to the last bit
    for share, wanted in ((1.0, 0.0), (0.9, 0.1), (2.0, 1.0)):
        scores = CompletenessError().score(
            Attributions((share * scene.true).astype(np.float32), (None,) * 3), scene.problems, None
        )
        np.testing.assert_allclose(scores.values, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["infidelity", "pic-aic", "pic-sic", "sensitivity-n"])
def test_an_undefined_score_is_null_with_a_reason_and_never_zero(name, planted):
    deaf = planted(gain=0.0)
    scores = deaf.score(bound(name), planted().true)
    assert np.isnan(scores.values).all() and all(scores.reasons)
    if name == "sensitivity-n":
        flat = planted().score(bound(name), np.ones_like(deaf.true))
        assert np.isnan(flat.values).all() and set(flat.reasons) == {"the map is constant"}


@pytest.mark.parametrize("name", READERS)
def test_an_image_of_low_confidence_is_not_left_out(name, planted):
    scene = planted(lift=-17.0)
    problems = scene.problems
    p = scene.probe.probabilities(problems.x, problems.targets)
    assert ((p > 1e-5) & (p < 0.5)).all()
    scores = scene.score(bound(name), scene.true)
    assert len(scores.values) == len(problems)
    if name == "pic-aic":  # the model does not name the target: there is no accuracy to win back
        assert all(scores.reasons)
    else:
        assert scores.reasons == (None,) * 3


def test_losses_are_of_the_explained_output_and_curves_of_the_probability(planted):
    """A saturated softmax hides nothing from the metrics in output units, and the others never read a logit."""
    sure = planted(lift=40.0)  # the probability is 1 to 15 digits
    np.testing.assert_allclose(sure.score(Infidelity(), sure.true).values, 0.0, atol=1e-6)
    np.testing.assert_allclose(sure.score(SensitivityN(), sure.true).values, 1.0, atol=1e-5)
    for name in READERS:
        if SHELF.metrics[name].cls.higher_is_better and name not in ("sensitivity-n",):
            scores = planted().score(bound(name), planted().true)
            assert (np.abs(scores.values) <= 1.0).all(), name  # logits here reach 20
    assert "the target is no less probable" in sure.score(PicSic(), sure.true).reasons[0]


@pytest.mark.parametrize("name", EVALUATING)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_pixel_goes_with_all_its_channels(name, layout, planted):
    scene, metric = planted(layout=layout), bound(name)
    scene.probe.seen.clear()
    rng = np.random.default_rng(0)
    scene.score(metric, (scene.true * rng.uniform(0, 2, scene.true.shape)).astype(np.float32))
    axis = 1 + scene.problems.space.channel_axis
    partly = 0
    for points in scene.probe.seen:
        changed = np.stack([(points != x).any(axis=axis) for x in scene.problems.x])  # of which image is it?
        image = changed.reshape(len(changed), len(points), -1).sum(axis=2).argmin(axis=0)
        each = np.moveaxis(points != scene.problems.x[image], axis, 1)
        partly += int((each.any(axis=1) != each.all(axis=1)).sum())
    assert len(scene.probe.seen) and partly == 0


@pytest.mark.parametrize("side", [224, 448])
def test_no_metric_pays_for_every_pixel(side):
    space = InputSpace("NCHW", (3, side, side), (0.0,) * 3, (1.0,) * 3)
    for name in SHELF.metrics:
        each, shared = bound(name, "standard").cost(space)
        assert each.forwards <= 200 and shared.forwards <= 400 and each.gradients == shared.gradients == 0


@pytest.mark.parametrize("metric", [PicSic, PicAic])
def test_tied_pixels_do_not_come_all_at_once(metric, planted, noise):
    """A constant map reveals as many pixels at each step as any other, so that it does not win."""
    scene = planted()
    scene.probe.seen.clear()
    constant = scene.score(metric(), np.ones_like(scene.true)).values
    batches = [points for points in scene.probe.seen if len(points) == len(SHARES)]
    for image, points in enumerate(batches):
        sharp = (points == scene.problems.x[image]).all(axis=1).sum(axis=(1, 2))
        asked = np.rint(np.array(SHARES) * 28 * 28)
        assert (sharp >= np.maximum(asked, 8)).all() and (sharp <= asked + 8).all()
    assert len(batches) == 3
    assert (constant < scene.score(metric(), scene.true).values).all()


def test_points_of_equal_information_may_come_in_any_order():
    information = np.array([0.0, 1.0, 0.4, 0.4, 0.4, 0.7])
    answer = np.array([0.0, 1.0, 0.9, 0.1, 0.5, 0.6])
    wanted = area(information, answer)
    for order in ([4, 2, 3, 5], [5, 3, 4, 2]):
        chosen = [0, 1, *order]
        assert area(information[chosen], answer[chosen]) == wanted


def test_the_imputer_is_asked_for_new_images_each_time(planted):
    """Perturbations do not pile up: what one draw took out is back in the next."""
    scene = planted()
    group = Group(scene.problems, scene.probe, {"baseline": Baseline()})
    scene.probe.seen.clear()
    scene.score(Infidelity(InfidelityParameters(draws=64)), scene.true, group)
    gone = [(points == 0).all(axis=1).mean(axis=(1, 2)) for points in scene.probe.seen]
    assert np.concatenate(gone).max() <= 0.26  # the largest block is a quarter of the image
    assert np.concatenate(gone)[-20:].min() < 0.1
