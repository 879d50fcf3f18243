"""captum's hooks on the converted graph: closed forms, sums, and graphs that are refused by name."""

import numpy as np
import pytest
from onnx import helper

from geoaudit import Cost, Quadrature, registry
from geoaudit.errors import NotApplicable

captum = pytest.importorskip("captum.attr", reason="captum is not installed: pip install 'geoaudit[captum]'")
torch = pytest.importorskip("torch")

METHODS = registry.load(()).methods
RNG = np.random.default_rng(8)
node = helper.make_node
LINES = RNG.normal(size=(3, 1, 1, 4))
"""Three linear forms of a picture of four pixels."""
HEIGHTS = np.array([0.3, -0.2, 0.1])
MATRIX = np.array([[1.0, -1.0], [-2.0, 0.5], [1.5, 3.0]])


def make(name, **parameters):
    return registry.create(METHODS[f"captum/{name}"], "standard", {key: str(v) for key, v in parameters.items()})


def toy(probe_over, activation=("Relu",), calibration=None, **attributes):
    """y = MATRIX' activation(LINES x + HEIGHTS)."""
    weights = {"k": LINES, "b": HEIGHTS, "m": MATRIX, "zero": np.array(0.0), "six": np.array(0.6)}
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"]),
        node(activation[0], ["c", *activation[1:]], ["r"], name="bend", **attributes),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "m"], ["y"]),
    ]
    used = {"k", "b", "m", *activation[1:]}
    return probe_over(nodes, {k: v for k, v in weights.items() if k in used}, (1, 1, 4), 2, calibration)


def forms(x):
    return x.reshape(len(x), -1) @ LINES.reshape(3, 4).T + HEIGHTS


@pytest.mark.parametrize(("activation", "attributes", "function"), [
    (("Relu",), {}, lambda z: np.maximum(z, 0)),
    (("Clip", "zero", "six"), {}, lambda z: np.clip(z, 0, 0.6)),
    (("LeakyRelu",), {"alpha": 0.3}, lambda z: np.where(z > 0, z, 0.3 * z)),
    (("Sigmoid",), {}, lambda z: 1 / (1 + np.exp(-z))),
    (("HardSwish",), {}, lambda z: z * np.clip(z / 6 + 0.5, 0, 1)),
])  # fmt: skip
def test_deeplift_is_the_rescale_rule(probe_over, posed, activation, attributes, function):
    """A = (x - x') * sum_h LINES_h m_h (g(z_h) - g(z'_h)) / (z_h - z'_h)."""
    probe = toy(probe_over, activation, **attributes)
    x = RNG.normal(size=(4, 1, 1, 4))
    problems = posed(probe, x, [0, 1, 1, 0], baseline=-0.4)
    result = make("DeepLift").attribute(problems, probe)
    z, start = forms(x), forms(problems.baseline)
    slopes = (function(z) - function(start)) / (z - start) * MATRIX.T[problems.targets]
    expected = (x + 0.4) * (slopes @ LINES.reshape(3, 4)).reshape(x.shape)
    np.testing.assert_allclose(result.values, expected, atol=1e-5)
    np.testing.assert_allclose(result.values.reshape(4, -1).sum(axis=1), problems.delta_f, atol=1e-5)
    assert result.notes == () and probe.spent == Cost(gradients=4 * 2 + 2)


def test_deeplift_shap_is_the_mean_over_the_calibration_pictures(probe_over, posed):
    pictures = RNG.normal(size=(5, 1, 1, 4))
    probe = toy(probe_over, calibration=pictures)
    x = RNG.normal(size=(2, 1, 1, 4))
    problems = posed(probe, x, [0, 1])
    made = make("DeepLiftShap", references=3).attribute(problems, probe).values
    z, starts = forms(x)[:, None], forms(pictures[[0, 2, 4]])[None]
    slopes = (np.maximum(z, 0) - np.maximum(starts, 0)) / (z - starts) * MATRIX.T[problems.targets][:, None]
    ways = x.reshape(2, 1, 4) - pictures[[0, 2, 4]].reshape(1, 3, 4)
    expected = (ways * (slopes @ LINES.reshape(3, 4))).mean(axis=1)
    np.testing.assert_allclose(made.reshape(2, 4), expected, atol=1e-5)
    assert probe.spent == Cost(gradients=2 + 2 * 2 * 3, forwards=2 * 3)


def test_deeplift_shap_needs_two_pictures(probe_over, posed):
    probe = toy(probe_over, calibration=np.zeros((1, 1, 1, 4)))
    with pytest.raises(NotApplicable, match="fewer than two"):
        make("DeepLiftShap").attribute(posed(probe, RNG.normal(size=(1, 1, 1, 4)), [0]), probe)


