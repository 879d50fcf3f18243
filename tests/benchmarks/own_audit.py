"""One audit by the command line, with a clock around the engines: `own_audit.py CLOCK.json MODEL IMAGES [options]`.

Started by other benchmarks, each time in a fresh process; the clock's figures go to the file, and the exit code is the
program's own.
"""

from __future__ import annotations

from time import perf_counter

_BEGUN = perf_counter()

import json  # noqa: E402  # imports count
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from clocks import model_clock  # noqa: E402

from geoaudit.cli import main  # noqa: E402


def run() -> None:
    """Run the program and leave with its exit code."""
    place, *arguments = sys.argv[1:]
    ready = perf_counter()
    with model_clock() as clock:
        try:
            main(arguments)
        finally:
            done = perf_counter()
            figures = {
                "import_seconds": ready - _BEGUN,
                "program_seconds": done - ready,
                "gradient_seconds": clock.twin,
                "forward_seconds": clock.runtime,
                "model_seconds": clock.model,
            }
            Path(place).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    run()
