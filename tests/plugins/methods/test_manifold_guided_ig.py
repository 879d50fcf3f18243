"""Manifold-guided IG: guided IG where the autoencoder is perfect, exact ends where it is not, and the PCA stand-in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import NotApplicable
from geoaudit_plugins.manifolds.pca import learn
from geoaudit_plugins.methods.manifold_guided_ig import MOSTLY_STRAIGHT

METHODS = registry.load(()).methods
D, SHAPE = 12, (3, 2, 2)
few = settings(max_examples=10, deadline=None)


def make(plugin="manifold-guided-ig", **parameters):
    return registry.create(METHODS[plugin], "standard", {name: str(value) for name, value in parameters.items()})


class Identity:
    """A perfect autoencoder."""

    code_shape = (D,)

    def encode(self, points):
        return points.reshape(len(points), -1)

    def decode(self, codes):
        return codes.reshape(len(codes), *SHAPE)

    def pull_back(self, codes, gradients):
        return gradients.reshape(len(gradients), -1)


class Curved:
    """E(x) = V x, D(z) = tanh(z V) or z V, V of four rows: nowhere near the other's inverse."""

    code_shape = (2, 2)

    def __init__(self, linear=False):
        self.linear = linear
        self.directions = np.random.default_rng(9).normal(size=(4, D)) / 2

    def encode(self, points):
        return np.einsum("nd,kd->nk", points.reshape(len(points), -1), self.directions).reshape(-1, 2, 2)

    def decode(self, codes):
        found = self._inner(codes)
        return (found if self.linear else np.tanh(found)).reshape(-1, *SHAPE)

    def pull_back(self, codes, gradients):
        slopes = 1.0 if self.linear else 1 - np.tanh(self._inner(codes)) ** 2
        return np.einsum("nd,kd->nk", gradients.reshape(len(codes), -1) * slopes, self.directions).reshape(-1, 2, 2)

    def _inner(self, codes):
        return np.einsum("nk,kd->nd", codes.reshape(len(codes), -1).astype(np.float64), self.directions)


def network(seed=0, autoencoder=None, pictures=None):
    rng = np.random.default_rng(seed)
    w, a = rng.normal(size=(6, D)), rng.normal(size=6)
    w[:, 5] = 0.0  # the model never looks at element 5

    def inner(x):
        return np.tanh(np.einsum("nd,hd->nh", x, w))

    probe = AnalyticProbe(
        lambda x: np.einsum("nh,h->n", inner(x), a),
        lambda x: np.einsum("nh,hd->nd", (1 - inner(x) ** 2) * a, w),
        Quadrature(tolerance=1e-3, node_limit=512, scan=33, first_nodes=16),
        pictures,
    )
    probe.autoencoder = autoencoder
    return probe


def problems_of(probe, seed=0, n=3):
    x, baseline = np.random.default_rng(seed + 1).normal(size=(2, n, *SHAPE))
    targets = np.zeros(n, np.int64)
    space = InputSpace("NCHW", SHAPE, (0.0,) * 3, (1.0,) * 3)
    f_x, f_b = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(tuple(f"{i}.png" for i in range(n)), x, baseline, targets, f_x, f_b, space)


