"""Command lines in processes of their own, and plugin packages that break in one way each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ZYGOTE = Path(__file__).with_name("zygote.py")

_METHOD = """
import time
from geoaudit.api import Attributions, Method

class Plugin(Method):
    id = title = "{name}/map"
    family = "gradient"
    reference = "a test"

    def attribute(self, problems, probe):
        {body}
"""


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    stdout: str
    stderr: str

    def error(self) -> list[str]:
        """The error message's lines: the last ones of stderr."""
        assert "Traceback" not in self.stderr, self.stderr
        lines = self.stderr.strip().splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith("Error: ")]
        assert len(starts) == 1, self.stderr
        return lines[starts[0] :]


class CommandLine:
    """`cli(*arguments)`: runs `geoaudit arguments` in a fresh process and folder."""

    def __init__(self, server: subprocess.Popen[str], folder: Path, environment: dict[str, str]) -> None:
        self._server = server
        self._folder = folder
        self._environment = environment
        self._count = 0

    def __call__(
        self,
        *arguments: object,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        plugins: Sequence[Path] = (),
        interrupt_at: str | None = None,
        signal_: int = signal.SIGINT,
    ) -> Ended:
        """Run it to its end.

        Args:
            arguments: the command line.
            cwd: working folder; a fresh one by default.
            env: environment variables on top of the clean ones.
            plugins: folders with installed packages to import from.
            interrupt_at: send a signal once stderr holds this text.
            signal_: which.
        """
        self._count += 1
        here = self._folder / str(self._count)
        here.mkdir()
        out, err = here / "stdout", here / "stderr"
        (here / "cwd").mkdir()
        self._ask(
            {
                "argv": [str(a) for a in arguments],
                "cwd": str(cwd or here / "cwd"),
                "env": {**self._environment, **(env or {})},
                "path": [str(p) for p in plugins],
                "out": str(out),
                "err": str(err),
            }
        )
        pid = self._answer()["pid"]
        if interrupt_at is not None:
            self._interrupt(pid, err, interrupt_at, signal_)
        code = self._answer()["code"]
        return Ended(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()

    def _answer(self) -> dict[str, int]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that starts command lines has ended"
        answer: dict[str, int] = json.loads(line)
        return answer

    def _interrupt(self, pid: int, err: Path, text: str, signal_: int) -> None:
        for _ in range(600):
            if err.exists() and text in err.read_text(encoding="utf-8"):
                break
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(pid, signal_)


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[CommandLine]:
    if not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    server = subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    yield CommandLine(server, tmp_path_factory.mktemp("commands"), environment)
    assert server.stdin is not None
    server.stdin.close()
    server.wait(timeout=30)


@pytest.fixture
def package(tmp_path: Path) -> Callable[[str, str], Path]:
    """`package(name, body)`: a folder in which the package `name` is installed; its method attributes by `body`."""

    def install(name: str, body: str) -> Path:
        site = tmp_path / "site"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[geoaudit.plugins]\nplugin = {name}_module:Plugin\n")
        (site / f"{name}_module.py").write_text(_METHOD.format(name=name, body=body))
        return site

    return install
