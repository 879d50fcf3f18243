"""JUnit XML: the format's rules stated again, and every result in its place."""

from __future__ import annotations

import re
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import junitparser
import pytest

from geoaudit.audit.result import Report
from geoaudit_reports import junit
from geoaudit_reports.escaping import xml_text
from geoaudit_reports.facts import findings

# Required and optional attributes and the children of each element, as Jenkins' xUnit plugin accepts them.
RULES: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
WITH_TEXT = {"skipped", "error", "failure", "system-out"}
OUTCOMES = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def problems(element: ET.Element) -> list[str]:
    """What the format forbids, below and at `element`."""
    required, optional, children = RULES[element.tag]
    found = [f"{element.tag} lacks {name}" for name in required - set(element.attrib)]
    found += [f"{element.tag} has {name}" for name in set(element.attrib) - required - optional]
    found += [f"{element.tag} holds {child.tag}" for child in element if child.tag not in children]
    if element.tag not in WITH_TEXT and (element.text or "").strip():
        found.append(f"{element.tag} holds text")
    if "time" in element.attrib and not re.fullmatch(r"\d+(\.\d+)?", element.attrib["time"]):
        found.append(f"time {element.attrib['time']}")
    if element.tag in ("testsuite", "testsuites"):
        cases = list(element.iter("testcase"))
        counts = {"tests": len(cases)} | {k: sum(c.find(t) is not None for c in cases) for k, t in OUTCOMES.items()}
        found += [f"{k} is {v}" for k, v in element.attrib.items() if k in counts and v != str(counts[k])]
    if element.tag == "testcase" and sum(element.find(tag) is not None for tag in OUTCOMES.values()) > 1:
        found.append("two outcomes")
    return found + [problem for child in element if child.tag in RULES for problem in problems(child)]


def by_name(report: Report) -> dict[str, ET.Element]:
    root = ET.fromstring(junit.dumps(report))
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def test_the_format_is_kept(case: SimpleNamespace) -> None:
    text = junit.dumps(case.report)
    root = ET.fromstring(text)
    assert root.tag == "testsuites" and problems(root) == []
    suites = root.findall("testsuite")
    assert [suite.attrib["name"] for suite in suites] == [xml_text(case.report.model.file)]
    names = [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
    assert names and len(set(names)) == len(names)


def test_the_rules_can_be_broken(report: Report) -> None:
    root = ET.fromstring(junit.dumps(report))
    root[0].set("tests", "0")
    del root[0].attrib["failures"]
    root[0][1].set("status", "run")
    assert sorted(problems(root)) == ["testcase has status", "tests is 0", "testsuite lacks failures"]


def test_a_parser_of_others_reads_the_same(case: SimpleNamespace) -> None:
    parsed = junitparser.JUnitXml.fromstring(junit.dumps(case.report).encode())
    (suite,) = list(parsed)
    outcomes = [type(outcome).__name__ for read in suite for outcome in read.result]
    assert suite.tests == len(list(suite)) and suite.failures == outcomes.count("Failure")
    bad = suite.failures + suite.errors
    assert bool(bad) == (case.verdict == "FAIL")
    values = {found.name: found.value for found in suite.properties()}
    assert values["model sha256"] == case.report.model.sha256
    assert values["images manifest sha256"] == case.report.data.manifest_sha256


@pytest.mark.parametrize("name", ["PASS", "WARN", "WAIVED", "FAIL", "many"])
def test_every_rule_is_a_case_with_its_outcome(name: str, verdicts: dict[str, Report]) -> None:
    results = verdicts[name].gate.results
    cases = by_name(verdicts[name])
    assert list(cases) == [result.id for result in results]
    for result in results:
        told = {child.tag: child for child in cases[result.id]}
        expected = {"FAIL": {"failure"}, "WAIVED": {"skipped", "system-out"}}.get(result.status, {"system-out"})
        assert set(told) == expected
        text = told["failure" if result.status == "FAIL" else "system-out"].text or ""
        assert result.rule in text and result.found in text and result.reason in text


def test_failures_and_waivers_say_what_must_be_known(verdicts: dict[str, Report]) -> None:
    cases = by_name(verdicts["FAIL"])
    failure, unmeasured, skipped = cases["d"].find("failure"), cases["e"].find("failure"), cases["c"].find("skipped")
    assert failure is not None and unmeasured is not None and skipped is not None
    assert failure.attrib["message"] == "measured 0.12, required at least 0.2 and at most 0.9"
    assert unmeasured.attrib["message"] == "what e found; required at least 0.2"
    assert "has a waiver until 2026-04-01 by A. Person" in (unmeasured.text or "")
    assert skipped.attrib["message"] == "waived until 2026-04-01 by A. Person: known, being fixed"
    assert cases["a"].attrib["classname"] == "geoaudit.policy.guided-ig"


def test_without_a_policy_nothing_fails_and_only_passes_pass(report: Report) -> None:
    cases = by_name(report)
    assert cases.pop("policy").find("skipped") is not None
    found = findings(report)
    assert len(cases) == len(found) and {c.status for c in found} >= {"PASS", "FAIL", "ERROR", "SKIP"}
    for check, told in zip(found, cases.values(), strict=True):
        assert told.find("failure") is None and told.find("error") is None
        assert (told.find("skipped") is None) == (check.status == "PASS")
        assert f"status: {check.status}\nreason: {check.reason}" in (told.findtext("system-out") or "")


def test_an_audit_that_was_not_completed_is_an_error(verdicts: dict[str, Report]) -> None:
    for name in ("incomplete", "gated, incomplete"):
        error = by_name(verdicts[name])["audit"].find("error")
        assert error is not None and "smoothgrad" in error.attrib["message"]


def test_properties_and_time_are_the_run_s(verdicts: dict[str, Report]) -> None:
    report = verdicts["PASS"]
    suite = ET.fromstring(junit.dumps(report))[0]
    assert suite.attrib["timestamp"] == "2026-03-01T09:00:00"
    assert float(suite.attrib["time"]) == report.run.seconds
    values = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
    assert values["policy"] == "policy.toml" and values["policy sha256"] == report.gate.sha256
    assert values["seed"] == "0" and values["budget"] == "standard" and values["images"] == "9 images"
    assert "timestamp" not in ET.fromstring(junit.dumps(verdicts["empty"]))[0].attrib


def test_a_zone_is_reckoned_with(report: Report) -> None:
    run = report.run.model_copy(update={"started": "2026-03-01T01:30:00+05:00"})
    text = junit.dumps(report.model_copy(update={"run": run}))
    assert 'timestamp="2026-02-28T20:30:00"' in text


def test_hostile_text_comes_back_as_it_was(verdicts: dict[str, Report], hostile_text: str) -> None:
    cases = by_name(verdicts["hostile"])
    assert xml_text(hostile_text + "0") in cases
    assert xml_text(hostile_text) != hostile_text and "\\x00\\x1b[31m" in xml_text(hostile_text)
    assert xml_text("a\tb\nc é 漢 \U0001f600 \u202e") == "a\tb\nc é 漢 \U0001f600 \u202e"
