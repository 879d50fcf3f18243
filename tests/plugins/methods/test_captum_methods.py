"""The captum adapter: the same numbers as captum by itself, black-box methods without gradients, rules of the house."""

import numpy as np
import pytest

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.analytic import AnalyticProbe
from geoaudit.errors import NotApplicable

captum = pytest.importorskip("captum.attr", reason="captum is not installed: pip install 'geoaudit[captum]'")
torch = pytest.importorskip("torch")

METHODS = registry.load(()).methods
NAMES = sorted(name for name in METHODS if name.startswith("captum/"))
BLACK_BOX = sorted(
    f"captum/{n}" for n in ("FeatureAblation", "KernelShap", "Lime", "Occlusion", "ShapleyValueSampling")
)
GRADIENT = sorted(
    f"captum/{n}" for n in ("GradientShap", "InputXGradient", "IntegratedGradients", "NoiseTunnel", "Saliency")
)
HOOKED = sorted(f"captum/{n}" for n in ("Deconvolution", "DeepLift", "DeepLiftShap", "GuidedBackprop"))
OUTSIDE = sorted(BLACK_BOX + GRADIENT)
SIDE = 8


class Bent(AnalyticProbe):
    """tanh of one linear form plus the sine of another; float32 or float64 like its points."""

    def __init__(self, size, gradients=True):
        w, v = np.random.default_rng(4).normal(size=(2, size)) / np.sqrt(size)
        self.w, self.v = w, v
        super().__init__(
            lambda x: 2 * np.tanh((x * w).sum(axis=1)) + np.sin((x * v).sum(axis=1)),
            lambda x: (
                2 * (1 - np.tanh((x * w).sum(axis=1)) ** 2)[:, None] * w + np.cos((x * v).sum(axis=1))[:, None] * v
            ),
        )
        self.gradients = gradients

    def value_and_gradient(self, points, targets):
        assert self.gradients, "a black-box method asked for a gradient"
        assert torch.is_grad_enabled(), "a probe that takes gradients by torch could not"
        values, gradients = super().value_and_gradient(points, targets)
        return values, gradients.astype(points.dtype)

    def torch(self, x):
        flat = x.flatten(1)
        w, v = torch.from_numpy(self.w), torch.from_numpy(self.v)
        return 2 * torch.tanh(flat @ w) + torch.sin(flat @ v)


def scene(layout="NCHW", dtype=np.float64, ids=("a.png", "b.png"), gradients=True):
    shape = (3, SIDE, SIDE) if layout == "NCHW" else (SIDE, SIDE, 3)
    every = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype(dtype)
    x = np.stack([every[("a.png", "b.png").index(i)] for i in ids])
    baseline = np.full_like(x, -0.5)
    probe, targets = Bent(x[0].size, gradients), np.zeros(len(ids), np.int64)
    space = InputSpace(layout, shape, (-1.0,) * 3, (1.0,) * 3)
    problems = Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)
    probe.spent = Cost()
    return problems, probe


def attribute(name, problems, probe, **parameters):
    method = registry.create(METHODS[name], "quick", {key: str(value) for key, value in parameters.items()})
    return method.attribute(problems, probe).values


def test_every_adapted_class_is_offered_by_captum_named_to_run_and_says_what_it_needs():
    assert sorted(OUTSIDE + HOOKED) == NAMES
    for name in NAMES:
        entry = METHODS[name]
        assert entry.provider == f"captum {__import__('captum').__version__}"
        assert entry.cls.runs == "when named" and entry.cls.title == f"captum {entry.cls.wraps}" == f"captum {name[7:]}"
        inside = {"layers"} if name in HOOKED else set()
        assert entry.cls.needs == (frozenset() if name in BLACK_BOX else {"gradients"} | inside)
        assert hasattr(captum, entry.cls.wraps) and entry.cls.reference and entry.cls.__doc__
        for field in entry.cls.Parameters.model_fields.values():
            assert field.description and not field.is_required()
    assert not set(NAMES) & set(registry.load(()).running("method", all_=True))


def test_integrated_gradients_equals_captums_own():
    problems, probe = scene()
    values = attribute("captum/IntegratedGradients", problems, probe, steps=17)
    own = captum.IntegratedGradients(probe.torch).attribute(
        torch.from_numpy(problems.x), torch.from_numpy(problems.baseline), n_steps=17
    )
    np.testing.assert_allclose(values, own.numpy(), rtol=1e-10)
    assert probe.spent == Cost(gradients=2 * 17)


@pytest.mark.parametrize(("name", "times"), [("Saliency", None), ("InputXGradient", "x")])
def test_local_methods_are_the_gradient(name, times):
    problems, probe = scene()
    flat = probe.gradient(problems.x.reshape(2, -1)).reshape(problems.x.shape)
    expected = np.abs(flat) if times is None else flat * problems.x
    np.testing.assert_allclose(attribute(f"captum/{name}", problems, probe), expected, rtol=1e-12)
    assert probe.spent == Cost(gradients=2)


