"""Max-sensitivity and local Lipschitz against closed forms; the radius is kept, and so is the prediction."""

import numpy as np
import pytest

from geoaudit import Attributions, Cost, InputSpace, Method, Problems, Status, Subject, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit_plugins.checks.stability_draws import drawn, kept, neighbour

SHELF = registry.load(())
W = np.array([3.0, -2.0, 0.5, 1.0, -1.0, 0.25])
SPACE = InputSpace("NCHW", (1, 1, 6), (0.0,), (1.0,))


def make(budget="standard", **parameters):
    return registry.create(SHELF.checks["stability"], budget, {k: str(v) for k, v in parameters.items()})


def method(name):
    return registry.create(SHELF.methods[name], "quick", {}, SHELF.methods)


def linear():
    return AnalyticProbe(lambda x: x @ W, lambda x: np.broadcast_to(W, x.shape).copy())


def posed(probe, pictures, ids=None):
    x = np.asarray(pictures, dtype=np.float64).reshape(-1, 1, 1, 6)
    targets = np.zeros(len(x), dtype=np.int64)
    outputs = probe.outputs(x, targets), probe.outputs(np.zeros_like(x), targets)
    names = tuple(ids or (f"{i}.png" for i in range(len(x))))
    return Problems(names, x, np.zeros_like(x), targets, *outputs, SPACE)


PICTURES = np.random.default_rng(0).uniform(0.1, 0.9, (3, 6))


def examine(examined, problems, probe, budget="standard", **parameters):
    subject = Subject(examined, problems.ids, (None,) * len(problems), {}, {}, 4)
    (finding,) = make(budget, **parameters).examine(subject, problems, probe)
    assert (
        finding.check == "stability"
        and finding.method == examined.id
        and list(finding.details) == sorted(finding.details)
    )
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "nan" not in finding.reason
    return finding


class Painted(Method):
    """A map that a function makes of each picture."""

    id, title, family, reference = "painted", "Painted", "test", "test"

    def __init__(self, paint):
        super().__init__()
        self.paint = paint

    def attribute(self, problems, probe):
        return Attributions(np.stack([self.paint(x) for x in problems.x]), (None,) * len(problems))


def test_the_gradient_of_a_linear_model_does_not_move_and_that_is_called_trivial():
    probe = linear()
    finding = examine(method("gradient"), posed(probe, PICTURES), probe, images=3)
    assert finding.status is Status.PASS and finding.estimate == 0 and "trivially stable" in finding.reason
    assert finding.details["lipschitz"] == 0 and finding.details["similarity"] == pytest.approx(1)


def test_gradient_x_input_of_a_linear_model_moves_by_the_closed_form():
    probe = linear()
    problems = posed(probe, PICTURES)
    finding = examine(method("gradient-x-input"), problems, probe, images=3, draws=4)
    for i, row in enumerate(finding.details["images"]):
        steps = np.stack([drawn(problems.select([i]), probe, "stability", 0.02, n) - problems.x[i] for n in range(4)])
        steps, own = steps.reshape(4, 6), W * PICTURES[i]
        assert row["draws"] == 4 and row["rejected"] == 0 and row["image"] == f"{i}.png"
        change = np.linalg.norm(W * steps, axis=1)
        assert row["max_sensitivity"] == pytest.approx(change.max() / np.linalg.norm(own), rel=1e-5)
        assert row["lipschitz"] == pytest.approx((change / np.linalg.norm(steps, axis=1)).max(), rel=1e-5)
        assert row["lipschitz"] <= np.abs(W).max() + 1e-6
    assert finding.estimate == np.median([row["max_sensitivity"] for row in finding.details["images"]])
    assert finding.status is Status.PASS and "2 % of the pixel range (3 images, 4 draws)" in finding.reason


def test_the_map_of_another_method_that_moves_with_the_radius():
    probe = linear()
    problems = posed(probe, PICTURES)
    near, far = (examine(method("gradient-x-input"), problems, probe, radius=r).estimate for r in (0.01, 0.1))
    assert far == pytest.approx(10 * near, rel=1e-4)  # the same draws, ten times as long; none is clipped


def flipped(x):
    """A map without memory: its order comes from the last digits of the picture."""
    return np.random.default_rng(abs(int(1e12 * float(x.sum())))).normal(size=x.shape)


