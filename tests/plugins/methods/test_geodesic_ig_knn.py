"""The nearest-neighbour geodesic: closed forms, the search against a full one, and what every walk must obey."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit_plugins.geodesics.bank import connect, gather
from geoaudit_plugins.geodesics.choose import Plan, shortest_conformal, shortest_euclidean
from geoaudit_plugins.geodesics.explore import Findings, Quest, explore, point_of
from geoaudit_plugins.geodesics.graph import conformal_graph
from geoaudit_plugins.geodesics.line import straight
from geoaudit_plugins.geodesics.search import Search

METHODS = registry.load(()).methods
TIGHT = Quadrature(tolerance=1e-3, node_limit=1024, scan=257, first_nodes=64)


def knn(**given):
    settings = {"search": 100000, **given}
    return registry.create(METHODS["geodesic-ig-knn"], "standard", {k: str(v) for k, v in settings.items()})


def pictures(points):
    points = np.asarray(points, dtype=np.float64)
    return points.reshape(len(points), 1, 1, -1)


def xor(bank=None):
    return AnalyticProbe(
        lambda x: x[:, 0] + x[:, 1] - 2 * x[:, 0] * x[:, 1],
        lambda x: np.c_[1 - 2 * x[:, 1], 1 - 2 * x[:, 0]], TIGHT, None if bank is None else pictures(bank),
    )  # fmt: skip


def bump(bank, quadrature=TIGHT):
    """f = x1 + 2 exp(-50 ((x1 - 1/2)^2 + x2^2)): the straight line along x1 crosses the bump."""

    def high(x):
        return 2 * np.exp(-50 * ((x[:, 0] - 0.5) ** 2 + x[:, 1] ** 2))

    return AnalyticProbe(
        lambda x: x[:, 0] + high(x),
        lambda x: np.c_[1 - 100 * (x[:, 0] - 0.5) * high(x), -100 * x[:, 1] * high(x)], quadrature, pictures(bank),
    )  # fmt: skip


def hills(seed, pictures_, d=2):
    """A sum of random bumps over d features, and random pictures."""
    rng = np.random.default_rng(seed)
    centres, heights = rng.normal(size=(6, d)), rng.normal(size=6) * 3
    bank = rng.normal(size=(pictures_, d)) * 1.2

    def values(x):
        gaps = x[:, None] - centres
        return heights * np.exp(-2 * (gaps**2).sum(axis=2)), gaps

    return AnalyticProbe(
        lambda x: values(x)[0].sum(axis=1),
        lambda x: (-4 * values(x)[0][:, :, None] * values(x)[1]).sum(axis=1), TIGHT, pictures(bank),
    )  # fmt: skip


def several(probe, starts, ends, ids=None):
    x, baseline = pictures(ends), pictures(starts)
    targets = np.zeros(len(x), np.int64)
    space = InputSpace("NCHW", x.shape[1:], (0.0,), (1.0,))
    f_x, f_b = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(ids or tuple(map(str, range(len(x)))), x, baseline, targets, f_x, f_b, space)


@pytest.mark.parametrize(
    ("a", "straight_cost", "cost", "expected"),
    [(2.0, 3.05872, 3.05872, [1.0, -0.5]), (3.0, 7.18496, 7.07390, [0.0, 0.5])],
)
def test_soft_xor_takes_the_axis_that_does_not_cancel_where_it_is_shorter(a, straight_cost, cost, expected):
    """Over (0, b) the map is (a - 2ab, b); to (2, 1/2) the straight line is shorter by half a per cent."""
    probe = xor([[0.0, 0.5], [a, 0.0]])
    problems = feature_problems(probe, [0.0, 0.0], [a, 0.5])
    method = knn(neighbours=2, anchors=0, edge_nodes=64)
    walk = method.walk(problems, probe).vertices[0].reshape(-1, 2).tolist()
    assert ([0.0, 0.5] in walk) == (expected[1] > 0) and [a, 0.0] not in walk
    (choice,) = method.choose(problems, probe)
    assert choice.line_cost == pytest.approx(straight_cost, rel=2e-3)
    assert choice.cost == pytest.approx(cost, rel=2e-3) and choice.pictures == (expected[1] > 0)
    result = method.attribute(problems, probe)
    np.testing.assert_allclose(result.values.ravel(), expected, atol=2e-3)
    assert result.records[0].conformal_length == pytest.approx(cost, rel=5e-3)


def test_the_walk_back_gives_the_negative_map():
    bank = [[0.25, 0.45], [0.5, 0.6], [0.75, 0.45]]
    first, other = bump(bank), bump(bank)
    there = knn(neighbours=2).attribute(feature_problems(first, [0.0, 0.0], [1.0, 0.1]), first)
    back = knn(neighbours=2).attribute(feature_problems(other, [1.0, 0.1], [0.0, 0.0]), other)
    np.testing.assert_allclose(back.values, -there.values, atol=1e-3)
    assert there.records[0].length > 1.2


def test_a_walk_goes_round_a_bump():
    probe = bump([[0.25, 0.45], [0.5, 0.6], [0.75, 0.45]])
    problems = feature_problems(probe, [0.0, 0.0], [1.0, 0.0])
    (record,) = knn(neighbours=2).attribute(problems, probe).records
    (line,) = probe.straight_line(problems).records
    assert line.total_variation == pytest.approx(4.366, rel=0.02) and line.conformal_length > 4
    assert record.conformal_length < 2 and record.path_cancellation < 0.02 < line.path_cancellation
    assert record.completeness_error < 2e-3


@pytest.mark.parametrize("given", [{"bank": 0}, {"neighbours": 0}, {"search": 0}, {}])
def test_two_nodes_are_integrated_gradients_at_their_price(given):
    probe = xor([[0.0, 0.5], [2.0, 0.0]] if given else None)
    problems = feature_problems(probe, [0.0, 0.0], [2.0, 0.5])
    probe.spent = Cost()
    result = knn(**given).attribute(problems, probe)
    spent = probe.spent
    line = probe.straight_line(problems)
    np.testing.assert_array_equal(result.values, line.values)
    assert result.records == line.records and spent.gradients == line.records[0].gradients


@pytest.mark.parametrize("seed", range(6))
def test_the_search_finds_what_dijkstra_finds_with_all_edges_known(seed):
    probe = hills(seed, 40)
    problems = several(probe, [[-2.0, -2.0]], [[2.0, 2.0]])
    bank = connect(gather(probe.calibration, 40, problems.x.dtype), 4, None)
    (line,) = straight(problems, probe, 3)
    graph = conformal_graph(bank, line)
    search = Search(graph, line.outputs, 4, 10**6)
    before = probe.spent.gradients
    explore([Quest(search, line.points, 0, 0)], bank, Findings(), probe)
    spent = probe.spent.gradients - before

    def point(node):
        return point_of(bank, line.points, node).ravel()

    costs, needed = [], 0
    for (u, v), length, given, nodes in zip(graph.pairs, graph.lengths, graph.costs, search.nodes, strict=True):
        on_it = point(u) + (np.arange(nodes)[:, None] + 0.5) / nodes * (point(v) - point(u))
        mean = np.linalg.norm(probe.gradient(on_it), axis=1).mean()
        change = abs(np.diff(probe.f(np.stack([point(u), point(v)])))[0])
        costs.append(max(length * mean, change) if np.isnan(given) else given)
        needed += 0 if np.isfinite(given) else int(nodes)
    matrix = csr_array((costs, tuple(graph.pairs.T.astype(np.int32))), shape=(graph.nodes, graph.nodes))
    cheapest = dijkstra(matrix, directed=False, indices=graph.line[0])[graph.line[-1]]
    way = graph.way(search.known())
    pairs = {tuple(pair): cost for pair, cost in zip(graph.pairs.tolist(), search.known(), strict=True)}
    walked = sum(pairs[min(u, v), max(u, v)] for u, v in itertools.pairwise(way))
    assert walked == pytest.approx(cheapest, rel=1e-8) and cheapest <= line.costs.sum()
    assert search.own <= search.gradients == spent < 0.7 * needed


@pytest.mark.parametrize("seed", range(4))
def test_more_pictures_and_more_edges_never_make_the_walk_longer(seed):
    costs = []
    for count, neighbours in [(4, 4), (12, 12), (30, 30)]:  # nested banks, each completely joined
        probe = hills(seed, 30)
        problems = several(probe, [[-1.5, -1.0]], [[1.5, 1.0]])
        bank = connect(probe.calibration.points(range(count)), neighbours, None)
        (choice,) = shortest_conformal(problems, probe, bank, Findings(), Plan(2, 4, 10**6, 16))
        costs.append(choice.cost)
        assert choice.cost <= choice.line_cost * (1 + 1e-9)
    assert costs[0] >= costs[1] * (1 - 1e-8) and costs[1] >= costs[2] * (1 - 1e-8) and costs[0] > costs[2]


@pytest.mark.parametrize("limit", [1, 8, 30])
def test_a_search_cut_short_is_never_worse_than_the_line_and_says_so(limit):
    probe = hills(1, 40)
    problems = several(probe, [[-2.0, -2.0], [1.0, -2.0]], [[2.0, 2.0], [-1.0, 2.0]])
    result = knn(search=limit).attribute(problems, probe)
    lines = probe.straight_line(problems).records
    for record, line in zip(result.records, lines, strict=True):
        assert record.conformal_length <= line.conformal_length
        assert line.gradients <= record.gradients
    assert any(f"limit of {limit} gradients" in note for note in result.notes)


def test_an_images_walk_and_record_do_not_depend_on_the_others():
    ends = np.random.default_rng(5).normal(size=(2, 5, 3))
    together = hills(3, 30, 3)
    many = knn().attribute(several(together, *ends), together)
    again = knn().attribute(several(together, *ends), together)  # the bank's edges are known by now
    np.testing.assert_array_equal(many.values, again.values)
    assert any("leaves the straight line" in note for note in many.notes)
    for i in range(5):
        alone = hills(3, 30, 3)
        one = knn().attribute(several(alone, *ends).select([i]), alone)
        np.testing.assert_allclose(one.values[0], many.values[i], rtol=0, atol=1e-12)
        assert one.records[0].gradients == many.records[i].gradients


def test_edges_within_the_bank_are_evaluated_once_for_a_class():
    starts, ends = [[-2.0, -2.0]] * 3, [[2.0, 2.0], [2.0, 2.001], [2.0, 1.999]]
    probe = hills(2, 60)
    problems = several(probe, starts, ends)
    probe.straight_line(problems)
    before = probe.spent.gradients
    choices = knn().choose(problems, probe)
    spent = probe.spent.gradients - before
    apart = 0
    for i in range(3):
        single = hills(2, 60)
        one = several(single, starts, ends).select([i])
        single.straight_line(one)
        start = single.spent.gradients
        knn().choose(one, single)
        apart += single.spent.gradients - start
    assert sum(choice.gradients for choice in choices) <= spent < apart


def test_the_bank_is_spread_evenly_and_holds_each_picture_once():
    bank = pictures(np.repeat(np.arange(10.0), 2)[:, None] + [[0.0, 1.0]])
    probe = AnalyticProbe(lambda x: x[:, 0], lambda x: np.ones_like(x), calibration=bank)
    everything = gather(probe.calibration, 100, np.dtype(np.float32))
    assert everything.dtype == np.float32 and len(everything) == 10
    assert gather(probe.calibration, 4, bank.dtype)[:, 0, 0, 0].tolist() == [0.0, 3.0, 6.0, 9.0]
    assert len(gather(probe.calibration, 0, bank.dtype)) == 0


def test_parts_of_a_bank_are_joined_by_their_closest_pairs():
    points = pictures([[0, 0], [1, 0], [0, 1], [10, 0], [11, 0], [10, 1], [0, 30], [1, 30]])
    bank = connect(points, 1, None)
    matrix = csr_array((np.ones(len(bank.pairs)), bank.pairs.T), shape=(8, 8))
    assert connected_components(matrix, directed=False)[0] == 1
    assert {(1, 3), (2, 6)} <= set(map(tuple, bank.pairs.tolist())) and len(bank.pairs) <= 8
    np.testing.assert_allclose(bank.lengths[bank.pairs.tolist().index([1, 3])], 9.0)
    flat = connect(points, 1, 2)
    np.testing.assert_array_equal(np.sort(flat.pairs, axis=0), np.sort(bank.pairs, axis=0))


def test_a_principal_component_decides_who_is_near():
    rng = np.random.default_rng(0)
    points = pictures(np.c_[np.arange(20.0) * 10, rng.normal(size=(20, 2))][rng.permutation(20)])
    place = points[:, 0, 0, 0] / 10
    for u, v in connect(points, 2, 1).pairs:
        assert abs(place[u] - place[v]) <= 2


def test_ends_that_belong_to_the_bank_are_its_nodes():
    probe = hills(4, 20)
    known = probe.calibration.points()
    problems = several(probe, known[:1].reshape(1, 2), known[1:2].reshape(1, 2))
    bank = connect(known, 3, None)
    (line,) = straight(problems, probe, 2)
    graph = conformal_graph(bank, line)
    assert (graph.line[0], graph.line[-1]) == (0, 1) and (graph.lengths > 0).all()
    assert len(np.unique(graph.pairs, axis=0)) == len(graph.pairs)
    result = knn(neighbours=3).attribute(problems, probe)
    assert np.isfinite(result.values).all() and result.records[0].completeness_error < 1e-2


@pytest.mark.parametrize("others", [0, 1, 20])
def test_the_euclidean_graph_has_no_straight_line_even_where_both_ends_are_pictures(others):
    probe = hills(4, 20)
    known = probe.calibration.points()[:others]
    ends = pictures([[0.0, 0.0], [0.1, 0.0]])
    bank = connect(np.concatenate([ends, known]), 3, None)
    problems = several(probe, *ends[:, None].reshape(2, 1, 2))
    (choice,) = shortest_euclidean(problems, bank, 8)
    assert choice.pictures == (1 if others else 0)
    probe.calibration = AnalyticProbe(probe.f, probe.gradient, TIGHT, bank.points).calibration
    result = knn(distance="euclidean", neighbours=3).attribute(problems, probe)
    assert result.records[0].completeness_error < 1e-2
    assert any("no walk over pictures" in note for note in result.notes) == (others == 0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("distance", ["conformal", "euclidean"])
@pytest.mark.parametrize("components", [1, 5])
def test_a_bank_of_one_picture_is_walked_through(distance, components):
    probe = hills(4, 1)
    problems = several(probe, [[-2.0, -2.0]], [[2.0, 2.0]])
    made = knn(distance=distance, pca=components).attribute(problems, probe)
    pixels = knn(distance=distance).attribute(problems, probe)
    np.testing.assert_array_equal(made.values, pixels.values)
    assert any("through how many pictures: 0 (1)" in note for note in made.notes)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_pictures_at_which_the_output_is_not_finite_are_walked_past(broken):
    whole = hills(3, 30)
    probe = AnalyticProbe(
        lambda x: np.where(x[:, 0] - x[:, 1] > 1, broken, whole.f(x)), whole.gradient, TIGHT, whole.calibration.points()
    )
    problems = several(probe, [[-2.0, -2.0]], [[2.0, 2.0]])
    (choice,) = knn().choose(problems, probe)
    assert choice.pictures > 0 and choice.cost < choice.line_cost
    assert (probe.f(choice.vertices.reshape(-1, 2)) < np.inf).all()


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("slope", [np.nan, np.inf])
def test_a_line_without_a_finite_length_is_not_searched_around(slope):
    whole = hills(3, 30)
    probe = AnalyticProbe(whole.f, lambda x: np.full_like(x, slope), TIGHT, whole.calibration.points())
    problems = several(probe, [[-2.0, -2.0], [0.0, 1.0]], [[2.0, 2.0], [0.0, 1.0]])
    assert [choice.vertices for choice in knn().choose(problems, probe)] == [None, None]


def test_zero_is_one_number():
    points = pictures([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0]])
    probe = AnalyticProbe(lambda x: x[:, 0], np.ones_like, calibration=points)
    bank = connect(gather(probe.calibration, 3, points.dtype), 1, None)
    assert len(bank) == 2 and bank.index_of(points[1]) == 0 and (bank.lengths > 0).all()


def test_an_image_that_equals_its_baseline_costs_nothing():
    probe = hills(4, 20)
    problems = several(probe, [[0.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [-1.0, 0.5]])
    for distance in ("conformal", "euclidean"):
        result = knn(distance=distance).attribute(problems, probe)
        assert not result.values[0].any() and result.records[0].gradients == 0 < result.records[1].gradients


def test_the_euclidean_walk_follows_the_pictures_and_asks_the_model_nothing():
    corner = [[0.0, y] for y in np.arange(0.1, 2.05, 0.1)] + [[x, 2.0] for x in np.arange(0.1, 2.05, 0.1)]
    probe = bump(corner)
    problems = feature_problems(probe, [0.0, 0.0], [2.0, 1.9])
    method, before = knn(distance="euclidean", neighbours=2), probe.spent
    (choice,) = method.choose(problems, probe)
    assert probe.spent == before and choice.pictures > 30
    assert choice.cost > 3.7 > choice.line_cost == pytest.approx(np.hypot(2.0, 1.9))
    result = method.attribute(problems, probe)
    assert result.records[0].length == pytest.approx(choice.cost) and result.records[0].completeness_error < 5e-3


@pytest.mark.parametrize("distance", ["conformal", "euclidean"])
def test_recorded_nodes_belong_to_the_map(distance):
    probe = hills(3, 30)
    problems = several(probe, [[-2.0, -2.0], [0.3, 0.1]], [[2.0, 2.0], [0.35, 0.1]])
    method = knn(distance=distance)
    made, nodes = method.recorded(problems, probe)
    wanted = method.attribute(problems, probe)
    np.testing.assert_array_equal(made.values, wanted.values)
    assert made.notes == wanted.notes != ()
    for i in range(2):
        np.testing.assert_array_equal(nodes.vertices[i][0], problems.baseline[i])
        np.testing.assert_array_equal(nodes.vertices[i][-1], problems.x[i])
        way, g = np.diff(nodes.vertices[i], axis=0), nodes.gradients[i]
        np.testing.assert_allclose((0.5 * (g[1:] + g[:-1]) * way).sum(axis=0), made.values[i], atol=1e-9)


def test_half_moons_lose_nearly_all_cancellation():
    from sklearn.datasets import make_moons

    points, _ = make_moons(400, noise=0.1, random_state=0)
    probe = moons(points)
    images = make_moons(12, noise=0.1, random_state=1)[0]
    images = images[probe.f(images) < 0]  # behind the border, seen from the baseline
    problems = several(probe, [[-0.5, -0.5]] * len(images), images)
    result = knn(bank=400).attribute(problems, probe)
    left, before = (
        np.mean([r.magnitude - abs(r.delta_f) for r in records])
        for records in (result.records, probe.straight_line(problems).records)
    )
    assert len(images) >= 5 and before > 0.1 and left < before / 10


def moons(points):
    """A steep border that winds between the two moons: tanh of the height over a sine."""

    def height(x):
        return 4 * (0.25 + 0.55 * np.cos(np.pi * (x[:, 0] + 0.05) / 1.05) - x[:, 1])

    def slope(x):
        return np.c_[-4 * 0.55 * np.pi / 1.05 * np.sin(np.pi * (x[:, 0] + 0.05) / 1.05), np.full(len(x), -4.0)]

    return AnalyticProbe(
        lambda x: 3 * np.tanh(height(x)),
        lambda x: 3 * (1 - np.tanh(height(x)) ** 2)[:, None] * slope(x), TIGHT, pictures(points),
    )  # fmt: skip


def test_the_cost_is_announced():
    method = registry.create(METHODS["geodesic-ig-knn"], "standard", {})
    line = METHODS["integrated-gradients"].cls().cost(Quadrature())
    assert line.gradients < method.cost(Quadrature()).gradients <= 3.5 * line.gradients
    assert knn(bank=0).cost(Quadrature()) == line
