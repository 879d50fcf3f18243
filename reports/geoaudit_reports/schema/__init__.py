"""The JSON schemas of what geoaudit writes and reads, generated from their models and committed beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from geoaudit.audit.result import SCHEMA_VERSION, Report
from geoaudit.compare.result import COMPARISON_VERSION, Comparison
from geoaudit.gate.policy import POLICY_VERSION, PolicyFile
from geoaudit.gate.verdict import VERDICT_VERSION, Verdict
from geoaudit.verify.result import VERIFICATION_VERSION, Verification


@dataclass(frozen=True)
class Schema:
    """One kind of document.

    Attributes:
        model: its pydantic model.
        version: raised only by a change that breaks readers.
        mode: whether geoaudit writes such documents or reads them.
    """

    model: type[BaseModel]
    version: int
    mode: Literal["serialization", "validation"] = "serialization"


SCHEMAS: Mapping[str, Schema] = {
    "comparison": Schema(Comparison, COMPARISON_VERSION),
    "policy": Schema(PolicyFile, POLICY_VERSION, "validation"),
    "report": Schema(Report, SCHEMA_VERSION),
    "verdict": Schema(Verdict, VERDICT_VERSION),
    "verification": Schema(Verification, VERIFICATION_VERSION),
}
"""The documents by name."""


def schema_file(name: str) -> Path:
    """Where the schema of the document `name` lies."""
    return Path(__file__).with_name(f"{name}-v{SCHEMAS[name].version}.json")


def generate(name: str) -> str:
    """The schema of the document `name` as JSON text: JSON Schema 2020-12, keys sorted, one newline at the end."""
    chosen = SCHEMAS[name]
    schema = chosen.model.model_json_schema(by_alias=True, mode=chosen.mode)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"geoaudit {name}, schema version {chosen.version}"
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
