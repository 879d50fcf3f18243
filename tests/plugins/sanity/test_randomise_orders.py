"""Which layers lose their weights in which step, and what the new weights keep of the old."""

import numpy as np
import pytest

from geoaudit_plugins.sanity.randomise import normal, shuffled, steps
from geoaudit_plugins.sanity.weights import LearnedLayer, LearnedTensor

LAYERS = [LearnedLayer(f"Conv {i}", (LearnedTensor(f"w{i}", f"weights.{i}", 10 * (i + 1)),)) for i in range(4)]
TOTAL = 100


def names(found, order):
    return [sorted(step.tensors) for step in found if step.order == order]


def test_cascades_take_whole_layers_from_their_end_and_end_with_everything():
    found = steps(LAYERS, seeds=2, top=4, bottom=2, independent=0, cascade_seeds=1)
    assert names(found, "all") == [["w0", "w1", "w2", "w3"]] * 2
    assert [s.seed for s in found if s.order == "all"] == [0, 1]
    assert names(found, "top") == [["w3"], ["w2", "w3"], ["w1", "w2", "w3"]]
    assert names(found, "bottom") == [["w0", "w1"]] and names(found, "independent") == []
    assert [s.share for s in found] == [100, 100, 40, 70, 90, 30]


def test_parts_alone_cover_every_layer_once():
    found = steps(LAYERS, seeds=1, top=1, bottom=1, independent=3, cascade_seeds=2)
    parts = [s for s in found if s.order == "independent"]
    assert len(parts) == 6 and {s.seed for s in parts} == {0, 1}
    for seed in (0, 1):
        taken = [name for s in parts if s.seed == seed for name in sorted(s.tensors)]
        assert taken == ["w0", "w1", "w2", "w3"]
        assert sum(s.share for s in parts if s.seed == seed) == pytest.approx(100)
    depths = [s.depth for s in parts if s.seed == 0]
    assert depths == sorted(depths) and depths[0] > 0 and depths[-1] < 100


def test_there_are_no_more_steps_than_layers():
    found = steps(LAYERS[:1], seeds=1, top=5, bottom=5, independent=5, cascade_seeds=1)
    assert [s.order for s in found] == ["all"]
    assert len(names(steps(LAYERS[:2], 1, 9, 1, 0, 1), "top")) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8])
def test_shuffling_keeps_the_histogram_and_changes_the_arrangement(dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    found = shuffled(values, np.random.default_rng(0))
    assert found.shape == values.shape and found.dtype == dtype and (found != values).any()
    np.testing.assert_array_equal(np.sort(found.ravel()), values.ravel())
    np.testing.assert_array_equal(values.ravel(), np.arange(24).astype(dtype)), "the old ones are left"


def test_two_elements_always_change_places_and_equal_ones_never_hang():
    for seed in range(8):
        np.testing.assert_array_equal(shuffled(np.array([1.0, 2.0]), np.random.default_rng(seed)), [2, 1])
    np.testing.assert_array_equal(shuffled(np.zeros(5), np.random.default_rng(0)), 0)
    np.testing.assert_array_equal(shuffled(np.ones(1), np.random.default_rng(0)), 1)


def test_normal_draws_keep_mean_and_deviation_and_variances_stay_positive():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, 20_000)
    found = normal(values, np.random.default_rng(1))
    assert found.mean() == pytest.approx(3, abs=0.1) and found.std() == pytest.approx(2, abs=0.1)
    variances = np.exp(rng.normal(-2.0, 2.0, 1000)).astype(np.float32)
    assert normal(variances, np.random.default_rng(1)).min() >= variances.min() > 0
