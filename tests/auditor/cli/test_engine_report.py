"""`geoaudit inspect --engine-report`, and what an audit's report says of its gradient engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from geoaudit.audit.settings import GradientEngine
from geoaudit.model.engines.base import ENGINES


def run(*arguments: Any) -> Result:
    from geoaudit.cli import cli

    return CliRunner().invoke(cli, [str(part) for part in arguments], catch_exceptions=False, env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def audited(small_model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a small audit by onnxruntime's gradients."""
    folder = tmp_path_factory.mktemp("engine")
    made = run("audit", small_model, pictures, "--methods", "gradient", "--budget", "quick", "--checks", "parity",
               "--metrics", "srg", "--limit", 2, "--device", "cpu", "--gradient-engine", "onnxruntime",
               "-o", folder / "report")  # fmt: skip
    assert made.exit_code == 0, made.output
    report: dict[str, Any] = json.loads((folder / "report" / "report.json").read_text())
    return report | {"said": made.stderr}


def test_everything_that_was_tried_is_printed(small_model: Path, pictures: Path) -> None:
    done = run("inspect", small_model, "--engine-report", "--images", pictures, "--device", "cpu")
    assert done.exit_code == 0
    for expected in ("Gradient engines", "onnxruntime", "channels-last", "contiguous", "in use", "torch-compiled: not"):
        assert expected in done.stdout, expected


def test_programs_get_the_same(small_model: Path) -> None:
    done = run("inspect", small_model, "--engine-report", "--device", "cpu", "--format", "json")
    rows = json.loads(done.stdout)["engines"]
    assert {row["engine"] for row in rows} == set(ENGINES)
    assert [row["chosen"] for row in rows].count(True) == 1 and rows[0]["chosen"]
    ran = [row for row in rows if row["batch_size"]]
    assert all(row["milliseconds"] > 0 and row["stable"] and row["difference"] <= row["allowed"] for row in ran)


def test_without_the_option_nothing_is_tried(small_model: Path) -> None:
    done = run("inspect", small_model, "--device", "cpu", "--format", "json")
    assert json.loads(done.stdout)["engines"] == []


def test_pictures_that_are_not_there(small_model: Path, tmp_path: Path) -> None:
    from geoaudit.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["inspect", str(small_model), "--engine-report", "--images", str(tmp_path / "none")])
    assert caught.value.code == 3


def test_the_report_says_how_gradients_were_computed(audited: dict[str, Any]) -> None:
    assert audited["run"]["engine"]["gradients"] == "onnxruntime"
    chosen = [trial for trial in audited["run"]["engine_trials"] if trial["chosen"]]
    assert [trial["engine"] for trial in chosen] == ["onnxruntime"]
    assert chosen[0]["difference"] is not None and chosen[0]["stable"]
    assert audited["config"]["gradient-engine"]["value"] == "onnxruntime"
    assert audited["parity"]["status"] == "PASS", "the certificate is about the engine that is used"
    assert "gradients: onnxruntime, image by image" in audited["said"]


def test_the_settings_know_the_same_engines() -> None:
    from typing import get_args

    assert get_args(GradientEngine) == ENGINES
