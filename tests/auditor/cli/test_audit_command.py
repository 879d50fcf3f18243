"""The audit by its command line: what it writes, where, how loudly, and where each option came from."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--budget", "quick", "--methods", "gradient-x-input", "--batch-size", "4", "--device", "cpu")
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-7]")
Read = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="module")
def done(
    cli: Any, small_model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory, read_report: Read
) -> tuple[Any, Path, dict[str, Any]]:
    """One audit of two of the five pictures: how it ended, its folder, its report."""
    folder = tmp_path_factory.mktemp("done")
    ended = cli(small_model, pictures, *QUICK, "--limit", "2", "-o", folder / "out")
    assert ended.code == 0, ended.stderr
    return ended, folder / "out", read_report(folder / "out")


def test_the_report_folder_holds_the_files_that_are_documented_and_stdout_its_path(done: Any) -> None:
    ended, folder, report = done
    assert sorted(p.name for p in folder.iterdir()) == ["SHA256SUMS", "maps.npz", "report.html", "report.json"]
    assert ended.stdout == f"{folder / 'report.html'}\n"
    assert report["exit_code"] == 0
    assert report["gate"]["status"] == "not gated"
    assert report["run"]["command"][0] == "geoaudit"


def test_away_from_a_terminal_there_are_no_escape_codes(done: Any) -> None:
    ended, _, _ = done
    assert ESCAPE not in ended.stdout + ended.stderr


def test_the_estimate_is_announced_and_reported(done: Any) -> None:
    ended, _, report = done
    assert report["run"]["estimate_seconds"] > 0
    assert re.search(r"2 images, 1 methods?, \d+ controls: about [\d,]+ gradients and [\d,]+ forwards", ended.stderr)


def test_limit_takes_that_many_and_says_so(done: Any) -> None:
    _, _, report = done
    assert report["data"]["count"] == len(report["data"]["images"]) == 2
    assert report["config"]["limit"] == {"value": 2, "source": "option --limit"}


def test_the_summary_names_method_and_tier(done: Any) -> None:
    ended, _, report = done
    assert "gradient-x-input" in ended.stderr
    assert report["ranking"]["entries"][0]["tier"] in ended.stderr


def test_colour_follows_the_terminal_and_the_environment(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path
) -> None:
    arguments = (small_model, pictures, *QUICK, "--limit", "1", "--no-images", "-o", tmp_path / "out")
    coloured = cli(*arguments, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"})
    assert coloured.code == 0
    assert COLOUR.search(coloured.stderr), "a terminal gets colour, or this test shows nothing"
    plain = cli(*arguments, env={"FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": "1"})
    assert plain.code == 0
    assert not COLOUR.search(plain.stderr)


def test_json_alone_on_stdout_and_silence_on_stderr(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    ended = cli(small_model, pictures, *QUICK, "--limit", "1", "-q", "--format", "json", "-o", tmp_path / "out")
    assert ended.code == 0
    assert ended.stderr == ""
    assert json.loads(ended.stdout) == read_report(tmp_path / "out")


def test_no_images_leaves_no_picture(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, done: Any, stored_maps: Any
) -> None:
    ended = cli(small_model, pictures, *QUICK, "--limit", "1", "--no-images", "-o", tmp_path / "out")
    assert ended.code == 0
    assert not [key for key in stored_maps(tmp_path / "out") if key.endswith("/thumbnail")]
    assert len([key for key in stored_maps(done[1]) if key.endswith("/thumbnail")]) == 2
    kept = {key.rpartition("/")[2] for key in stored_maps(tmp_path / "out")}
    whole = {key.rpartition("/")[2] for key in stored_maps(done[1])}
    assert kept and whole - kept == {"thumbnail", "edges", "input-difference"}, "these show the picture"


def test_options_beat_the_environment_and_that_the_files(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.geoaudit]\nlimit = 5\nseed = 1\nbaseline = "white"\n')
    (tmp_path / "geoaudit.toml").write_text(
        'limit = 4\nseed = 2\nbatch-size = 4\nbudget = "quick"\nmethods = ["gradient-x-input"]\n'
        "[preprocess]\ninterpolation = 'nearest'\n"
    )
    environment = {"GEOAUDIT_LIMIT": "3", "GEOAUDIT_SEED": "3", "GEOAUDIT_CHECKS": "parity"}
    ended = cli(small_model, pictures, "--limit", "1", "-o", "out", cwd=tmp_path, env=environment)
    assert ended.code == 0, ended.stderr
    report = read_report(tmp_path / "out")
    config = report["config"]
    assert config["limit"] == {"value": 1, "source": "option --limit"}
    assert config["seed"] == {"value": 3, "source": "GEOAUDIT_SEED"}
    assert config["checks"] == {"value": ["parity"], "source": "GEOAUDIT_CHECKS"}
    assert config["budget"] == {"value": "quick", "source": "geoaudit.toml"}
    assert config["methods"] == {"value": ["gradient-x-input"], "source": "geoaudit.toml"}
    assert config["baseline"] == {"value": "white", "source": "pyproject.toml [tool.geoaudit]"}
    assert config["explain"] == {"value": "logit", "source": "default"}
    assert (report["data"]["count"], report["run"]["seed"], report["run"]["budget"]) == (1, 3, "quick")
    assert report["baseline"]["pixel_value"] == [255.0] * 3
    assert report["data"]["preprocess"]["interpolation"] == {
        "value": "nearest",
        "source": "geoaudit.toml [preprocess]",
    }
    assert {check["id"] for check in report["checks"]} == {"parity"}


def test_target_explains_that_class(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    reports = {}
    for target in (0, 1):
        ended = cli(small_model, pictures, *QUICK, "--limit", "2", "--target", target, "-o", tmp_path / str(target))
        assert ended.code == 0
        reports[target] = read_report(tmp_path / str(target))
        assert {image["target"] for image in reports[target]["data"]["images"]} == {target}
    first, second = (reports[t]["per_image"][0]["delta_f"] for t in (0, 1))
    assert first != second


def test_explain_label_takes_the_true_class(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    names = [f"picture{i:02d}.png" for i in range(5)]
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{n},{i % 4}\n" for i, n in enumerate(names)))
    labels = ("--labels", tmp_path / "labels.csv")
    ended = cli(small_model, pictures, *QUICK, *labels, "--explain-label", "-o", tmp_path / "true")
    assert ended.code == 0, ended.stderr
    told = read_report(tmp_path / "true")["data"]
    assert [image["target"] for image in told["images"]] == [image["label"] for image in told["images"]]
    assert [image["label"] for image in told["images"]] == [0, 1, 2, 3, 0]
    hits = [image["predicted"] == image["label"] for image in told["images"]]
    assert told["labels"]["top1_accuracy"] == pytest.approx(sum(hits) / 5)
    assert told["labels"]["labelled"] == 5


@pytest.mark.parametrize("space", ["probability", "margin"])
def test_explain_changes_the_explained_scalar(
    space: str, cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read, done: Any
) -> None:
    ended = cli(small_model, pictures, *QUICK, "--limit", "2", "--explain", space, "-o", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    report = read_report(tmp_path / "out")
    assert report["model"]["explained_output"]["space"] == space
    rise = report["per_image"][0]["delta_f"]
    assert rise != done[2]["per_image"][0]["delta_f"]
    assert space != "probability" or abs(rise) <= 1


def test_set_and_skip_reach_the_plan(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    ended = cli(
        small_model, pictures, "--limit", "1", "--budget", "quick", "--methods", "guided-ig,gradient", "--skip",
        "gradient,center,completeness", "--set", "guided-ig.steps=5", "--metrics", "deletion", "--batch-size", "4",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert ended.code == 0, ended.stderr
    methods = {method["id"]: method for method in read_report(tmp_path / "out")["methods"]}
    assert methods["guided-ig"]["parameters"]["steps"] == 5
    assert "gradient" not in methods and "center" not in methods and "inverted:guided-ig" in methods
    assert set(methods["guided-ig"]["scores"]) == {"completeness-error", "deletion", "ncc-violation", "srg"}


def test_all_methods_and_pictures_to_learn_from_are_passed_on(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, read_report: Read
) -> None:
    """The words that stand for several methods, from the command line and from the file."""
    reports = {}
    learn = f"calibration = '{pictures.as_posix()}'\n"
    for words in ("all", "default"):
        (tmp_path / "geoaudit.toml").write_text(f"methods = ['{words}']\n{learn}")
        ended = cli(
            small_model, pictures, "--budget", "quick", "--gradient-free", "--limit", "1", "-o", words, cwd=tmp_path
        )
        assert ended.code == 0, ended.stderr
        reports[words] = read_report(tmp_path / words)
    ran = {words: {m["id"] for m in report["methods"]} for words, report in reports.items()}
    assert {"occlusion", "rise", "integrated-gradients"} <= ran["default"] < ran["all"]
    assert not [name for name in ran["all"] if name.startswith("captum/")], "these have to be named"
    assert reports["all"]["config"]["methods"] == {"value": ["all"], "source": "geoaudit.toml"}
    assert reports["all"]["config"]["calibration"] == {"value": pictures.name, "source": "geoaudit.toml"}
    told = reports["all"]["data"]["calibration"]
    assert (told["source"], told["count"], told["audited"]) == (f"the pictures in {pictures.name}", 5, 1)


def test_an_interrupted_audit_leaves_the_old_report_alone(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, done: Any, package: Callable[[str, str], Path]
) -> None:
    """Nothing was finished before: the method is the first of all."""
    site = package("aaa", "print('slow now', file=__import__('sys').stderr, flush=True); time.sleep(60)")
    kept = tmp_path / "out"
    shutil.copytree(done[1], kept)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    arguments = (small_model, pictures, *QUICK, "--methods", "aaa/map")
    for folder in (kept, tmp_path / "fresh"):
        ended = cli(*arguments, "-o", folder, plugins=[site], interrupt_at="slow now")
        assert ended.code == 130
        assert "Interrupted" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr and "run the same command again" not in ended.stderr
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ZeroDivisionError('by nothing')", "ZeroDivisionError: by nothing"),
        ("return Attributions(problems.x[:, :1], (None,) * len(problems))", "maps of shape (2, 1, 16, 16)"),
        ("return Attributions(problems.x, ())", "0 records for 2 images"),
        ("return Attributions(problems.x * float('nan'), (None,) * len(problems))", "not finite for picture"),
    ],
    ids=["crash", "shape", "records", "nan"],
)
def test_a_broken_method_costs_only_itself(
    body: str,
    told: str,
    cli: Any,
    small_model: Path,
    pictures: Path,
    tmp_path: Path,
    read_report: Read,
    package: Callable[[str, str], Path],
) -> None:
    site = package("broken", body)
    wanted = ("--methods", "gradient-x-input,broken/map", "--limit", "2", "-o", tmp_path / "out")
    ended = cli(small_model, pictures, *QUICK, *wanted, plugins=[site])
    assert ended.code == 3
    assert "Traceback" not in ended.stderr
    assert told in ended.stderr
    report = read_report(tmp_path / "out")
    methods = {method["id"]: method for method in report["methods"]}
    assert methods["broken/map"]["status"] == "error"
    assert methods["broken/map"]["plugin"] == "broken 1.0"
    assert told in methods["broken/map"]["reason"]
    assert all(score["status"] == "ERROR" for score in methods["broken/map"]["scores"].values())
    assert methods["gradient-x-input"]["status"] == "ok"
    assert methods["gradient-x-input"]["scores"]["srg"]["n"] == 2
    assert {m["status"] for name, m in methods.items() if name != "broken/map"} == {"ok"}
    (entry,) = [e for e in report["ranking"]["entries"] if e["method"] == "broken/map"]
    assert entry["tier"] == "rejected"
    assert report["exit_code"] == 3
    assert report["run"]["packages"]["broken"] == "1.0"
    assert any("broken/map was given up" in limit for limit in report["limitations"])
    assert (tmp_path / "out" / "report.html").exists()


def test_a_pinned_audit_does_not_load_other_packages(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, package: Callable[[str, str], Path]
) -> None:
    site = package("broken", "raise ZeroDivisionError")
    wanted = ("--methods", "broken/map", "-o", tmp_path / "out")
    ended = cli(small_model, pictures, *QUICK, *wanted, "--plugins", "none", plugins=[site])
    assert ended.code == 2
    assert "broken/map" in ended.error()[0]


def test_the_command_in_the_report_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from geoaudit.cli import cli as command_line

    uri = "https://me:secret@host/a.png?signature=secret"
    monkeypatch.setattr(sys, "argv", ["geoaudit", "model.onnx", uri])
    found: list[Any] = []
    monkeypatch.setattr("geoaudit.cli.run", lambda settings, options: found.append(settings) or 0)
    command_line.main(["model.onnx", uri], standalone_mode=False)
    assert found[0].images.uri == uri
    assert found[0].command == ("geoaudit", "model.onnx", "https://host/a.png")