def pictures_in(k, n=9, seed=3):
    """n pictures in a plane of k dimensions."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, k)) @ rng.normal(size=(k, D)) + rng.normal(size=D)).reshape(n, *SHAPE)


@few
@given(
    seed=st.integers(0, 999),
    rule=st.sampled_from(["left", "trapezoid", "refined"]),
    residual=st.sampled_from(["carried", "ends"]),
    fraction=st.sampled_from([0.05, 0.3, 1.0]),
    steps=st.integers(1, 30),
)
def test_with_a_perfect_autoencoder_it_is_guided_ig_to_the_bit(seed, rule, residual, fraction, steps):
    probe = network(seed, Identity())
    problems = problems_of(probe, seed)
    problems.x[0, 0, 0, 0] = problems.baseline[0, 0, 0, 0]
    chosen = {"rule": rule, "fraction": fraction, "steps": steps}
    walked = make(residual=residual, **chosen).attribute(problems, probe)
    guided = make("guided-ig", max_dist=1.0, **chosen).attribute(problems, probe)
    np.testing.assert_array_equal(walked.values, guided.values)
    assert walked.records == guided.records and walked.notes == ()


def autoencoders():
    return {"curved": Curved(), "linear": Curved(linear=True)}


@pytest.mark.parametrize("kind", autoencoders())
def test_both_ends_are_exact_and_the_walk_is_complete(kind):
    probe = network(2, autoencoders()[kind])
    problems = problems_of(probe, 2)
    walk = make(steps=20).walk(problems, probe)
    for i in range(3):
        np.testing.assert_array_equal(walk.vertices[i][0], problems.baseline[i])
        np.testing.assert_array_equal(walk.vertices[i][-1], problems.x[i])
    result = make(steps=20).attribute(problems, probe)
    for values, record, delta in zip(result.values, result.records, problems.delta_f, strict=True):
        assert record.met and record.delta_f == delta and record.method_error < 1e-12
        assert abs(values.sum() - delta) <= (record.absolute_misses + 1e-12) * abs(delta)
        assert record.completeness_error < 5e-3
    assert not result.values.reshape(3, -1)[:, 5].any(), "the model does not look there"


def test_every_point_is_a_decoded_code_on_schedule_and_its_share_of_the_residual():
    autoencoder = Curved(linear=True)
    probe = network(3, autoencoder)
    problems = problems_of(probe, 3, n=1)
    walk, steps = make(steps=10).walk(problems, probe), 10
    start, end = (autoencoder.encode(p).ravel() for p in (problems.baseline, problems.x))
    residuals = [
        p[0].ravel() - autoencoder.decode(autoencoder.encode(p)).ravel() for p in (problems.baseline, problems.x)
    ]
    for k in range(1, steps):
        share = k / steps
        drawn = walk.vertices[0][k].ravel() - (1 - share) * residuals[0] - share * residuals[1]
        code, left, *_ = np.linalg.lstsq(autoencoder.directions.T, drawn, rcond=None)
        assert left < 1e-20, "in the decoder's plane"
        progress = (code - start) / (end - start)
        assert (progress > -1e-9).all() and (progress < 1 + 1e-9).all()
        done = progress @ np.abs(end - start) / np.abs(end - start).sum()
        assert done == pytest.approx(share, abs=1e-9)


def test_the_elements_with_the_lowest_latent_gradient_move_first():
    """f = x0 + 9 x1 seen through D(z) = (z0, 0.01 z1): in pixels x1 is the steeper one, in codes z0."""
    scales = np.ones(D)
    scales[:2] = [1.0, 0.01]

    class Scaled(Identity):
        def encode(self, points):
            return super().encode(points) / scales

        def decode(self, codes):
            return super().decode(codes * scales)

        def pull_back(self, codes, gradients):
            return super().pull_back(codes, gradients) * scales

    w = np.zeros(D)
    w[:2] = [1.0, 9.0]
    probe = AnalyticProbe(lambda x: (x * w).sum(axis=1), lambda x: np.tile(w, (len(x), 1)))
    problems = problems_of(probe, n=1)
    problems.baseline[:], problems.x[:] = 0.0, 0.0
    problems.x.reshape(-1)[:2] = [1.0, 0.01]  # codes (1, 1)
    for autoencoder, first in ((Identity(), 0), (Scaled(), 1)):
        probe.autoencoder = autoencoder
        vertices = make(steps=2).walk(problems, probe).vertices[0].reshape(3, D)
        moved = vertices[1] / np.where(problems.x.ravel() == 0, 1, problems.x.ravel())
        assert moved[first] > 0.5 and moved[first] > moved[1 - first]


def test_the_published_walk_stays_on_the_manifold_and_jumps_at_its_ends():
    autoencoder = Curved()
    probe = network(4, autoencoder)
    problems = problems_of(probe, 4, n=1)
    published = make(steps=8, residual="ends", rule="left")
    walk = published.walk(problems, probe)
    for k in range(1, 8):
        inner = np.arctanh(walk.vertices[0][k].ravel())
        assert np.linalg.lstsq(autoencoder.directions.T, inner, rcond=None)[1] < 1e-20
    steps = np.linalg.norm(np.diff(walk.vertices[0].reshape(9, -1), axis=0), axis=1)
    assert min(steps[0], steps[-1]) > 1.5 * steps[1:-1].max()
    probe.spent = Cost()
    result = published.attribute(problems, probe)
    assert probe.spent.gradients == published.cost(probe.quadrature).gradients == 8
    assert result.records[0].completeness_error > 0.05, "which is why the walk is refined"


def test_where_codes_do_not_move_the_residual_goes_straight():
    class Blind(Identity):
        def encode(self, points):
            return np.zeros((len(points), D))

    probe = network(5, Blind())
    problems = problems_of(probe, 5)
    result = make(steps=10).attribute(problems, probe)
    np.testing.assert_allclose(result.values, probe.straight_line(problems).values, atol=5e-3)
    assert result.notes == (MOSTLY_STRAIGHT,)


def test_images_that_equal_their_baseline_cost_nothing_and_nobody_sees_the_others():
    probe = network(6, Curved())
    problems = problems_of(probe, 6)
    problems.x[1], problems.f_x[1] = problems.baseline[1], problems.f_baseline[1]
    together = make(steps=10).attribute(problems, probe)
    assert not together.values[1].any()
    probe.spent = Cost()
    make(steps=10).attribute(problems.select([1]), probe)
    assert probe.spent == Cost()
    for order in ([2], [2, 0]):
        apart = make(steps=10).attribute(problems.select(order), probe)
        np.testing.assert_array_equal(apart.values, together.values[order])


def test_without_an_autoencoder_it_walks_on_a_pca_manifold_and_says_so():
    probe = network(7, pictures=pictures_in(3))
    problems = problems_of(probe, 7)
    result = make(steps=10).attribute(problems, probe)
    assert result.notes == (
        "No autoencoder was given: walks on a PCA manifold of 9 pictures (3 components, 100 % of the variance), "
        "taken from given pictures.",
        MOSTLY_STRAIGHT,
    )
    assert all(record.met for record in result.records)
    np.testing.assert_allclose(result.values.reshape(3, -1).sum(axis=1), problems.delta_f, rtol=5e-3)


def test_between_pictures_of_the_plane_nothing_is_left_out():
    pictures = pictures_in(3)
    probe = network(8, pictures=pictures)
    problems = problems_of(probe, 8)
    problems.x[:], problems.baseline[:] = pictures[:3], pictures[3:6]
    assert len(make(steps=10).attribute(problems, probe).notes) == 1
    manifold = learn(probe.calibration, 100, 32)
    for vertices in make(steps=10).walk(problems, probe).vertices:
        np.testing.assert_allclose(manifold.decode(manifold.encode(vertices)), vertices, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_pca_manifold_is_an_orthogonal_projection_and_its_own_transpose(dtype):
    probe = network(pictures=np.random.default_rng(1).normal(size=(9, *SHAPE)).astype(dtype))
    manifold = learn(probe.calibration, 9, 4)
    assert manifold.code_shape == (4,) and 0.5 < manifold.variance < 1 and manifold.pictures == 9
    np.testing.assert_allclose(manifold.components @ manifold.components.T, np.eye(4), atol=1e-5)
    points, codes = np.random.default_rng(2).normal(size=(5, *SHAPE)), np.random.default_rng(3).normal(size=(5, 4))
    np.testing.assert_allclose(manifold.encode(manifold.decode(codes)), codes, atol=1e-5)
    left = points - manifold.decode(manifold.encode(points))
    np.testing.assert_allclose(manifold.pull_back(codes, left), 0, atol=1e-5)
    moved = manifold.decode(codes + 1e-3) - manifold.decode(codes)
    slopes = manifold.pull_back(codes, points).sum(axis=1) * 1e-3
    np.testing.assert_allclose((moved * points).sum(axis=(1, 2, 3)), slopes, atol=1e-8)


def test_pictures_are_thinned_out_evenly_read_once_and_learned_once():
    read = []
    probe = network(pictures=pictures_in(5, n=41))
    load = probe.calibration.load
    object.__setattr__(probe.calibration, "load", lambda indices: (read.extend(indices), load(indices))[1])
    problems = problems_of(probe, n=1)
    method = make(steps=2, pictures=21, components=2)
    first = method.attribute(problems, probe)
    assert read == list(range(0, 41, 2)) and "of 21 pictures (2 components, " in first.notes[0]
    np.testing.assert_array_equal(method.attribute(problems, probe).values, first.values)
    assert len(read) == 21
    make(steps=2, pictures=11).attribute(problems, probe)
    assert len(read) == 32


@pytest.mark.parametrize("pictures", [None, np.ones((1, *SHAPE)), np.ones((5, *SHAPE))])
def test_without_different_pictures_it_does_not_apply(pictures):
    probe = network(pictures=pictures)
    with pytest.raises(NotApplicable, match=r"autoencoder was given, and the .*calibration set"):
        make().attribute(problems_of(probe), probe)
    probe.autoencoder = Identity()
    assert make(steps=3).attribute(problems_of(probe), probe).values.any(), "an autoencoder needs no pictures"


def test_on_a_real_network_with_a_float32_autoencoder(scene):
    """The network's pictures through a blurring autoencoder: means of 2 x 2 pixels, and back."""

    class Means:
        code_shape = (3, 4, 4)

        def encode(self, points):
            return points.reshape(-1, 3, 4, 2, 4, 2).mean(axis=(3, 5))

        def decode(self, codes):
            return codes.astype(np.float32).repeat(2, axis=2).repeat(2, axis=3)

        def pull_back(self, codes, gradients):
            return gradients.reshape(-1, 3, 4, 2, 4, 2).sum(axis=(3, 5)).astype(codes.dtype)

    found = scene("network")
    found.probe.autoencoder = Means()
    result = make(steps=20).attribute(found.problems, found.probe)
    assert result.values.dtype == np.float32 and np.isfinite(result.values).all()
    for record in result.records:
        assert record.completeness_error < 0.05


def test_more_pictures_than_elements_span_at_most_all_elements():
    shape = (1, 1, 2)
    probe = network(pictures=np.random.default_rng(4).normal(size=(9, *shape)))
    manifold = learn(probe.calibration, 9, 32)
    assert manifold.code_shape == (2,) and manifold.variance == pytest.approx(1)
    points = np.random.default_rng(5).normal(size=(3, *shape))
    np.testing.assert_allclose(manifold.decode(manifold.encode(points)), points, atol=1e-12)


def test_encodings_and_decodings_are_as_many_as_announced():
    counts = {"encode": 0, "decode": 0, "pull_back": 0}

    class Counted(Identity):
        def encode(self, points):
            counts["encode"] += len(points)
            return super().encode(points)

        def decode(self, codes):
            counts["decode"] += len(codes)
            return super().decode(codes)

        def pull_back(self, codes, gradients):
            counts["pull_back"] += len(codes)
            return super().pull_back(codes, gradients)

    probe = network(1, Counted())
    make(steps=7).attribute(problems_of(probe, n=1), probe)
    assert counts == {"encode": 2, "decode": 7 + 1, "pull_back": 7 - 1}
