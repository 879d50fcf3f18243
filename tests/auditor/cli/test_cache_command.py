"""An interrupted command line, what `geoaudit cache` says of it, and the same command line again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK = (
    "--budget", "quick", "--batch-size", "4", "--checks", "parity", "--metrics", "complexity", "--imputers", "baseline",
    "--skip", "smooth-random,edges,input-difference", "--gradient-engine", "torch", "--limit", "2",
)  # fmt: skip
SLOW = """
        import os, sys
        if "GO_ON" not in os.environ:
            print("slow now", file=sys.stderr, flush=True)
            time.sleep(60)
        return Attributions(problems.x - problems.baseline, (None,) * len(problems))
"""


@pytest.fixture
def slow(package: Callable[[str, str], Path]) -> Path:
    """Its method, after two controls, waits for the end; with GO_ON in the environment it does not."""
    return package("slow", SLOW)


@pytest.fixture
def cached(cli: Any, tmp_path: Path) -> Callable[..., Any]:
    """`cached(*words)`: `geoaudit cache words` on the report folder "out", with a cache folder of its own."""

    def run(*words: str) -> Any:
        environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return cli("cache", *words, "--folder", tmp_path / "out", env=environment)

    return run


def stages(value: Any) -> Any:
    """A report without what may differ between runs."""
    if isinstance(value, dict):
        return {name: stages(inner) for name, inner in value.items() if name not in ("seconds", "run")}
    return [stages(inner) for inner in value] if isinstance(value, list) else value


def test_the_same_command_goes_on(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path, slow: Path, read_report: Any,
    cached: Callable[..., Any],
) -> None:  # fmt: skip
    def audit(folder: str, **how: Any) -> Any:
        environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), **how.pop("env", {})}
        arguments = (small_model, pictures, *QUICK, "--methods", "slow/map", "-o", tmp_path / folder)
        return cli(*arguments, plugins=[slow], env=environment, **how)

    ended = audit("out", interrupt_at="slow now")
    assert ended.code == 130 and "Traceback" not in ended.stderr
    assert "2 finished units of work are kept" in ended.stderr and "run the same command again" in ended.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["store.sqlite"]

    told = json.loads(cached("info", "--format", "json").stdout)
    store = told["store"]
    assert (store["state"], store["units"], store["of"], store["model"]) == ("unfinished", 2, 5, "small.onnx")
    assert store["command"].startswith("geoaudit ") and "slow/map" in store["command"]
    assert store["bytes"] == (tmp_path / "out" / "store.sqlite").stat().st_size
    shown = cached("info").stdout
    assert "small.onnx" in shown and "2 of 5 units of work done" in shown and store["command"] in shown

    again = audit("out", env={"GO_ON": "1"})
    assert again.code == 0, again.stderr
    assert f"2 of 5 units of work are there from the run of {store['started']}" in again.stderr
    whole = audit("whole", env={"GO_ON": "1"})
    assert whole.code == 0 and "units of work" not in whole.stderr
    reports = {name: read_report(tmp_path / name) for name in ("out", "whole")}
    assert reports["out"]["run"]["resumed"] == {"units": 2, "of": 5, "since": store["started"]}
    assert reports["whole"]["run"]["resumed"] is None
    assert stages(reports["out"]) == stages(reports["whole"])
    files = {name: {path.name for path in (tmp_path / name).iterdir()} for name in reports}
    assert files["out"] == files["whole"] and "store.sqlite" not in files["out"]
    assert (tmp_path / "out" / "maps.npz").read_bytes() == (tmp_path / "whole" / "maps.npz").read_bytes()


def test_no_resume_and_clear_begin_anew(
    cli: Any,
    small_model: Path,
    pictures: Path,
    tmp_path: Path,
    slow: Path,
    read_report: Any,
    cached: Callable[..., Any],
) -> None:
    arguments = (small_model, pictures, *QUICK, "--methods", "slow/map", "-o", tmp_path / "out")
    interrupted = cli(*arguments, plugins=[slow], interrupt_at="slow now", signal_=signal.SIGTERM)
    assert interrupted.code == 130 and "run the same command again" in interrupted.stderr
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    anew = cli(*arguments, "--no-resume", plugins=[slow], env={"GO_ON": "1"})
    assert anew.code == 0, anew.stderr
    assert "units of work" not in anew.stderr
    assert read_report(tmp_path / "out")["run"]["resumed"] is None

    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    shutil.copy(tmp_path / "copy" / "store.sqlite", tmp_path / "out")
    (tmp_path / "out" / ".maps.npz.part").write_bytes(b"as a killed process leaves it")
    cleared = cached("clear", "--store")
    assert cleared.code == 0 and f"in {tmp_path / 'out'}" in cleared.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before, "the report is untouched"
    assert "There was nothing to remove." in cached("clear").stdout


def test_what_is_remembered_of_engines(tmp_path: Path, cached: Callable[..., Any]) -> None:
    file = tmp_path / "cache" / "geoaudit" / "engine.json"
    empty = json.loads(cached("info", "--format", "json").stdout)
    assert empty == {"engines": {"file": str(file), "models": 0, "bytes": 0}, "store": None}
    assert "none remembered" in cached("info").stdout and "none" in cached("info").stdout
    file.parent.mkdir(parents=True)
    for models, told in (({"a": {}}, "1 choice remembered"), ({"a": {}, "b": {}}, "2 choices remembered")):
        file.write_text(json.dumps(models))
        assert told in cached("info").stdout
    assert "nothing to remove" in cached("clear", "--store").stdout and file.exists()
    assert "2 choices" in cached("clear", "--engines").stdout and not file.exists()


def test_a_store_of_somebody_else_is_left_alone(tmp_path: Path, cached: Callable[..., Any]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "store.sqlite").write_text("mine")
    assert "cannot be used" in cached("info").stdout
    assert "nothing to remove" in cached("clear").stdout
    assert (tmp_path / "out" / "store.sqlite").read_text() == "mine"


def test_it_answers_without_heavy_libraries(tmp_path: Path, environment: dict[str, str]) -> None:
    """So that it does not take longer to say than to look."""
    code = (
        "import sys\nfrom geoaudit.cli import cli\n"
        "cli.main(['cache', 'info'], standalone_mode=False)\n"
        "heavy = {'torch', 'onnxruntime', 'numpy', 'pydantic', 'ray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
