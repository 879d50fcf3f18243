"""The file by another graph: as exported where the graph in use is optimised, and the other way round."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from geoaudit.errors import NotApplicable
from geoaudit.model import optimised, sessions
from geoaudit.model.normalise import normalise
from geoaudit.model.optimised import Rewriting, rewrite

NORMALISATION = [
    helper.make_node("Identity", ["relu"], ["same"]),
    helper.make_node("Conv", ["same", "k2"], ["conv2"], pads=[1] * 4, name="second"),
    helper.make_node("BatchNormalization", ["conv2", "scale", "shift", "mean", "var"], ["norm"]),
]


def constants():
    rng = np.random.default_rng(1)
    named = {name: rng.standard_normal(4) for name in ("scale", "shift", "mean")} | {"var": rng.uniform(0.5, 1, 4)}
    return {k: v.astype(np.float32) for k, v in named.items()} | {
        "k2": rng.standard_normal((4, 4, 3, 3)).astype(np.float32)
    }


def test_a_normalised_convolution_is_merged_by_optimisation_and_the_function_stays(tiny, opened, points):
    proto = tiny(middle=NORMALISATION, constants=constants()).proto()
    written = sessions.optimised(proto)
    kinds = [[node.op_type for node in model.graph.node] for model in (proto, written)]
    assert "BatchNormalization" in kinds[0] and "BatchNormalization" not in kinds[1] and "Identity" not in kinds[1]
    model = opened(tiny(middle=NORMALISATION, constants=constants()).save(), batch_size=4)
    found = rewrite(model.artifact, model.twin)
    assert found.changed and "as exported" in found.description and "1 BatchNormalization, not 0" in found.description
    ours, theirs = (twin.value_and_gradient(points, np.zeros(11, int), "logit") for twin in (model.twin, found.twin))
    np.testing.assert_allclose(theirs[0], ours[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(theirs[1], ours[1], rtol=1e-3, atol=1e-5)
    assert found.twin.setting == model.twin.setting or model.twin.setting is not None


def test_where_optimisation_left_the_export_alone_the_rest_of_it_is_tried(tiny, opened, points):
    plain = opened(tiny().save("plain.onnx"), batch_size=4)
    assert "fold-constants" not in plain.normalised.passes
    same = rewrite(plain.artifact, plain.twin)
    assert not same.changed and same.description.startswith("The model optimised once more has the same operators")
    tail = [helper.make_node("MatMul", ["logits", "m"], ["p"]), helper.make_node("Add", ["p", "b"], ["scores"])]
    extra = {"m": np.eye(5, dtype=np.float32), "b": np.ones(5, np.float32)}
    joined = opened(tiny(tail=tail, outputs=("scores",), constants=extra).save("joined.onnx"), batch_size=4)
    other = rewrite(joined.artifact, joined.twin)
    assert other.changed and "2 Gemm, not 1" in other.description
    np.testing.assert_allclose(other.twin.logits(points), joined.twin.logits(points), rtol=1e-4, atol=1e-5)


def test_a_graph_without_the_optimisation_stays_as_exported(tiny):
    proto = tiny(middle=NORMALISATION, constants=constants()).proto()
    from geoaudit.model.head import Head

    head = Head("logits", "logits", tail=None, classes=5, kind="multi-class")
    kinds = {o: [n.op_type for n in normalise(proto, head, optimise=o).proto.graph.node] for o in (True, False)}
    assert "BatchNormalization" in kinds[False] and "BatchNormalization" not in kinds[True]
    assert "Identity" not in kinds[False]


def test_what_cannot_be_made_is_told_once(tiny, opened, monkeypatch):
    model = opened(tiny().save(), batch_size=4)
    tries = []

    def broken(*given):
        tries.append(given)
        raise RuntimeError("no kernel for that")

    monkeypatch.setattr(optimised.sessions, "optimised", broken)
    rewriting = Rewriting(model.artifact, model.twin)
    for _ in range(3):
        with pytest.raises(NotApplicable, match=r"optimised once more, the model cannot be written .*no kernel"):
            rewriting()
    assert len(tries) == 1


def test_it_is_made_once(tiny, opened):
    model = opened(tiny().save(), batch_size=4)
    rewriting = Rewriting(model.artifact, model.twin)
    assert rewriting() is rewriting()
