"""Policies on the command line: gate, policy init, policy check, and an audit with --policy."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from geoaudit.cli import main
from geoaudit_reports.schema import schema_file

QUICK = ("--budget", "quick", "--batch-size", "4", "--device", "cpu", "--limit", "2", "--plugins", "none")
METHOD = ("--methods", "gradient-x-input")
PASSES = """
version = 1
title = "Fit for the test"
[images]
minimum = 2
[checks]
required = ["parity"]
"""
FAILS = f'{PASSES}[[threshold]]\nmetric = "srg"\nmethods = "gradient-x-input"\nminimum = 2\n'
WAIVED = """
[[waiver]]
rule = "threshold:srg:gradient-x-input:minimum"
reason = "An SRG of 2 cannot be reached"
owner = "A. Person"
expires = 2027-01-31
"""


@pytest.fixture(scope="module")
def done(cli: Any, small_model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit that was not gated."""
    folder = tmp_path_factory.mktemp("gate") / "report"
    ended = cli(small_model, pictures, *QUICK, *METHOD, "-q", "-o", folder)
    assert ended.code == 0, ended.stderr
    return folder


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], Path]:
    """`policy(text)`: a file with this text."""

    def write(text: str) -> Path:
        path = tmp_path / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_stored_report_passes_or_fails_and_stays_as_it_is(cli: Any, done: Path, policy: Any) -> None:
    before = {path.name: path.read_bytes() for path in done.iterdir() if path.is_file()}
    passed = cli("gate", done, "--policy", policy(PASSES))
    assert passed.code == 0, passed.stderr
    lines = passed.stdout.rstrip().splitlines()
    assert lines[-1].startswith("✓ Verdict: PASS. Of 3 rules: 3 met.")
    assert "Policy policy.toml: Fit for the test" in lines
    failed = cli("gate", done / "report.json", "--policy", policy(FAILS))
    assert failed.code == 1
    lines = failed.stdout.rstrip().splitlines()
    assert lines[0].split() == ["✗", "FAIL", "threshold:srg:gradient-x-input:minimum"]
    assert lines[-1] == "✗ Verdict: FAIL. Of 4 rules: 1 not met, 3 met."
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in failed.stdout
    assert {path.name: path.read_bytes() for path in done.iterdir() if path.is_file()} == before


def test_a_pipe_that_knows_no_check_mark_gets_the_verdict_all_the_same(
    done: Path, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252", write_through=True))
    with pytest.raises(SystemExit) as ended:
        main(["gate", str(done), "--policy", str(policy(PASSES)), "--plugins", "none"])
    assert ended.value.code == 0
    assert b"Verdict: PASS." in written.getvalue()


def test_an_expired_waiver_fails_and_the_day_can_be_chosen(cli: Any, done: Path, policy: Any) -> None:
    path = policy(FAILS + WAIVED)
    held = cli("gate", done, "--policy", path, "--as-of", "2027-01-31")
    assert held.code == 0
    assert "○ WAIVED" in held.stdout
    assert "Judged as of 2027-01-31 (UTC), the day that --as-of names." in held.stdout
    expired = cli("gate", done, "--policy", path, "--as-of", "2027-02-01")
    assert expired.code == 1
    assert "expired: the last day was 2027-01-31." in " ".join(expired.stdout.split())
    assert cli("gate", done, "--policy", path, "--as-of", "soon").code == 2


def test_the_verdict_as_a_document(cli: Any, done: Path, policy: Any) -> None:
    ended = cli("gate", done, "--policy", policy(FAILS), "--format", "json", "--as-of", "2027-01-31")
    assert ended.code == 1
    told = json.loads(ended.stdout)
    schema = json.loads(schema_file("verdict").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(told)
    report = (done / "report.json").read_bytes()
    assert told["report"] == {"file": "report.json", "sha256": hashlib.sha256(report).hexdigest()}
    assert told["model"]["sha256"] == json.loads(report)["model"]["sha256"]
    assert (told["schema"], told["judged"], told["exit_code"]) == ("geoaudit.verdict", "2027-01-31", 1)
    assert told["gate"]["status"] == "FAIL"
    assert told["gate"]["sha256"] == hashlib.sha256(FAILS.encode()).hexdigest()


def test_an_incomplete_audit_ends_with_3_until_the_policy_accepts_it(
    cli: Any, done: Path, policy: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    told = json.loads((done / "report.json").read_text(encoding="utf-8"))
    told["methods"][0] |= {"status": "error", "reason": "a crash"}
    (broken / "report.json").write_text(json.dumps(told | {"exit_code": 3}), encoding="utf-8")
    ended = cli("gate", broken, "--policy", policy(PASSES))
    assert ended.code == 3
    assert "audit:complete" in ended.stdout
    assert cli("gate", broken, "--policy", policy(f'{PASSES}[audit]\nallow = ["ERROR"]')).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = 1", "asks for nothing"),
        ("version = 1\nimages.minimun = 1", "Did you mean minimum?"),
        ("version = 1\n[compare]\ntiers_may_not_worsen = true", "comparisons only"),
        ("version =", "is not TOML"),
    ],
)
def test_a_bad_policy_is_one_message_and_exit_code_2(
    text: str, words: str, cli: Any, done: Path, policy: Any, small_model: Path, pictures: Path
) -> None:
    for arguments in (("gate", done), (small_model, pictures, *QUICK)):
        ended = cli(*arguments, "--policy", policy(text))
        assert ended.code == 2
        assert words in "\n".join(ended.error())
        assert ended.stdout == ""


def test_a_report_or_policy_that_is_not_there(cli: Any, done: Path, policy: Any, tmp_path: Path) -> None:
    for arguments in ((tmp_path / "none", policy(PASSES)), (done, tmp_path / "none.toml"), (done, tmp_path)):
        ended = cli("gate", arguments[0], "--policy", arguments[1])
        assert ended.code == 2
        assert ended.error()
    assert cli("gate", done).code == 2, "a policy must be named"


def test_a_drafted_policy_loads_and_comes_to_what_it_says(cli: Any, done: Path, tmp_path: Path) -> None:
    path = tmp_path / "draft.toml"
    ended = cli("policy", "init", done, "-o", path)
    assert (ended.code, ended.stdout) == (0, f"{path}\n")
    text = path.read_text(encoding="utf-8")
    verdict = cli("gate", done, "--policy", path)
    status = {0: "PASS", 1: "FAIL"}[verdict.code]
    assert f"it comes to {status}." in text
    assert cli("policy", "init", done).stdout == text
    assert cli("policy", "init", done, "--method", "gradient-x-input").stdout.count("gradient-x-input")
    again = cli("policy", "init", done, "-o", path)
    assert again.code == 2
    assert "exists" in again.error()[0]
    assert cli("policy", "init", done, "-o", path, "--force").code == 0
    unknown = cli("policy", "init", done, "--method", "gradient-x-inputt")
    assert unknown.code == 2
    assert "Did you mean gradient-x-input?" in unknown.error()[1]


def test_a_policy_is_explained_one_line_a_rule(cli: Any, policy: Any) -> None:
    ended = cli("policy", "check", policy(FAILS + WAIVED))
    assert ended.code == 0
    lines = ended.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "audit:complete", "images:minimum", "check:parity", "threshold:srg:gradient-x-input:minimum",
        "waiver:threshold:srg:gradient-x-input:minimum",
    ]  # fmt: skip
    assert "is a valid policy" in ended.stderr


