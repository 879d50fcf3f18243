"""What is kept comes back bit by bit, and nothing that is read can run code."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from geoaudit.api import Cost, Finding, Series, Status
from geoaudit.audit.rows import Row
from geoaudit.audit.store.codec import Encoded, decode, encode
from geoaudit.audit.tally import Repeats
from geoaudit.audit.unit import Expense, Part

FLOATS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308])
KINDS = ("<f4", ">f4", "<f8", ">f8", "<i8", "|u1", "|b1")


@dataclass(frozen=True)
class Leaf:
    numbers: tuple[float, ...]
    pair: tuple[int, str]
    table: Mapping[tuple[int, str], tuple[float, ...]]
    array: npt.NDArray[Any]
    status: Status
    perhaps: Cost | None
    anything: Mapping[str, Any]


def bits(value: float) -> bytes:
    """A float's bits; every nan counts as one."""
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


@given(st.lists(FLOATS), st.integers(), st.text())
def test_floats_and_texts_come_back(numbers: list[float], whole: int, text: str) -> None:
    leaf = Leaf(
        tuple(numbers), (whole, text), {(whole, text): tuple(numbers)}, np.empty(0), Status.WARN, None, {"of": [None]}
    )
    back = decode(Leaf, encode(Leaf, leaf))
    assert [bits(v) for v in back.numbers] == [bits(v) for v in numbers]
    assert back.pair == (whole, text)
    assert [bits(v) for v in back.table[whole, text]] == [bits(v) for v in numbers]
    assert back.status is Status.WARN and back.perhaps is None and back.anything == {"of": [None]}


@given(st.sampled_from(KINDS).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, min_side=0))))
def test_arrays_come_back(array: npt.NDArray[Any]) -> None:
    back = decode(npt.NDArray[Any], encode(npt.NDArray[Any], array))
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.tobytes() == array.astype(back.dtype).tobytes()
    assert back.flags["C_CONTIGUOUS"]


def test_units_come_back() -> None:
    row = Row("a/b.png", -0.0, {"srg": math.nan}, {"srg": "why"}, None, {"pixel": 0.5})
    part = Part((row,), None, {(4, "signed"): (1.0, math.inf)})
    back = decode(Part, encode(Part, part))
    assert math.isnan(back.rows[0].scores["srg"]) and back.readings == part.readings
    assert (back.rows[0].image, back.rows[0].reasons, back.rows[0].ncc_profile) == (
        "a/b.png",
        {"srg": "why"},
        {"pixel": 0.5},
    )
    assert math.copysign(1, back.rows[0].delta_f) == -1
    expense = Expense(Cost(3, 0.25), {"another graph": Cost(1, 2)}, 0.125)
    assert decode(Expense, encode(Expense, expense)) == expense
    repeats = Repeats([5, 6], 2, np.array([0.5, math.nan]), {"srg": np.ones((2, 2))}, Cost(4), 0.5)
    again = decode(Repeats, encode(Repeats, repeats))
    assert again.seeds == [5, 6] and again.cost == Cost(4) and again.scores["srg"].tolist() == [[1, 1], [1, 1]]
    finding = Finding(
        "c", None, Status.FAIL, "no", 1.5, details={"deep": {"er": [1, 2.5, None]}},
        curves=(Series("chart", "line", "x", "y", (0.0, 1.0), (math.nan, 2.0)),),
    )  # fmt: skip
    found = decode(list[Finding], encode(list[Finding], [finding]))[0]
    assert (found.details, found.status, found.estimate) == (finding.details, Status.FAIL, 1.5)
    assert math.isnan(found.curves[0].y[0]) and found.curves[0].x == (0.0, 1.0)


def test_a_pickle_is_refused() -> None:
    """An array file may hold one; reading it would run code."""
    import io

    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([{"an": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        decode(npt.NDArray[Any], Encoded("0", (buffer.getvalue(),)))


@pytest.mark.parametrize("value", [object(), b"bytes", {"deep": {1, 2}}, np.array(object())])
def test_what_cannot_be_kept_is_refused(value: Any) -> None:
    kind = npt.NDArray[Any] if isinstance(value, np.ndarray) else Any
    with pytest.raises((TypeError, ValueError)):
        encode(kind, value)


def test_numpy_numbers_become_plain() -> None:
    back = decode(Any, encode(Any, {"a": np.float64(0.1), "b": np.int64(3), "c": (np.True_, np.float32(0.5))}))
    assert back == {"a": 0.1, "b": 3, "c": [True, 0.5]}
