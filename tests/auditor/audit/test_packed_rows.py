"""Packed rows and curves: what goes in comes out, to the last bit."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.api import SweepCurves, WalkRecord
from geoaudit.audit.curves import Curves
from geoaudit.audit.detail import drawn
from geoaudit.audit.rows import Row, Rows
from geoaudit.audit.score import mean_curves
from geoaudit.scoring.sweep import srg

_KINDS = {"int": st.integers(0, 2**40), "bool": st.booleans()}
numbers = st.floats(allow_nan=True, allow_infinity=True)
records = st.builds(WalkRecord, **{f.name: _KINDS.get(str(f.type), numbers) for f in fields(WalkRecord)})
rows = st.builds(
    Row,
    image=st.text(min_size=1, max_size=8),
    delta_f=numbers,
    scores=st.fixed_dictionaries({"srg": numbers}, optional={"ncc-violation": numbers}),
    reasons=st.fixed_dictionaries({"srg": st.sampled_from([None, "no walk", "incomplete"])}),
    record=st.none() | records,
    ncc_profile=st.sampled_from([{}, {"element": 0.5, "pixel": -0.0}]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(rows, min_size=1, max_size=4), max_size=6))
def test_rows_come_out_as_they_went_in(groups: list[list[Row]]) -> None:
    packed, flat = Rows(), [row for group in groups for row in group]
    for group in groups:
        packed.extend(group)
    assert len(packed) == len(flat)
    assert repr(list(packed)) == repr(flat)  # tells -0.0 from 0.0, and nan from anything
    assert repr(packed[-3:]) == repr(flat[-3:])
    for metric in ("srg", "ncc-violation"):
        column = [row.scores.get(metric, np.nan) for row in flat]
        assert np.array_equal(np.array(packed.column(metric)), np.array(column, dtype=float), equal_nan=True)
    packed.clear()
    assert list(packed) == []


def test_the_newest_rows_can_still_be_changed() -> None:
    packed = Rows()
    packed.extend([Row("a", 1.0, {}, {}, None), Row("b", 1.0, {}, {}, None)])
    for row in packed[-2:]:
        row.scores["srg"] = 0.5
    packed.append(Row("c", 1.0, {}, {}, None))
    assert [row.scores for row in packed] == [{"srg": 0.5}, {"srg": 0.5}, {}]


@pytest.mark.parametrize("sizes", [(8, 8, 3), (1,), (8,) * 40])
def test_curves_add_up_to_the_mean_of_all(sizes: tuple[int, ...]) -> None:
    rng, steps = np.random.default_rng(1), np.linspace(0, 1, 8)
    groups = [SweepCurves(steps, ("black", "blur"), *rng.random((2, n, 2, 8))) for n in sizes]
    packed = Curves()
    for curves in groups:
        packed.append(curves)
    one, all_at_once = packed.mean(), mean_curves(groups)
    assert np.array_equal(one.morf, all_at_once.morf)
    assert np.array_equal(one.lerf, all_at_once.lerf)
    assert np.array_equal(np.concatenate(packed.gains), np.concatenate([srg(curves) for curves in groups]))


def test_every_class_is_listed_in_turn() -> None:
    ids = [f"{i:03d}.png" for i in range(100)]
    classes = [0] * 90 + [1] * 8 + [2] * 2
    chosen = drawn(ids, classes, 9, seed=0)
    counts = [sum(classes[int(name[:3])] == c for name in chosen) for c in range(3)]
    assert counts == [4, 3, 2]
    assert chosen == drawn(ids, classes, 9, seed=0)
    assert chosen != drawn(ids, classes, 9, seed=1)


def test_more_places_than_images() -> None:
    assert drawn(["a", "b"], [0, 0], 5, seed=0) == {"a", "b"}