@pytest.mark.parametrize(
    ("paint", "status", "words"),
    [
        (flipped, Status.FAIL, "order of importance"),
        (lambda x: W.reshape(x.shape) * (1 if x[0, 0, 0] == PICTURES[0, 0] else 3), Status.WARN, "agrees to 1.00"),
        (lambda x: x * (1 if x[0, 0, 0] == PICTURES[0, 0] else np.inf), Status.INCONCLUSIVE, "is not finite"),
        (lambda x: W.reshape(x.shape) + x, Status.PASS, "of its size under"),
        (np.zeros_like, Status.INCONCLUSIVE, "the map of 0.png is zero"),
        (np.ones_like, Status.PASS, "trivially"),
    ],
    ids=["another map", "the same map, louder", "infinite", "nearly the same", "no map", "a constant"],
)
def test_verdicts(paint, status, words):
    probe = linear()
    finding = examine(Painted(paint), posed(probe, PICTURES), probe)
    assert finding.status is status and words in finding.reason and finding.threshold == 0.5


def test_a_map_that_moves_on_one_image_alone_is_not_said_to_stay():
    probe = linear()
    moving = Painted(lambda x: W.reshape(x.shape) + (x if abs(x - PICTURES[2]).max() < 0.1 else 0))
    finding = examine(moving, posed(probe, PICTURES), probe, images=3)
    assert [row["max_sensitivity"] > 0 for row in finding.details["images"]] == [False, False, True]
    assert finding.estimate == 0 and "trivially" not in finding.reason and "moves by 0 % of its size" in finding.reason


def test_an_image_without_a_number_has_no_say_in_the_order_either():
    probe = linear()
    problems = posed(probe, PICTURES[:2])

    def paint(x):
        if abs(x - PICTURES[0]).max() < 0.1:
            return flipped(x)
        return x * (1 if (x == PICTURES[1]).all() or x[0, 0, 0] > PICTURES[1, 0] else np.inf)

    finding = examine(Painted(paint), problems, probe, images=2)
    first, second = finding.details["images"]
    assert second["max_sensitivity"] is None and second["similarity"] > 0.9
    assert finding.details["similarity"] == first["similarity"] and finding.status is Status.FAIL


def test_thresholds_are_parameters():
    probe = linear()
    problems = posed(probe, PICTURES)
    assert examine(method("gradient-x-input"), problems, probe, steady=1e-6).status is Status.WARN
    assert examine(Painted(flipped), problems, probe, unsteady=5).status is Status.WARN
    assert examine(Painted(flipped), problems, probe, similar=-1).status is Status.WARN
    with pytest.raises(Exception, match="steady"):
        make(steady=2)


