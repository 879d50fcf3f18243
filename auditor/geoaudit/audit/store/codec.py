"""Values to JSON and raw arrays, and back, exactly: no pickle, for a report folder is passed around.

Dataclasses, pydantic models, enums, tuples, lists and mappings of numbers, texts and numpy arrays, by their declared
types; what is declared as anything must be JSON.  Floats come back bit by bit, infinities, nan (but for its sign and
payload) and -0.0 included; arrays with their dtype, in C order.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import io
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

_MAPPINGS = (dict, collections.abc.Mapping)
_SEQUENCES = (tuple, list, collections.abc.Sequence)
_UNIONS = (typing.Union, types.UnionType)


@dataclass(frozen=True)
class Encoded:
    """A value taken apart.

    Attributes:
        text: JSON; an array stands in it as its number.
        arrays: .npy files, in the order of their numbers.
    """

    text: str
    arrays: tuple[bytes, ...]


def encode(kind: Any, value: Any) -> Encoded:
    """Take a value apart.

    Args:
        kind: its type, with the types of what it holds.
        value: of that type.

    Raises:
        TypeError or ValueError: it holds what cannot be kept.
    """
    arrays: list[bytes] = []
    tree = _encoded(kind, value, arrays)
    return Encoded(json.dumps(tree, separators=(",", ":")), tuple(arrays))


def decode(kind: Any, encoded: Encoded) -> Any:
    """The value again.

    Raises:
        ValueError, TypeError, KeyError, IndexError: it is no value of that type.
    """
    return _decoded(kind, json.loads(encoded.text), encoded.arrays)


def _encoded(kind: Any, value: Any, arrays: list[bytes]) -> Any:
    origin, inner = _parts(kind)
    if origin in _UNIONS:
        return None if value is None else _encoded(_only(inner), value, arrays)
    if origin is np.ndarray:
        arrays.append(_packed(value))
        return len(arrays) - 1
    if origin in _SEQUENCES:
        return [_encoded(k, v, arrays) for k, v in zip(_each(origin, inner, len(value)), value, strict=True)]
    if origin in _MAPPINGS:
        return [[_encoded(inner[0], k, arrays), _encoded(inner[1], v, arrays)] for k, v in value.items()]
    if kind is Any:
        return _plain(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return {name: _encoded(hint, getattr(value, name), arrays) for name, hint in _fields(kind).items()}
    return _plain(value)


def _decoded(kind: Any, value: Any, arrays: Sequence[bytes]) -> Any:
    origin, inner = _parts(kind)
    if origin in _UNIONS:
        return None if value is None else _decoded(_only(inner), value, arrays)
    if origin is np.ndarray:
        return _unpacked(arrays[value])
    if origin in _SEQUENCES:
        items = (_decoded(k, v, arrays) for k, v in zip(_each(origin, inner, len(value)), value, strict=True))
        return list(items) if origin is list else tuple(items)
    if origin in _MAPPINGS:
        return {_decoded(inner[0], k, arrays): _decoded(inner[1], v, arrays) for k, v in value}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _decoded(hint, value[name], arrays) for name, hint in _fields(kind).items()})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    return value


def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The generic type and what stands in its brackets."""
    return typing.get_origin(kind) or kind, typing.get_args(kind)


def _only(kinds: tuple[Any, ...]) -> Any:
    """What an optional value is where it is there.

    Raises:
        TypeError: it may be several things.
    """
    others = [kind for kind in kinds if kind is not types.NoneType]
    if len(others) != 1:
        raise TypeError(f"{kinds} cannot be told apart")
    return others[0]


def _each(origin: Any, inner: tuple[Any, ...], length: int) -> Sequence[Any]:
    """The type of every item."""
    return inner if origin is tuple and inner[-1] is not Ellipsis else [inner[0]] * length


@cache
def _fields(kind: Any) -> Mapping[str, Any]:
    """A dataclass' fields and their types, those that are private and not given at its making left out."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def _plain(value: Any) -> Any:
    """JSON of a number, a text, or lists and mappings of them.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(_plain(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _packed(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    np.lib.format.write_array(buffer, little.reshape(array.shape), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array
