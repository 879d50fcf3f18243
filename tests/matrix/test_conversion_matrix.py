"""The part of the matrix that is quick enough for every run: special graphs, one small network by both exporters."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from check import OUTPUT_LIMIT, check_architecture, check_special
from click.testing import CliRunner
from PIL import Image
from special_graphs import SPECIAL

from geoaudit.cli import cli

STRAIGHT = {"dynquant", "qdq", "qdq_perchannel", "qoperator"}
"""Rounded numbers: the gradient is a surrogate, and the certificate says so."""
REFUSED = {"if_dynamic": "If"}
"""What has no gradient as a whole is refused by name."""


@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_special_graph(name: str) -> None:
    if name.startswith("fp16") and find_spec("onnxconverter_common") is None:
        pytest.skip("onnxconverter-common is not installed (extra dev)")
    row = check_special(name)
    if name in REFUSED:
        assert row["status"] == "refused" and REFUSED[name] in row["reason"]
        return
    assert row["status"] == ("warn" if name in STRAIGHT else "pass"), row
    limit = 3e-2 if name in STRAIGHT or name.startswith("fp16") else OUTPUT_LIMIT
    assert max(row["onnxruntime_batch_1"], row["onnxruntime_batch_4"]) <= limit, row


def test_one_network_by_both_exporters(tmp_path: Path) -> None:
    for package in ("timm", "onnxscript"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extra dev)")
    from export import main

    main("lcnet_050", tmp_path, ["legacy-17", "dynamo-20"])
    rows = check_architecture(tmp_path, "lcnet_050")
    assert {row["exporter"]: (row["status"], row.get("reason")) for row in rows} == {
        "legacy-17": ("pass", ""),
        "dynamo-20": ("pass", ""),
    }


def test_a_keras_style_graph_to_a_report(tmp_path: Path) -> None:
    """Channels last, padding by name, probabilities: as tf2onnx writes it."""
    folder, model = tmp_path / "images", tmp_path / "keras.onnx"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    onnx.save(SPECIAL["tf_nhwc"](), model)
    command = [str(model), str(folder), "--preset", "zero-one", "--budget", "quick", "-o", str(tmp_path / "report")]
    done = CliRunner().invoke(cli, [*command, "--methods", "integrated-gradients"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["data"]["preprocess"]["layout"]["value"] == "NHWC"
    assert report["model"]["explained_output"]["tail_removed"] == "Softmax"
    assert report["parity"]["status"] == "PASS"
    assert (tmp_path / "report" / "report.html").exists()
