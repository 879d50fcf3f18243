"""report.json: writing, reading back, refusing what is no report, and the schema."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

from geoaudit.audit.result import Report
from geoaudit.errors import OutputError, UsageError
from geoaudit_reports import json_report
from geoaudit_reports.schema import SCHEMAS, generate, schema_file


def test_round_trip_keeps_everything(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    json_report.write_json(report, path)
    assert json_report.load(path) == report
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert list(tmp_path.iterdir()) == [path], "no temporary file may stay behind"


def test_floats_are_written_in_full(report: Report) -> None:
    changed = report.model_copy(deep=True)
    changed.parity.max_abs_diff = 0.1 + 0.2
    assert json.loads(json_report.dumps(changed))["parity"]["max_abs_diff"] == 0.1 + 0.2


def test_the_order_of_mappings_does_not_matter(report: Report) -> None:
    changed = report.model_copy(deep=True)
    changed.config = dict(reversed(changed.config.items()))
    assert list(changed.config) != list(report.config)
    assert json_report.dumps(changed) == json_report.dumps(report)


def test_non_finite_numbers_never_reach_the_file(report: Report) -> None:
    changed = report.model_copy(deep=True)
    changed.run.seconds = float("nan")
    with pytest.raises(ValueError):
        json_report.dumps(changed)


def test_schema_has_not_drifted_from_the_model() -> None:
    assert all(schema_file(n).read_text(encoding="utf-8") == generate(n) for n in SCHEMAS), (
        "run python -m geoaudit_reports.schema"
    )


def test_the_file_follows_the_schema(report: Report) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_file("report").read_text(encoding="utf-8")))
    data = json.loads(json_report.dumps(report))
    validator.validate(data)
    del data["parity"]
    assert not validator.is_valid(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no valid JSON"),
        ('{"schema": ', "no valid JSON (line 1, column 12"),
        ("[]", "no geoaudit report"),
        ('{"schema": "other"}', "no geoaudit report"),
        ('{"schema": "geoaudit.report", "schema_version": 2}', "schema version 2"),
        ('{"schema": "geoaudit.report", "schema_version": 1}', "does not follow the report schema: tool"),
        ("\udcff", "no text file"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        json_report.load(path)
    assert reason in caught.value.reason
    assert caught.value.thing == str(path)
    assert caught.value.way_out


def test_missing_file_and_folder_are_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        json_report.load(tmp_path / "none.json")
    with pytest.raises(OutputError, match="cannot be written"):
        json_report.write_json(report, tmp_path / "none" / "report.json")


def test_a_failed_write_keeps_the_old_file(report: Report, tmp_path: Path, sample: SimpleNamespace) -> None:
    path = tmp_path / "report.json"
    json_report.write_json(report, path)
    before = path.read_bytes()
    broken = sample.build()
    broken.run.seconds = float("inf")
    with pytest.raises(ValueError):
        json_report.write_json(broken, path)
    assert path.read_bytes() == before