def test_the_noise_tunnel_is_the_mean_gradient_over_noisy_pictures():
    problems, probe = scene()
    clean = probe.gradient(problems.x.reshape(2, -1)).reshape(problems.x.shape)
    calm = attribute("captum/NoiseTunnel", problems, probe, samples=3, noise=1e-7)
    np.testing.assert_allclose(calm, clean, rtol=1e-5, atol=1e-6)
    seen = []
    plain = probe.value_and_gradient
    probe.value_and_gradient = lambda points, targets: seen.append(points) or plain(points, targets)
    made = attribute("captum/NoiseTunnel", problems.select([0]), probe, samples=40, noise=0.3)
    noisy = np.concatenate(seen)
    assert noisy.shape == (40, *problems.x.shape[1:])
    assert (noisy - problems.x[0]).std() == pytest.approx(0.3 * np.ptp(problems.x[0]), rel=0.05)
    mean = probe.gradient(noisy.reshape(40, -1)).mean(axis=0).reshape(made[0].shape)
    np.testing.assert_allclose(made[0], mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_captums_occlusion_and_the_built_in_one_agree(layout, share):
    problems, probe = scene(layout)
    ours = attribute("occlusion", problems, probe, window=share, stride=0.25)
    theirs = attribute("captum/Occlusion", problems, probe, window=share, stride=0.25)
    np.testing.assert_allclose(theirs, ours, atol=1e-12)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_patches_are_squares_of_all_channels_and_their_numbers_are_shared_out(layout):
    problems, probe = scene(layout)
    ablated = attribute("captum/FeatureAblation", problems, probe, patches=4)
    np.testing.assert_allclose(ablated, attribute("occlusion", problems, probe, window=0.25, stride=0.25), atol=1e-12)
    uneven = attribute("captum/FeatureAblation", problems, probe, patches=3)
    grid = uneven.sum(axis=1 if layout == "NCHW" else 3)
    assert len(np.unique(grid[0].round(12))) == 9


@pytest.mark.parametrize("name", ["captum/ShapleyValueSampling", "captum/KernelShap"])
def test_shapley_values_add_up_and_give_a_linear_model_its_weights(name):
    problems, probe = scene()
    values = attribute(name, problems, probe, patches=2, samples=60)
    np.testing.assert_allclose(values.reshape(2, -1).sum(axis=1), problems.delta_f, rtol=1e-3)
    linear = AnalyticProbe(lambda x: x @ probe.w, None)
    problems.f_x[:] = linear.outputs(problems.x, problems.targets)
    made = attribute(name, problems, linear, patches=2, samples=60).sum(axis=1).reshape(2, 2, 4, 2, 4).sum(axis=(2, 4))
    parts = (problems.x - problems.baseline) * probe.w.reshape(problems.x.shape[1:])
    np.testing.assert_allclose(made, parts.sum(axis=1).reshape(2, 2, 4, 2, 4).sum(axis=(2, 4)), atol=1e-3)


@pytest.mark.parametrize("name", BLACK_BOX)
def test_black_box_methods_ask_for_outputs_only(name):
    problems, probe = scene(gradients=False)
    attribute(name, problems, probe)
    assert probe.spent.gradients == 0 and probe.spent.forwards > 0


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(("layout", "dtype"), [("NCHW", np.float32), ("NHWC", np.float64)])
def test_maps_keep_shape_and_precision_and_do_not_depend_on_other_images(name, layout, dtype):
    small = {"samples": 6, "patches": 2} if "samples" in METHODS[name].cls.Parameters.model_fields else {}
    small = {k: v for k, v in small.items() if k in METHODS[name].cls.Parameters.model_fields}
    maps = [attribute(name, *scene(layout, dtype), **small) for _ in range(2)]
    assert maps[0].shape == scene(layout)[0].x.shape and maps[0].dtype == dtype and np.isfinite(maps[0]).all()
    np.testing.assert_array_equal(*maps)
    alone = attribute(name, *scene(layout, dtype, ids=("b.png",)), **small)
    np.testing.assert_allclose(alone[0], maps[0][1], atol=1e-6)


@pytest.mark.parametrize("name", sorted({*OUTSIDE} - {"captum/Occlusion"}))
def test_costs_are_announced_exactly(name):
    problems, probe = scene()
    method = registry.create(METHODS[name], "standard", {"patches": "4"} if name in BLACK_BOX else {})
    method.attribute(problems, probe)
    assert probe.spent == method.cost(Quadrature()) * 2


def test_global_generators_are_left_as_they_were():
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    attribute("captum/GradientShap", *scene())
    attribute("captum/KernelShap", *scene(), patches=2, samples=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_without_captum_nothing_is_offered(monkeypatch):
    from geoaudit_plugins import captum_methods

    def missing(name):
        raise captum_methods.PackageNotFoundError(name)

    monkeypatch.setattr(captum_methods, "version", missing)
    assert not [name for name in registry.load(()).methods if name.startswith("captum/")]


def test_a_single_patch_has_nothing_to_be_weighed_against():
    with pytest.raises(NotApplicable, match="one patch"):
        attribute("captum/KernelShap", *scene(), patches=1)
