"""`geoaudit inspect`: everything that can be known of a file, and an exit code that says whether it can be audited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import ModelProto, TensorProto, helper, numpy_helper

GIVEN = ("--range", "0-1", "--mean", "0", "--std", "1")


@pytest.fixture
def classifier(tmp_path: Path) -> Callable[..., Path]:
    """A small convolutional classifier; `extra` nodes stand between the logits and the output."""

    def make(*extra: onnx.NodeProto, domains: dict[str, int] | None = None, classes: int = 5) -> Path:
        random = np.random.default_rng(0)
        weights = {
            "kernel": random.standard_normal((4, 3, 3, 3)).astype(np.float32),
            "rows": random.standard_normal((4, classes)).astype(np.float32),
        }
        nodes = [
            helper.make_node("Conv", ["image", "kernel"], ["a"], name="the_conv"),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("GlobalAveragePool", ["b"], ["c"]),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("MatMul", ["d", "rows"], ["logits"]),
            *extra,
        ]
        output = nodes[-1].output[0]
        graph = helper.make_graph(
            nodes, "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", classes])],
            [numpy_helper.from_array(v, k) for k, v in weights.items()],
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(d, v) for d, v in (domains or {}).items())]
        model: ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="hand")
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return make


def inspect(*arguments: str) -> Result:
    from geoaudit.cli import cli

    return CliRunner().invoke(cli, ["inspect", *arguments], catch_exceptions=False, env={"COLUMNS": "100"})


def as_json(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inspect(*arguments, "--format", "json").stdout)
    return found


def test_a_model_that_can_be_audited(classifier: Any) -> None:
    path = classifier(helper.make_node("Softmax", ["logits"], ["scores"], axis=1))
    done = inspect(str(path), *GIVEN)
    assert done.exit_code == 0
    for expected in ("model.onnx", "hand", "image float32 [n, 3, 16, 16]", "Softmax", "Conv", "can be audited", "PASS"):
        assert expected in done.stdout, expected


def test_the_json_has_the_reports_parts(classifier: Any) -> None:
    found = as_json(str(classifier()), *GIVEN)
    assert found["tool"]["name"] == "geoaudit"
    assert found["model"]["classes"] == 5 and len(found["model"]["sha256"]) == 64
    assert found["parity"]["status"] == "PASS" and found["parity"]["images"] == 4
    assert found["data"]["preprocess"]["range"] == {"value": [0.0, 1.0], "source": "option --range"}
    assert {row["name"]: row["count"] for row in found["operators"]}["Conv"] == 1
    assert all(row["converter"] in ("geoaudit", "onnx2torch") for row in found["operators"])
    assert found["estimate"]["weight_bytes"] >= 4 * (4 * 27 + 20)
    assert found["estimate"]["per_image"]["standard"]["gradients"] > 40
    assert found["auditable"] == "with gradients" and found["problems"] == [] and found["exit_code"] == 0


def test_unknown_preprocessing_is_a_problem_and_not_the_end(classifier: Any) -> None:
    path = classifier()
    found = as_json(str(path))
    assert found["exit_code"] == inspect(str(path)).exit_code == 2
    assert found["parity"]["status"] == "PASS", "compared on noise all the same"
    assert "--mean" in found["problems"][0]["way_out"] + found["problems"][0]["reason"]
    assert found["data"]["preprocess"] == {}


def test_an_operator_without_gradient_is_marked(classifier: Any) -> None:
    node = helper.make_node("Mystery", ["logits"], ["scores"], name="strange", domain="acme")
    path = classifier(node, domains={"acme": 1})
    found = as_json(str(path), *GIVEN)
    assert found["exit_code"] == 3
    assert [(row["domain"], row["name"]) for row in found["operators"] if row["converter"] == "none"] == [
        ("acme", "Mystery")
    ]
    assert found["auditable"] == "no", "onnxruntime does not know it either"
    assert "Mystery" in json.dumps(found["problems"])


def test_random_numbers_have_no_gradient_but_can_be_run(classifier: Any) -> None:
    """onnxruntime runs it; the converter refuses it by name and points at --gradient-free."""
    nodes = (
        helper.make_node("RandomUniformLike", ["logits"], ["noise"], name="dice", seed=1.0),
        helper.make_node("Add", ["logits", "noise"], ["scores"]),
    )
    path = classifier(*nodes)
    done = inspect(str(path), *GIVEN)
    assert done.exit_code == 3
    assert "RandomUniformLike" in done.stdout and "dice" in done.stdout
    assert "--gradient-free" in done.stdout


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "cat.onnx"
    path.write_bytes(b"\x89PNG\r\n")
    from geoaudit.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["inspect", str(path)])
    assert caught.value.code == 3


def test_scores_that_are_no_numbers_are_one_problem(classifier: Callable[..., Path]) -> None:
    below = (helper.make_node("Abs", ["logits"], ["size"]), helper.make_node("Neg", ["size"], ["below"]))
    found = as_json(str(classifier(*below, helper.make_node("Log", ["below"], ["y"]))), *GIVEN)
    assert found["exit_code"] == 3 and found["auditable"] == "no" and found["parity"] is None
    assert [problem["reason"].split(" (")[0] for problem in found["problems"]] == ["gives NaN or infinite scores"]


def test_a_row_of_numbers_that_is_no_picture(tmp_path: Path) -> None:
    """What is not known of the input is said; the comparison runs on noise."""
    weights = numpy_helper.from_array(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32), "w")
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [shape], [output], [weights])
    path = tmp_path / "flat.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    found = as_json(str(path), *GIVEN)
    assert found["exit_code"] == 2 and "no square picture" in found["problems"][0]["reason"]
    assert found["parity"]["status"] == "PASS"
