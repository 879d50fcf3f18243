"""Baselines of the method crossed with baselines of the metric: who gains by sharing, who does not care."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from geoaudit import Attributions, InputSpace, Method, Status, Subject, registry
from geoaudit.api import Cost
from geoaudit.images.baseline import make_baseline
from geoaudit_plugins.checks.baseline_crossing import Crossed
from geoaudit_plugins.checks.baseline_sensitivity import BaselineSensitivity
from geoaudit_plugins.checks.baselines import KINDS, make

METHODS = registry.load(()).methods


class Toy(Method):
    """A method made of one function of problems and probe."""

    id, title, family, reference = "toy", "Toy", "gradient", "test"

    def __init__(self, make_):
        super().__init__()
        self.make = make_

    def attribute(self, problems, probe):
        return Attributions(np.asarray(self.make(problems, probe), problems.x.dtype), (None,) * len(problems))

    def cost(self, quadrature):
        return Cost(gradients=1)


def named(name):
    return registry.create(METHODS[name], "standard", {}, METHODS)


def examine(method, scene, images=3, **changes):
    subject = Subject(method, scene.problems.ids, (None,) * len(scene.problems), {}, {}, classes=4)
    check = BaselineSensitivity(BaselineSensitivity.Parameters(images=images, **changes))
    (finding,) = check.examine(subject, scene.problems, scene.probe)
    assert finding.check == "baseline-sensitivity" and finding.method == method.id
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "nan" not in finding.reason
    json.dumps(finding.details, allow_nan=False, sort_keys=True)
    return finding


def test_numbers_of_a_grid_by_hand():
    gains = np.array([[[0.9, 0.2, 0.4], [0.1, 0.8, 0.4], [0.3, 0.4, 0.7]]])
    found = Crossed(gains, np.zeros((1, 3)))
    assert found.advantages == pytest.approx([0.8 - 0.3])
    columns = [0.1**2 * 2, 0.1**2 * 2, 0.0]  # each two values around their mean
    assert found.spread == pytest.approx(math.sqrt(sum(columns) / 3))
    np.testing.assert_allclose(found.elsewhere, [0.3, 0.25, 0.35])
    assert found.interval == (None, None) and found.agreement == 0.0
    low, high = Crossed(np.concatenate([gains, gains, gains]), np.full((3, 3), np.nan)).interval
    assert low == high == pytest.approx(0.5)
    assert math.isnan(Crossed(gains, np.full((1, 3), np.nan)).agreement)
    assert math.isnan(Crossed(gains[:, :2, :2], np.zeros((1, 1))).spread)


def test_effects_of_rows_and_columns_are_no_advantage():
    rows, columns = np.array([0.1, 0.5, 0.2, 0.0]), np.array([0.3, 0.0, 0.1, 0.7])
    found = Crossed((rows[:, None] + columns)[None], np.zeros((1, 6)))
    assert found.advantages == pytest.approx([0.0], abs=1e-12)


def test_a_method_that_covers_with_its_baseline_is_favoured_by_the_metric_that_does(scene):
    finding = examine(named("occlusion"), scene("network"))
    assert finding.status is Status.WARN and finding.estimate > finding.threshold >= 0.05
    assert "more than the choice of the baseline itself" in finding.reason
    grid = finding.details["srg"]
    own = np.mean([grid[k][k] for k in grid])
    others = np.mean([grid[m][k] for m in grid for k in grid if m != k])
    assert finding.estimate == pytest.approx(own - others)
    assert finding.ci_low < finding.estimate < finding.ci_high and finding.details["best"] in grid


def test_maps_that_disagree_are_warned_of_and_maps_that_agree_are_not(scene):
    def proportional(problems, probe):
        return np.ones_like(problems.x) * np.arange(1, 65).reshape(8, 8) * (1 + problems.baseline.mean() / 10)

    def scrambled(problems, probe):
        keys = [f"{b.tobytes()!r}{image}" for b, image in zip(problems.baseline, problems.ids, strict=True)]
        return np.stack([probe.rng(key).standard_normal(problems.space.shape) for key in keys])

    steady = examine(Toy(proportional), scene("network"))
    assert steady.status is Status.PASS and steady.estimate == pytest.approx(0.0, abs=1e-9)
    assert steady.details["agreement"] == pytest.approx(1.0)
    random = examine(Toy(scrambled), scene("network"), advantage=1.0)
    assert random.status is Status.WARN and abs(random.details["agreement"]) < 0.2 and "agree to only" in random.reason
    assert set(random.details["agreement_by_pair"]) == {"black and blur", "black and white", "blur and white"}


@pytest.mark.parametrize("name", ["gradient", "blur-ig"])
def test_a_method_that_does_not_read_the_baseline_passes_for_one_more_map(scene, name):
    found = scene("network")
    finding = examine(named(name), found, images=1)
    assert finding.status is Status.PASS and "does not depend" in finding.reason
    assert finding.details == {"depends": False}
    if name == "gradient":
        assert found.probe.spent == Cost(gradients=2, forwards=3)  # and the baselines' own outputs


@pytest.mark.parametrize("kind", [{}, {"layout": "NHWC", "dtype": np.float64}, {"channels": 1, "layout": "NHWC"}])
@pytest.mark.parametrize("engine", ["network", "formula"])
def test_all_baselines_in_every_input_space(scene, kind, engine):
    found = scene(engine, **kind)
    kept = found.problems.x.copy()
    finding = examine(named("gradient-x-input"), found, images=2, baselines=",".join(KINDS), steps=2)
    assert finding.status in (Status.PASS, Status.WARN) and finding.ci_low is None
    assert list(finding.details["srg"]) == list(KINDS) and len(finding.details["agreement_by_pair"]) == 10
    np.testing.assert_array_equal(found.problems.x, kept)


def test_a_run_with_a_baseline_of_another_kind(scene):
    found = scene("network")
    grey = np.zeros_like(found.problems.x)
    problems = found.problems.starting_at(grey, found.probe.outputs(grey, found.problems.targets))
    other = replace(found, problems=problems)
    finding = examine(named("gradient-x-input"), other)
    assert finding.details["srg"] == examine(named("gradient-x-input"), scene("network")).details["srg"]
    assert examine(named("gradient"), other).details == {"depends": False}


def test_maps_of_zeros_and_maps_that_are_not_finite_are_said_to_be_so(scene):
    nothing = examine(Toy(lambda problems, probe: np.zeros_like(problems.x)), scene("network"))
    assert nothing.status is Status.INCONCLUSIVE and "0 everywhere" in nothing.reason
    broken = examine(Toy(lambda problems, probe: np.full_like(problems.x, np.nan)), scene("network"))
    assert broken.status is Status.INCONCLUSIVE and "not finite" in broken.reason

    found = scene("network")
    problems = found.problems.select([0, 1])
    problems.x[1] = 1.0  # a white picture
    white = replace(found, problems=problems)
    partly = examine(named("gradient-x-input"), white)
    assert partly.details["images"] == 1 and "1 of 2 images cannot be judged" in partly.reason
    assert "0 everywhere" in partly.details["left_out"]["b.png"]
    alone = examine(named("gradient-x-input"), replace(found, problems=problems.select([0])))
    assert partly.estimate == pytest.approx(alone.estimate, abs=1e-6)

    flat = Toy(lambda problems, probe: np.full_like(problems.x, 2 + problems.baseline.mean()))
    constant = examine(flat, scene("network"))
    assert constant.status is Status.INCONCLUSIVE and "are constant" in constant.reason


def test_outputs_that_are_not_finite_are_no_pass(scene):
    found = scene("network")
    logits, nothing = found.probe._logits, np.nan
    first = found.problems.x[0]

    def broken(points):  # wherever a tenth of the first picture shows
        return np.where((points == first).mean(axis=(1, 2, 3))[:, None] > 0.1, nothing, logits(points))

    found.probe._logits = broken
    steady = Toy(
        lambda problems, probe: np.arange(1.0, 193.0).reshape(3, 8, 8) * (2 + problems.baseline[:, :1, :1, :1])
    )
    finding = examine(steady, found)
    image = found.problems.ids[0]
    assert finding.details["left_out"] == {
        image: f"the model's outputs for {image} are not finite with some baseline"
    }  # fmt: skip
    assert finding.details["images"] == 2 and np.isfinite(finding.estimate)
    found.probe._logits = lambda points: np.full_like(logits(points), np.nan)
    assert examine(steady, replace(found, problems=found.problems.select([1, 2]))).status is Status.INCONCLUSIVE


def test_the_runs_own_baseline_computed_another_way_is_the_same_baseline(scene):
    found = scene("network")
    blurred = (make("blur", found.problems, found.probe) * (1 + 1e-6)).astype(np.float32)
    problems = found.problems.starting_at(blurred, found.probe.outputs(blurred, found.problems.targets))
    finding = examine(named("gradient-x-input"), replace(found, problems=problems), baselines="blur,white")
    assert finding.details["depends"] and "of the baseline itself" not in finding.reason  # two have no spread


def test_an_images_numbers_do_not_depend_on_the_others_and_repeat(scene):
    method = named("gradient-x-input")
    alone = [
        examine(method, replace(found, problems=found.problems.select([i])), baselines=",".join(KINDS)).estimate
        for i in (2, 0) for found in (scene("network"),)
    ]  # fmt: skip
    found = scene("network")
    both = examine(method, replace(found, problems=found.problems.select([0, 2])), baselines=",".join(KINDS))
    assert both.estimate == pytest.approx(np.mean(alone), abs=1e-5)
    again = scene("network")
    assert both == examine(method, replace(again, problems=again.problems.select([0, 2])), baselines=",".join(KINDS))


def test_the_cost_that_was_told_is_the_cost(scene):
    check, method, found = BaselineSensitivity(), named("integrated-gradients"), scene("network")
    told = check.cost(method, found.probe.quadrature, 5, len(found.probe.calibration))
    examine(method, found, images=1)
    assert (
        0.5 < found.probe.spent.gradients / told.gradients < 2 and 0.5 < found.probe.spent.forwards / told.forwards < 2
    )
    assert check.scope(5) == "1 image, 3 baselines"


@pytest.mark.parametrize("names", ["black", "black,black", "black,pink", ""])
def test_wrong_baselines_are_refused(names):
    with pytest.raises(ValidationError):
        BaselineSensitivity.Parameters(baselines=names)


def test_baselines_mean_what_they_say(scene):
    found = scene("network")
    space = InputSpace("NCHW", (3, 8, 8), (-1.0, 0.0, 2.0), (1.0, 5.0, -2.0))
    problems = replace(found.problems, space=space)
    made = {kind: make(kind, problems, found.probe) for kind in KINDS}
    for kind, picture in made.items():
        assert picture.shape == problems.x.shape and picture.dtype == problems.x.dtype, kind
    np.testing.assert_array_equal(made["black"][1, :, 3, 3], [-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(made["white"][4, :, 0, 7], [1.0, 5.0, -2.0])
    np.testing.assert_allclose(made["mean"][..., 0, 0], problems.x.mean(axis=(2, 3)), rtol=1e-5)
    assert np.ptp(made["blur"], axis=(2, 3)).max() < np.ptp(problems.x, axis=(2, 3)).min()
    noise = made["noise"]
    assert (noise[:, 1] >= 0).all() and (noise[:, 1] <= 5).all() and (np.abs(noise[:, 2]) <= 2).all()
    np.testing.assert_array_equal(make("noise", problems.select([3, 0]), found.probe), noise[[3, 0]])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", ["black", "blur", "mean", "white"])
def test_baselines_are_those_of_the_run(scene, kind, layout):
    low, high = np.array([-2.0, 0.0, 3.0]), np.array([2.0, 1.0, -1.0])
    shape = (3, 8, 10) if layout == "NCHW" else (8, 10, 3)
    space = InputSpace(layout, shape, tuple(low), tuple(high))

    class Affine:
        size = (8, 10)

        def pixel_to_input(self, pixels):
            made = (low + (high - low) * pixels / 255).astype(np.float32)
            return made.transpose(0, 3, 1, 2) if layout == "NCHW" else made

    Affine.space = space
    pixels = np.random.default_rng(2).integers(0, 256, (2, 8, 10, 3)).astype(np.uint8)
    wanted = make_baseline(kind, pixels, ("a", "b"), Affine(), 0)
    x = Affine().pixel_to_input(pixels)
    found = scene("network")
    problems = replace(found.problems.select([0, 1]), x=x, baseline=x, space=space)
    np.testing.assert_allclose(make(kind, problems, found.probe), wanted, atol=1e-5)
