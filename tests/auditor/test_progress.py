"""What a run says while it works, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from geoaudit.api import Cost
from geoaudit.progress import HEARTBEAT, Pace, Talk, cost_told
from geoaudit.words import counted, duration


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def talk(*, terminal: bool, quiet: bool = False) -> tuple[Talk, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=80, color_system=None, highlight=False, markup=False)
    return Talk(console, quiet=quiet, clock=clock), out, clock


def test_time_left_is_what_the_rest_takes_at_the_pace_so_far() -> None:
    pace = Pace("auditing", total=40.0, started=100.0)
    assert pace.left(110.0) is None, "nothing is done: nothing is known"
    pace.done = 10.0
    assert (pace.share, pace.left(120.0)) == (0.25, pytest.approx(60.0))
    pace.done = 44.0
    assert (pace.share, pace.left(150.0)) == (1.0, 0.0)
    assert Pace("nothing", 0.0, 0.0).left(1.0) is None


def test_a_log_gets_a_line_a_stage_and_a_heartbeat_with_time_left_and_cost() -> None:
    tell, out, clock = talk(terminal=False)
    spent = Cost(gradients=1200, forwards=34)
    with tell:
        tell.stage("auditing", 100.0)
        tell.meter(lambda: spent)
        tell.working("guided-ig")
        tell.advance(25.0)
        assert out.getvalue() == "auditing ...\n", "no time has passed"
        clock.now += HEARTBEAT
        tell.advance(25.0)
        tell.advance(25.0)
        clock.now += HEARTBEAT
        tell.advance(25.0)  # all is done: the next stage's line says so
        tell.stage("checking", 1.0)
    lines = out.getvalue().splitlines()
    assert lines == [
        "auditing ...",
        "auditing: 50%, 30 s left, 1,200 gradients, 34 forwards",
        "checking ...",
    ]
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue()


def test_a_terminal_shows_what_is_worked_on_and_keeps_a_line_of_a_long_stage() -> None:
    tell, out, clock = talk(terminal=True)
    with tell:
        tell.stage("loading", 1.0)
        tell.stage("auditing", 10.0)
        tell.meter(lambda: Cost(gradients=5, forwards=7))
        tell.working("occlusion")
        tell.advance(5.0)
        clock.now += 120
        assert tell.standing() == "50%, 2.0 min left, 5 gradients, 7 forwards"
        assert tell._live is not None
        tell._live.refresh()
    shown = out.getvalue()
    assert "auditing occlusion" in shown and "2.0 min left" in shown
    assert "auditing: 2.0 min" in shown, "a stage that took a while leaves a line behind"
    assert "loading: " not in shown


def test_quiet_says_only_warnings() -> None:
    tell, out, clock = talk(terminal=False, quiet=True)
    with tell:
        tell.stage("auditing", 2.0)
        clock.now += 2 * HEARTBEAT
        tell.advance(1.0)
        tell.say("nothing")
        tell.warn("look")
    assert out.getvalue() == "Warning: look\n"


def test_calls_before_the_first_stage_do_no_harm() -> None:
    tell, _, _ = talk(terminal=True)
    with tell:
        tell.working("x")
        tell.advance(1.0)
        assert tell.standing() == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (89.6, "1.5 min"), (5399, "90.0 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_one_is_not_many() -> None:
    assert cost_told(Cost(gradients=1, forwards=1)) == "1 gradient, 1 forward"
    assert cost_told(Cost(gradients=0, forwards=1234)) == "0 gradients, 1,234 forwards"
    assert (counted(1, "image"), counted(0, "image"), counted(8, "image")) == ("1 image", "0 images", "8 images")
