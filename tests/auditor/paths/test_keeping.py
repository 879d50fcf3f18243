"""Arrays kept in memory and on disk: the same numbers, and no memory for what lies on the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit.analytic import AnalyticProbe
from geoaudit.api import Curve, InputSpace, Problems, Quadrature, Recorded
from geoaudit.errors import OutputError
from geoaudit.memory import resident
from geoaudit.paths import integrator, keeping
from geoaudit.paths.keeping import Keeper, block, let_go, put


def on_disk(array: Any) -> bool:
    return keeping._pages(array) is not None


def test_the_first_arrays_stay_in_memory_and_the_others_are_the_same_on_disk() -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal((3, 5)) for _ in range(6)]
    keeper = Keeper(in_memory=2 * given[0].nbytes)
    kept = [keeper.keep(one) for one in given]
    assert [on_disk(one) for one in kept] == [False] * 2 + [True] * 4
    wanted = [one.copy() for one in given]
    for one in given:
        one[...] = 0  # a view of the batch would change
    keeper.let_go()
    assert all(np.array_equal(a, b) for a, b in zip(kept, wanted, strict=True))


def test_many_arrays_fill_several_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_SEGMENT", 100)
    keeper = Keeper(in_memory=0)
    kept = [keeper.keep(np.full(4, k, dtype=np.float32)) for k in range(20)]
    assert [one[0] for one in kept] == list(range(20))


def test_a_block_is_zeros_wherever_it_lies() -> None:
    small, large = block((2, 3), np.float32), block((2, 3), np.float32, in_memory=0)
    assert not on_disk(small) and on_disk(large) and on_disk(large[1:, 0])
    assert not small.any() and not large.any() and large.dtype == np.float32
    large[1] = 7
    let_go([large[:1], small])
    assert large[1].tolist() == [7, 7, 7]


def test_maps_of_others_are_left_alone(tmp_path: Path) -> None:
    """A private map loses its changes when its pages are let go."""
    np.zeros(1000).tofile(tmp_path / "file")
    private = np.memmap(tmp_path / "file", dtype=np.float64, mode="c")
    private[:] = 5
    let_go([private])
    assert private.tolist() == [5] * 1000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_let_go_takes_no_memory() -> None:
    size = 64 * 2**20
    made = block((64, size // 64 // 8), np.float64, in_memory=0)
    before = resident()
    made[...] = 1
    full = resident()
    let_go([made])
    assert full - before > 0.9 * size and resident() - before < 0.1 * size
    assert made.sum() == size // 8


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match="cannot hold 1 MB of gradients \\(No space left on device\\)") as told:
        block((2**17,), np.float64, in_memory=0)
    assert "TMPDIR" in told.value.way_out


def test_integrals_are_the_same_bits_with_gradients_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = AnalyticProbe(lambda x: np.sin(3 * x).sum(axis=1), lambda x: 3 * np.cos(3 * x))
    x = np.random.default_rng(3).standard_normal((2, 1, 4, 4))
    zeros, targets = np.zeros_like(x), np.zeros(2, np.int64)
    space = InputSpace("NCHW", (1, 4, 4), (0.0,), (1.0,))
    problems = Problems(("a", "b"), x, zeros, targets, probe.outputs(x, targets), probe.outputs(zeros, targets), space)
    bent = Curve(lambda i, t: t[:, None, None, None] ** 2 * x[i])

    def recorded() -> Recorded:
        vertices = block((5, *x.shape), x.dtype)
        vertices[:] = np.linspace(0, 1, 5)[:, None, None, None, None] ** 2 * x
        gradients = block((5, *x.shape), x.dtype)
        gradients[:] = [probe.value_and_gradient(points, targets)[1] for points in vertices]
        outputs = np.array([probe.outputs(points, targets) for points in vertices])
        return Recorded(*([array[:, i] for i in range(2)] for array in (vertices, gradients, outputs)))

    def maps(walk: Any) -> Any:
        return integrator.integrate(walk, problems, probe, Quadrature(tolerance=1e-3, node_limit=200))

    in_memory = maps(bent), maps(recorded())
    monkeypatch.setattr(keeping, "IN_MEMORY", 0)
    assert on_disk(recorded().vertices[0])
    for before, after in zip(in_memory, (maps(bent), maps(recorded())), strict=True):
        assert np.array_equal(before.values, after.values) and before.records == after.records
        assert before.records[0] is not None and before.records[0].nodes > 20, "several rounds and rests"


def test_what_is_put_into_a_file_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the system writes less than it was given, and where it cannot write at a place."""
    rng = np.random.default_rng(1)
    given = rng.standard_normal((4, 3, 700)).astype(np.float32)
    whole = os.pwrite if hasattr(os, "pwrite") else None
    for mode in ("whole", "partly", "without"):
        if mode == "partly" and whole is not None:
            monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:1000], at))
        if mode == "without":
            monkeypatch.delattr(os, "pwrite", raising=False)
        made = block(given.shape, np.float32, in_memory=0)
        for place, values in zip(made[::-1], given.astype(np.float64)[::-1], strict=True):
            put(place, values)
        let_go([made])
        assert np.array_equal(made, given)
    turned = block((3, 4), np.float32, in_memory=0).T
    put(turned, np.arange(12, dtype=np.float32).reshape(4, 3))
    assert turned[3].tolist() == [9, 10, 11]
