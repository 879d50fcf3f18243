"""onnx2torch, imported whether or not torchvision can be imported beside torch."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

_TORCHVISION = ("nms", "box_convert", "roi_align")


def load_onnx2torch() -> types.ModuleType:
    """The package, with geoaudit's converters registered in it.

    onnx2torch imports torchvision for two detection operators.  torchvision is often absent, or built for
    another torch ("operator torchvision::nms does not exist"); no classifier needs those operators, so unless
    torchvision is loaded already an empty stand-in takes its place while onnx2torch loads.
    """
    from geoaudit.model.converters import extend_onnx2torch

    if "onnx2torch" not in sys.modules:
        with warnings.catch_warnings(), _stand_in():
            warnings.simplefilter("ignore")
            import_module("onnx2torch")
    extend_onnx2torch()
    return sys.modules["onnx2torch"]


@contextmanager
def _stand_in() -> Iterator[None]:
    if "torchvision" in sys.modules:
        yield
        return
    package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    for name in _TORCHVISION:
        setattr(ops, name, _detection_only)
    package.ops = ops  # type: ignore[attr-defined]
    sys.modules.update({"torchvision": package, "torchvision.ops": ops})
    try:
        yield
    finally:
        for name in ("torchvision", "torchvision.ops"):
            del sys.modules[name]


def _detection_only(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("detection operators are not supported")
