"""Bookkeeping of methods, quick and shared, against the plain formulas."""

from __future__ import annotations

import numpy as np
import pytest

from geoaudit.api import InputSpace, Problems
from geoaudit_plugins.methods import xrai as regions_of
from geoaudit_plugins.methods.guided_ig import advance
from geoaudit_plugins.methods.rise import CHUNK, Rise, random_masks
from geoaudit_plugins.methods.xrai import Xrai


def plainly(progress, slopes, way, goal, fraction, max_dist):
    """One step of guided IG, written with masks over all features."""
    low, high = max(goal - max_dist, 0.0), min(goal + max_dist, 1.0)
    progress = np.maximum(progress, low)
    steep = np.where(np.isnan(slopes), np.inf, slopes)
    moving = (progress < high) & (way > 0)
    while (need := goal * way.sum() - (way * progress).sum()) > 1e-9 * way.sum() and moving.any():
        index = int(fraction * (len(way) - 1))
        limit = np.sort(steep[moving])[index] if index < moving.sum() else np.inf
        group = moving & (steep <= limit)
        room = (way * (high - progress))[group].sum()
        if need <= room:
            progress[group] += need / room * (high - progress[group])
            break
        progress[group] = high
        moving &= ~group
    return progress


@pytest.mark.parametrize("max_dist", [1.0, 0.2, 0.02])
@pytest.mark.parametrize("broken", [0, 7])
def test_a_guided_step_moves_what_the_plain_formula_moves(max_dist, broken):
    rng = np.random.default_rng(broken)
    way = rng.exponential(size=300) * (rng.random(300) < 0.9)
    ours = theirs = np.where(way == 0, 1.0, 0.0)
    ours = ours.copy()
    for step in range(1, 13):
        slopes = rng.exponential(size=300).astype(np.float32)
        slopes[:broken] = np.nan
        given = slopes.copy()
        advance(ours, slopes, way, step / 12, 0.25, max_dist)
        theirs = plainly(theirs, slopes, way, step / 12, 0.25, max_dist)
        np.testing.assert_array_equal(slopes, given)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def pictures(n, side=24, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-1, 1, (n, 3, 4, 4))
    x = np.kron(coarse, np.ones((1, 1, side // 4, side // 4))).astype(np.float32)
    space = InputSpace("NCHW", (3, side, side), (-1.0,) * 3, (1.0,) * 3)
    ids = tuple(f"{seed}-{i}.png" for i in range(n))
    return Problems(ids, x, np.full_like(x, -1.0), np.zeros(n, np.int64), np.ones(n), np.zeros(n), space)


class Brightness:
    """f is the mean of a picture's red upper half; notes the points it is asked about."""

    def __init__(self):
        self.points = []

    def outputs(self, points, targets):
        self.points.append(points.copy())
        return points[:, 0, : points.shape[2] // 2].mean(axis=(1, 2), dtype=np.float64)

    def rng(self, *key):
        return np.random.default_rng(len(key[-1]))


def test_rise_asks_about_the_masked_pictures_of_the_plain_formula():
    problems, probe = pictures(1), Brightness()
    rise = Rise(Rise.Parameters(masks=CHUNK + 5))
    made = rise.attribute(problems, probe).values[0]
    rng, p = probe.rng(problems.ids[0]), rise.parameters
    every = np.concatenate([random_masks(rng, count, (24, 24), p.cells, p.visible) for count in (CHUNK, 5)])
    way = problems.x - problems.baseline
    shown = way * every[:, None].astype(np.float32) + problems.baseline  # in the pictures' own format
    np.testing.assert_array_equal(np.concatenate(probe.points), shown)
    outputs = Brightness().outputs(shown, None)
    importance = (outputs[:, None, None] * every).sum(axis=0) / every.sum(axis=0)
    np.testing.assert_allclose(made.sum(axis=0), importance, rtol=1e-5)


def test_segments_are_kept_for_some_pictures_only_and_change_no_map(monkeypatch):
    asked = []
    real = regions_of.segments
    monkeypatch.setattr(regions_of, "segments", lambda x, space: asked.append(x.tobytes()) or real(x, space))
    monkeypatch.setattr(regions_of, "KEPT", 2)
    xrai, fresh = Xrai(), Xrai()
    problems = pictures(3)
    first = xrai._segments(problems)
    assert len(asked) == 3 and len(xrai._cut) == 2
    again = xrai._segments(problems.select([1, 2]))
    assert len(asked) == 3  # the last two were kept
    others = [fresh._segments(problems.select([i]))[0] for i in (1, 2)]
    for kept, made in zip(again, others, strict=True):
        assert [a.tolist() for a in kept] == [b.tolist() for b in made]
    xrai._segments(problems.select([0]))
    assert len(asked) == 6 and len(first) == 3  # two by `fresh`, and the one that was let go
