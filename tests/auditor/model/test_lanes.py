"""Evaluations side by side: how threads are shared out, and that order and errors are those of one by one."""

from __future__ import annotations

import threading

import pytest

from geoaudit.model.lanes import Lanes, lanes


@pytest.mark.parametrize(
    ("threads", "count", "each"), [(1, 1, 1), (2, 2, 1), (7, 7, 1), (8, 8, 1), (16, 8, 2), (23, 11, 2), (64, 8, 8)]
)
def test_threads_are_shared_out_so_that_few_stay_idle(threads: int, count: int, each: int) -> None:
    made = Lanes(threads)
    assert (made.count, made.threads) == (count, each)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order(threads: int) -> None:
    assert Lanes(threads).map(lambda n: n * n, range(20)) == [n * n for n in range(20)]


def test_two_evaluations_run_at_a_time() -> None:
    both = threading.Barrier(2, timeout=20)
    Lanes(2).map(lambda _: both.wait(), range(4))  # one by one would wait in vain


def test_the_first_failure_is_raised() -> None:
    def run(n: int) -> int:
        if n >= 2:
            raise ValueError(f"item {n}")
        return n

    with pytest.raises(ValueError, match="item 2"):
        Lanes(2).map(run, range(6))


def test_all_engines_share_the_lanes_of_their_threads() -> None:
    assert lanes(3) is lanes(3) and lanes(3) is not lanes(2)
