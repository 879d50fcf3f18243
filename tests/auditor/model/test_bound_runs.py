"""onnxruntime bound to memory of a device: the same bits as a plain run, here on the processor's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from geoaudit.model import sessions
from geoaudit.model.bound import Bound
from geoaudit.model.captured import Captured


@pytest.fixture(scope="module")
def engine(small_model: Path) -> Any:
    return onnxruntime.InferenceSession(str(small_model), providers=[sessions.CPU])


def batch(seed: int, count: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("graphed", [False, True])
def test_a_bound_run_gives_the_bits_of_a_plain_one(engine: Any, graphed: bool) -> None:
    bound = Bound(engine, "logits", "cpu", graphed=graphed)
    for seed, count in ((1, 4), (2, 4), (3, 2), (1, 4)):
        points = batch(seed, count)
        assert np.array_equal(bound.run(points), engine.run(["logits"], {"image": points})[0])


def test_what_was_returned_stays_when_the_same_memory_is_used_again(engine: Any) -> None:
    bound = Bound(engine, "logits", "cpu")
    given = batch(1, 4)
    first = bound.run(given)
    copy = first.copy()
    bound.run(batch(2, 4))
    assert np.array_equal(first, copy) and np.array_equal(given, batch(1, 4))


def test_every_shape_is_bound_once(engine: Any) -> None:
    bound = Bound(engine, "logits", "cpu")
    for seed in range(3):
        bound.run(batch(seed, 4))
    bound.run(batch(0, 2))
    assert len(bound._places) == 2


def on_a_device(engine: Any, graphed: Any) -> sessions.Session:
    """A session that is told it computes on CUDA, with a stand-in for its memory."""
    made = sessions.Session(engine, "logits", device="cuda", graphed=graphed)
    plain = Bound(engine, "logits", "cpu")

    def record(inputs: Any) -> Any:
        recording = Bound(graphed(), "logits", "cpu", graphed=True)
        return lambda given: (recording.run(given[0]),)

    made.__dict__["_captured"] = Captured(lambda given: (plain.run(given[0]),), record, "onnxruntime on CUDA")
    return made


def test_a_device_session_replays_and_rounds_nothing(engine: Any) -> None:
    made: list[Any] = []
    session = on_a_device(engine, lambda: made.append(engine) or engine)
    points = batch(5, 4)
    found = [session.run(points.astype(np.float64)) for _ in range(4)]
    assert all(np.array_equal(one, engine.run(["logits"], {"image": points})[0]) for one in found)
    assert len(made) == 1 and session.note is None


def test_a_device_session_that_cannot_record_goes_on_and_says_so(engine: Any) -> None:
    def refuse() -> Any:
        raise RuntimeError("not all nodes are on CUDA.\nmore")

    session, points = on_a_device(engine, refuse), batch(5, 4)
    found = [session.run(points) for _ in range(3)]
    assert np.array_equal(found[2], found[0])
    assert session.note == "onnxruntime on CUDA runs without CUDA graphs: not all nodes are on CUDA."


def test_graphs_are_switched_on_for_cuda_alone() -> None:
    given = (sessions.CUDA, {"use_tf32": "0"})
    assert sessions.with_graphs(given) == (sessions.CUDA, {"use_tf32": "0", "enable_cuda_graph": "1"})
    assert given[1] == {"use_tf32": "0"} and sessions.with_graphs(sessions.CPU) == sessions.CPU


def test_a_session_on_the_processor_has_neither(engine: Any) -> None:
    session = sessions.Session(engine, "logits")
    session.run(batch(1, 2))
    assert session.note is None and "_captured" not in session.__dict__
