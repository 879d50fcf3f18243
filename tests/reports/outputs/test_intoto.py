"""in-toto: accepted by the framework's own classes, honest about what is not gated and not one file."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Predicate
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from geoaudit.audit.result import Report
from geoaudit_reports import intoto, json_report


def statement(report: Report) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(intoto.dumps(report))
    return read


def test_the_framework_accepts_it(case: SimpleNamespace) -> None:
    text = intoto.dumps(case.report)
    message = json_format.Parse(text, statement_pb2.Statement(), ignore_unknown_fields=False)
    Statement.copy_from_pb(message).validate()
    predicate = json_format.ParseDict(json.loads(text)["predicate"], Predicate(), ignore_unknown_fields=False)
    expected = {"PASS": "PASSED", "WARN": "WARNED", "FAIL": "FAILED", "not gated": "WARNED"}[case.verdict]
    assert predicate.result == expected
    assert predicate.configuration and all(c.name or c.digest for c in predicate.configuration)


def test_unknown_fields_would_be_refused() -> None:
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"result": "PASSED", "verdict": "x"}, Predicate(), ignore_unknown_fields=False)


@pytest.mark.parametrize("name", ["PASS", "WARN", "WAIVED", "FAIL", "many", "hostile"])
def test_every_result_is_in_one_list(name: str, verdicts: dict[str, Report]) -> None:
    predicate = statement(verdicts[name])["predicate"]
    results = verdicts[name].gate.results
    assert predicate["passedTests"] == [r.id for r in results if r.status == "PASS"]
    assert predicate["warnedTests"] == [r.id for r in results if r.status in ("WARN", "WAIVED")]
    assert predicate["failedTests"] == [r.id for r in results if r.status == "FAIL"]


def test_a_failed_result_names_what_failed(case: SimpleNamespace) -> None:
    predicate = statement(case.report)["predicate"]
    assert bool(predicate["failedTests"]) == (predicate["result"] == "FAILED")
    if case.verdict == "not gated":
        assert predicate["passedTests"] == [] and predicate["warnedTests"] == [intoto.NOT_GATED]


def test_the_model_is_the_subject(report: Report) -> None:
    assert statement(report)["subject"] == [{"name": "lite0.onnx", "digest": {"sha256": report.model.sha256}}]


def test_a_digest_of_joined_files_is_not_called_sha256(verdicts: dict[str, Report]) -> None:
    (subject,) = statement(verdicts["external"])["subject"]
    assert subject["digest"] == {"concatenatedSha256": verdicts["external"].model.sha256}
    assert subject["annotations"]["digestOf"] == ["lite0.onnx", "a.bin", "b.bin"]


def test_the_configuration_names_files_by_digest(verdicts: dict[str, Report]) -> None:
    report = verdicts["external"]
    found = {c["name"]: c.get("digest", {}).get("sha256") for c in statement(report)["predicate"]["configuration"]}
    assert found == {
        "geoaudit": None,
        "report.json": hashlib.sha256(json_report.dumps(report).encode()).hexdigest(),
        "maps.npz": "34" * 32,
        "images": report.data.manifest_sha256,
        "calibration images": "ef" * 32,
    }
    gated = {c["name"]: c for c in statement(verdicts["PASS"])["predicate"]["configuration"]}["policy.toml"]
    assert gated["digest"] == {"sha256": "12" * 32}
    assert gated["annotations"] == {"title": "Release", "owner": "A. Person", "judged": "2026-03-02"}


def test_the_learned_coders_are_named(report: Report) -> None:
    data = report.model_dump(mode="json")
    coders = {name: {"file": f"{name}.onnx", "sha256": str(n) * 64} for n, name in enumerate(("encoder", "decoder"))}
    data["model"]["autoencoder"] = coders | {"code_shape": [8]}
    names = [c["name"] for c in statement(Report.model_validate(data))["predicate"]["configuration"]]
    assert names[-2:] == ["encoder.onnx", "decoder.onnx"]
