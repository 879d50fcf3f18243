"""The commands beside the audit: help, completion, tables, render, selftest, demo."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--budget", "quick", "--methods", "gradient-x-input", "--batch-size", "4", "--device", "cpu")
HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "scipy", "matplotlib", "pydantic", "rich")


def _python(environment: dict[str, str], *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment | extra,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_answers_at_once(environment: dict[str, str]) -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        ended = _python(environment, "-m", "geoaudit", "--help")
        seconds.append(time.perf_counter() - start)
        assert ended.returncode == 0
        if seconds[-1] < 0.3:
            break
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0
    assert min(seconds) < 0.3 * busy


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "--help"], ["demo", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str], environment: dict[str, str]) -> None:
    ended = _python(environment, "-X", "importtime", "-m", "geoaudit", *arguments)
    assert ended.returncode == 0
    imported = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "click" in imported, "the list of imports is empty: this test shows nothing"
    assert not imported & set(HEAVY)


def test_help_tells_the_options_commands_and_exit_codes(cli: Any) -> None:
    ended = cli("--help")
    words = ("MODEL IMAGES", "--methods", "--preset", "--budget", "Exit codes", "130", "demo", "render", "selftest")
    assert all(word in ended.stdout for word in words)
    assert cli().stdout == ended.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, environment: dict[str, str]) -> None:
    ended = _python(environment, "-m", "geoaudit", _GEOAUDIT_COMPLETE=f"{shell}_source")
    assert ended.returncode == 0
    assert f"_GEOAUDIT_COMPLETE={shell}_complete" in ended.stdout


def test_completion_offers_commands_without_heavy_imports(environment: dict[str, str]) -> None:
    words = {"_GEOAUDIT_COMPLETE": "bash_complete", "COMP_WORDS": "geoaudit ren", "COMP_CWORD": "1"}
    ended = _python(environment, "-X", "importtime", "-m", "geoaudit", **words)
    assert "render" in ended.stdout
    assert "numpy" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (
            "methods",
            ["guided-ig-bounded", "uniform-complete", "control", "arXiv", "steps=", "geoaudit ", "stochastic: Uses"],
        ),
        ("metrics", ["ncc-violation", "srg", "higher", "lower", "runs from", "quick"]),
        (
            "checks",
            ["gradient-parity", "completeness", "model", "methods", "gate: a method that fails", "threshold=0.1"],
        ),
        ("imputers", ["baseline", "blur", "by default", "arXiv", "--imputers chooses", "share=0.0714286"]),
    ],
)
def test_tables_list_the_registry_on_stdout(command: str, known: list[str], cli: Any) -> None:
    ended = cli(command)
    assert ended.code == 0
    assert all(word in ended.stdout for word in known), ended.stdout
    assert ended.stderr == ""
    assert "\x1b" not in ended.stdout


def test_tables_show_third_parties_unless_pinned(cli: Any, package: Any) -> None:
    site = package("other", "pass")
    assert "other/map" in cli("methods", plugins=[site]).stdout
    assert "other 1.0" in cli("methods", plugins=[site]).stdout
    assert "other/map" not in cli("methods", "--plugins", "none", plugins=[site]).stdout


def test_selftest_passes_and_shows_numbers(cli: Any) -> None:
    ended = cli("selftest")
    assert ended.code == 0
    assert "PASS" in ended.stdout
    assert "FAIL" not in ended.stdout
    assert "cases passed" in ended.stderr


def test_render_writes_the_same_page_from_json_and_maps_alone(
    cli: Any, small_model: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert cli(small_model, pictures, *QUICK, "--limit", "2", "-q", "-o", out).code == 0
    page = (out / "report.html").read_bytes()
    for given in (out, out / "report.json"):
        (out / "report.html").unlink()
        ended = cli("render", given)
        assert ended.code == 0
        assert ended.stdout == f"{out / 'report.html'}\n"
        assert (out / "report.html").read_bytes() == page
    (out / "maps.npz").write_bytes(b"no archive")
    ended = cli("render", out)
    assert ended.code == 2
    assert "maps.npz" in ended.error()[0]
    assert (out / "report.html").read_bytes() == page, "a failed rendering leaves the old page"


def test_demo_without_its_extra_says_how_to_install_it(cli: Any, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "efficientnet_lite_pytorch.py").write_text(
        "raise ImportError('hidden', name='efficientnet_lite_pytorch')\n"
    )
    ended = cli("demo", "-o", tmp_path / "out", plugins=[hidden])
    assert ended.code == 2
    message = "\n".join(ended.error())
    assert "efficientnet_lite" in message
    assert "pip install 'geoaudit[demo]'" in message
