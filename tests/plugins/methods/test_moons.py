"""The half-moons benchmark runs, measures what it says, and judges by its requirement."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from geoaudit import registry

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def moons():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("moons")
    for name in ("moons", "moons_model", "moons_picture", "opening"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def measured(moons):
    made = moons.make_moons(0.1, 12, 400, 15, 8)
    names = ("IG", "kNN, 5 neighbours", "kNN, 5, Euclidean", "random")
    return made, *moons.measure(made, 0.1, 12, names)


def test_the_classifier_has_learnt_and_the_questions_are_those_of_the_study(measured):
    made, _, _ = measured
    assert made.accuracy > 0.7
    problems = made.problems
    assert problems.x.shape == (8, 1, 1, 2) and len(made.probe.calibration) == 300
    np.testing.assert_array_equal(problems.baseline.reshape(-1, 2), np.tile([-0.5, -0.5], (8, 1)))
    rows = np.stack([made.probe.outputs(problems.x, np.full(8, c)) for c in (0, 1)])
    np.testing.assert_array_equal(rows.argmax(axis=0), problems.targets)
    np.testing.assert_allclose(np.exp(rows).sum(axis=0), 1, rtol=1e-5)


def test_the_rows_are_means_over_the_maps(moons, measured):
    made, rows, magnitudes = measured
    for row in rows:
        assert row.gradients >= 0 and 0 <= row.purity <= 1 and row.judged <= 8
        assert row.cancelled >= -1e-9 and min(row.spread) >= 0
        expected = magnitudes[row.method].mean() - np.abs(made.problems.delta_f).mean()
        assert row.excess == pytest.approx(expected, abs=1e-6)
    straight, shortest = rows[0], rows[1]
    assert shortest.cancelled <= straight.cancelled + 1e-3 and shortest.judged > 0
    text = moons.table(rows)
    assert text.row_count == len(rows)


def test_every_contender_can_be_made(moons):
    shelf = registry.load(()).methods
    for method, settings in moons.CONTENDERS.values():
        registry.create(shelf[method], "standard", settings, shelf)
    assert {moons.STRAIGHT, moons.SHORTEST} <= moons.CONTENDERS.keys()


def test_the_verdict_follows_the_requirement(moons, measured):
    row = measured[1][0]

    def pair(straight, shortest, noise=0.1):
        return [
            type(row)(**{**vars(row), "method": name, "excess": excess, "noise": noise})
            for name, excess in ((moons.STRAIGHT, straight), (moons.SHORTEST, shortest))
        ]

    assert moons.verdict(pair(1.0, 0.05)) is True and moons.verdict(pair(1.0, -0.05)) is True
    assert moons.verdict(pair(1.0, 0.2)) is False and moons.verdict(pair(1.0, -0.2)) is False
    assert moons.verdict(pair(1.0, 0.05, noise=0.3)) is None


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_drawn(moons, measured, tmp_path, suffix):
    made, rows, magnitudes = measured
    picture = importlib.import_module("moons_picture")
    picture.draw(tmp_path / f"moons.{suffix}", made, magnitudes, rows)
    assert (tmp_path / f"moons.{suffix}").stat().st_size > 5000
