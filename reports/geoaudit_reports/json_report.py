"""report.json: the report as text and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from geoaudit.audit.result import SCHEMA_VERSION, Report
from geoaudit.errors import UsageError
from geoaudit_reports.files import write_atomically

_WAY_OUT = "Give the report.json that an audit wrote."


def dumps(report: Report) -> str:
    """The report as JSON: keys in the model's order, mappings sorted, floats in full, one newline at the end.

    Raises:
        ValueError: a value is NaN or infinite; the model refuses those, so this is a defect, not bad input.
    """
    data = report.model_dump(mode="json", by_alias=True)
    return json.dumps(_sorted_mappings(data, top=True), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(report: Report, path: Path) -> None:
    """Write the report to `path`, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, dumps(report))


def load(path: Path) -> Report:
    """Read a report.

    Raises:
        UsageError: the file is missing, is no JSON, is no geoaudit report, has a newer schema version, or
            does not follow the schema.
    """
    data = _parse(path)
    if not isinstance(data, dict) or data.get("schema") != "geoaudit.report":
        raise UsageError(str(path), 'is no geoaudit report: it has no "schema": "geoaudit.report"', _WAY_OUT)
    version = data.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        reason = f"has schema version {version}; this geoaudit reads up to {SCHEMA_VERSION}"
        raise UsageError(str(path), reason, "Update geoaudit.")
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        raise UsageError(str(path), f"does not follow the report schema: {_first(error)}", _WAY_OUT) from error


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(str(path), "there is no such file", _WAY_OUT) from error
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", _WAY_OUT) from error
    except UnicodeDecodeError as error:
        raise UsageError(str(path), "is no text file", _WAY_OUT) from error
    except json.JSONDecodeError as error:
        reason = f"is no valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise UsageError(str(path), reason, _WAY_OUT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(str(path), f"is no usable JSON ({error})", _WAY_OUT) from error


def _first(error: ValidationError) -> str:
    """The first problem, with the place it was found at, and how many more there are."""
    problems = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in problems[0]["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {problems[0]['msg']}{more}"


def _sorted_mappings(value: Any, top: bool = False) -> Any:
    """Free mappings are built in the order things happened to finish; the file must not depend on that.

    The top level keeps the schema's order: a reader meets the tool and the model before the details.
    """
    if isinstance(value, dict):
        keys = list(value) if top else sorted(value)
        return {key: _sorted_mappings(value[key]) for key in keys}
    if isinstance(value, list):
        return [_sorted_mappings(item) for item in value]
    return value
