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


def test_double_weights_stay_double(tiny):
    # the converter's own LayerNormalization starts with a float32 bias
    middle = [helper.make_node("LayerNormalization", ["relu", "gain"], ["normed"])]
    constants = {"gain": np.ones(8)}
    result = convert(tiny(dtype=np.float64, middle=middle, constants=constants).proto(), "tiny")
    assert {p.dtype for p in result.module.parameters()} == {torch.float64}
    assert result.module(torch.zeros(1, 3, 8, 8, dtype=torch.float64)).dtype == torch.float64


def test_every_unknown_operator_is_named(tiny):
    middle = [
        helper.make_node("Mish", ["relu"], ["a"], name="first"),
        helper.make_node("Mish", ["a"], ["b"], name="second"),
        helper.make_node("ThresholdedRelu", ["b"], ["c"], name="third"),
    ]
    with pytest.raises(ModelError) as caught:
        convert(tiny(middle=middle, opset=18).proto(), "a.onnx")
    message = caught.value.message
    assert "a.onnx: " in message
    assert "Mish-18 (nodes first, second)" in message
    assert "ThresholdedRelu-10 (node third)" in message
    assert "operator set is 18" in message and "opset_version=17, dynamo=False" in message


def test_every_refused_node_is_named(tiny):
    proto = tiny().proto()
    kernel = np.ones((4, 4, 1, 1), np.float32)
    middle = [helper.make_node("Conv", ["relu", "extra"], ["a"], name="same_conv", auto_pad="SAME_UPPER")]
    proto = tiny(middle=middle, constants={"extra": kernel}).proto()
    for attribute in proto.graph.node[0].attribute:
        proto.graph.node[0].attribute.remove(attribute)
    proto.graph.node[0].attribute.append(helper.make_attribute("auto_pad", "SAME_LOWER"))
    with pytest.raises(ModelError) as caught:
        convert(proto, "a.onnx")
    assert "the_conv" in caught.value.reason and "same_conv" in caught.value.reason


def test_quantised_and_recurrent_models_get_their_own_advice(tiny):
    middle = [helper.make_node("QuantizeLinear", ["relu", "s", "z"], ["q"]),
              helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"])]  # fmt: skip
    constants = {"s": np.float32(0.1).reshape(()), "z": np.uint8(0).reshape(())}
    with pytest.raises(ModelError, match="before quantisation"):
        convert(tiny(middle=middle, constants=constants).proto(), "a.onnx")


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
