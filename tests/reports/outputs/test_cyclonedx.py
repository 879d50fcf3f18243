"""CycloneDX: valid by the public schema, with every ranked number and nothing guessed."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from geoaudit.audit.result import Report
from geoaudit_reports import cyclonedx
from geoaudit_reports.facts import findings


@pytest.fixture(scope="module")
def validator() -> JsonStrictValidator:
    return JsonStrictValidator(SchemaVersion.V1_6)


def model(report: Report) -> dict[str, Any]:
    (found,) = json.loads(cyclonedx.dumps(report))["components"]
    assert found["type"] == "machine-learning-model"
    return dict(found)


def properties(report: Report) -> list[tuple[str, str]]:
    return [(p["name"], p["value"]) for p in model(report)["modelCard"]["properties"]]


def test_the_public_schema_holds(case: SimpleNamespace, validator: JsonStrictValidator) -> None:
    text = cyclonedx.dumps(case.report)
    problem = validator.validate_str(text)
    assert problem is None, problem
    uuid.UUID(json.loads(text)["serialNumber"].removeprefix("urn:uuid:"))


def test_the_validator_can_refuse(report: Report, validator: JsonStrictValidator) -> None:
    broken = json.loads(cyclonedx.dumps(report))
    broken["components"][0]["modelCard"]["verdict"] = "PASS"
    assert validator.validate_str(json.dumps(broken)) is not None


def test_every_ranked_number_is_there_with_its_interval(case: SimpleNamespace) -> None:
    report: Report = case.report
    card = model(report)["modelCard"]
    told = {(m["type"], m["slice"]): m for m in card["quantitativeAnalysis"]["performanceMetrics"]}
    scores = {m.id: m.scores for m in report.methods}
    missing = {value.split(":")[0] for name, value in properties(report) if name == "geoaudit:unscored"}
    for entry in report.ranking.entries:
        for metric in ("srg", "ncc-violation"):
            score = scores[entry.method].get(metric)
            if score is None or score.mean is None:
                assert (metric, entry.method) not in told
                assert any(f"{metric} of {entry.method}".startswith(m) for m in missing)
                continue
            found = told.pop((metric, entry.method))
            assert float(found["value"]) == score.mean
            assert float(found["confidenceInterval"]["lowerBound"]) == score.ci_low
            assert float(found["confidenceInterval"]["upperBound"]) == score.ci_high
    assert not told


def test_accuracy_is_told_where_labels_are_known(report: Report) -> None:
    labels = report.data.labels.model_copy(update={"top1_accuracy": 0.75})
    data = report.data.model_copy(update={"labels": labels})
    metrics = model(report.model_copy(update={"data": data}))["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0] == {"type": "top-1 accuracy", "value": "0.75"}
    assert all(
        m["type"] != "top-1 accuracy" for m in model(report)["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    )


def test_what_the_file_does_not_tell_is_left_out(report: Report) -> None:
    found = model(report)
    assert not {"licenses", "supplier", "publisher", "authors"} & set(found)
    assert not {"approach", "architectureFamily", "modelArchitecture"} & set(found["modelCard"]["modelParameters"])
    assert found["version"] == f"sha256:{report.model.sha256[:12]}"
    assert found["hashes"] == [{"alg": "SHA-256", "content": report.model.sha256}]
    assert "useCases" not in found["modelCard"]["considerations"]


def test_external_data_has_no_digest_of_one_file(verdicts: dict[str, Report]) -> None:
    report = verdicts["external"]
    assert "hashes" not in model(report)
    told = properties(report)
    assert ("geoaudit:model:concatenated-sha256", report.model.sha256) in told
    assert ("geoaudit:model:external-data", "b.bin") in told and ("geoaudit:maps:sha256", "34" * 32) in told


def test_limits_uses_and_data_are_the_report_s(report: Report) -> None:
    told = report.model_copy(update={"context": "Triage of photographs by a person."})
    card = model(told)["modelCard"]
    assert card["considerations"]["technicalLimitations"] == report.limitations
    assert card["considerations"]["useCases"] == [told.context]
    manifests = [d["contents"]["properties"][0]["value"] for d in card["modelParameters"]["datasets"]]
    assert manifests == [report.data.manifest_sha256, "ef" * 32]
    assert card["modelParameters"]["inputs"] == [{"format": "image: float32 [N x 3 x 224 x 224], tensor 'image'"}]


def test_verdict_tiers_and_checks_are_properties(verdicts: dict[str, Report]) -> None:
    told = properties(verdicts["FAIL"])
    assert ("geoaudit:policy:verdict", "FAIL") in told and ("geoaudit:policy:sha256", "12" * 32) in told
    assert ("geoaudit:policy:result", "FAIL: d") in told and ("geoaudit:method-in-use", "guided-ig") in told
    assert ("geoaudit:ranking:recommended", "1 guided-ig") in told
    assert any(name == "geoaudit:ranking:rejected" and "smoothgrad: ran out" in value for name, value in told)
    failed = [c for c in findings(verdicts["FAIL"]) if c.status in ("FAIL", "ERROR")]
    assert failed and [value for name, value in told if name == "geoaudit:check"] == [
        f"{c.status}: {c.id} of {c.method}: {c.reason}" for c in failed
    ]
    counts = Counter(str(c.status) for c in findings(verdicts["FAIL"]))
    tally = dict(told)["geoaudit:checks"]
    assert {status: int(n) for n, status in (part.split() for part in tally.split(", "))} == counts
    assert all(name.startswith("geoaudit:") for name, _ in told)
    assert ("geoaudit:policy:verdict", "not gated") in properties(verdicts["not gated"])


def test_times_and_serial_number_derive_from_the_report(verdicts: dict[str, Report]) -> None:
    first, second = (json.loads(cyclonedx.dumps(verdicts[name])) for name in ("PASS", "FAIL"))
    assert first["serialNumber"] != second["serialNumber"]
    assert datetime.fromisoformat(first["metadata"]["timestamp"]) == datetime.fromisoformat(
        verdicts["PASS"].run.finished
    )
    assert "timestamp" not in json.loads(cyclonedx.dumps(verdicts["empty"]))["metadata"]
