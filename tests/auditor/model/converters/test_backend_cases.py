"""The onnx package's own node tests, on every operator that geoaudit converts."""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from geoaudit.model.convert import convertible
from geoaudit.model.converters import definitions
from geoaudit.model.onnx2torch_import import load_onnx2torch
from geoaudit.model.torch_graph import build

NOT_OURS: dict[str, str] = {
    "test_bitwise_not_3d": "torch holds uint16 as int64",
    "test_training_dropout": "random, and refused",
    "test_training_dropout_default": "random, and refused",
    "test_training_dropout_default_mask": "random, and refused",
    "test_training_dropout_mask": "random, and refused",
    "test_maxunpool_export_with_output_shape": "onnxruntime reads the indices in the shape that is given",
    "test_resize_downsample_scales_linear_align_corners": "onnxruntime aligns the rounded length, as torch does",
    "test_resize_downsample_scales_cubic_align_corners": "onnxruntime aligns the rounded length, as torch does",
    "test_batchnorm_example_training_mode": "a picture's scores would depend on its batch",
    "test_batchnorm_epsilon_training_mode": "a picture's scores would depend on its batch",
    "test_ai_onnx_ml_label_encoder_string_int": "torch has no strings",
    "test_ai_onnx_ml_label_encoder_string_int_no_default": "torch has no strings",
    "test_ai_onnx_ml_label_encoder_tensor_mapping": "torch has no strings",
    "test_ai_onnx_ml_label_encoder_tensor_value_only_mapping": "torch has no strings",
}
"""Cases that cannot hold here, by name, each with its reason."""
SMALL = re.compile(r"FLOAT(8|4)|INT(4|2)(_|$)")
"""Cases of float8 and types below 8 bits, which torch does not compute with."""


@cache
def cases() -> dict[str, Any]:
    """The single-node cases of the default and ai.onnx.ml domains whose operator is converted here, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    load_onnx2torch()
    ours = {(domain, name) for domain, name, _ in definitions()}
    chosen = {}
    for case in found:
        nodes = case.model.graph.node
        versions = {o.domain: o.version for o in case.model.opset_import}
        if len(nodes) == 1 and (nodes[0].domain, nodes[0].op_type) in ours and convertible(nodes[0], versions):
            chosen[case.name] = case
    return chosen


def to_torch(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [to_torch(v) for v in value]
    array = to_array(value)
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    if array.dtype.kind not in "biufc" or array.dtype.isbuiltin != 1:
        pytest.skip(f"torch has no {array.dtype}")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return torch.from_numpy(array.copy())


def to_array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def compare(value: Any, expected: Any, case: Any) -> None:
    if isinstance(expected, list):
        assert isinstance(value, list)
        assert len(value) == len(expected)
        for one, other in zip(value, expected, strict=True):
            compare(one, other, case)
        return
    array = to_array(expected)
    assert tuple(value.shape) == array.shape
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    numbers = value.to(torch.float32).numpy() if value.dtype == torch.bfloat16 else value.numpy()
    exact = {torch.float16: 4e-3, torch.bfloat16: 2e-2}.get(value.dtype, 1e-3)
    np.testing.assert_allclose(numbers, array, rtol=max(case.rtol, exact), atol=max(case.atol, 1e-5))


@pytest.mark.parametrize("name", sorted(cases()))
def test_node_case(name: str) -> None:
    case = cases()[name]
    if name in NOT_OURS:
        pytest.skip(NOT_OURS[name])
    if SMALL.search(name):
        pytest.skip("torch does not compute with float8 and types below 8 bits")
    for inputs, outputs in case.data_sets:
        with torch.no_grad():
            found = build(case.model).eval()(*(to_torch(v) for v in inputs))
        every = list(found) if len(outputs) > 1 else [found]
        assert len(every) == len(outputs)
        for expected, value in zip(outputs, every, strict=True):
            compare(value, expected, case)
