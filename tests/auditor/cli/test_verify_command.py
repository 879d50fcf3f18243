"""`geoaudit verify` by its command line: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--budget", "quick", "--methods", "gradient-x-input", "--metrics", "deletion", "--checks", "parity",
         "--batch-size", "4", "--device", "cpu", "-q")  # fmt: skip


@pytest.fixture(scope="module")
def report(cli: Any, small_model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two of the five pictures, drawn with all its pages."""
    folder = tmp_path_factory.mktemp("verified") / "report"
    ended = cli(small_model, pictures, *QUICK, "--limit", "2", "-o", folder)
    assert ended.code == 0, ended.stderr
    return folder


@pytest.fixture
def forged(report: Path, tmp_path: Path) -> Path:
    """Its report.json alone, to be changed."""
    (tmp_path / "report.json").write_bytes((report / "report.json").read_bytes())
    return tmp_path / "report.json"


def test_a_true_report_passes_in_80_columns(cli: Any, report: Path, small_model: Path, pictures: Path) -> None:
    ended = cli("verify", report / "report.json", small_model, pictures, "--sample-seed", "7")
    assert ended.code == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "✓ PASS: nothing that was checked differs, and the scores came out again."
    assert "byte for byte" in " ".join(ended.stdout.split())
    assert "equal to the last bit" in ended.stdout
    assert "--sample 2 --sample-seed 7" in ended.stdout
    assert "FAIL" not in ended.stdout
    assert "\x1b" not in ended.stdout
    assert "auditing" in ended.stderr


def test_json_is_all_that_goes_to_stdout(cli: Any, report: Path, small_model: Path, pictures: Path) -> None:
    ended = cli("verify", report, small_model, pictures, "--no-rerun", "--format", "json", "-q")
    data = json.loads(ended.stdout)
    assert (data["schema"], data["schema_version"], data["status"]) == ("geoaudit.verification", 1, "PASS")
    assert (ended.code, ended.stderr) == (0, "")


def test_the_expected_digest_decides(cli: Any, report: Path, small_model: Path, pictures: Path) -> None:
    ended = cli("verify", report, small_model, pictures, "--no-rerun", "--expect", "0" * 64)
    assert ended.code == 1
    assert "found" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "✗ FAIL: 1 finding against this report; see above."


def test_a_difference_names_method_picture_and_metric(
    cli: Any, forged: Path, small_model: Path, pictures: Path
) -> None:  # fmt: skip
    data = json.loads(forged.read_text(encoding="utf-8"))
    row = next(row for row in data["per_image"] if row["method"] == "gradient-x-input")
    row["scores"]["deletion"] += 0.25
    forged.write_text(json.dumps(data), encoding="utf-8")
    ended = cli("verify", forged, small_model, pictures, "-q")
    assert ended.code == 1
    printed = " ".join(ended.stdout.split())
    assert "1 value did not come out again:" in printed
    assert f"deletion of gradient-x-input on {row['image']}: report" in printed
    assert "difference 2.5e-01" in printed


def test_a_rerun_that_breaks_off_ends_with_3(
    cli: Any, report: Path, small_model: Path, pictures: Path, tmp_path: Path
) -> None:
    """The report names a package that is not installed here; nothing is wrong with it otherwise."""
    folder = Path(shutil.copytree(report, tmp_path / "report"))
    data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    data["config"]["plugins"] = {"value": "nobodys-package", "source": "option --plugins"}
    (folder / "report.json").write_text(json.dumps(data), encoding="utf-8")
    assert cli("render", folder).code == 0
    ended = cli("verify", folder, small_model, pictures, "-q")
    assert ended.code == 3
    assert "nobodys-package" in ended.stdout
    assert cli("verify", folder, small_model, pictures, "-q", "--no-rerun").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--sample", "2", "--all"), "--sample and --all: contradict each other"),
        (("--sample", "2", "--no-rerun"), "contradict each other"),
        (("--sample", "0"), "0 is not in the range x>=1"),
        (("--tolerance", "-1"), "-1.0 is not in the range x>=0"),
        (("--expect", "abc"), "--expect abc: is no sha256"),
        (("--format", "html"), "is not one of"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], told: str, cli: Any, report: Path, small_model: Path, pictures: Path
) -> None:
    ended = cli("verify", report, small_model, pictures, *arguments)
    assert ended.code == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_what_is_not_there(cli: Any, report: Path, small_model: Path, pictures: Path, tmp_path: Path) -> None:
    for arguments, named in (
        ((tmp_path, small_model, pictures), "report.json"),
        ((small_model, small_model, pictures), "small.onnx"),
        ((report, tmp_path / "none.onnx", pictures), "none.onnx"),
        ((report, small_model, tmp_path / "nowhere"), "nowhere"),
    ):
        ended = cli("verify", *arguments)
        assert (ended.code, ended.stdout) == (2, "")
        assert named in ended.error()[0]


def test_help_says_what_checksums_cannot(cli: Any) -> None:
    text = " ".join(cli("verify", "--help").stdout.split())
    assert "can rewrite the digests beside it too" in text
    assert all(option in text for option in ("--all", "--no-rerun", "--labels", "--calibration", "Exit codes"))
