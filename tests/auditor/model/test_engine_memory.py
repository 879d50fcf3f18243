"""The engine's measured choice is kept for the next run, and never needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoaudit.model.engine import Setting
from geoaudit.model.engine_memory import machine_key, memory_file, recall, remember


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_what_is_remembered_is_recalled() -> None:
    remember("a", Setting(True, 8))
    remember("b", Setting(False, 4))
    remember("a", Setting(True, 16))
    assert recall("a") == Setting(True, 16)
    assert recall("b") == Setting(False, 4)
    assert recall("c") is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 3}', '{"a": {"batch_size": "many", "channels_last": 1}}'])
def test_a_damaged_file_is_measured_again(content: str) -> None:
    memory_file().parent.mkdir(parents=True)
    memory_file().write_text(content)
    assert recall("a") is None
    remember("a", Setting(True, 8))
    assert recall("a") == Setting(True, 8)


def test_an_unwritable_cache_is_no_error(cache: Path) -> None:
    (cache / "geoaudit").write_text("a file where the folder should be")
    remember("a", Setting(True, 8))
    assert recall("a") is None


def test_the_key_depends_on_model_device_threads_and_what_the_user_fixed() -> None:
    keys = {
        machine_key("m", "cpu", 2, (None, None)),
        machine_key("n", "cpu", 2, (None, None)),
        machine_key("m", "cuda", 2, (None, None)),
        machine_key("m", "cpu", 4, (None, None)),
        machine_key("m", "cpu", 2, (None, 8)),
    }
    assert len(keys) == 5
    assert machine_key("m", "cpu", 2, (None, None)) in keys
