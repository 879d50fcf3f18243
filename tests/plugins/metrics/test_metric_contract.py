"""What every metric that reads importance promises, on a linear model whose contributions are known exactly.

Parametrised from the registry: a metric that is added is held to all of it.  Chance is not one number for all: a
random map and its inversion must score the same in the mean, which is 0 where the score has a sign.
"""

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, Group, Problems, registry

SHELF = registry.load(())
NAMES = [name for name, entry in SHELF.metrics.items() if entry.cls.reads_importance]
EVALUATING = [name for name in NAMES if "probe" in SHELF.metrics[name].cls.needs]
EXACT = {"infidelity": 0.0, "sensitivity-n": 1.0}
"""What the exact contributions of a linear model score, where that is known."""
AREA_TELLS = {"infidelity"}
"""Where a constant map says something: that larger parts lose more, which is so where the whole image counts."""
READS_SIGNS = {"infidelity", "sensitivity-n"}
"""The others read how large |A| is."""
SEEDS = 20

metrics = pytest.mark.parametrize("name", NAMES)


def bound(name, budget="quick"):
    return registry.create(SHELF.metrics[name], budget, {}, SHELF.methods)


def both(planted, metric, values, group=None):
    """The scores of maps and of their inversions, every image with a score."""
    own = planted.score(metric, values, group)
    turned = planted.inverted(metric, values, own, group)
    assert own.reasons == turned.reasons == (None,) * len(values)
    return own.values, turned.values


@pytest.fixture(scope="module")
def chance(planted, noise):
    """By metric: the mean over images of random maps and of their inversions, shape (2, SEEDS)."""
    made = {}

    def of(name):
        if name not in made:
            scene, metric = planted(), bound(name)
            group = scene.group()
            rows = [both(scene, metric, noise(scene.problems.x.shape, seed), group) for seed in range(SEEDS)]
            made[name] = np.array(rows).mean(axis=2).T
        return made[name]

    return of


@metrics
def test_random_maps_score_at_chance(name, chance):
    own, turned = chance(name)
    gap = own - turned
    assert abs(gap.mean()) <= 3 * gap.std(ddof=1) / np.sqrt(SEEDS)
    if name == "sensitivity-n":
        assert abs(own.mean()) <= 3 * own.std(ddof=1) / np.sqrt(SEEDS)


@metrics
def test_the_true_map_beats_random_ones_and_its_inversion_is_worse_than_both(name, planted, chance):
    scene, metric = planted(), bound(name)
    own, turned = both(scene, metric, scene.true)
    sign = 1 if metric.higher_is_better else -1
    random = chance(name)[0]
    assert sign * own.mean() > (sign * random).max()
    assert sign * turned.mean() < sign * random.mean()
    assert (sign * own > sign * turned).all()


@pytest.mark.parametrize("name", EXACT)
def test_exact_contributions_have_exact_scores(name, planted):
    for dtype, margin in ((np.float64, 1e-6), (np.float32, 1e-5)):  # the maps are float32
        scene = planted(dtype=dtype)
        np.testing.assert_allclose(scene.score(bound(name), scene.true).values, EXACT[name], atol=margin)


@metrics
def test_the_ideal_is_what_no_map_exceeds(name, planted, chance):
    metric, scene = bound(name), planted()
    if metric.ideal is not None:
        sign = 1 if metric.higher_is_better else -1
        reached = np.concatenate([*both(scene, metric, scene.true), chance(name).ravel()])
        assert (sign * reached <= sign * metric.ideal + 1e-9).all()


@metrics
def test_the_other_images_their_order_and_their_number_change_nothing(name, planted, monkeypatch):
    scene, metric = planted(), bound(name)
    mixed = scene.true + np.random.default_rng(0).normal(0, 0.1, scene.true.shape).astype(np.float32)
    whole = scene.score(metric, mixed).values
    for order in ([2, 0, 1], [1]):
        np.testing.assert_allclose(scene.select(order).score(metric, mixed[order]).values, whole[order], rtol=1e-9)
    doubled = twice(scene)
    found = doubled.score(metric, np.concatenate([mixed, mixed])).values
    np.testing.assert_allclose(found[:3], whole, rtol=1e-9)
    for place in ("geoaudit.scoring.sweep", "geoaudit_plugins.metrics.removal"):
        monkeypatch.setattr(f"{place}.BATCH", 5)
    np.testing.assert_allclose(scene.score(metric, mixed).values, whole, rtol=1e-9)


def twice(scene):
    """Every image once more under another id."""
    p = scene.problems
    double = [np.concatenate([a, a]) for a in (p.x, p.baseline, p.targets, p.f_x, p.f_baseline)]
    return type(scene)(Problems((*p.ids, *(f"{i} again" for i in p.ids)), *double, p.space), scene.probe)


@metrics
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_colours_and_dtypes(name, planted, channels, dtype):
    """The same picture in another layout scores the same; grey and float64 pictures run."""
    metric = bound(name)
    found = []
    for layout in ("NCHW", "NHWC"):
        scene = planted(layout=layout, channels=channels, dtype=dtype)
        own, turned = both(scene, metric, scene.true)
        sign = 1 if metric.higher_is_better else -1
        assert (sign * own > sign * turned).all()
        found.append(own)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-5)


@metrics
def test_only_proportions_count_and_another_run_says_the_same(name, planted):
    scene, metric = planted(), bound(name)
    values = scene.true + np.random.default_rng(0).normal(0, 0.1, scene.true.shape).astype(np.float32)
    whole = scene.score(metric, values)
    np.random.seed(4)  # a metric that draws from the global state would show
    np.testing.assert_array_equal(scene.score(metric, values).values, whole.values)
    np.testing.assert_allclose(scene.score(metric, 8 * values).values, whole.values, rtol=1e-9)