SPACES = [
    InputSpace("NCHW", (3, 5, 4), (-2.0, 0.0, 1.0), (2.0, 1.0, -1.0)),  # the third channel runs backwards
    InputSpace("NHWC", (5, 4, 3), (-2.0, 0.0, 1.0), (2.0, 1.0, -1.0)),
    InputSpace("NHWC", (5, 4, 1), (0.0,), (255.0,)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("space", SPACES, ids=lambda s: f"{s.layout}{s.channels}")
def test_the_radius_is_a_share_of_each_channels_range_and_the_range_is_kept(space, dtype):
    rng = np.random.default_rng(2)
    low, high = space.per_channel(space.low), space.per_channel(space.high)
    x = (low + rng.uniform(0, 1, space.shape) * (high - low)).astype(dtype)
    axis = 0 if space.layout == "NCHW" else 2
    near = np.stack([neighbour(x, space, 0.1, rng) for _ in range(50)])
    assert near.dtype == dtype
    steps = np.abs(near - x) / np.abs(high - low)
    assert steps.max() <= 0.1 + 1e-6
    assert (np.moveaxis(steps, 1 + axis, 0).reshape(space.channels, -1).max(axis=1) > 0.09).all()
    assert (near >= np.minimum(low, high) - 1e-6).all() and (near <= np.maximum(low, high) + 1e-6).all()


def test_what_lies_outside_the_pixel_range_moves_no_further_out():
    x = np.array([[[-0.5, 1.5, 0.0, 1.0, 0.5, 0.5]]])
    near = np.stack([neighbour(x, SPACE, 0.2, np.random.default_rng(i)) for i in range(50)])[:, 0, 0]
    assert near[:, 0].min() >= -0.5 and near[:, 1].max() <= 1.5 and near[:, 2].min() >= 0 and near[:, 3].max() <= 1


class Halves(AnalyticProbe):
    """Two classes: whether the last feature is above 1/2."""

    def __init__(self):
        super().__init__(lambda x: x @ W, lambda x: np.broadcast_to(W, x.shape).copy())

    def scores(self, points):
        last = self.outputs(points, None) * 0 + points.reshape(len(points), -1)[:, -1]
        return np.stack([1 - last, last], axis=1)


def test_draws_that_change_the_prediction_are_drawn_again_and_counted():
    probe = Halves()
    problem = posed(probe, [[0.5] * 5 + [0.5001]])
    found = kept(problem, probe, "stability", 0.02, 8, 80)
    above = [drawn(problem, probe, "stability", 0.02, n).ravel()[-1] > 0.5 for n in range(80)]
    expected = [n for n, up in enumerate(above) if up][:8]
    assert list(found.draws) == expected and found.rejected == expected[-1] + 1 - 8 > 0
    before = probe.spent
    assert kept(problem, probe, "stability", 0.02, 8, 80) is found and probe.spent == before, (
        "paid once for all methods"
    )
    finding = examine(method("gradient-x-input"), problem, probe, draws=8, attempts=10)
    assert finding.details["images"][0]["rejected"] == finding.details["rejected"] == found.rejected


class Knife(Halves):
    """No two pictures are of the same class."""

    def scores(self, points):
        flat = points.reshape(len(points), -1)
        self.outputs(points, None)
        return np.stack([np.where(flat[:, -1] == 0.25, 1.0, 0.0), np.where(flat[:, -1] == 0.25, 0.0, 1.0)], axis=1)


def test_an_image_without_neighbours_of_its_class_is_inconclusive_and_the_others_are_judged():
    probe = Knife()
    on, off = [0.5] * 5 + [0.25], [0.5] * 6
    finding = examine(method("gradient-x-input"), posed(probe, [on]), probe, draws=2, attempts=3)
    assert finding.status is Status.INCONCLUSIVE and "none of 6 neighbours is predicted as 0.png is" in finding.reason
    both = examine(method("gradient-x-input"), posed(probe, [on, off]), probe, draws=2, attempts=3, images=2)
    assert (
        both.status is Status.PASS and "Left out: none of 6 neighbours" in both.reason and "(1 image, 2" in both.reason
    )
    assert both.details["images"][0]["reason"] and both.details["images"][1]["reason"] is None


KINDS = [
    {},
    {"layout": "NHWC", "dtype": np.float64},
    {"channels": 1, "dtype": np.float64},
    {"layout": "NHWC", "channels": 1},
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_in_every_input_space_at_the_announced_cost(scene, kind):
    for name, exact in (("gradient", True), ("integrated-gradients", False), ("edges", True)):
        found, examined = scene("network", **kind), method(name)
        expected = make(images=2).cost(examined, found.probe.quadrature, 5, len(found.probe.calibration))
        before = [a.copy() for a in (found.problems.x, found.problems.baseline, found.problems.f_x)]
        finding = examine(examined, found.problems, found.probe, images=2)
        assert finding.estimate is not None and all(r["draws"] == 3 for r in finding.details["images"])
        for was, now in zip(before, (found.problems.x, found.problems.baseline, found.problems.f_x), strict=True):
            np.testing.assert_array_equal(was, now)
        spent = found.probe.spent
        redrawn = Cost(forwards=finding.details["rejected"])
        assert expected.gradients / 2 <= spent.gradients <= 2 * expected.gradients
        if exact:
            assert spent == expected + redrawn


def test_images_do_not_depend_on_each_other_nor_on_their_order(scene):
    def rows(order, seed=0):
        found = scene("network", seed=seed)
        finding = examine(method("gradient"), found.problems.select(order), found.probe, images=5)
        return {row["image"]: row["max_sensitivity"] for row in finding.details["images"]}

    whole = rows([0, 1, 2, 3, 4])
    assert rows([0, 1, 2, 3, 4]) == whole
    for part in (rows([3, 1]), rows([4])):
        assert part == pytest.approx({image: whole[image] for image in part}, rel=1e-4)
    assert rows([1], seed=1)["b.png"] != whole["b.png"]


def test_the_scope_is_told():
    assert make().scope(8) == "1 image, 3 draws, radius 2 % of the range"
    assert make("thorough").scope(5) == "5 images, 10 draws, radius 2 % of the range"
