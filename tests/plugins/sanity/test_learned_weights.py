"""Every learned number of a file is found, wherever it is kept, and what was not learned is left alone."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import Quadrature
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit_plugins.sanity.weights import changed, inventory, learned

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (2, 3, 8, 8)).astype(np.float32)


def opened(nodes, weights, classes, kind=TensorProto.FLOAT):
    """A probe over a small file that takes `image` and gives `logits`."""
    graph = helper.make_graph(
        [
            helper.make_node(op, inputs, outputs, name=f"n{i}", **more)
            for i, (op, inputs, outputs, more) in enumerate(nodes)
        ],
        "small",
        [helper.make_tensor_value_info("image", kind, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", kind, ["N", classes])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with TemporaryDirectory(prefix="geoaudit-tests-") as folder:
        path = Path(folder) / "small.onnx"
        onnx.save(model, str(path))
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        runtime = Runtime(artifact, head, "cpu", threads=1)
    twin = Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=4)
    return ModelProbe(runtime, twin, "logit", None, Quadrature(node_limit=16, scan=9, first_nodes=4), 0)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


POOL = [("GlobalAveragePool", ["relu"], ["pooled"], {}), ("Flatten", ["pooled"], ["flat"], {})]
CONV = [("Conv", ["image", "kernel", "bias"], ["conv"], {}), ("Relu", ["conv"], ["relu"], {}), *POOL]


def test_a_head_of_matmul_and_add_is_covered():
    """Its weights are no parameters of any torch module: found all the same."""
    weights = {"kernel": floats(6, 3, 3, 3), "bias": floats(6), "matrix": floats(6, 4), "offset": floats(4)}
    nodes = [*CONV, ("MatMul", ["flat", "matrix"], ["product"], {}), ("Add", ["product", "offset"], ["logits"], {})]
    probe = opened(nodes, weights, 4)
    stock = inventory(probe.layers())
    assert stock.coverage == 100 and stock.elements == 6 * 27 + 6 + 24 + 4
    assert [[t.name for t in layer.tensors] for layer in stock.layers] == [["kernel", "bias"], ["matrix"], ["offset"]]
    assert [layer.name.split()[0] for layer in stock.layers] == ["Conv", "MatMul", "Add"]
    before = probe.scores(X)
    for name in weights:
        layers = probe.layers()
        other = probe.with_layers(changed(layers, lambda _, values: values + 1, [name]))
        assert np.abs(other.scores(X) - before).max() > 1e-3, name
    np.testing.assert_allclose(probe.scores(X), before, atol=1e-6), "the run's own model is left"


def test_layers_come_in_the_order_of_the_graph_not_of_the_file():
    weights = {"matrix": floats(6, 4), "bias": floats(6), "offset": floats(4), "kernel": floats(6, 3, 3, 3)}
    nodes = [*CONV, ("Gemm", ["flat", "matrix", "offset"], ["logits"], {})]
    assert [layer.name.split()[0] for layer in learned(opened(nodes, weights, 4).layers())] == ["Conv", "Gemm"]


def test_single_numbers_and_uniform_tensors_are_counted_apart():
    weights = {"kernel": floats(6, 3, 3, 3), "bias": np.zeros(6, np.float32), "factor": np.float32([1.5])}
    nodes = [*CONV, ("Mul", ["flat", "factor"], ["logits"], {})]
    stock = inventory(opened(nodes, weights, 6).layers())
    assert (stock.elements, stock.uniform, stock.coverage) == (162, 7, 100)
    assert [t.name for layer in stock.layers for t in layer.tensors] == ["kernel"]


def test_normalisation_statistics_are_learned_and_one_tensor_belongs_to_its_first_reader():
    statistics = {name: floats(3) for name in ("scale", "shift", "mean")}
    weights = statistics | {"var": np.float32([0.5, 1, 2]), "kernel": floats(3, 3, 3, 3)}
    nodes = [
        ("BatchNormalization", ["image", "scale", "shift", "mean", "var"], ["norm"], {}),
        ("Conv", ["norm", "kernel"], ["conv"], {"pads": [1] * 4}),
        ("Conv", ["conv", "kernel"], ["again"], {}),
        ("GlobalAveragePool", ["again"], ["pooled"], {}),
        ("Flatten", ["pooled"], ["logits"], {}),
    ]
    stock = inventory(opened(nodes, weights, 3).layers())
    assert stock.coverage == 100 and sum(len(layer.tensors) for layer in stock.layers) == len(
        {t.name for layer in stock.layers for t in layer.tensors}
    )
    assert stock.elements in (81, 93), "the statistics are kept, or folded into the kernel's neighbours"
    assert all("Conv" in layer.name or "BatchNorm" in layer.name for layer in stock.layers)


def test_numbers_that_say_how_to_compute_are_left():
    weights = {"kernel": floats(6, 3, 3, 3), "bias": floats(6), "scales": np.float32([1, 1, 2, 0.5])}
    nodes = [
        ("Resize", ["image", "", "scales"], ["large"], {"mode": "linear"}),
        ("Conv", ["large", "kernel", "bias"], ["conv"], {}),
        *CONV[1:],
        ("Identity", ["flat"], ["logits"], {}),
    ]
    probe = opened(nodes, weights, 6)
    stock = inventory(probe.layers())
    assert stock.elements == 168 and stock.coverage == 100
    module = changed(probe.layers(), lambda _, values: values[::-1].copy())
    assert np.isfinite(probe.with_layers(module).scores(X)).all()


KERNEL = RNG.integers(-120, 120, (6, 3, 3, 3)).astype(np.int8)
STEPS = np.float32([0.02, 0.03, 0.01, 0.02, 0.05, 0.04])
QUANTISED = {
    "step": np.float32(0.02), "zero": np.int8(0), "kernel": KERNEL, "steps": STEPS, "zeros": np.zeros(6, np.int8),
    "bias": np.arange(6, dtype=np.int32) * 40, "fine": STEPS * np.float32(0.02), "nothing": np.zeros(6, np.int32),
    "matrix": floats(6, 4), "offset": floats(4), "large": np.float32(0.1),
}  # fmt: skip
HEAD = [*CONV[1:], ("Gemm", ["flat", "matrix", "offset"], ["logits"], {})]
ROUNDED = ("QuantizeLinear", ["image", "step", "zero"], ["q"], {})
DEQUANTISED = [
    ROUNDED,
    ("DequantizeLinear", ["q", "step", "zero"], ["x"], {}),
    ("DequantizeLinear", ["kernel", "steps", "zeros"], ["k"], {"axis": 0}),
    ("DequantizeLinear", ["bias", "fine", "nothing"], ["b"], {"axis": 0}),
    ("Conv", ["x", "k", "b"], ["conv"], {}),
    *HEAD,
]
OPERATORS = [
    ROUNDED,
    (
        "QLinearConv",
        ["q", "step", "zero", "kernel", "steps", "zeros", "large", "zero", "bias"],
        ["qconv"],
        {},
    ),
    ("DequantizeLinear", ["qconv", "large", "zero"], ["conv"], {}),
    *HEAD,
]


def quantised(nodes):
    read = {name for _, inputs, _, _ in nodes for name in inputs}
    return opened(nodes, {name: values for name, values in QUANTISED.items() if name in read}, 4)


@pytest.mark.parametrize("nodes", [DEQUANTISED, OPERATORS], ids=["dequantised", "operators"])
def test_a_quantised_kernel_counts_and_its_scales_do_not(nodes):
    probe = quantised(nodes)
    stock = inventory(probe.layers())
    assert stock.coverage == 100 and stock.elements == 162 + 6 + 24 + 4
    assert "Conv" in stock.layers[0].name and stock.layers[0].elements == 168, "the layer, not its dequantising"
    before = probe.scores(X)
    for name in [t.name for layer in stock.layers for t in layer.tensors]:
        module = changed(probe.layers(), lambda _, values: values[::-1].copy() * 0.7, [name])
        assert np.abs(probe.with_layers(module).scores(X) - before).max() > 1e-4, name


def test_whole_numbers_are_rounded_and_clipped_to_their_type():
    layers = quantised(OPERATORS).layers()
    place = layers.weights["kernel"]
    module = changed(layers, lambda _, values: values * 1.26, ["kernel"])
    np.testing.assert_array_equal(module.get_buffer(place).numpy(), np.clip(np.rint(KERNEL * 1.26), -128, 127))
    assert module.get_buffer(place).numpy().dtype == np.int8


def test_every_tensor_is_asked_for_once_in_the_order_of_the_graph(scene):
    asked = []

    def keep(name, values):
        asked.append((name, values.shape, values.dtype))
        return values

    changed(scene("network").probe.layers(), keep)
    assert [name for name, _, _ in asked] == ["kernel", "bias", "kernel2", "bias2", "matrix", "offset"]
    assert asked[0][1:] == ((6, 3, 3, 3), np.float32)


@pytest.mark.parametrize("kind", [{}, {"layout": "NHWC", "dtype": np.float64}, {"channels": 1}])
def test_a_network_is_covered_in_every_input_space(scene, kind):
    stock = inventory(scene("network", **kind).probe.layers())
    assert stock.coverage == 100 and len(stock.layers) == 3 and stock.unread == stock.not_finite == 0


def test_a_mask_of_infinities_lowers_the_coverage_and_stays():
    mask = np.float32([0, 0, 0, -np.inf])
    weights = {"kernel": floats(4, 3, 3, 3), "bias": floats(4), "mask": mask}
    stock = inventory(opened([*CONV, ("Add", ["flat", "mask"], ["logits"], {})], weights, 4).layers())
    assert stock.not_finite == 4 and stock.coverage == pytest.approx(100 * 112 / 116)
