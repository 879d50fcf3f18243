"""PatternAttribution and Pattern-Guided IG: the published toys, and what ties them to their parents."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from geoaudit import Cost, InputSpace, Problems, Quadrature, registry
from geoaudit.api import Calibration
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import NotApplicable
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit_plugins.patterns import learning
from geoaudit_plugins.patterns.kernels import Anatomy
from geoaudit_plugins.patterns.statistics import LayerPatterns

METHODS = registry.load(()).methods
SPACE = InputSpace("NCHW", (1, 1, 2), (0.0,), (1.0,))


def make(name, **parameters):
    return registry.create(METHODS[name], "standard", {key: str(value) for key, value in parameters.items()})


@pytest.fixture
def toy(tmp_path):
    """`toy(nodes, weights)`: a probe over a float64 model of two numbers, and the 400 samples it learns from."""

    def open_(nodes, weights, output="y", explain="logit", classes=1):
        graph = helper.make_graph(
            [helper.make_node("Flatten", ["image"], ["x"]), *nodes],
            "toy",
            [helper.make_tensor_value_info("image", onnx.TensorProto.DOUBLE, ["N", *SPACE.shape])],
            [helper.make_tensor_value_info(output, onnx.TensorProto.DOUBLE, ["N", classes])],
            [numpy_helper.from_array(np.asarray(values, dtype=np.float64), name) for name, values in weights.items()],
        )
        path = tmp_path / "toy.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=64, channels_last=False)
        x = samples()
        calibration = Calibration("the toy", tuple(map(str, range(len(x)))), lambda i: x[list(i)])
        runtime = Runtime(artifact, head, "cpu", threads=1)
        return ModelProbe(runtime, twin, explain, head.tail, Quadrature(), 0, calibration)

    return open_


def samples():
    """z (1, 0) + eps (1, 1), the published toy with its own random numbers; (400, 1, 1, 2)."""
    z = np.arange(-2, 2, 0.01)
    noise = np.random.RandomState(42).normal(0, 0.3, len(z))
    return (z[:, None] * [1, 0] + noise[:, None] * [1, 1]).reshape(-1, *SPACE.shape)


def problems(probe, x, target=1):
    targets, baseline = np.full(len(x), target, np.int64), np.zeros_like(x)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    probe._spent[0] = Cost()
    return Problems(tuple(map(str, range(len(x)))), x, baseline, targets, f_x, f_baseline, SPACE)


@pytest.fixture
def noisy(toy):
    """ReLU(x1 - x2)."""
    return toy([helper.make_node("Gemm", ["x", "w"], ["g"]), helper.make_node("Relu", ["g"], ["y"])],
               {"w": [[1.0], [-1.0]]})  # fmt: skip


@pytest.fixture
def saturated(toy):
    """1 - ReLU(1 - x1 + x2), which stays 1 where x1 - x2 > 1."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "one"], ["g"]),
        helper.make_node("Relu", ["g"], ["r"]),
        helper.make_node("Gemm", ["r", "minus", "one"], ["y"]),
    ]
    return toy(nodes, {"w": [[-1.0], [1.0]], "one": [1.0], "minus": [[-1.0]]})


def maps(name, probe, x, **parameters):
    """Maps of both features, (n, 2)."""
    method = make(name, pictures=400, **parameters)
    return method.attribute(problems(probe, x), probe).values.reshape(len(x), 2)


def integrated(probe, x):
    """Integrated gradients by 50 midpoints."""
    t = (np.arange(50) + 0.5) / 50
    points = (t.reshape(-1, 1, 1, 1, 1) * x).reshape(-1, *x.shape[1:])
    gradients = probe.value_and_gradient(points, np.ones(len(points), np.int64))[1]
    return x * gradients.reshape(50, *x.shape).mean(axis=0)


def test_the_first_stress_test_noise(noisy):
    """The published pattern of the linear layer, digit by digit; the distractor hardly counts."""
    x = samples()[250:]
    w_a = maps("pattern-attribution", noisy, x)
    active = x[:, 0, 0, 0] > x[:, 0, 0, 1]
    np.testing.assert_allclose(w_a[active], np.tile([1.01835493, -0.01835493], (active.sum(), 1)), atol=5e-9)
    assert not w_a[~active].any()
    plain = integrated(noisy, x)[:, 0, 0]
    guided = maps("pattern-guided-ig", noisy, x)
    assert np.abs(plain[active, 1]).mean() > 0.2 and np.abs(guided[:, 1]).mean() < 0.006


def test_the_second_stress_test_saturation(saturated):
    x = samples()
    plateau = x[:, 0, 0, 0] - x[:, 0, 0, 1] > 1
    attribution, guided = (maps(name, saturated, x) for name in ("pattern-attribution", "pattern-guided-ig"))
    plain = integrated(saturated, x)[:, 0, 0]
    np.testing.assert_allclose(
        attribution[~plateau], np.tile([1.01620905, -0.01620905], ((~plateau).sum(), 1)), atol=5e-9
    )
    assert not attribution[plateau].any()
    assert np.abs(plain[:, 1]).mean() == pytest.approx(0.2106, abs=5e-4)
    assert np.abs(guided[:, 1]).mean() == pytest.approx(0.0034, abs=5e-5)
    assert plateau.sum() in (99, 100, 101)
    assert plain[plateau, 0].mean() == pytest.approx(1.016, abs=0.01)
    assert guided[plateau, 0].mean() == pytest.approx(1.032, abs=0.01)


