"""The JSON schema of report.json, generated from the report model and committed beside this file."""

from __future__ import annotations

import json
from pathlib import Path

from geoaudit.audit.result import SCHEMA_VERSION, Report

SCHEMA_FILE = Path(__file__).with_name(f"report-v{SCHEMA_VERSION}.json")


def generate() -> str:
    """The schema as JSON text: JSON Schema 2020-12, keys sorted, one newline at the end."""
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"geoaudit report, schema version {SCHEMA_VERSION}"
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
