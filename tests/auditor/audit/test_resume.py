"""An audit that is killed goes on where it was, and its report is that of an audit that was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from geoaudit.audit.store.standing import standing

ZYGOTE = Path(__file__).with_name("audit_zygote.py")
IMAGES = 9
"""Two groups."""


@dataclass
class Auditor:
    """Starts audits that may be killed.

    Attributes:
        ask: runs one; returns its exit code, or minus a signal.
        folder: where reports and logs go.
        seconds: what an audit that is left alone takes.
    """

    ask: Callable[..., int]
    folder: Path
    seconds: float = 0.0

    def run(self, name: str, **how: Any) -> int:
        """One audit into the folder of this name."""
        return self.ask(folder=str(self.folder / name), log=str(self.folder / f"{name}.log"), **how)

    def report(self, name: str) -> dict[str, Any]:
        """Its report without what may differ."""
        found: dict[str, Any] = json.loads((self.folder / name / "report.json").read_text(encoding="utf-8"))
        del found["run"]
        return _timeless(found)

    def told(self, name: str) -> dict[str, Any]:
        """What its report says of the run."""
        run: dict[str, Any] = json.loads((self.folder / name / "report.json").read_text(encoding="utf-8"))["run"]
        return run

    def maps(self, name: str) -> bytes:
        """Its maps' file."""
        return (self.folder / name / "maps.npz").read_bytes()

    def made(self, name: str) -> Counter[str]:
        """How often each stage was made, over all runs into this folder."""
        log = self.folder / f"{name}.log"
        return Counter(log.read_text(encoding="utf-8").splitlines()) if log.exists() else Counter()

    def require_same(self, name: str, kills: int) -> None:
        """The report and the maps are those of the audit that was left alone, and little was made twice."""
        assert self.report(name) == self.report("whole")
        assert self.maps(name) == self.maps("whole")
        assert sorted(path.name for path in (self.folder / name).iterdir()) == ["maps.npz", "report.json"]
        made, whole = self.made(name), self.made("whole")
        assert set(made) == set(whole)
        twice = made - whole
        assert sum(twice.values()) <= kills, twice


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name != "seconds"}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def auditor(
    small_model: Path, make_pictures: Any, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Iterator[Auditor]:
    """With the audit "whole", which nobody kills."""
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    folder = tmp_path_factory.mktemp("killed")
    images = make_pictures(folder / "images", IMAGES)
    errors = (folder / "stderr").open("w")
    server = subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        env={**environment, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    def ask(**request: Any) -> int:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps({"model": str(small_model), "images": str(images), **request}) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer, (folder / "stderr").read_text()
        return int(json.loads(answer)["status"])

    made = Auditor(ask, folder)
    assert made.run("first") == 0, (folder / "stderr").read_text()
    start = time.perf_counter()
    assert made.run("whole") == 0, (folder / "stderr").read_text()
    made.seconds = time.perf_counter() - start
    yield made
    assert server.stdin is not None
    server.stdin.close()
    server.wait(timeout=30)
    errors.close()


def test_two_audits_give_one_report(auditor: Auditor) -> None:
    auditor.require_same("first", 0)
    assert auditor.told("whole")["resumed"] is None
    assert max(auditor.made("whole").values()) == 1


def _moments(count: int, values: int) -> list[dict[str, Any]]:
    """So many moments, drawn anew in every version of this file and in no run: at the n-th of the values kept."""
    drawn = random.Random(count)
    return [{"puts": drawn.randint(1, values), "when": drawn.choice(("before", "after"))} for _ in range(count)]


@pytest.mark.parametrize("place", range(8))
def test_a_killed_audit_goes_on(auditor: Auditor, place: int) -> None:
    """Killed while the n-th value is kept: all that was finished before is found again."""
    values = sum(auditor.made("whole").values()) + 2  # the calibration and the certificate are kept too
    moment = _moments(8, values)[place]
    name = f"killed {place}"
    assert auditor.run(name, **moment) == -signal.SIGKILL
    before = auditor.made(name)
    left = standing(auditor.folder / name)
    assert left is not None and left.state == "unfinished"
    finished = sum(stage.startswith(("scores", "check")) for stage in before)
    assert left.units in (finished, finished - 1)
    assert auditor.run(name) == 0
    auditor.require_same(name, 1)
    resumed = auditor.told(name)["resumed"]
    assert (resumed or {"units": 0})["units"] == left.units
    if resumed is not None:
        assert (resumed["of"], resumed["since"]) == (15, left.started)


@pytest.mark.parametrize("place", range(2))
def test_an_audit_that_is_killed_again_and_again_gets_done(auditor: Auditor, place: int) -> None:
    """Four times in a row, each time a little further."""
    drawn, name = random.Random(place), f"again {place}"
    for _ in range(4):
        assert auditor.run(name, puts=drawn.randint(1, 6), when=drawn.choice(("before", "after"))) == -signal.SIGKILL
    assert auditor.run(name) == 0
    auditor.require_same(name, 4)


@pytest.mark.parametrize("place", range(4))
def test_an_audit_that_is_killed_at_any_time_goes_on(auditor: Auditor, place: int) -> None:
    """By the clock, wherever it is: on a slow day it may not have begun, on a quick one it may be done."""
    name = f"clock {place}"
    seconds = random.Random(100 + place).uniform(0.1, 0.9) * auditor.seconds
    assert auditor.run(name, seconds=seconds) in (-signal.SIGKILL, 0)
    if not (auditor.folder / name / "report.json").exists():
        assert auditor.run(name) == 0
        auditor.require_same(name, 1)


def test_another_command_does_not_go_on(auditor: Auditor) -> None:
    """Work that another seed did is dropped, and nothing of it is in the report."""
    assert auditor.run("seed", puts=12, when="after", settings={"seed": 6}) == -signal.SIGKILL
    assert auditor.run("seed") == 0
    assert auditor.told("seed")["resumed"] is None
    assert auditor.report("seed") == auditor.report("whole")
    assert auditor.maps("seed") == auditor.maps("whole")


def test_one_more_method_leaves_the_others_work_alone(auditor: Auditor) -> None:
    fewer = {"methods": ("gradient",), "parameters": {}}
    assert auditor.run("method", puts=10, when="after", settings=fewer) == -signal.SIGKILL
    assert auditor.run("method") == 0
    assert auditor.told("method")["resumed"]["units"] > 0
    auditor.require_same("method", 0)


def test_damaged_rows_are_made_again(auditor: Auditor) -> None:
    """Every text that was kept is altered: nothing of it gets into the report."""
    import sqlite3

    assert auditor.run("damaged", puts=20, when="after") == -signal.SIGKILL
    with sqlite3.connect(auditor.folder / "damaged" / "store.sqlite") as opened:
        opened.execute("UPDATE rows SET text = replace(text, '1', '2')")
    opened.close()
    assert auditor.run("damaged") == 0
    assert auditor.told("damaged")["resumed"] is None
    assert auditor.report("damaged") == auditor.report("whole")
    assert auditor.maps("damaged") == auditor.maps("whole")
