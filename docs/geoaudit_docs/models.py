"""Reference tables of pydantic models: every key with its type, default and description."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from geoaudit_docs.markdown import code, docstring, first_paragraph, prose, table

_WORDS = {
    str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "anything",
}  # fmt: skip


def reference(model: type[BaseModel], level: int = 2, *, toml: bool = False) -> str:
    """A section for the model and one for every model that it uses, in the order of first use.

    Args:
        model: the document.
        level: of the headings.
        toml: for documents in TOML, which has no null: a key without a value is left out.
    """
    return "\n\n".join(_section(found, level, toml) for found in models(model))


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and all that it uses, each once."""
    found = [model]
    for known in found:
        for field in known.model_fields.values():
            found += [other for other in _used(field.annotation) if other not in found]
    return found


def _used(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(dict.fromkeys(model for part in get_args(annotation) for model in _used(part)))


def anchor(model: type[BaseModel]) -> str:
    """The fragment of a model's section."""
    return model.__name__.lstrip("_").lower()


def _section(model: type[BaseModel], level: int, toml: bool) -> str:
    title = f"{'#' * level} {model.__name__.lstrip('_')} {{ #{anchor(model)} }}"
    rows = [
        (code(key(name, field)), type_words(_without_null(field) if toml else field.annotation),
         "none" if toml and field.default is None else _default(field), _meaning(field))
        for name, field in model.model_fields.items()
    ]  # fmt: skip
    return f"{title}\n\n{docstring(model.__doc__)}\n\n" + table(("Key", "Value", "Default", "Meaning"), rows)


def key(name: str, field: FieldInfo) -> str:
    """The key as it is written in a document."""
    alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
    return alias or name


def _without_null(field: FieldInfo) -> Any:
    """The field's type but for None."""
    parts = [part for part in get_args(field.annotation) if part is not type(None)]
    is_union = get_origin(field.annotation) in (Union, types.UnionType)
    return Union[tuple(parts)] if is_union else field.annotation  # noqa: UP007  (made of a tuple)


def _meaning(field: FieldInfo) -> str:
    """The description, or what the one model that the field holds says of itself, with the limits."""
    limits, used = bounds(field), _used(field.annotation)
    told = prose(field.description or (first_paragraph(used[0].__doc__) if len(used) == 1 else ""))
    return " ".join(part for part in (told, f"({limits})" if limits else "") if part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return "its own"
    if value is None:
        return "null"
    return code(str(value).lower() if isinstance(value, bool) else _text(value))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return str(value) if value != "" else '""'


def type_words(annotation: Any) -> str:
    """A type in words, in Markdown."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__.lstrip('_')}](#{anchor(annotation)})"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(code(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(part) for part in parts)
    if origin is typing.Annotated:
        return type_words(parts[0])
    if origin in (list, set, frozenset):
        return f"list: {type_words(parts[0])}"
    if origin is tuple:
        return "list: " + ", ".join(type_words(part) for part in parts if part is not Ellipsis)
    if origin is not None and parts:
        return f"table: {type_words(parts[-1])} by name"
    return _WORDS.get(annotation) or _named(annotation)


def _named(annotation: Any) -> str:
    """An enumeration's values, or the type's own name."""
    members = getattr(annotation, "__members__", None)
    if members:
        return ", ".join(code(member.value) for member in members.values())
    return str(getattr(annotation, "__name__", annotation)).lower()


def bounds(field: FieldInfo) -> str:
    """The limits that a field's value must keep, in words; empty where there are none."""
    told = []
    for limit in field.metadata:
        for kind, words in ((Ge, "at least"), (Gt, "above"), (Le, "at most"), (Lt, "below")):
            if isinstance(limit, kind):
                told.append(f"{words} {getattr(limit, kind.__name__.lower())}")
    return ", ".join(told)
