"""GitHub Actions: the runner's reading of workflow commands stated again, and a summary that never does harm."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.audit.result import Report
from geoaudit_reports import github, markdown
from geoaudit_reports.escaping import visible
from geoaudit_reports.facts import broken


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Kind, properties and message of a line, as the runner takes it apart."""
    start = line.lstrip()
    assert start.startswith("::") and "\n" not in line and "\r" not in line
    head, data = start[2:].split("::", 1)
    kind, _, rest = head.partition(" ")
    pairs = dict(pair.split("=", 1) for pair in rest.strip().split(",") if pair)
    return kind, {name: _decoded(value, prefix=True) for name, value in pairs.items()}, _decoded(data)


def _decoded(text: str, *, prefix: bool = False) -> str:
    pairs = [("%0D", "\r"), ("%0A", "\n"), *([("%3A", ":"), ("%2C", ",")] if prefix else []), ("%25", "%")]
    for written, meant in pairs:
        text = text.replace(written, meant)
    return text


def test_what_failed_is_an_error_and_what_is_in_doubt_a_warning(case: SimpleNamespace) -> None:
    commands = [read(line) for line in github.commands(case.report)]
    kinds = [kind for kind, _, _ in commands]
    assert kinds == sorted(kinds, key=["error", "warning", "notice"].index)
    assert ("error" in kinds) == (case.verdict == "FAIL")
    results = case.report.gate.results
    failed = sum(r.status == "FAIL" for r in results) + (broken(case.report) is not None)
    doubtful = sum(r.status in ("WARN", "WAIVED") for r in results)
    assert kinds.count("error") == min(failed, 10) and kinds.count("warning") == min(doubtful, 10)
    assert all(set(properties) == {"title"} for _, properties, _ in commands)
    if case.verdict == "not gated":
        assert "nothing was gated" in commands[-1][2]


def test_what_is_not_shown_is_counted(verdicts: dict[str, Report]) -> None:
    kind, _, text = read(github.commands(verdicts["many"])[-1])
    assert (kind, text) == ("notice", "Not shown here: 40 more errors and 90 more warnings. The summary lists them.")


def test_a_failure_says_rule_number_and_reason(verdicts: dict[str, Report]) -> None:
    kind, properties, text = read(github.commands(verdicts["FAIL"])[0])
    assert kind == "error" and properties["title"] == "geoaudit FAIL: d"
    assert text.split("\n") == ["what d asks", "measured 0.12, required at least 0.2 and at most 0.9", "why d is FAIL"]


def test_planted_commands_stay_text(verdicts: dict[str, Report], hostile_text: str) -> None:
    lines = github.commands(verdicts["hostile"])
    told = [read(line) for line in lines]
    assert {kind for kind, _, _ in told} == {"error", "warning"} and len(lines) == 3
    assert told[0][1]["title"] == f"geoaudit FAIL: {visible(hostile_text)}2"
    assert "::error title=planted::gone" in told[0][2] and "%0A::warning::x, y:z" in told[0][2]
    assert not any(c in line for line in lines for c in "\x00\x1b\u202e\u2028\r\n")


def test_annotations_go_to_stderr_and_the_summary_is_appended(
    verdicts: dict[str, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = verdicts["FAIL"]
    path = tmp_path / "summary.md"
    path.write_text("before", encoding="utf-8")
    github.tell(report, {"GITHUB_STEP_SUMMARY": str(path)})
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.splitlines() == github.commands(report)
    assert path.read_text(encoding="utf-8") == "before\n" + markdown.dumps(report)


def test_without_a_summary_file_only_annotations(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    github.tell(report, {"GITHUB_STEP_SUMMARY": ""})
    assert capsys.readouterr().err.splitlines() == github.commands(report)


@pytest.mark.parametrize("place", ["missing/summary.md", ".", "a\0b"])
def test_a_summary_that_cannot_be_written_is_a_warning(
    place: str, report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.tell(report, {"GITHUB_STEP_SUMMARY": f"{tmp_path}/{place}"})
    kind, _, text = read(capsys.readouterr().err.splitlines()[-1])
    assert kind == "warning" and text.startswith("The step summary was not written: ")


def test_a_full_summary_is_left_as_it_is(report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (github.SUMMARY_BYTES - 100))
    github.tell(report, {"GITHUB_STEP_SUMMARY": str(path)})
    assert "larger than 1 MiB" in capsys.readouterr().err
    assert path.stat().st_size == github.SUMMARY_BYTES - 100
