"""The engine of a re-run is that of the report; reports that name none were made by torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.verify.rebuilt import _engine


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({"gradients": "onnxruntime", "memory_layout": "channels-last", "batch_size": 4}, ("onnxruntime", True, 4)),
        ({"gradients": "torch", "memory_layout": "contiguous", "batch_size": 8}, ("torch", False, 8)),
        ({"memory_layout": "channels-last", "batch_size": 8}, ("torch", True, 8)),
        ({"gradients": "another", "memory_layout": "contiguous", "batch_size": 8}, (None, False, 8)),
        ({}, (None, None, None)),
    ],
)
def test_engine_layout_and_batch_size_are_those_of_the_report(engine: Any, expected: Any) -> None:
    report: Any = SimpleNamespace(run=SimpleNamespace(engine=engine))
    found = _engine(report)
    assert (found["gradient_engine"], found["channels_last"], found["batch_size"]) == expected
