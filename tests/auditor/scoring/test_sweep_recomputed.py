"""Deletion and insertion on a real file, recomputed by a plain loop over onnxruntime that shares no code."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.api import Attributions, Evidence, Group, InputSpace, Problems, Quadrature
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.runtime import Runtime
from geoaudit.scoring.sweep import Sweep
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.metrics.deletion import Deletion
from geoaudit_plugins.metrics.insertion import Insertion
from geoaudit_plugins.metrics.srg import Srg

SIDE, REGION, STEPS, CLASSES, IMAGES = 11, 3, 5, 4, 3
"""Four regions a row; those at the right and lower border are 2 px wide."""


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "rgb"])
def model(request, tmp_path_factory):
    """Conv, Relu, Gemm: where a region lies matters, and no probability is near 1."""
    channels, rng = request.param, np.random.default_rng(5)
    weights = {
        "kernel": rng.standard_normal((5, channels, 3, 3)),
        "bias": rng.standard_normal(5) * 0.3,
        "matrix": rng.standard_normal((5 * SIDE * SIDE, CLASSES)) * 0.03,
        "offset": rng.standard_normal(CLASSES) * 0.2,
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "offset"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", channels, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path, channels


def plain_areas(path, values, x, baseline, targets):
    """Deletion and insertion AUC, shape (2, n): regions by mean |A|, one image a call, trapezoids by hand."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = np.empty((2, len(x)))
    for i in range(len(x)):
        corners = [(r, c) for r in range(0, SIDE, REGION) for c in range(0, SIDE, REGION)]
        key = [np.abs(values[i][:, r : r + REGION, c : c + REGION].astype(float)).sum(0).mean() for r, c in corners]
        ranked = [corners[k] for k in np.argsort(key)[::-1]]
        for row, order in enumerate((ranked, ranked[::-1])):
            shares, probabilities = [], []
            for step in range(STEPS + 2):
                count = int(np.rint(step / (STEPS + 1) * len(corners)))
                masked = x[i].copy()
                for r, c in order[:count]:
                    masked[:, r : r + REGION, c : c + REGION] = baseline[i][:, r : r + REGION, c : c + REGION]
                logits = session.run(None, {"image": masked[None]})[0][0].astype(np.float64)
                terms = np.exp(logits - logits.max())
                shares.append(count / len(corners))
                probabilities.append(terms[targets[i]] / terms.sum())
            pairs = zip(shares, shares[1:], probabilities, probabilities[1:], strict=False)
            found[row, i] = sum((b - a) * (p + q) / 2 for a, b, p, q in pairs)
    return found


def test_deletion_and_insertion_agree_with_a_plain_loop(model):
    path, channels = model
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    probe = ModelProbe(Runtime(artifact, head, "cpu", threads=1), None, "logit", None, Quadrature(), 0)
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (IMAGES, channels, SIDE, SIDE)).astype(np.float32)
    baseline, values = np.full_like(x, -1.0), rng.standard_normal(x.shape).astype(np.float32)
    targets = probe.scores(x).argmax(axis=1)
    space = InputSpace("NCHW", x.shape[1:], (-1.0,) * channels, (1.0,) * channels)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    problems = Problems(tuple("abc"), x, baseline, targets, f_x, f_baseline, space)
    group = Group(problems, probe, {"baseline": Baseline()})
    evidence = Evidence(Sweep(REGION, imputers=("baseline",), steps=STEPS).curves(values, group), group)
    maps = Attributions(values, (None,) * IMAGES)
    deletion, insertion, srg = (m.score(maps, problems, evidence).values for m in (Deletion(), Insertion(), Srg()))
    deleted, kept = plain_areas(path, values, x, baseline, targets)
    np.testing.assert_allclose(deletion, deleted, rtol=0, atol=1e-6)
    np.testing.assert_allclose(insertion, kept, rtol=0, atol=1e-6)
    np.testing.assert_allclose(srg, kept - deleted, rtol=0, atol=2e-6)
    assert np.abs(kept - deleted).max() > 0.01, "or the order of the regions does not matter"
