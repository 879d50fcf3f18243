"""Recordings are used only where they give the bits of a plain run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geoaudit.model.captured import Captured


def plain(inputs: Any) -> Any:
    return (inputs[0] * 3 + 1,)


def points(seed: int, rows: int = 3) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, 2)).astype(np.float32)


class Recorder:
    """Makes recordings, and counts them and their runs."""

    def __init__(self, work: Any = plain) -> None:
        self.work, self.made, self.runs = work, 0, 0

    def __call__(self, inputs: Any) -> Any:
        self.made += 1

        def run(given: Any) -> Any:
            self.runs += 1
            return self.work(given)

        return run


def test_a_shape_is_recorded_when_it_comes_again_and_replayed_from_then_on() -> None:
    recorder = Recorder()
    work = Captured(plain, recorder, "it")
    work(points(0))
    assert recorder.made == 0
    work(points(1))
    assert (recorder.made, recorder.runs) == (1, 3), "recorded, and compared three times"
    assert np.array_equal(work(points(2))[0], points(2) * 3 + 1) and recorder.runs == 4
    work(points(2, rows=5))
    assert (recorder.made, recorder.runs) == (1, 4), "another shape is plain work at first"
    assert work.note is None


@pytest.mark.parametrize(
    "wrong", [lambda given: (given[0] * 3 + np.float32(1.0000001),), lambda given: (points(1) * 3 + 1,)],
    ids=["last bit", "constants"],
)  # fmt: skip
def test_a_recording_with_other_numbers_is_not_used(wrong: Any) -> None:
    recorder = Recorder(wrong)
    work = Captured(plain, recorder, "torch on CUDA")
    for _ in range(2):
        work(points(1))
    runs = recorder.runs
    assert np.array_equal(work(points(4))[0], points(4) * 3 + 1) and recorder.runs == runs
    assert work.note == "torch on CUDA runs without CUDA graphs: its numbers differ from those of a plain run."


def test_a_recording_that_breaks_later_is_given_up() -> None:
    broken: list[bool] = []

    def fragile(given: Any) -> Any:
        if broken:
            raise RuntimeError("device lost")
        return plain(given)

    work = Captured(plain, Recorder(fragile), "it")
    for _ in range(2):
        work(points(1))
    broken.append(True)
    assert np.array_equal(work(points(2))[0], points(2) * 3 + 1)
    assert work.note == "it runs without CUDA graphs: device lost."
