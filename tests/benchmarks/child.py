"""Runs one contender in a process of its own: seconds, and the peak of its resident memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Ran:
    """What a process took.

    Attributes:
        seconds: wall-clock time, start of the interpreter and imports included.
        cpu_seconds: of all its threads.
        peak: largest resident memory in bytes.
        code: exit code.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    code: int


def run(command: Sequence[str], env: Mapping[str, str] | None = None, *, allowed: Sequence[int] = (0,)) -> Ran:
    """Run it to its end; what it prints goes to stderr, so that stdout stays the caller's.

    Args:
        command: program and arguments.
        env: variables beside those of this process.
        allowed: exit codes that count as done.

    Raises:
        SystemExit: it ended with another exit code.
    """
    begun = perf_counter()
    process = subprocess.Popen(list(command), stdout=sys.stderr, env={**os.environ, **(env or {})})
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    seconds, code = perf_counter() - begun, os.waitstatus_to_exitcode(status)
    process.returncode = code  # it has been waited for
    if code not in allowed:
        raise SystemExit(f"{' '.join(command)}: ended with exit code {code}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, code)


def script(name: str, *arguments: str | Path) -> list[str]:
    """The command line of a script in this folder."""
    return [sys.executable, str(FOLDER / name), *map(str, arguments)]
