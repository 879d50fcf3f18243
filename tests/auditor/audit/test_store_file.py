"""The store's file: one run at a time, never an error where it cannot be read, and gone when it is not needed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from geoaudit.audit.store import database, files
from geoaudit.audit.store.database import Database, Row
from geoaudit.audit.store.standing import clear, standing
from geoaudit.audit.store.store import Store
from geoaudit.errors import OutputError

ARRAY = npt.NDArray[Any]
PLACE = ("run", "scores", "a method, group 1")


class Told:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def interrupt(store: Store) -> None:
    store.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def unfinished(folder: Path, values: int = 1) -> None:
    """A store with so many units."""
    store = Store(folder, Told())
    for i in range(values):
        store.keep(f"key {i}", PLACE, ARRAY, np.arange(5.0) + i)
    interrupt(store)


def test_what_is_kept_is_there_in_the_next_run(tmp_path: Path) -> None:
    unfinished(tmp_path / "out", 2)
    told = Told()
    with Store(tmp_path / "out", told) as store:
        assert store.units == 2 and store.count("run") == 2 and store.count("other") == 0
        assert store.kept("key 1", ARRAY).tolist() == [1, 2, 3, 4, 5]
        assert store.kept("key 2", ARRAY) is None
    assert not list((tmp_path / "out").iterdir()), "a run that ends well takes its store away"
    assert not told.warned


@pytest.mark.parametrize(
    ("units", "told"), [(1, "1 finished unit of work is kept"), (2, "2 finished units of work are")]
)
def test_an_interrupted_run_says_how_to_go_on(units: int, told: str, tmp_path: Path) -> None:
    heard = Told()
    store = Store(tmp_path, heard)
    for i in range(units):
        store.keep(f"key {i}", PLACE, ARRAY, np.zeros(1))
    interrupt(store)
    assert [told in text and "run the same command again" in text for text in heard.said] == [True]
    assert (tmp_path / files.NAME).exists()


def test_where_nothing_is_finished_nothing_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "new", Told())
    store.note(started="now")
    store.keep("key", ("run", "calibration", "the calibration"), ARRAY, np.zeros(1))
    store.keep("maps", ("run", "maps", "maps alone"), ARRAY, np.zeros(1))
    interrupt(store)
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "report.json").write_text("{}")
    interrupt(Store(tmp_path / "old", Told()))
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["report.json"]


def test_two_runs_cannot_have_one_folder(tmp_path: Path) -> None:
    with Store(tmp_path, Told()) as first:
        first.keep("key", PLACE, ARRAY, np.zeros(1))
        with pytest.raises(OutputError, match="another audit is writing into this folder") as error:
            Store(tmp_path, Told())
        assert int(error.value.exit_code) == 2
        found = standing(tmp_path)
        assert found is not None and found.state == "running"
        with pytest.raises(OutputError, match="another audit"):
            clear(tmp_path)
        assert first.kept("key", ARRAY) is not None


def test_no_resume_begins_anew(tmp_path: Path) -> None:
    unfinished(tmp_path)
    with Store(tmp_path, Told(), resume=False) as store:
        assert store.units == 0 and store.kept("key 0", ARRAY) is None


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE precious (a)")
    opened.close()


def _future(path: Path) -> None:
    with sqlite3.connect(path) as opened:
        opened.execute("PRAGMA user_version = 99")
    opened.close()


def _torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40000])


@pytest.mark.parametrize("spoil", [_garbage, _foreign, _future, _torn, _cut])
def test_a_file_that_cannot_be_used_is_a_warning(spoil: Any, tmp_path: Path) -> None:
    unfinished(tmp_path)
    spoil(tmp_path / files.NAME)
    spoiled = (tmp_path / files.NAME).read_bytes()
    assert standing(tmp_path) is not None
    told = Told()
    store = Store(tmp_path, told)
    assert store.facts() == {} and store.units == 0 and store.kept("key 0", ARRAY) is None
    assert len(told.warned) == 1, told.warned
    assert files.NAME in told.warned[0] and "starting afresh" in told.warned[0]
    store.keep("key", PLACE, ARRAY, np.ones(1))
    assert store.kept("key", ARRAY).tolist() == [1]
    interrupt(store)
    if spoil in (_foreign, _garbage, _future):
        assert (tmp_path / f"{files.NAME}.old").read_bytes() == spoiled, "it may be somebody's"


def test_an_altered_row_is_not_used(tmp_path: Path) -> None:
    unfinished(tmp_path, 2)
    with sqlite3.connect(tmp_path / files.NAME) as opened:
        opened.execute("UPDATE pieces SET data = zeroblob(length(data)) WHERE row = 1")
    opened.close()
    told = Told()
    with Store(tmp_path, told) as store:
        assert store.kept("key 0", ARRAY) is None
        assert store.kept("key 1", ARRAY).tolist() == [1, 2, 3, 4, 5]
        store.keep("key 0", PLACE, ARRAY, np.ones(2))
        assert store.kept("key 0", ARRAY).tolist() == [1, 1]
    assert len(told.warned) == 1 and "a method, group 1" in told.warned[0]


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    store = Store(tmp_path, told)
    store.keep("key", PLACE, ARRAY, np.ones(3))
    opened = store._database
    assert opened is not None
    (pages,) = opened._open.execute("PRAGMA page_count").fetchone()
    opened._open.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(OutputError, match=r"cannot be written \(database or disk is full\)"):
        store.keep("large", PLACE, ARRAY, np.ones(2**20))
    assert store.kept("key", ARRAY).tolist() == [1, 1, 1]
    interrupt(store)
    assert standing(tmp_path).units == 1  # type: ignore[union-attr]


def test_large_arrays_are_kept_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_CHUNK", 1000)
    opened = Database(tmp_path)
    row = Row("run", "maps", "name", "{}", (b"", bytes(range(256)) * 20, b"x" * 1000))
    opened.put("key", row)
    assert opened._open.execute("SELECT COUNT(*) FROM pieces").fetchone() == (1 + 6 + 1,)
    found = opened.get("key")
    assert found is not None and tuple(found.arrays) == row.arrays
    opened.keep_only(["other"])
    assert opened._open.execute("SELECT COUNT(*) FROM pieces").fetchone() == (0,)
    opened.close()


def test_a_file_name_need_not_be_text(tmp_path: Path) -> None:
    with Store(tmp_path, Told()) as store:
        store.keep("key", ("run", "scores", "caf\udce9.png"), str, "caf\udce9.png")
        assert store.kept("key", str) == "caf\udce9.png"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "file" / "out", Told())
