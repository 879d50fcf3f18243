"""Numbers of the report by dotted path, such as "parity.max_rel_diff"."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from geoaudit.audit.result import Report


def problem(path: str) -> str | None:
    """Why no report can hold a number at `path`, in a sentence; None if one can."""
    kinds: list[Any] = [Report]
    for done, part in enumerate(path.split(".")):
        so_far = ".".join(path.split(".")[:done]) or "the report"
        if any(kind is Any for kind in kinds):
            return None
        found: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
                if part not in fields:
                    near = difflib.get_close_matches(part, fields, n=1)
                    return f"{so_far} has no '{part}'" + (f"; did you mean '{near[0]}'?" if near else "")
                found += _alternatives(fields[part])
            elif get_origin(kind) in (dict, Mapping):
                found += _alternatives(get_args(kind)[1])
        if not found:
            lists = any(get_origin(kind) is list for kind in kinds)
            return f"'{so_far}' is {'a list' if lists else 'no table'}, so there is no number by the name of '{part}'"
        kinds = found
    return None if any(kind in (int, float, Any) for kind in kinds) else f"'{path}' is no number"


def resolve(report: Report, path: str) -> float | None:
    """The number at `path`; None where the report has none there, or none that is finite."""
    value: Any = report
    for part in path.split("."):
        if isinstance(value, BaseModel):
            names = {field.alias or name: name for name, field in type(value).model_fields.items()}
            value = getattr(value, names[part]) if part in names else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # free tables may hold whole numbers of any size
        return None


def _alternatives(kind: Any) -> list[Any]:
    """The members of a union, None left out; else the type itself."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return [member for member in members if member is not type(None)]
