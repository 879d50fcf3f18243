"""What holds for every machine format: one verdict, the same text again, no number that is none, no conformity."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from geoaudit.audit.result import Report
from geoaudit_reports import checksums, json_report, outputs
from geoaudit_reports.escaping import visible
from geoaudit_reports.facts import against, findings, utc, verdict, why

NAMES = [output.name for output in outputs.OUTPUTS]


def test_the_verdict_is_one_of_four(case: SimpleNamespace) -> None:
    assert verdict(case.report) == case.verdict


@pytest.mark.parametrize("name", NAMES)
def test_the_same_report_gives_the_same_text(name: str, case: SimpleNamespace) -> None:
    text = outputs.render(name, case.report)
    assert text == outputs.render(name, Report.model_validate(case.report.model_dump(mode="json")))
    assert text.endswith("\n") and not text.endswith("\n\n")
    text.encode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_none_and_nothing_is_called_compliant(name: str, case: SimpleNamespace) -> None:
    text = outputs.render(name, case.report)
    assert not re.search(r"\b(NaN|Infinity|nan|inf|None)\b", text)
    assert not re.search("complian|conform", text, re.IGNORECASE)


def test_a_report_without_a_policy_never_reads_as_passed(verdicts: dict[str, Report]) -> None:
    report = verdicts["not gated"]
    statement = json.loads(outputs.render("intoto", report))["predicate"]
    assert statement["result"] != "PASSED" and statement["passedTests"] == []
    assert "PASS." not in outputs.render("markdown", report).split("###")[0]
    policy = ET.fromstring(outputs.render("junit", report)).find(".//testcase[@name='policy']")
    assert policy is not None and policy.find("skipped") is not None
    values = json.loads(outputs.render("cyclonedx", report))["components"][0]["modelCard"]["properties"]
    assert {"name": "geoaudit:policy:verdict", "value": "not gated"} in values


def test_no_format_tells_pass_beside_a_failure(verdicts: dict[str, Report]) -> None:
    for name in ("mislabelled", "gated, incomplete", "no rule"):
        text = {form: outputs.render(form, verdicts[name]) for form in NAMES}
        values = json.loads(text["cyclonedx"])["components"][0]["modelCard"]["properties"]
        assert {"name": "geoaudit:policy:verdict", "value": "FAIL"} in values, name
        told = {p.attrib["name"]: p.attrib["value"] for p in ET.fromstring(text["junit"]).iter("property")}
        assert told["policy verdict"] == "FAIL", name
    assert "policy" not in {
        p.attrib["name"] for p in ET.fromstring(outputs.render("junit", verdicts["empty"])).iter("property")
    }


def test_marks_of_direction_are_written_out() -> None:
    assert visible("a\u200eb\u200fc\u061cd\u202ee") == "a\\u200eb\\u200fc\\u061cd\\u202ee"
    assert visible("שלום 漢 é") == "שלום 漢 é"


def test_of_controls_only_a_broken_check_is_told(report: Report) -> None:
    of_control = next(c for c in report.checks if c.method == "edges")
    assert of_control.status == "FAIL" and of_control not in findings(report)
    broken = of_control.model_copy(update={"status": "ERROR"})
    assert findings(report.model_copy(update={"checks": [broken]})) == [broken]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"measured": 0.12, "minimum": 0.2}, "measured 0.12, required at least 0.2"),
        ({"measured": 0.3, "minimum": 0.1, "maximum": 0.2}, "measured 0.3, required at least 0.1 and at most 0.2"),
        ({"measured": 0.19999999, "minimum": 0.2}, "measured 0.19999999, required at least 0.2"),
        (
            {"measured": 0.1 + 0.2, "minimum": None, "maximum": 0.3},
            "measured 0.30000000000000004, required at most 0.3",
        ),
        ({"measured": None, "minimum": 0.2}, "what x found; required at least 0.2"),
        ({"measured": None, "minimum": None}, "what x found"),
        ({"measured": 3.0, "minimum": None}, "what x found"),
    ],
)
def test_measured_and_required_never_look_equal_unless_they_are(
    make: SimpleNamespace, report: Report, more: dict[str, float | None], text: str
) -> None:
    assert against(make.judged(report, make.result("x", "FAIL", **more)).gate.results[0]) == text


def test_a_waiver_is_told_once(make: SimpleNamespace, report: Report) -> None:
    told = "It fails. Waived by A. Person until 2026-04-01: known."
    results = make.judged(report, make.result("x", "WAIVED", reason=told), make.result("x", "WAIVED")).gate.results
    assert why(results[0]) == told
    assert why(results[1]) == "why x is WAIVED; waived until 2026-04-01 by A. Person: known, being fixed"


def test_a_name_that_is_no_text_is_written_out(report: Report, tmp_path: Path) -> None:
    model = report.model.model_copy(update={"file": "m\udce9.onnx"})
    odd = report.model_copy(update={"model": model})
    outputs.write({name: tmp_path / name for name in NAMES}, odd)
    assert all(b"udce9.onnx" in (tmp_path / name).read_bytes() for name in NAMES)
    json_report.write_json(odd, tmp_path / "report.json")
    assert json_report.load(tmp_path / "report.json").model.file == model.file
    digests = [
        c.get("digest", {}).get("sha256")
        for c in json.loads((tmp_path / "intoto").read_bytes())["predicate"]["configuration"]
    ]
    assert checksums.digest(tmp_path / "report.json") in digests


@pytest.mark.parametrize("text", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_is_left_out(text: str, report: Report) -> None:
    assert utc(text) is None
    run = report.run.model_copy(update={"started": text, "finished": text})
    for name in NAMES:
        assert outputs.render(name, report.model_copy(update={"run": run}))


def test_files_are_written_whole(report: Report, tmp_path: Path) -> None:
    files = {name: tmp_path / f"audit.{name}" for name in NAMES}
    outputs.write(files, report)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {
        f"audit.{name}": outputs.render(name, report) for name in NAMES
    }
