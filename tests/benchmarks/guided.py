"""Recording Guided IG: seconds in the model, and seconds of the walk's own bookkeeping.

    python tests/benchmarks/guided.py [--json FILE] [--limit N] [--steps N ...]

The walks are only recorded, not integrated.  All photographs are recorded together: gradient batches have one
fixed size, so that fewer photographs would cost as many seconds in the model.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from clocks import model_clock
from opening import Opened, opened_demo, write_json
from rich.console import Console
from rich.table import Table

from geoaudit_plugins.methods.guided_ig import GuidedIG
from geoaudit_plugins.methods.guided_ig_bounded import GuidedIGBounded

STEPS = (60, 200)


@dataclass(frozen=True)
class Recording:
    """One recording of all photographs."""

    method: str
    steps: int
    photographs: int
    model_seconds: float
    bookkeeping_seconds: float

    def summary(self) -> dict[str, Any]:
        """The numbers, with the bookkeeping of one image's step in milliseconds."""
        each = 1e3 * self.bookkeeping_seconds / (self.steps * self.photographs)
        return {**self.__dict__, "bookkeeping_ms_per_step": each, "share": self.bookkeeping_seconds / self.seconds}

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.model_seconds + self.bookkeeping_seconds


def main() -> int:
    """Print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--limit", type=int, default=8, metavar="N", help="photographs; 8")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, metavar="N", help="steps; 60 200")
    options = parser.parse_args()
    with opened_demo(options.limit) as demo:
        demo.twin.value_and_gradient(demo.problems.x[:1], demo.problems.targets[:1], "logit")  # settles, warms
        recordings = [_record(kind, n, demo) for n in options.steps for kind in (GuidedIG, GuidedIGBounded)]
    table = Table("walk", "steps", "model s", "own s", "share", "own ms a step and image", title="Recording Guided IG")
    table.columns[0].no_wrap = True
    for r in (recording.summary() for recording in recordings):
        table.add_row(
            r["method"], str(r["steps"]), f"{r['model_seconds']:.1f}", f"{r['bookkeeping_seconds']:.2f}",
            f"{100 * r['share']:.1f} %", f"{r['bookkeeping_ms_per_step']:.2f}",
        )  # fmt: skip
    Console().print(table)
    write_json(options.json, {"recordings": [r.summary() for r in recordings]})
    return 0


def _record(kind: type[GuidedIG], steps: int, demo: Opened) -> Recording:
    method = kind(kind.Parameters(steps=steps))  # type: ignore[call-arg]
    with model_clock() as clock:
        begun = perf_counter()
        method.walk(demo.problems, demo.probe)
        seconds = perf_counter() - begun
    return Recording(kind.id, steps, len(demo.problems), clock.model, seconds - clock.model)


if __name__ == "__main__":
    sys.exit(main())