def test_an_audit_by_a_policy_runs_what_it_names_and_says_what_fails(
    cli: Any, small_model: Path, pictures: Path, policy: Any, tmp_path: Path
) -> None:
    rules = '[[check]]\nid = "implementation-invariance"\nmethods = "gradient-x-input"\nallow = ["INCONCLUSIVE"]\n'
    path = policy(FAILS + rules)
    out = tmp_path / "out"
    ended = cli(small_model, pictures, *QUICK, *METHOD, "-q", "-o", out, "--policy", path)
    assert ended.code == 1, ended.stderr
    told = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert told["gate"]["status"] == "FAIL"
    assert (told["gate"]["policy"], told["gate"]["sha256"]) == (
        "policy.toml",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    assert told["run"]["judged"] == datetime.datetime.now(datetime.UTC).date().isoformat()
    assert told["exit_code"] == 1
    assert "implementation-invariance" in {check["id"] for check in told["checks"]}, "quick alone does not run it"
    assert told["config"]["checks"] == {
        "value": ["default", "implementation-invariance"],
        "source": "default, and the policy policy.toml",
    }
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("FAIL ")]
    assert line.startswith("FAIL threshold:srg:gradient-x-input:minimum: the lower end of the 95 % interval of srg")
    stored = cli("gate", out, "--policy", path, "--format", "json")
    assert stored.code == 1
    assert json.loads(stored.stdout)["gate"] == told["gate"]
    assert cli("gate", out, "--policy", policy(PASSES)).code == 0, "an earlier verdict has no say"


def test_leaving_out_what_the_policy_needs_is_refused_before_the_audit(
    cli: Any, small_model: Path, pictures: Path, policy: Any, tmp_path: Path
) -> None:
    path = policy(PASSES)
    ended = cli(small_model, pictures, *QUICK, "--checks", "completeness", "-o", tmp_path / "out", "--policy", path)
    assert ended.code == 2
    assert ended.error()[0] == "Error: --checks: leaves out parity, which the policy policy.toml needs"
    assert not (tmp_path / "out").exists()


def test_the_other_formats_are_written_from_the_verdict(cli: Any, done: Path, policy: Any, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "copy")
    missing = cli("gate", done, "--policy", policy(FAILS), "--junit", tmp_path / "nowhere" / "junit.xml")
    assert missing.code == 2
    ended = cli("gate", tmp_path / "copy", "--policy", policy(FAILS), "--junit", tmp_path / "junit.xml")
    assert ended.code == 1, ended.stderr
    assert "threshold:srg:gradient-x-input:minimum" in (tmp_path / "junit.xml").read_text(encoding="utf-8")
