"""--gradient-free, --output, --custom-ops and --folder by the command line; some models cannot be converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

QUICK = ("--budget", "quick", "--device", "cpu", "--limit", "2")
FREE = (*QUICK, "--gradient-free", "--set", "rise.masks=40")


def forest(proto: ModelProto) -> ModelProto:
    """The tiny classifier's pooled maps judged by two stumps instead of a matrix: no operator of these has a gradient.

    Map 0 answers to brightness; each stump votes for class 1 where it is bright.
    """
    graph = proto.graph
    stumps = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2] * 2,
        "nodes_featureids": [0] * 6,
        "nodes_values": [0.1, 0.0, 0.0, 0.2, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        "nodes_truenodeids": [1, 0, 0] * 2,
        "nodes_falsenodeids": [2, 0, 0] * 2,
        "class_treeids": [0, 0, 1, 1],
        "class_nodeids": [1, 2, 1, 2],
        "class_ids": [0, 1, 2, 1],
        "class_weights": [0.5, 0.5, 0.5, 0.5],
        "classlabels_int64s": [0, 1, 2],
        "post_transform": "NONE",
    }
    kept = [node for node in graph.node if node.op_type != "Gemm"]
    del graph.node[:]
    trees = helper.make_node("TreeEnsembleClassifier", ["flat"], ["label", "scores"], domain="ai.onnx.ml", **stumps)
    graph.node.extend([*kept, trees])
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3]),
        ]
    )
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return proto


def two_heads(proto: ModelProto) -> ModelProto:
    """A second row of five scores, called "extra", from the pooled maps."""
    matrix = np.random.default_rng(5).standard_normal((6, 5)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(matrix, "second"))
    proto.graph.node.append(helper.make_node("MatMul", ["flat", "second"], ["extra"]))
    proto.graph.output.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["N", 5]))
    return proto


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, make_model: Any) -> Path:
    folder = tmp_path_factory.mktemp("models")
    onnx.save(forest(make_model()), str(folder / "forest.onnx"))
    onnx.save(two_heads(make_model()), str(folder / "heads.onnx"))
    return folder


def test_a_model_of_trees_is_refused_with_the_way_out_and_audited_by_it(
    cli: Any, models: Path, pictures: Path, tmp_path: Path, read_report: Any
) -> None:
    refused = cli(models / "forest.onnx", pictures, *QUICK, "-o", tmp_path / "refused")
    assert refused.code == 3
    assert "TreeEnsembleClassifier" in " ".join(refused.error())
    assert "--gradient-free" in " ".join(refused.error())
    assert not (tmp_path / "refused").exists()
    ended = cli(models / "forest.onnx", pictures, *FREE, "--folder", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    report = read_report(tmp_path / "out")
    assert (report["parity"]["status"], report["parity"]["max_rel_diff"]) == ("SKIP", None)
    assert report["config"]["gradient-free"] == {"value": True, "source": "option --gradient-free"}
    ran = {m["id"] for m in report["methods"] if m["kind"] == "method" and m["status"] == "ok"}
    assert ran == {"occlusion", "rise"}
    assert "not applicable" in ended.stderr.lower()
    assert "integrated-gradients" in ended.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "not converted: --gradient-free" in page
    assert "not applicable" in page


def test_a_method_that_needs_gradients_cannot_be_named(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path
) -> None:
    ended = cli(small_model, pictures, *QUICK, "--gradient-free", "--methods", "integrated-gradients", cwd=tmp_path)
    assert ended.code == 2
    assert ended.error()[0].startswith("Error: --methods integrated-gradients: needs gradients")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("output", "classes"), [("extra", 5), ("logits", 4)])
def test_output_says_which_row_holds_the_scores(
    output: str, classes: int, cli: Any, models: Path, pictures: Path, tmp_path: Path, read_report: Any
) -> None:
    ended = cli(models / "heads.onnx", pictures, *FREE, "--output", output, "-o", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    report = read_report(tmp_path / "out")
    assert report["model"]["classes"] == classes
    assert report["model"]["explained_output"]["name"] == output
    assert report["model"]["explained_output"]["kind"] == "one-label"
    assert report["model"]["explained_output"]["reading"]
    assert report["config"]["output"] == {"value": output, "source": "option --output"}


def test_an_unknown_output_is_a_usage_error(cli: Any, models: Path, pictures: Path, tmp_path: Path) -> None:
    ended = cli(models / "heads.onnx", pictures, *FREE, "--output", "nowhere", cwd=tmp_path)
    assert ended.code == 2
    assert "nowhere" in " ".join(ended.error())
    assert not list(tmp_path.iterdir()), "the value is no folder"


@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_library_that_is_missing_or_none_is_a_usage_error(
    content: bytes | None, cli: Any, small_model: Path, pictures: Path, tmp_path: Path
) -> None:
    library = tmp_path / "operators.so"
    if content is not None:
        library.write_bytes(content)
    ended = cli(small_model, pictures, *FREE, "--custom-ops", library)
    assert ended.code == 2
    assert str(library) in ended.error()[0]
    assert content is not None or "there is no such file" in ended.error()[0]


def test_the_folder_has_an_option_and_a_key_of_its_own(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Any
) -> None:
    (tmp_path / "geoaudit.toml").write_text(
        'folder = "told"\ngradient-free = true\nmethods = ["occlusion"]\noutput = "logits"\n'
    )
    ended = cli(small_model, pictures, *QUICK, cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    config = read_report(tmp_path / "told")["config"]
    assert config["gradient-free"] == {"value": True, "source": "geoaudit.toml"}
    assert config["output"] == {"value": "logits", "source": "geoaudit.toml"}
    assert "folder" not in config
    assert "-o, --folder DIR" in cli("--help").stdout


def test_captums_methods_run_when_named_and_only_then(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Any
) -> None:
    pytest.importorskip("captum", reason="captum is not installed: pip install 'geoaudit[captum]'")
    listed = cli("methods").stdout
    assert "captum/KernelShap" in listed
    names = "captum/FeatureAblation,captum/IntegratedGradients"
    ended = cli(small_model, pictures, *QUICK, "--methods", names, "--limit", "1", "-o", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    report = read_report(tmp_path / "out")
    ran = {m["id"]: m for m in report["methods"] if m["kind"] == "method"}
    assert set(ran) == set(names.split(","))
    assert all(m["status"] == "ok" and m["plugin"].startswith("captum ") for m in ran.values())
    assert "captum" in report["run"]["packages"]
