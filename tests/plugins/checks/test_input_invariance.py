"""A moved picture under a model that moves it back: who gives the same map, who does not, and who cannot be judged."""

import json
from dataclasses import replace

import numpy as np
import pytest

from geoaudit import Attributions, Method, Status, Subject, registry
from geoaudit.api import Cost, Quadrature
from geoaudit.errors import NotApplicable
from geoaudit_plugins.checks.agreement import AgreementParameters, agreement, percent, verdict
from geoaudit_plugins.checks.input_invariance import InputInvariance, shifted

METHODS = registry.load(()).methods
SPACES = {
    "rgb-nchw-float32": {},
    "rgb-nhwc-float64": {"layout": "NHWC", "dtype": np.float64},
    "grey-nchw-float64": {"channels": 1, "dtype": np.float64},
    "grey-nhwc-float32": {"layout": "NHWC", "channels": 1},
}


class Toy(Method):
    """A method made of one function of problems and probe."""

    id, title, family, reference = "toy", "Toy", "gradient", "test"

    def __init__(self, make):
        super().__init__()
        self.make = make

    def attribute(self, problems, probe):
        return Attributions(np.asarray(self.make(problems, probe), problems.x.dtype), (None,) * len(problems))

    def cost(self, quadrature):
        return Cost(gradients=1)


def gradients(problems, probe):
    return probe.value_and_gradient(problems.x, problems.targets)[1]


def named(name):
    return registry.create(METHODS[name], "standard", {}, METHODS)


def examine(method, scene, images=3, **changes):
    subject = Subject(method, scene.problems.ids, (None,) * len(scene.problems), {}, {}, classes=4)
    check = InputInvariance(InputInvariance.Parameters(images=images, **changes))
    (finding,) = check.examine(subject, scene.problems, scene.probe)
    assert finding.check == "input-invariance" and finding.method == method.id
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "\n" not in finding.reason
    json.dumps(finding.details, allow_nan=False, sort_keys=True)
    return finding


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", ["gradient-x-input", "integrated-gradients"])
def test_a_method_that_knows_differences_alone_passes(scene, name, kind):
    found = scene("network", **SPACES[kind])
    kept = replace(found.problems, x=found.problems.x.copy(), baseline=found.problems.baseline.copy())
    finding = examine(named(name), found, images=5)
    assert finding.status is Status.PASS and finding.estimate < 1e-5 and finding.threshold == 0.05
    assert finding.details["shift"] == [4.0] * (1 if "grey" in kind else 3)  # the range is 2, -1 to 1
    np.testing.assert_array_equal(found.problems.x, kept.x)
    np.testing.assert_array_equal(found.problems.baseline, kept.baseline)


@pytest.mark.parametrize("name", ["guided-ig", "blur-ig", "expected-gradients", "rise", "pattern-attribution"])
def test_walks_starts_calibration_pictures_masks_and_patterns_move_along(scene, name):
    finding = examine(named(name), scene("network"), images=1)
    assert finding.status is Status.PASS and finding.estimate < 1e-4


@pytest.mark.parametrize("engine", ["network", "formula"])
def test_a_reference_of_its_own_in_model_input_space_fails(scene, engine):
    fixed = Toy(lambda problems, probe: gradients(problems, probe) * problems.x)
    finding = examine(fixed, scene(engine))
    assert finding.status is Status.FAIL and finding.estimate > 0.3
    assert "the zero of the model's input" in finding.reason
    assert examine(Toy(gradients), scene(engine)).status is Status.PASS


def test_a_change_of_size_alone_or_of_order_alone_is_a_warning(scene):
    grown = Toy(lambda problems, probe: gradients(problems, probe) * (1 + 0.2 * (problems.x.mean() > 2)))
    finding = examine(grown, scene("network"))
    assert finding.status is Status.WARN and finding.estimate == pytest.approx(0.2 / 1.2, rel=1e-3)


def test_what_rounding_alone_changes_is_not_judged(scene):
    def hashed(problems, probe):
        keys = [str(x.tobytes()) for x in problems.x - problems.baseline]
        return np.stack([probe.rng(key).standard_normal(problems.space.shape) for key in keys])

    def chaotic(problems, probe):  # the first map differs because the model's input moved, the third by rounding
        keys = [str(x.tobytes()) for x in problems.x]
        return np.stack([probe.rng(key).standard_normal(problems.space.shape) for key in keys])

    finding = examine(Toy(chaotic), scene("network"))
    assert finding.status is Status.INCONCLUSIVE and "rounding" in finding.reason
    assert all(row["rounding"] > 1 for row in finding.details["images"])
    assert examine(Toy(hashed), scene("network")).status is Status.PASS  # differences are exact after the rounding