@pytest.fixture
def patterns_of_one(monkeypatch):
    """Learning gives every layer its own weights back."""

    def learn(probe, pictures, thing):
        layers = {
            name: LayerPatterns(kernel.weight, 1, 0, False)
            for name, kernel in Anatomy(probe.layers().module).kernels.items()
        }
        return learning.Patterns(layers, {}, ())

    monkeypatch.setattr(learning, "learn", learn)


def test_patterns_of_one_give_integrated_gradients(saturated, patterns_of_one):
    x = samples()[::40]
    expected = integrated(saturated, x)[:, 0, 0]
    np.testing.assert_allclose(maps("pattern-guided-ig", saturated, x), expected, rtol=0, atol=1e-15)
    assert np.abs(expected.sum(axis=1)).max() > 0.5


def test_start_with_the_output_multiplies_by_it(saturated):
    x = samples()[::40]
    f_x = problems(saturated, x).f_x
    one, output = (maps("pattern-attribution", saturated, x, start=start) for start in ("one", "output"))
    np.testing.assert_allclose(output, one * f_x[:, None], rtol=1e-12)


def test_a_probability_brings_in_its_own_gradient(toy):
    nodes = [helper.make_node("Gemm", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    weights = {"w": [[1.0, 0.5, -1.0], [-1.0, 1.0, 0.3]]}
    x = samples()[10:13]
    maps_, targets = [], 0
    for explain in ("logit", "probability"):
        probe = toy(nodes, weights, explain=explain, classes=3)
        each = [make("pattern-attribution").attribute(problems(probe, x, t), probe).values for t in range(3)]
        maps_.append(np.stack(each))
        targets = np.stack([probe.probabilities(x, np.full(3, t)) for t in range(3)])[:, :, None, None, None]
    logits, found = maps_
    np.testing.assert_allclose(found, targets * (logits - (targets * logits).sum(axis=0)), rtol=1e-10, atol=1e-14)


def test_rescaled_maps_add_up_unless_they_add_up_to_nothing(saturated):
    x = samples()[[40, 150, 300, 399]]
    x = np.concatenate([x, np.zeros_like(x[:1])])
    asked = problems(saturated, x)
    plain, scaled = (maps("pattern-guided-ig", saturated, x, rescale=rescale) for rescale in (False, True))
    np.testing.assert_allclose(scaled[:4].sum(axis=1), asked.delta_f[:4], rtol=1e-12)
    assert not scaled[4].any() and np.abs(plain.sum(axis=1) - asked.delta_f).max() > 0.05


def test_both_methods_learn_once_and_cost_what_they_say(saturated):
    x = samples()[:3]
    asked = problems(saturated, x)
    first, second = make("pattern-attribution"), make("pattern-guided-ig")
    notes = first.attribute(asked, saturated).notes
    assert saturated.spent == first.cost(Quadrature()) * 3 + first.preparation(Quadrature(), 400)
    assert saturated.spent.forwards == 65
    saturated._spent[0] = Cost()
    assert second.attribute(asked, saturated).notes == notes
    assert saturated.spent == second.cost(Quadrature()) * 3 == Cost(gradients=150)
    assert (
        notes[0]
        == "Patterns cover 100.0% of the multiply-adds, 2 of 2 layers; they were learned from 64 pictures: the toy."
    )
    third = make("pattern-guided-ig", pictures=30, steps=2)
    assert any("fewer than 50" in note for note in third.attribute(asked, saturated).notes)
    assert saturated.spent.forwards == 31, "other pictures, other patterns"


@pytest.mark.parametrize("name", ["pattern-attribution", "pattern-guided-ig"])
def test_a_model_without_weighted_layers_is_not_spoken_of(toy, name):
    nodes = [helper.make_node("Mul", ["x", "x"], ["m"]), helper.make_node("ReduceSum", ["m"], ["y"], keepdims=1)]
    probe = toy(nodes, {})
    with pytest.raises(NotApplicable, match=rf"{name}: patterns cover only 0\.0% of the multiply-adds"):
        make(name).attribute(problems(probe, samples()[:2]), probe)


@pytest.mark.parametrize("name", ["pattern-attribution", "pattern-guided-ig"])
def test_relevance_that_overflows_is_said(saturated, monkeypatch, name):
    learn = learning.learn

    def endless(*given):
        found = learn(*given)
        layers = {key: LayerPatterns(layer.weight * 1e300, 1, 0, False) for key, layer in found.layers.items()}
        return learning.Patterns(layers, found.shares, found.notes)

    monkeypatch.setattr(learning, "learn", endless)
    with pytest.raises(NotApplicable, match=f"{name}: relevance overflows"):
        make(name).attribute(problems(saturated, samples()[:2]), saturated)


def test_facts():
    for name in ("pattern-attribution", "pattern-guided-ig"):
        method = make(name)
        assert method.flags == {"not-complete", "needs-calibration-set"} and method.needs == {"gradients", "layers"}
        assert method.preparation(Quadrature(), 10) == Cost(forwards=11)
        assert method.runs == "with all" and registry.create(METHODS[name], "thorough", {}).parameters.pictures == 256
