"""Reading a policy: one plain message for whatever is wrong with it."""

from __future__ import annotations

import datetime
import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from geoaudit.errors import UsageError
from geoaudit.gate.lookup import look_up, require_distinct, require_waivable
from geoaudit.gate.policy import Policy, PolicyFile
from geoaudit.registry import load

_LONGEST = 60


def load_policy(path: Path, plugins: Sequence[str] | None = None) -> Policy:
    """Read and check a policy file.

    Args:
        path: the TOML file.
        plugins: distributions whose plugins may load; None for all installed, () for none.

    Raises:
        UsageError: it cannot be read, is no TOML, has an unknown key or a wrong value, names what does not exist,
            or asks for nothing.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UsageError(f"policy {path}", reason, "Name a policy file; `geoaudit policy init` drafts one.") from None
    return parse_policy(data, path.name, plugins, thing=str(path))


def parse_policy(data: bytes, file: str, plugins: Sequence[str] | None = None, *, thing: str | None = None) -> Policy:
    """Check a policy file's bytes.

    Args:
        data: the bytes.
        file: the file's name, for the report.
        plugins: as for `load_policy`.
        thing: how the file is called in messages; its name by default.

    Raises:
        UsageError: as for `load_policy`.
    """
    called = thing or file
    try:
        content = tomllib.loads(data.decode("utf-8-sig"))
    except ValueError as error:  # TOMLDecodeError, which says line and column, and UnicodeDecodeError
        raise UsageError(called, f"is not TOML ({error})", "Correct the file.") from None
    except RecursionError:
        raise UsageError(called, "is nested too deep to be a policy", "Correct the file.") from None
    try:
        stated = PolicyFile.model_validate(content)
    except ValidationError as error:
        raise _refusal(error, content, called) from None
    if not stated.asks_of_audits and stated.compare is None:
        raise UsageError(called, "asks for nothing", "Add a rule, such as [images] minimum = 20.")
    registry = load(plugins)
    model_checks = frozenset(name for name, entry in registry.checks.items() if entry.cls.examines == "model")
    look_up(stated, registry, model_checks, called)
    require_distinct(stated, called)
    require_waivable(stated, registry, model_checks, called)
    values = {name: getattr(stated, name) for name in stated.model_fields_set}
    return Policy(**values, file=file, sha256=hashlib.sha256(data).hexdigest(), model_checks=model_checks)


def _refusal(error: ValidationError, content: Mapping[str, Any], called: str) -> UsageError:
    """The first problem with its key, and how many more there are."""
    problems = error.errors(include_url=False)
    places = [_place(p["loc"], content, keep_last=p["type"] in ("missing", "extra_forbidden")) for p in problems]
    within = [n for n, place in enumerate(places) if place[: len(places[0])] == places[0]]
    chosen = max(within, key=lambda n: len(places[n]))  # of a union's members, the one that the value resembles most
    first, place = problems[chosen], places[chosen]
    dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    more = len({tuple(other) for other in places if other != place[: len(other)]})
    reason, way_out = _words(first["type"], first["msg"], place, first.get("input"))
    if more:
        reason += f" (and {more} more)"
    if any(isinstance(part, int) for part in place):
        way_out += "  Entries are counted from 1."
    return UsageError(f"{called}, {dotted}" if dotted else called, reason, way_out.strip())


def _words(kind: str, message: str, place: Sequence[str | int], value: Any) -> tuple[str, str]:
    """Reason and way out."""
    if kind == "extra_forbidden":
        known = _keys(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        return "there is no such key", f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
    if kind == "missing":
        return "is missing", "Add it."
    if kind == "value_error":
        return message.removeprefix("Value error, "), "Correct the file."
    if kind == "date_type":
        found = value.isoformat() if isinstance(value, datetime.datetime) else repr(value)
        return f"must be a date, not {found}", "Write it without quotes and without a time: 2027-01-31."
    if kind in ("model_type", "list_type") and (table := _table(place)):
        lists = kind == "list_type"
        written = f"[[{table}]]" if lists else f"[{table}]"
        return f"must be a {'list of tables' if lists else 'table'}", f"Write {written} and its keys below it."
    told = message.replace("Input should ", "must ").replace("String should ", "must ").replace("List should ", "must ")
    if kind == "too_short":
        return "must not be empty", "Correct the file."
    found = "" if isinstance(value, dict | list) else f", not {_short(value)}"
    return f"{told[:1].lower()}{told[1:]}{found}", "Correct the file."


def _table(place: Sequence[str | int]) -> str:
    """How the table at `place` is written in a header; empty where no table belongs there."""
    names = [part for part in place if isinstance(part, str)]
    known: type[BaseModel] = PolicyFile
    for name in names:
        known = next(_tables(known.model_fields[name].annotation), BaseModel)
    return "" if known is BaseModel else ".".join(names)


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"


def _place(loc: Sequence[str | int], content: Any, *, keep_last: bool) -> list[str | int]:
    """The part of pydantic's location that is keys of the file: members of unions stand in it too."""
    place: list[str | int] = []
    for part in loc:
        inside = part in content if isinstance(content, dict) else isinstance(part, int) and isinstance(content, list)
        if inside:
            place.append(part)
            content = content[part]
    if keep_last and place[-1:] != [loc[-1]]:
        place.append(loc[-1])
    return place


def _keys(place: Sequence[str | int]) -> list[str]:
    """The keys that may stand in the table at `place`."""
    table: type[BaseModel] = PolicyFile
    for part in place:
        if isinstance(part, str):
            table = next(_tables(table.model_fields[part].annotation))
    return list(table.model_fields)


def _tables(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for member in get_args(kind):
        yield from _tables(member)
