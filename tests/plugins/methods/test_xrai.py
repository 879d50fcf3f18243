"""XRAI: the greedy growing on regions made by hand, the segments of pictures, and what becomes of the base's sums."""

import numpy as np
import pytest

from geoaudit import Attributions, Cost, InputSpace, Method, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import PluginError
from geoaudit_plugins.methods import xrai
from geoaudit_plugins.methods.regions import gathered, segments, smallest_addition
from geoaudit_plugins.methods.xrai import Xrai, XraiParameters
from geoaudit_plugins.metrics.assessable import reasons

ENTRY = registry.load(()).methods["xrai"]


def make(budget="standard", **settings):
    return registry.create(ENTRY, budget, settings)


def masks(*rows):
    """Masks over a line of pixels, written as strings."""
    return [np.flatnonzero(np.array(list(row)) == "x") for row in rows]


def blocks(shape=(3, 40, 40), count=2, dtype=np.float64, layout="NCHW"):
    """Pictures of four noisy colour blocks, and a smooth model of them."""
    rng = np.random.default_rng(5)
    planes = rng.uniform(0.1, 0.9, (count, shape[0], 2, 2)).repeat(shape[1] // 2, 2).repeat(shape[2] // 2, 3)
    x = (planes + rng.uniform(-0.02, 0.02, planes.shape)).astype(dtype)
    x = x if layout == "NCHW" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    w = rng.normal(size=x[0].size) / 10 + 0.02
    probe = AnalyticProbe(
        lambda p: np.tanh((p * w).sum(axis=1)) + 0.1 * (p * w).sum(axis=1) ** 2,
        lambda p: (1 - np.tanh((p * w).sum(axis=1)) ** 2 + 0.2 * (p * w).sum(axis=1))[:, None] * w,
        Quadrature(tolerance=0.01, node_limit=64, scan=33, first_nodes=16),
    )
    space = InputSpace(layout, x.shape[1:], (0.0,) * shape[0], (1.0,) * shape[0])
    targets, baseline = np.zeros(count, np.int64), np.zeros_like(x)
    ids = tuple(f"{i}.png" for i in range(count))
    made = Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)
    probe.spent = Cost()
    return made, probe


def test_the_densest_segment_comes_first_and_others_keep_what_is_new_in_them():
    density = np.array([9.0, 9, 1, 1, 5, 5, 0, 2])
    found = gathered(density, masks("xxxx    ", " xx     ", "   xxx  "), 1)
    # means 5, 5, 11/3: the first wins the tie; then mask 2 has nothing new and mask 3 its two fives
    np.testing.assert_allclose(found, [5, 5, 5, 5, 5, 5, 1, 1])
    found = gathered(density, masks("xx      ", "xxxx    ", "  xxxx  "), 1)
    np.testing.assert_allclose(found, [9, 9, 3, 3, 3, 3, 1, 1], err_msg="mask 3 at mean 3 before mask 2's 1")


def test_segments_that_would_add_too_little_are_dropped_for_good():
    density = np.array([8.0, 2, 2, 2, 0, 0])
    found = gathered(density, masks("x     ", "xxx   ", "  xx  "), 2)
    np.testing.assert_allclose(found, [4, 4, 4, 2 / 3, 2 / 3, 2 / 3], err_msg="mask 1 is too small, mask 3 becomes so")


def test_without_segments_everything_gets_the_mean():
    np.testing.assert_allclose(gathered(np.array([1.0, 2, 6]), [], 1), 3)


def test_regions_that_do_not_overlap_are_added_in_descending_order_and_the_sum_stays():
    rng = np.random.default_rng(0)
    density = rng.normal(size=600)
    apart = np.split(rng.permutation(600), 20)
    np.testing.assert_allclose(
        gathered(density, apart, 1)[np.concatenate(apart)],
        np.repeat([density[m].mean() for m in apart], 30),
        atol=1e-12,
    )
    overlapping = [np.sort(rng.choice(600, size, replace=False)) for size in rng.integers(5, 200, 40)]
    level = gathered(density, overlapping, 5)
    assert level.sum() == pytest.approx(density.sum(), abs=1e-9) and np.abs(level).sum() < np.abs(density).sum()