@pytest.mark.parametrize("activation", [("Relu",), ("Clip", "zero", "six")])
@pytest.mark.parametrize("name", ["GuidedBackprop", "Deconvolution"])
def test_negative_parts_are_cut_off_at_rectifiers(probe_over, posed, name, activation):
    probe = toy(probe_over, activation)
    x = RNG.normal(size=(6, 1, 1, 4))
    problems = posed(probe, x, [0, 1, 0, 1, 0, 1])
    made = make(name).attribute(problems, probe).values
    upstream, z = np.maximum(MATRIX.T[problems.targets], 0), forms(x)
    is_open = (z > 0) & ((z < 0.6) | (activation[0] == "Relu"))
    passed = upstream * is_open if name == "GuidedBackprop" else upstream
    np.testing.assert_allclose(made.reshape(6, 4), passed @ LINES.reshape(3, 4), atol=1e-5)
    assert probe.spent == Cost(gradients=6 + 2)


@pytest.mark.parametrize("name", ["GuidedBackprop", "Deconvolution"])
def test_without_rectifiers_there_is_nothing_to_change(probe_over, posed, name):
    probe = toy(probe_over, ("Sigmoid",))
    with pytest.raises(NotApplicable, match="no rectifier"):
        make(name).attribute(posed(probe, RNG.normal(size=(1, 1, 1, 4)), [0]), probe)


def test_a_product_of_two_values_is_refused_by_name(probe_over, posed):
    """x sigmoid(x), written as two operators."""
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"]),
        node("Sigmoid", ["c"], ["s"]),
        node("Mul", ["c", "s"], ["r"], name="swish product"),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "m"], ["y"]),
    ]
    probe = probe_over(nodes, {"k": LINES, "b": HEIGHTS, "m": MATRIX}, (1, 1, 4), 2)
    with pytest.raises(NotApplicable, match="no rule for Mul swish product"):
        make("DeepLift").attribute(posed(probe, RNG.normal(size=(1, 1, 1, 4)), [0]), probe)


POOLS = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "dilations": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"},
]


@pytest.mark.parametrize("pool", POOLS)
def test_maps_add_up_through_pools_whose_windows_overlap(probe_over, posed, pool):
    """The rewritten graph must also compute what the model computes, or the method refuses."""
    weights = {
        "k": RNG.normal(size=(4, 2, 3, 3)), "b": RNG.normal(size=4), "k2": RNG.normal(size=(5, 4, 2, 2)),
        "m": RNG.normal(size=(5, 3)), "scale": np.array(0.5),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"], pads=[1] * 4),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], **pool),
        node("Mul", ["p", "scale"], ["half"]),
        node("Add", ["half", "p"], ["more"]),
        node("Conv", ["more", "k2"], ["c2"]),
        node("Relu", ["c2"], ["r2"]),
        node("GlobalAveragePool", ["r2"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "m"], ["y"]),
    ]
    probe = probe_over(nodes, weights, (2, 8, 7), 3)
    problems = posed(probe, RNG.normal(size=(3, 2, 8, 7)), [0, 1, 2], baseline=0.2)
    result = make("DeepLift").attribute(problems, probe)
    np.testing.assert_allclose(result.values.reshape(3, -1).sum(axis=1), problems.delta_f, rtol=1e-3, atol=1e-4)
    assert result.notes == ()


@pytest.mark.parametrize("name", ["DeepLift", "DeepLiftShap", "GuidedBackprop", "Deconvolution"])
@pytest.mark.parametrize(("layout", "dtype"), [("NCHW", np.float32), ("NHWC", np.float64)])
def test_maps_keep_shape_and_precision_and_do_not_depend_on_other_images(scene, name, layout, dtype):
    found = [scene("network", layout=layout, dtype=dtype) for _ in range(3)]
    method = make(name)
    maps = [method.attribute(f.problems, f.probe).values for f in found[:2]]
    assert maps[0].shape == found[0].problems.x.shape and maps[0].dtype == dtype and np.isfinite(maps[0]).all()
    assert np.abs(maps[0]).max() > 0
    np.testing.assert_array_equal(*maps)
    alone = method.attribute(found[2].problems.select([3, 1]), found[2].probe).values
    np.testing.assert_allclose(alone, maps[0][[3, 1]], atol=1e-5)
    np.testing.assert_allclose(found[0].problems.x, found[2].problems.x)


def test_a_sum_that_is_missed_is_noted_and_hooks_are_taken_off(scene):
    found = scene("network", explain="probability")
    result = make("DeepLift").attribute(found.problems, found.probe)
    assert result.notes and "not a logit" in result.notes[0]
    inside = found.probe._made["captum/rescale"].module
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in inside.modules())


@pytest.mark.parametrize("name", ["DeepLift", "GuidedBackprop"])
def test_costs_are_announced_exactly(scene, name):
    found = scene("network")
    method = make(name)
    method.attribute(found.problems, found.probe)
    assert found.probe.spent == method.cost(Quadrature()) * 5 + method.preparation(Quadrature(), 6)
