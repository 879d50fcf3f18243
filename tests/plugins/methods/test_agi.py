"""AGI on linear models, where every step and every sum is known."""

import numpy as np
import pytest

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import NotApplicable
from geoaudit_plugins.methods.agi import false_classes

ENTRY = registry.load(()).methods["agi"]
SHAPE = (2, 2, 3)
SIZE = 12


class Linear(AnalyticProbe):
    """Scores w_c . x + b_c, rows of w (classes, 12)."""

    def __init__(self, w, b=0.0):
        super().__init__(None, None, Quadrature(tolerance=1e-3, node_limit=64, scan=9, first_nodes=2))
        self.w, self.b = np.asarray(w, dtype=np.float64), np.broadcast_to(b, len(w))

    def scores(self, points):
        self.spent += Cost(forwards=len(points))
        return (points.reshape(len(points), 1, -1) * self.w).sum(axis=2) + self.b

    def outputs(self, points, targets):
        return self.scores(points)[np.arange(len(points)), targets]

    def value_and_gradient(self, points, targets):
        self.spent += Cost(gradients=len(points))
        values = (points.reshape(len(points), -1) * self.w[targets]).sum(axis=1) + self.b[targets]
        return values, self.w[targets].reshape(points.shape).astype(points.dtype)


def weights(classes, seed=0):
    return np.random.default_rng(seed).normal(size=(classes, SIZE))


def pictures(probe, x, target=0, low=(-9.0, -9.0), high=(9.0, 9.0)):
    x = np.asarray(x, dtype=np.float64).reshape(-1, *SHAPE)
    space = InputSpace("NCHW", SHAPE, low, high)
    targets = np.full(len(x), target, dtype=np.int64)
    baseline = np.zeros_like(x)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    probe.spent = Cost()
    return Problems(tuple(map(str, range(len(x)))), x, baseline, targets, f_x, f_baseline, space)


def make(**parameters):
    return registry.create(ENTRY, "standard", {name: str(value) for name, value in parameters.items()})


def test_two_classes_take_as_many_sign_steps_as_the_margin_needs():
    """f_0 = w.x, f_1 = -w.x: each step of 0.01 * 18 lowers w.x by 0.18 sum|w|; nine steps and a bit to go."""
    w = weights(1)[0]
    probe = Linear([w, -w])
    problems = pictures(probe, w * (0.18 * np.abs(w).sum() * 8.5 / (w @ w)))
    result = make(step=0.01).attribute(problems, probe)
    np.testing.assert_allclose(result.values.ravel(), 9 * 0.18 * np.abs(w), rtol=1e-9)
    (record,) = result.records
    assert record.delta_f == pytest.approx(9 * 0.18 * np.abs(w).sum()) == pytest.approx(result.values.sum())
    assert record.completeness_error < 1e-9 and record.nodes == 10
    assert probe.spent.gradients == 9 + 10


def test_steps_go_on_from_where_the_last_one_ended_and_no_farther_than_asked():
    w = weights(1)[0]
    probe = Linear([w, -w])
    problems = pictures(probe, w * 100 / (w @ w), low=(-999.0, -999.0), high=(999.0, 999.0))
    short, long = (make(step=1e-4, steps=steps).attribute(problems, probe).values for steps in (2, 7))
    np.testing.assert_allclose(long, short * 7 / 2, rtol=1e-9)


def test_the_map_is_the_mean_over_the_false_classes():
    w = weights(4)
    probe = Linear(w, np.array([30.0, 0, 0, 0]))
    problems = pictures(probe, np.zeros(SIZE))
    values = make(step=0.02, steps=6, classes=3).attribute(problems, probe).values.ravel()
    expected = np.zeros(SIZE)
    for other in (1, 2, 3):
        u = np.zeros(SIZE)
        for _ in range(6):
            if (w @ u + probe.b).argmax() == other:
                break
            u += 0.02 * 18 * np.sign(w[other])
        expected += w[0] * (0 - u) / 3
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(values).max() > 0


def test_elements_stop_at_the_ends_of_their_channels_range():
    w = np.ones(SIZE)
    probe = Linear([w, -w], np.array([1e6, 0.0]))
    problems = pictures(probe, np.full(SIZE, 1.0), low=(4.0, 0.5), high=(-4.0, 1.5))
    values = make(step=0.05, steps=10).attribute(problems, probe).values
    np.testing.assert_allclose(values[0, 0], 10 * 0.05 * 8, rtol=1e-9)
    np.testing.assert_allclose(values[0, 1], 0.5, rtol=1e-9)


def test_an_element_outside_the_range_is_not_pulled_in():
    w = np.zeros(SIZE)
    w[1] = 1.0
    probe = Linear([w, -w], np.array([3.0, 0.0]))
    x = np.full(SIZE, 2.0)
    values = make(step=0.1, steps=1).attribute(pictures(probe, x, low=(0, 0), high=(1, 1)), probe).values.ravel()
    np.testing.assert_allclose(values, 0.1 * w, atol=1e-12)


def test_a_class_that_is_seen_already_gives_no_walk_and_one_without_gradient_stands_still():
    w = weights(2)
    probe = Linear(w, np.array([0.0, 50.0]))
    result = make().attribute(pictures(probe, np.zeros(SIZE)), probe)
    assert not result.values.any() and probe.spent.gradients == 0
    w[1] = 0
    probe = Linear(w, np.array([50.0, 0.0]))
    result = make().attribute(pictures(probe, np.zeros(SIZE)), probe)
    assert not result.values.any() and probe.spent.gradients == 1


def test_images_of_one_batch_walk_as_they_do_alone():
    probe = Linear(weights(6))
    x = np.random.default_rng(3).normal(size=(5, SIZE))
    problems = pictures(probe, x, target=2)
    together = make(step=0.02).attribute(problems, probe)
    for i in range(5):
        alone = make(step=0.02).attribute(problems.select([i]), probe)
        np.testing.assert_array_equal(alone.values[0], together.values[i])
        assert alone.records[0].nodes == together.records[i].nodes


def test_a_model_of_one_class_is_refused():
    probe = Linear(weights(1))
    with pytest.raises(NotApplicable, match="one class"):
        make().attribute(pictures(probe, np.zeros(SIZE)), probe)


@pytest.mark.parametrize(("classes", "target", "count", "expected"), [
    (11, 0, 5, [1, 3, 5, 7, 9]), (5, 2, 9, [0, 1, 3, 4]), (1000, 999, 4, [0, 249, 499, 749]),
])  # fmt: skip
def test_false_classes_are_spread_evenly_and_never_the_explained_one(classes, target, count, expected):
    assert false_classes(np.zeros(classes), target, count, "spread").tolist() == expected


def test_the_likeliest_false_classes_come_first():
    scores = np.array([1.0, 9.0, 3.0, 3.0, -1.0])
    assert false_classes(scores, 1, 3, "likeliest").tolist() == [2, 3, 0]