def test_it_agrees_with_adding_up_anew_in_every_step():
    rng = np.random.default_rng(1)
    density = rng.normal(size=300)
    regions = [np.sort(rng.choice(300, size, replace=False)) for size in rng.integers(3, 120, 30)]
    covered, expected, left = np.zeros(300, bool), np.zeros(300), list(range(30))
    while left := [m for m in left if (~covered[regions[m]]).sum() >= 4]:
        gains = [density[regions[m]][~covered[regions[m]]].mean() for m in left]
        new = regions[left[int(np.argmax(gains))]]
        new = new[~covered[new]]
        expected[new], covered[new] = max(gains), True
    expected[~covered] = density[~covered].mean()
    np.testing.assert_allclose(gathered(density, regions, 4), expected, atol=1e-12)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_blocks_are_found_and_grown(layout):
    problems, _ = blocks((3, 112, 112), count=1, layout=layout)
    found = {tuple(m) for m in segments(problems.x[0], problems.space)}
    rows, columns = np.mgrid[:112, :112]
    for top, left in ((0, 0), (0, 56), (56, 0), (56, 56)):
        down = np.maximum(0, np.maximum(top - rows, rows - top - 55))
        across = np.maximum(0, np.maximum(left - columns, columns - left - 55))
        grown = down**2 + across**2 <= 2.5**2  # 5 pixels of 224
        assert tuple(np.flatnonzero(grown)) in found


def test_layouts_and_grey_give_the_same_segments():
    grey, _ = blocks((1, 40, 40), count=1)
    colour = InputSpace("NHWC", (40, 40, 3), (-1.0, 0.0, 0.0), (1.0, 1.0, 255.0))
    same = np.repeat(grey.x[0].transpose(1, 2, 0), 3, axis=2) * [2, 1, 255] - [1, 0, 0]
    one, three = segments(grey.x[0], grey.space), segments(same, colour)
    assert len(one) >= 4 and {len(m) for m in one} & {len(m) for m in three}
    planes = InputSpace("NCHW", (3, 40, 40), (-1.0, 0.0, 0.0), (1.0, 1.0, 255.0))
    turned = segments(np.ascontiguousarray(same.transpose(2, 0, 1)), planes)
    assert [m.tolist() for m in turned] == [m.tolist() for m in three]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8, 8), (1, 1, 30), (5, 9, 4)])
def test_tiny_and_constant_pictures_are_covered(shape):
    space = InputSpace("NCHW", shape, (0.0,) * shape[0], (1.0,) * shape[0])
    for picture in (np.full(shape, 0.5), np.random.default_rng(0).uniform(size=shape)):
        found = segments(picture, space)
        assert set(np.concatenate(found)) == set(range(shape[1] * shape[2]))
    assert smallest_addition((8, 8)) == 1 and smallest_addition((224, 224)) == 50
    assert smallest_addition((112, 448)) == 50 and smallest_addition((448, 448)) == 200


def test_a_large_picture_is_cut_on_a_reduced_copy_with_edges_at_the_same_places():
    picture = np.array([[0.1, 0.5], [0.9, 0.3]]).repeat(150, axis=0).repeat(130, axis=1)[None]
    found = segments(picture, InputSpace("NCHW", (1, 300, 260), (0.0,), (1.0,)))
    for first, top, left in ((0, 0, 0), (259, 0, 130), (299 * 260, 150, 0), (299 * 260 + 259, 150, 130)):
        corner = max((m for m in found if first in m and len(m) < 300 * 260 / 2), key=len)
        rows, columns = np.divmod(corner, 260)
        inside = (rows >= top) & (rows < top + 150) & (columns >= left) & (columns < left + 130)
        assert inside.sum() > 0.97 * 150 * 130
        beyond = np.maximum.reduce([top - rows, rows - top - 149, left - columns, columns - left - 129])
        assert beyond.max() <= 5 * np.sqrt(300 * 260) / 224 + 2


@pytest.mark.parametrize(("layout", "dtype"), [("NCHW", np.float64), ("NHWC", np.float32)])
def test_its_sum_is_its_bases_and_its_map_is_level_in_regions(layout, dtype):
    problems, probe = blocks(dtype=dtype, layout=layout)
    base = probe.straight_line(problems)
    made = make().attribute(problems, probe)
    tight = 1e-12 if dtype == np.float64 else 1e-4
    sums = made.values.reshape(2, -1).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(sums, base.values.reshape(2, -1).sum(axis=1, dtype=np.float64), rtol=tight)
    axis = 1 + problems.space.channel_axis
    first = np.take(made.values, [0], axis=axis)
    assert (made.values == first).all(), "even over channels"
    assert all(10 <= len(np.unique(v)) < 1600 / 4 for v in made.values)
    for found, line, value in zip(made.records, base.records, made.values, strict=True):
        assert found.delta_f == line.delta_f and found.error_bar == line.error_bar
        assert found.completeness_error == pytest.approx(line.completeness_error, abs=10 * tight)
        assert (
            found.magnitude == pytest.approx(np.abs(value).sum(dtype=np.float64)) and found.magnitude < line.magnitude
        )
        assert np.isnan(found.magnitude_half)
    assert reasons(made, problems) == ["not converged"] * 2 and "not judged" in made.notes[-1]