def test_maps_of_zeros_and_maps_that_are_not_finite_are_said_to_be_so(scene):
    nothing = examine(Toy(lambda problems, probe: np.zeros_like(problems.x)), scene("network"), images=1)
    assert nothing.status is Status.INCONCLUSIVE and "is 0 everywhere" in nothing.reason
    broken = examine(Toy(lambda problems, probe: np.full_like(problems.x, np.nan)), scene("network"))
    assert broken.status is Status.INCONCLUSIVE and "not finite" in broken.reason

    def some(problems, probe):
        return gradients(problems, probe) * np.array([[[[i > 0]]] for i in range(len(problems))])

    partly = examine(Toy(some), scene("network"))
    assert partly.status is Status.PASS and "1 of 3 images cannot be judged" in partly.reason


def test_what_does_not_apply_is_said_to_the_caller(scene):
    def refuse(problems, probe):
        raise NotApplicable("toy", "there is nothing to do")

    with pytest.raises(NotApplicable, match="nothing to do"):
        examine(Toy(refuse), scene("network"))


def test_the_shift_exceeds_every_input_and_adding_it_is_exact(scene):
    found = scene("network")
    space = replace(found.problems.space, low=(-2.1, 0.0, 3.0), high=(2.6, 1.0, 3.0))
    models = shifted(space, found.probe)
    np.testing.assert_array_equal(models.shift.ravel(), [8.0, 2.0, 4.0])
    x = np.random.default_rng(0).uniform(-2, 2, (50, *space.shape)).astype(np.float32)
    shift = models.shift.astype(np.float32)
    x = (x + shift) - shift
    np.testing.assert_array_equal((x + shift) - shift, x)
    np.testing.assert_array_equal((x + shift).astype(np.float64), x.astype(np.float64) + models.shift)


def test_an_images_verdict_does_not_depend_on_the_others_and_repeats(scene):
    fixed = Toy(lambda problems, probe: gradients(problems, probe) * problems.x)
    found = scene("network")
    together = examine(fixed, found, images=5).details["images"]
    turned = examine(fixed, replace(found, problems=found.problems.select([3, 1])), images=2).details["images"]
    for row, other in zip(turned, (together[3], together[1]), strict=True):
        assert row["image"] == other["image"]
        for key in ("correlation", "difference"):
            assert row[key] == pytest.approx(other[key], rel=1e-4)
    assert examine(fixed, scene("network"), images=5) == examine(fixed, scene("network"), images=5)


def test_the_cost_that_was_told_is_the_cost(scene):
    check, method, found = InputInvariance(), named("integrated-gradients"), scene("network")
    told = check.cost(method, found.probe.quadrature, 5, len(found.probe.calibration))
    examine(method, found, images=1)
    assert (
        0.5 < found.probe.spent.gradients / told.gradients < 2 and 0.5 < found.probe.spent.forwards / told.forwards < 2
    )
    assert check.scope(5) == "1 image, 2 maps each" and check.cost(Toy(gradients), Quadrature(), 5, 5).gradients == 2
    thorough = registry.create(registry.load(()).checks["input-invariance"], "thorough", {})
    assert thorough.scope(5) == "5 images, 2 maps each"


def test_the_order_of_elements_that_differ_in_their_last_bits_is_not_read():
    rng, p = np.random.default_rng(0), AgreementParameters()
    even = np.where(np.arange(900) < 100, 2.0, 1.0).reshape(1, 30, 30)
    one, other = (even * (1 + 1e-7 * rng.standard_normal(even.shape)) for _ in range(2))
    row = agreement("i", one, other)
    assert row.correlation < 0.5 and row.misses(p) == (False, False)
    found = verdict([row], p)
    assert found.status is Status.PASS and found.reason == "differ by at most 0.01 % of their size"
    far = agreement("i", even * (1 + 1e-3 * rng.standard_normal(even.shape)), other)
    assert far.misses(p) == (False, True)


def test_a_map_that_vanishes_when_the_input_moves_fails(scene):
    near = Toy(lambda problems, probe: gradients(problems, probe) * (problems.x.mean() < 2))
    assert examine(near, scene("network")).status is Status.FAIL


def test_two_maps_compared():
    a = np.arange(1.0, 7.0).reshape(1, 2, 3)
    same, twice, turned = agreement("i", a, a), agreement("i", a, 2 * a), agreement("i", a, -a)
    assert (same.difference, same.correlation) == (0.0, 1.0)
    assert twice.difference == 0.5 and twice.correlation == pytest.approx(1.0)
    assert turned.difference == 2.0 and turned.correlation == pytest.approx(1.0)  # of magnitudes
    flat = agreement("i", np.ones((1, 2, 3)), np.ones((1, 2, 3)))
    assert flat.difference == 0.0 and flat.correlation is None and flat.reason is None
    gone = agreement("i", a, 0 * a)
    assert (gone.difference, gone.correlation) == (1.0, 0.0) == (1.0, agreement("i", 1 + 0 * a, a).correlation)
    assert [percent(v) for v in (0.0, 1e-9, 0.0312, 0.5, 1.414)] == ["0.01 %", "0.01 %", "3.1 %", "50 %", "141 %"]