@metrics
def test_an_inversion_is_what_the_opposite_map_gives(name, planted):
    """Where signs are read, -A itself; else the map whose importance falls where A's rises, pixel by pixel."""
    scene, metric = planted(), bound(name)
    pixels = np.random.default_rng(2).uniform(0, 1, (3, 1, *scene.problems.space.size))
    values, opposite = (np.repeat(p, 3, axis=1).astype(np.float32) for p in (pixels, 1 - pixels))
    if name in READS_SIGNS:
        values = values - np.float32(0.5)
        opposite = -values
    _, short = both(scene, metric, values)
    np.testing.assert_allclose(scene.score(metric, opposite).values, short, rtol=1e-6, atol=1e-9)


def attributions(values):
    return Attributions(values, (None,) * len(values))


@metrics
def test_a_constant_map_gets_a_reason_or_chance(name, planted, chance):
    scene, metric = planted(), bound(name)
    scores = scene.score(metric, np.full_like(scene.true, 0.25))
    random = chance(name)[0]
    for value, reason in zip(scores.values, scores.reasons, strict=True):
        assert np.isfinite(value) == (reason is None)
    if name in AREA_TELLS:
        exact = scene.score(metric, scene.true).values
        assert (np.abs(scores.values - metric.ideal) > np.abs(exact - metric.ideal) + 0.2).all()
    elif scores.reasons == (None,) * 3:
        assert abs(scores.values.mean() - random.mean()) <= 4 * random.std(ddof=1)


@metrics
def test_a_map_of_zeros_and_a_model_that_says_the_same_of_everything_end_in_numbers_or_reasons(name, planted):
    for scene, values in ((planted(), np.zeros_like(planted().true)), (planted(gain=0.0), planted().true)):
        scores = scene.score(bound(name), values)
        assert len(scores.values) == len(scores.reasons) == 3
        for value, reason in zip(scores.values, scores.reasons, strict=True):
            assert np.isfinite(value) == (reason is None) and reason != ""


@metrics
@pytest.mark.parametrize("budget", ["quick", "standard", "thorough"])
def test_what_it_costs_is_what_it_said(name, budget, planted):
    scene, metric = planted().select([1, 2]), bound(name, budget)
    if "sweep" in metric.needs:
        return  # the sweep is planned and paid for by itself
    group, n = scene.group(), len(scene.problems)
    each, shared = metric.cost(scene.problems.space)
    spent = []
    for values in (scene.true, scene.true[::-1]):
        before = scene.probe.spent
        scores = scene.score(metric, values, group)
        spent.append((scene.probe.spent.forwards - before.forwards) / n)
    first, second = each.forwards + shared.forwards, each.forwards
    assert first / 2 <= spent[0] <= 2 * first and second / 2 <= spent[1] <= 2 * second
    before = scene.probe.spent
    scene.inverted(metric, scene.true[::-1], scores, group)
    turned = metric.inversion_cost(scene.problems.space).forwards
    assert turned / 2 <= (scene.probe.spent.forwards - before.forwards) / n <= 2 * turned


@pytest.mark.parametrize("name", EVALUATING)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_map_that_is_not_finite_has_a_reason_and_the_others_their_scores(name, bad, planted):
    scene, metric = planted(), bound(name)
    whole, values = scene.score(metric, scene.true), scene.true.copy()
    values[1].flat[0] = bad
    part = scene.score(metric, values)
    assert np.isnan(part.values[1]) and "not finite" in part.reasons[1]
    np.testing.assert_array_equal(part.values[[0, 2]], whole.values[[0, 2]])
    assert part.reasons[0] is part.reasons[2] is None


OTHERWISE = {
    "infidelity": {"draws": 11},
    "patch-degradation": {"side": 5},
    "pic-aic": {"random_share": 0.2},
    "pic-sic": {"random_share": 0.2},
    "road": {"shares": 2},
    "sensitivity-n": {"sizes": 2, "subsets": 9},
}


@pytest.mark.parametrize("name", EVALUATING)
def test_what_a_group_keeps_is_not_mistaken_for_other_parameters(name, planted):
    """Scored first with the usual parameters, then with others: as if the others had been alone."""
    scene, cls = planted(), SHELF.metrics[name].cls
    values = scene.true + np.random.default_rng(0).normal(0, 0.1, scene.true.shape).astype(np.float32)
    other, group = cls(cls.Parameters(**OTHERWISE[name])), scene.group()
    usual = scene.score(bound(name), values, group).values
    after, alone = scene.score(other, values, group).values, scene.score(other, values).values
    np.testing.assert_array_equal(after, alone)
    assert (usual != alone).any()


@pytest.mark.parametrize("name", EVALUATING)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [3, 1])
def test_a_real_network_gives_the_same_scores_whatever_the_other_images(name, scene, layout, channels):
    found, metric = scene("network", layout=layout, channels=channels), bound(name)
    problems = found.problems
    values = np.random.default_rng(1).normal(size=problems.x.shape).astype(np.float32)
    imputers = {key: entry.cls() for key, entry in SHELF.imputers.items()}

    def scored(part, maps):
        return metric.score(attributions(maps), part, Evidence(None, Group(part, found.probe, imputers)))

    whole, few = scored(problems, values), scored(problems.select([3, 1]), values[[3, 1]])
    np.testing.assert_allclose(few.values, whole.values[[3, 1]], atol=1e-5)
    assert few.reasons == tuple(whole.reasons[i] for i in (3, 1))
    rows = found.probe.class_probabilities(problems.x)
    targets = problems.targets
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        rows[np.arange(len(rows)), targets], found.probe.probabilities(problems.x, targets), atol=1e-6
    )