def test_black_and_white_is_the_mean_of_both_and_pays_only_for_one_line_more(monkeypatch):
    problems, probe = blocks()
    white = np.ones_like(problems.x)
    other = problems.starting_at(white, probe.outputs(white, problems.targets))
    lines = [probe.straight_line(p) for p in (problems, other)]
    asked, ask = [], AnalyticProbe.straight_line
    monkeypatch.setattr(AnalyticProbe, "straight_line", lambda self, p: asked.append((self, p)) or ask(self, p))
    method = make(baselines="black-white")
    made = method.attribute(problems, probe)
    shared = [p for own, p in asked if own is probe]
    assert len(shared) == 1 and shared[0] is problems, "the run's own line is the one that is shared"
    assert len(asked) == 2
    assert method.flags == {"own-baseline"} and make().flags == set()
    for i, found in enumerate(made.records):
        pair = [line.records[i] for line in lines]
        assert found.delta_f == pytest.approx(np.mean([r.delta_f for r in pair]))
        assert made.values[i].sum() == pytest.approx(np.mean([line.values[i].sum() for line in lines]))
        bars = [r.error_bar * abs(r.delta_f) for r in pair]
        assert found.error_bar * abs(found.delta_f) == pytest.approx(0.5 * np.hypot(*bars))
        assert found.gradients == sum(r.gradients for r in pair) and found.length == pytest.approx(
            np.mean([r.length for r in pair])
        )
        assert found.completeness_error < 0.02
    assert method.cost(Quadrature()) == make().cost(Quadrature()) * 2 == method.base.cost(Quadrature()) * 2


def test_a_white_picture_between_black_and_white():
    problems, probe = blocks()
    problems.x[0], problems.f_x[0] = 1.0, probe.outputs(np.ones_like(problems.x[:1]), problems.targets[:1])[0]
    made = make(baselines="black-white").attribute(problems, probe)
    assert made.values[0].sum() == pytest.approx(0.5 * problems.delta_f[0], rel=0.02)
    assert np.isfinite(made.records[0].error_bar) and made.records[0].met


def test_over_a_method_that_integrates_no_walk():
    problems, probe = blocks()
    method = make(base="gradient")
    made = method.attribute(problems, probe)
    _, gradients = probe.value_and_gradient(problems.x, problems.targets)
    np.testing.assert_allclose(made.values.sum(axis=(1, 2, 3)), gradients.sum(axis=(1, 2, 3)), rtol=1e-9)
    assert made.records == (None, None) and method.flags == {"not-complete"}
    assert made.notes == (), "whether its NCC is judged depends on its sum"


@pytest.mark.parametrize("told", [True, False])
def test_what_a_base_without_walks_claims_its_regions_claim(told):
    class Even(Method):
        id = "gradient"

        def attribute(self, problems, probe):
            shares = (2 * problems.delta_f / problems.x[0].size)[:, None, None, None]
            claims = 2 * problems.delta_f if told else None
            return Attributions(np.zeros_like(problems.x) + shares, (None,) * len(problems), claims=claims)

    problems, probe = blocks()
    made = Xrai(XraiParameters(base="gradient"), Even()).attribute(problems, probe)
    assert made.claims is None if not told else made.claims.tolist() == (2 * problems.delta_f).tolist()
    both = Xrai(XraiParameters(base="gradient", baselines="black-white"), Even()).attribute(problems, probe)
    other = probe.outputs(np.ones_like(problems.x), problems.targets)
    claim = problems.f_x - 0.5 * (problems.f_baseline + other)
    np.testing.assert_allclose(both.claims, claim * (2 if told else 1), rtol=1e-12)


def test_segments_can_be_anything(monkeypatch):
    """The left half and the right half, whatever the picture."""
    problems, probe = blocks(count=1)
    halves = [np.flatnonzero((np.arange(1600) % 40 < 20) == left) for left in (True, False)]
    monkeypatch.setattr(xrai, "segments", lambda picture, space: halves)
    base = probe.straight_line(problems).values[0]
    values = make().attribute(problems, probe).values[0]
    for columns in (slice(0, 20), slice(20, 40)):
        np.testing.assert_allclose(values[:, :, columns], base[:, :, columns].mean(), rtol=1e-10)


def test_a_base_that_its_parameters_do_not_name_is_refused():
    with pytest.raises(PluginError, match="integrated-gradients to build on"):
        Xrai(XraiParameters(base="gradient"))
