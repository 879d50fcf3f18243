"""ROAD on a tiny network against a computation written out by hand, and what must not change it."""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, registry
from geoaudit_plugins.imputers.noisy_linear import NoisyLinear, NoisyLinearParameters
from geoaudit_plugins.metrics.road import Road, RoadParameters

SPACES = [("NCHW", 3, np.float32), ("NHWC", 3, np.float64), ("NCHW", 1, np.float64), ("NHWC", 1, np.float32)]


def score(values, problems, probe, noise=0.01, metric=None):
    group = Group(problems, probe, {"noisy-linear": NoisyLinear(NoisyLinearParameters(noise=noise))})
    metric = metric or Road()
    maps = Attributions(values, (None,) * len(problems))
    found = metric.score(maps, problems, Evidence(None, group))
    turned = metric.score_inverted(maps, problems, Evidence(None, group, inverted=True), found)
    return found, turned


def random_maps(problems, seed=0):
    return np.random.default_rng(seed).standard_normal(problems.x.shape).astype(problems.x.dtype)


def dense(picture, gone):
    """Rong et al.'s imputation of one plane without noise: the weights of the neighbours, renormalised."""
    side = len(gone)
    matrix, right = np.eye(side * side), np.where(gone, 0, picture).ravel().astype(np.float64)
    for y, x in zip(*np.nonzero(gone), strict=True):
        near = [(b, a) for b in range(max(0, y - 1), min(side, y + 2)) for a in range(max(0, x - 1), min(side, x + 2))]
        weights = {b * side + a: 2.0 if (b == y) != (a == x) else 1.0 for b, a in near if (b, a) != (y, x)}
        for place, weight in weights.items():
            matrix[y * side + x, place] = -weight / sum(weights.values())
    return np.linalg.solve(matrix, right).reshape(gone.shape)


@pytest.mark.parametrize(("layout", "channels", "dtype"), SPACES)
def test_it_is_what_a_plain_loop_computes(scene, layout, channels, dtype):
    found = scene("network", layout=layout, channels=channels, dtype=dtype)
    problems, probe = found.problems, found.probe
    values, axis = random_maps(problems), problems.space.channel_axis
    expected = []
    for image, x, target in zip(values, problems.x, problems.targets, strict=True):
        ranked = np.argsort(-np.abs(image.astype(np.float64)).sum(axis=axis).ravel())
        gaps = []
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            count = round(share * 64)
            probabilities = []
            for chosen in (ranked[:count], ranked[64 - count :]):
                gone = np.zeros(64, bool)
                gone[chosen] = True
                planes = [dense(plane, gone.reshape(8, 8)) for plane in np.moveaxis(x, axis, 0)]
                point = np.moveaxis(np.stack(planes), 0, axis).astype(dtype)
                scores = np.exp(probe.scores(point[None])[0])
                probabilities.append(scores[target] / scores.sum())
            gaps.append(probabilities[1] - probabilities[0])
        expected.append(np.mean(gaps))
    scores, turned = score(values, problems, probe, noise=0)
    np.testing.assert_allclose(scores.values, expected, atol=2e-5 if dtype == np.float32 else 1e-7)
    np.testing.assert_array_equal(turned.values, -scores.values)
    assert np.abs(scores.values).max() > 0.01 and scores.reasons == (None,) * 5


def test_reversing_the_order_changes_the_sign(scene):
    found = scene("network")
    values = random_maps(found.problems)
    pixels = np.abs(values).sum(axis=1, keepdims=True)
    reversed_maps = np.broadcast_to((pixels.max() - pixels) / 3, values.shape)
    there, _ = score(values, found.problems, found.probe)
    back, _ = score(reversed_maps, found.problems, found.probe)
    np.testing.assert_allclose(back.values, -there.values, atol=1e-12)


def test_random_and_constant_maps_are_at_chance(scene):
    found = scene("network")
    drawn = np.stack([score(random_maps(found.problems, s), found.problems, found.probe)[0].values for s in range(16)])
    assert np.abs(drawn.mean()) < 4 * drawn.mean(axis=1).std() / 4
    assert drawn.std() > 0.01, "or the model does not care at all"
    constant, _ = score(np.ones_like(found.problems.x), found.problems, found.probe)
    assert np.abs(constant.values).max() < drawn.mean() + 5 * drawn.std()


class Corner:
    """p is the brightness of the upper left quarter."""

    def probabilities(self, points, targets):
        return points[:, :, :4, :4].mean(axis=(1, 2, 3))

    def rng(self, *key):
        return np.random.default_rng(0)


def test_a_map_of_the_evidence_scores_high_and_its_inversion_low(scene):
    problems = scene("formula").problems
    problems.x[:] = 0.0
    problems.x[:, :, :4, :4] = 1.0
    values = np.zeros_like(problems.x)
    values[:, :, :4, :4] = 1 + np.random.default_rng(0).random((4, 4))
    good, bad = score(values, problems, Corner(), noise=0)
    assert good.values.min() > 0.5 and bad.values.max() < -0.5


def test_batch_and_order_of_images_change_nothing(scene, monkeypatch):
    found = scene("network")
    problems, values = found.problems, random_maps(found.problems)
    whole = score(values, problems, found.probe)[0].values
    monkeypatch.setattr("geoaudit_plugins.metrics.road.CHUNK", 3)
    order = [3, 0, 4]
    part = score(values[order], problems.select(order), found.probe)[0].values
    np.testing.assert_allclose(part, whole[order], atol=1e-6)
    alone = score(values[[2]], problems.select([2]), found.probe)[0].values
    np.testing.assert_allclose(alone, whole[[2]], atol=1e-6)


@pytest.mark.parametrize(("budget", "shares"), [("quick", 5), ("standard", 5), ("thorough", 10)])
def test_it_costs_what_it_says(scene, budget, shares):
    found = scene("network")
    metric = registry.create(registry.load(()).metrics["road"], budget, {})
    assert metric.parameters.shares == shares
    each, shared = metric.cost(found.problems.space)
    score(random_maps(found.problems), found.problems, found.probe, metric=metric)
    assert (each.forwards, shared.forwards, metric.inversion_cost(found.problems.space).forwards) == (2 * shares, 0, 0)
    assert found.probe.spent.forwards == 5 * 2 * shares


def test_shares_are_the_middles_of_equal_parts(scene):
    space = scene("formula").problems.space
    assert list(Road().counts(space)) == [round(q * 64) for q in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert list(Road(RoadParameters(shares=1)).counts(space)) == [32]
    assert set(Road(RoadParameters(shares=1000)).counts(space)) == set(range(1, 64)), "never none, never all"


def test_an_image_without_a_score_has_a_reason_and_the_others_theirs(scene):
    found = scene("network")
    values = random_maps(found.problems)
    whole, _ = score(values, found.problems, found.probe)
    values[1, 0, 0, 0] = np.nan
    part, turned = score(values, found.problems, found.probe)
    assert np.isnan(part.values[1]) and part.reasons[1] == turned.reasons[1] == "the map is not finite"
    np.testing.assert_allclose(np.delete(part.values, 1), np.delete(whole.values, 1), atol=1e-6)
