from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper

from geoaudit.errors import ModelError
from geoaudit.model.convert import convert


def test_frozen_in_evaluation_mode(tiny):
    result = convert(tiny().proto(), "tiny")
    assert not result.module.training
    assert all(not m.training for m in result.module.modules())
    assert all(not p.requires_grad for p in result.module.parameters())
    assert result.ops == {"Conv": 1, "Flatten": 1, "Gemm": 1, "Relu": 1}
    assert result.extensions == ("Conv-11", "Flatten-13", "Gemm-13", "Relu-14")
    assert result.straight_through == ()


def test_every_initializer_is_held_once_under_its_name(tiny):
    middle = [helper.make_node("Mul", ["relu", "twice"], ["a"]), helper.make_node("Mul", ["a", "twice"], ["b"])]
    proto = tiny(middle=middle, constants={"twice": np.full((1, 4, 1, 1), 2.0)}).proto()
    module = convert(proto, "tiny").module
    held = dict(module.named_buffers())
    assert set(module.meta["weights"]) == {tensor.name for tensor in proto.graph.initializer}
    assert set(module.meta["weights"].values()) == set(held)
    assert held[module.meta["weights"]["twice"]].shape == (1, 4, 1, 1)


def test_double_weights_stay_double(tiny):
    middle = [helper.make_node("LayerNormalization", ["relu", "gain"], ["normed"])]
    constants = {"gain": np.ones(8)}
    result = convert(tiny(dtype=np.float64, middle=middle, constants=constants).proto(), "tiny")
    assert {b.dtype for b in result.module.buffers()} == {torch.float64}
    assert result.module(torch.zeros(1, 3, 8, 8, dtype=torch.float64)).dtype == torch.float64


def test_every_unknown_operator_is_named(tiny):
    middle = [
        helper.make_node("RandomNormalLike", ["relu"], ["a"], name="first"),
        helper.make_node("RandomNormalLike", ["a"], ["b"], name="second"),
    ]
    proto = tiny(middle=middle, opset=18).proto()
    proto.opset_import.add(domain="acme", version=3)
    proto.graph.node.append(helper.make_node("Mystery", ["b"], ["c"], name="third", domain="acme"))
    with pytest.raises(ModelError) as caught:
        convert(proto, "a.onnx")
    message = caught.value.message
    assert "a.onnx: " in message
    assert "RandomNormalLike-1 (nodes first, second)" in message
    assert "acme.Mystery-3 (node third)" in message
    assert "acme: a custom operator" in message and "--gradient-free" in message


def test_every_refused_node_is_named(tiny):
    middle = [
        helper.make_node("Relu", ["relu"], ["a"], name="strange", slope=0.5),
        helper.make_node("Elu", ["a"], ["b"], name="crowded", beta=1.0),
    ]
    with pytest.raises(ModelError) as caught:
        convert(tiny(middle=middle).proto(), "a.onnx")
    assert "attribute slope (node strange)" in caught.value.reason
    assert "attribute beta (node crowded)" in caught.value.reason


def test_trees_and_control_flow_get_their_own_advice(tiny):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["relu"], ["out"])], "branch", [], [helper.make_empty_tensor_value_info("out")]
    )
    middle = [
        helper.make_node("ReduceMax", ["relu"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["bright"], to=9),
        helper.make_node("If", ["bright"], ["a"], name="fork", then_branch=branch, else_branch=branch),
    ]
    with pytest.raises(ModelError) as caught:
        convert(tiny(middle=middle).proto(), "a.onnx")
    assert "If-16 (node fork)" in caught.value.reason
    assert "depends on the data" in caught.value.way_out


def test_a_file_optimised_for_one_machine_is_told_what_came_before_it(tiny):
    proto = tiny().proto()
    proto.opset_import.add(domain="com.microsoft.nchwc", version=1)
    node = helper.make_node("ReorderInput", ["relu"], ["a"], name="reorder", domain="com.microsoft.nchwc")
    proto.graph.node.append(node)
    with pytest.raises(ModelError) as caught:
        convert(proto, "a.onnx")
    assert "before that optimisation" in caught.value.way_out and "custom" not in caught.value.way_out


@pytest.mark.parametrize("broken", [True, False])
def test_conversion_works_beside_a_broken_or_absent_torchvision(tiny, tmp_path, broken):
    path = tiny().save()
    fake = tmp_path / "site"
    (fake / "torchvision").mkdir(parents=True)
    error = "RuntimeError('operator torchvision::nms does not exist')" if broken else "ImportError('absent')"
    (fake / "torchvision" / "__init__.py").write_text(f"raise {error}\n")
    code = (
        "import sys, onnx, warnings; warnings.simplefilter('error', UserWarning)\n"
        "from geoaudit.model.convert import convert\n"
        f"m = convert(onnx.load({str(path)!r}), 'tiny').module\n"
        "import torch; print(tuple(m(torch.zeros(2, 3, 8, 8)).shape), 'torchvision' in sys.modules)\n"
    )
    root = Path(sys.modules["geoaudit"].__file__ or "").parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(fake), str(root)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 5) False", done.stderr
