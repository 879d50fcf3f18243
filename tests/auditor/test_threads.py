"""Work on several threads gives what one thread gives, in the same order, and fails the same way."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from geoaudit import threads
from geoaudit.threads import LARGE, ahead, each


@pytest.fixture(params=[1, 2, 4])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads, "usable_cores", lambda: request.param)
    monkeypatch.setattr(threads, "_allowed", None)  # an audit may have set it
    return int(request.param)


def test_results_come_in_the_order_of_the_items(cores: int) -> None:
    turn = [threading.Event() for _ in range(6)]

    def work(k: int) -> int:
        if cores > 1 and k % 2 == 0:  # every other item can only end after the one behind it
            assert turn[k + 1].wait(10)
        turn[k].set()
        return k * k

    assert each(work, range(6), LARGE) == [k * k for k in range(6)]


def test_large_items_are_spread_over_the_cores_and_small_ones_stay_here(cores: int) -> None:
    def where(_: int) -> int:
        return threading.get_ident()

    assert set(each(where, range(8), LARGE - 1)) == {threading.get_ident()}
    assert (threading.get_ident() in each(where, range(8), LARGE)) == (cores == 1)
    assert each(where, [0], LARGE) == [threading.get_ident()]
    assert each(where, [], LARGE) == []


def test_no_more_threads_than_are_allowed(cores: int) -> None:
    threads.allow(1)
    assert set(each(lambda _: threading.get_ident(), range(8), LARGE)) == {threading.get_ident()}


def test_the_first_failure_in_the_items_order_is_raised_as_it_is(cores: int) -> None:
    errors = {2: KeyError("two"), 4: ValueError("four")}

    def work(k: int) -> int:
        if k in errors:
            raise errors[k]
        return k

    with pytest.raises(KeyError) as caught:
        each(work, range(6), LARGE)
    assert caught.value is errors[2]


def test_what_is_made_ahead_comes_in_order_and_ends() -> None:
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(ahead([])) == []
    assert list(ahead([None, 0, None])) == [None, 0, None]


def test_one_value_is_made_while_another_is_used_and_no_more() -> None:
    made: list[int] = []
    second = threading.Event()

    def making() -> Iterator[int]:
        for k in range(4):
            made.append(k)
            if k == 1:
                second.set()
            yield k

    values = ahead(making())
    assert next(values) == 0
    assert second.wait(10)  # made by itself, nobody has asked for it
    assert next(values) == 1
    assert 3 not in made
    assert list(values) == [2, 3]


def test_a_failure_comes_when_its_turn_has_come_and_unchanged() -> None:
    error = OSError("gone")

    def making() -> Iterator[int]:
        yield 1
        raise error

    values = ahead(making())
    assert next(values) == 1
    with pytest.raises(OSError) as caught:
        next(values)
    assert caught.value is error


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    values = ahead(iter(range(100)))
    next(values)
    values.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == before


def test_algebra_takes_one_thread_meanwhile() -> None:
    from threadpoolctl import ThreadpoolController

    def counts() -> list[int]:
        found = ThreadpoolController().lib_controllers
        return [lib.num_threads for lib in found if "scipy_openblas" in lib.filepath]

    before = counts()
    with threads.plain_algebra():
        assert set(counts()) <= {1} and len(counts()) >= len(before)
    assert counts()[: len(before)] == before
