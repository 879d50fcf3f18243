"""The engine's choice is kept for the next run, and never needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geoaudit.caches import memory_file
from geoaudit.model import engine_memory
from geoaudit.model.engine import Setting
from geoaudit.model.engine_memory import Kept, machine_key, recall, remember
from geoaudit.model.engines import choice
from geoaudit.model.engines.choice import Wanted
from geoaudit.model.engines.trials import pinned_trials, untried

FREE = Wanted()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def kept(size: int, layout: bool = True) -> Kept:
    setting = Setting(layout, size, "onnxruntime" if layout else "torch")
    return Kept(setting, (*pinned_trials(setting, 2, None), untried("torch-compiled", "not tried")))


def test_what_is_remembered_is_recalled() -> None:
    remember("a", kept(8))
    remember("b", kept(4, layout=False))
    remember("a", kept(16))
    for name, expected in (("a", kept(16)), ("b", kept(4, layout=False))):
        found = recall(name)
        assert found is not None
        assert (found.setting, tuple(found.trials)) == (expected.setting, tuple(expected.trials))
    assert recall("c") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": 3}', '{"a": {"setting": {"batch_size": "many", "channels_last": 1}}}']
)
def test_a_damaged_file_is_measured_again(content: str) -> None:
    memory_file().parent.mkdir(parents=True)
    memory_file().write_text(content)
    assert recall("a") is None
    remember("a", kept(8))
    assert recall("a") is not None


def test_an_unwritable_cache_is_no_error(cache: Path) -> None:
    (cache / "geoaudit").write_text("a file where the folder should be")
    remember("a", kept(8))
    assert recall("a") is None


def test_no_home_folder_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(engine_memory, "memory_file", homeless)
    remember("a", kept(8))
    assert recall("a") is None


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode()[:10])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    remember("a", kept(8))
    assert recall("a") is None and not list(memory_file().parent.iterdir())


def test_the_key_depends_on_everything_that_the_choice_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "model": "m", "device": "cpu", "threads": 2, "wanted": FREE, "space": "logit", "memory": 2**30,
    }  # fmt: skip
    changes: list[dict[str, Any]] = [
        {}, {"model": "n"}, {"device": "cuda"}, {"threads": 4}, {"wanted": Wanted(batch_size=8)},
        {"wanted": Wanted(engine="torch")}, {"space": "margin"}, {"memory": 2**20},
    ]  # fmt: skip
    keys = {machine_key(**given | change) for change in changes}
    monkeypatch.setattr(engine_memory, "__version__", "another")
    keys.add(machine_key(**given))
    assert len(keys) == len(changes) + 1


def test_a_second_run_makes_the_same_choice_without_choosing(tiny, opened, points, monkeypatch) -> None:
    path = tiny().save()
    first = opened(path, remembered_as="digest").twin
    first.logits(points)
    monkeypatch.setattr(choice, "multiply_adds", lambda *given: pytest.fail("nothing is to be looked at again"))
    second = opened(path, remembered_as="digest").twin
    second.logits(points)
    assert second.setting == first.setting and second.trials == first.trials
