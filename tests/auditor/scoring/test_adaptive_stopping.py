"""When an adaptive audit stops masking: only once it is settled, for good, and whatever the order of methods."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geoaudit.audit.drawing import drawn
from geoaudit.audit.tally import Row, Tally
from geoaudit.scoring.adaptive_judge import Sequential
from geoaudit.scoring.adaptive_stopping import FIRST_LOOK, Given, Settling, is_unread, stopping, unread
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.ranking import rank

GROUP, IMAGES = 8, 120
GAINS = {"strong": 0.4, "middle": 0.25, "near": 0.25, "useless": 0.0, "random": 0.0, "edges": 0.1, "other": 0.2}
CONTROLS = ("random", "edges", "other")


def scores(seed: int = 0, n: int = IMAGES) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """NCC violation and SRG by id; drawn in the order of the ids, whatever order they are read in."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.2, n)
    return {
        name: (0.9 - gain + rng.normal(0, 0.05, n), gain + shared * (gain > 0) + rng.normal(0, 0.1, n))
        for name, gain in GAINS.items()
    }


def read(given: dict[str, tuple[np.ndarray, np.ndarray]], n: int = IMAGES) -> tuple[Settling, list[dict[str, int]]]:
    """The policy after all groups, and the stops after each."""
    methods = [name for name in given if name not in CONTROLS]
    tallies = {
        name: Tally(SimpleNamespace(id=name, kind="control" if name in CONTROLS else "method", flags=frozenset()))
        for name in given
    }
    policy, told = Settling(given, methods), []
    for start in range(0, n, GROUP):
        for name, (ncc, srg) in given.items():
            for i in range(start, min(n, start + GROUP)):
                found = {"ncc-violation": ncc[i], "srg": srg[i] if policy.spends(name, start) else np.nan}
                tallies[name].rows.append(Row(str(i), 1.0, found, {}, None))
        policy.look(tallies)
        told.append(dict(policy.stops))
    return policy, told


def contenders(given: Any, stops: dict[str, int], n: int = IMAGES) -> list[Contender]:
    found = []
    for name, (ncc, srg) in given.items():
        on = np.arange(n) < stops.get(name, n)
        kind = "control" if name in CONTROLS else "method"
        found.append(
            Contender(name, kind, frozenset(), "ok", None, ncc, np.where(on, srg, np.nan), np.empty((n, 0)), read=on)
        )
    return found


def test_nothing_stops_before_the_first_look_and_what_has_stopped_stays_stopped():
    _, told = read(scores())
    assert all(not stops for stops in told[: FIRST_LOOK // GROUP - 1])
    assert told[-1]
    for before, after in pairwise(told):
        assert before.items() <= after.items()
    assert all(images % GROUP == 0 and images >= FIRST_LOOK for images in told[-1].values())


def test_what_nothing_hangs_on_stops_first_and_what_is_close_goes_on():
    policy, _ = read(scores())
    assert policy.stops["other"] == FIRST_LOOK
    assert policy.stops["strong"] < IMAGES
    assert not {"middle", "near"} & set(policy.stops)


@pytest.mark.parametrize("seed", range(3))
def test_the_stops_are_a_function_of_the_scores_alone(seed):
    given = scores(seed)
    turned = dict(reversed(given.items()))
    assert read(given)[0].stops == read(given)[0].stops == read(turned)[0].stops


def test_one_that_was_given_up_holds_nobody_up():
    given = scores()
    tallies = {n: Tally(SimpleNamespace(id=n, kind="method", flags=frozenset())) for n in given}
    policy = Settling(given, [name for name in given if name not in CONTROLS])
    for start in range(0, 80, GROUP):
        for name, (ncc, srg) in given.items():
            if name == "near" and start >= 16:
                tallies[name].error = "it broke"
                continue
            for i in range(start, start + GROUP):
                row = {"ncc-violation": ncc[i], "srg": srg[i] if policy.spends(name, start) else np.nan}
                tallies[name].rows.append(Row(str(i), 1.0, row, {}, None))
        policy.look(tallies)
    assert policy.stops["middle"] < 80


def test_the_ranking_of_what_was_read_is_that_of_all_and_says_what_it_rests_on():
    given = scores()
    stops = dict(read(given)[0].stops)
    made = rank(contenders(given, stops), [], 0, adaptive=True)
    full = rank(contenders(given, {}), [], 0)
    assert [entry.method for entry in made.entries] == [entry.method for entry in full.entries]
    assert [entry.tier for entry in made.entries] == [entry.tier for entry in full.entries]
    assert made.adaptive is not None and full.adaptive is None
    assert {row.method: row.images for row in made.adaptive.methods} == {n: stops.get(n, IMAGES) for n in given}
    assert made.adaptive.reason in made.reason
    places = {entry.method: entry.position for entry in made.entries}
    assert places["strong"] == "1" and places["middle"] == places["near"] == "2="
    outcomes = {(p.a, p.b): p.outcome for p in made.adaptive.pairs}
    assert outcomes["near", "strong"] == "b" and outcomes["middle", "strong"] == "b"


def test_mean_ranks_of_unequal_images_are_the_usual_ones_where_all_were_read():
    given = {name: pair for name, pair in scores().items() if name not in CONTROLS}
    stopped = rank(contenders(given, {"strong": 64}), [], 0, adaptive=True)
    full = rank(contenders(given, {}), [], 0, adaptive=True)
    for one, other in zip(stopped.entries, full.entries, strict=True):
        assert one.ncc == other.ncc
        assert one.faithfulness.rank == pytest.approx(other.faithfulness.rank, abs=0.3)
    assert full.entries[0].faithfulness.rank == rank(contenders(given, {}), [], 0).entries[0].faithfulness.rank


def test_the_judge_counts_only_images_that_both_were_read_on():
    given = scores()
    told = Sequential(sorted(contenders(given, {"strong": 40}), key=lambda c: c.id)).told()
    assert told is not None
    assert {p.n for p in told.pairs if "strong" in (p.a, p.b)} == {40}
    assert {p.n for p in told.pairs if "strong" not in (p.a, p.b)} == {IMAGES}


def test_given_stops_are_kept_to_and_few_images_are_all_read():
    plugins = [SimpleNamespace(id="a", kind="method"), SimpleNamespace(id="b", kind="control")]
    policy = stopping(plugins, 200, adaptive=True, stops={"a": 24})
    assert [policy.spends("a", before) for before in (0, 16, 24, 32)] == [True, True, False, False]
    assert policy.spends("b", 1000)
    assert isinstance(stopping(plugins, FIRST_LOOK, adaptive=True, stops=None), Given)
    assert isinstance(stopping(plugins, 200, adaptive=False, stops=None), Given)
    assert isinstance(stopping(plugins, 200, adaptive=True, stops=None), Settling)


def test_a_missing_score_says_why():
    assert is_unread(unread(24)) and "24 images" in unread(24)
    assert not is_unread(None) and not is_unread("no walk")


def test_the_order_of_images_is_drawn_from_ids_and_seed_alone():
    ids = [f"{c}/{i}.png" for c in "ab" for i in range(20)]
    order = [ids[i] for i in drawn(ids, 3)]
    turned = ids[::-1]
    assert sorted(order) == sorted(ids)
    assert [turned[i] for i in drawn(turned, 3)] == order != [ids[i] for i in drawn(ids, 4)]
    fewer = [name for name in ids if name != order[0]]
    assert [fewer[i] for i in drawn(fewer, 3)] == order[1:]  # a picture that cannot be read moves no other
    assert {name[0] for name in order[:8]} == {"a", "b"}
