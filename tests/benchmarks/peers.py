"""Guided IG against PAIR's saliency, integrated gradients against captum: seconds for the same error.

    pip install saliency
    python tests/benchmarks/peers.py [--photographs N] [--steps N] [--json FILE]

Needs the extra `dev` and, for the first half, the package `saliency` (0.2.1; nothing else of geoaudit does).  Both
halves run in one process on the demo's model and photographs, all photographs together where the tool takes them
together.  Takes about a quarter of an hour on two idle processor cores.  Exit code 1 where geoaudit misses one of its
three requirements.

Guided IG, unbounded, a quarter of the features at a time, 200 steps.  `saliency` takes one photograph at a time; it
gets its gradients from a bare torch loop over the original network and, in a second measurement, from geoaudit's own
converted graph; the faster of the two counts.  geoaudit walks the same 200 steps with the same left sum: at least 1.8
times as fast.  Then the cheapest of its own settings (`RUNGS`, in the order of their cost) whose completeness error is
no larger than the peer's at 200 steps, neither on the worst photograph nor on the median one: at least 3.5 times.

Integrated gradients: geoaudit to an error bar of 3 % on every photograph; captum (Gauss-Legendre, its default, on the
original network, its `internal_batch_size` the fastest of several) with the first number of nodes of a ladder whose
completeness error is at most 3 % on the worst photograph.  A completeness error may be small by chance and is never
larger than what the error bar allows for, so the comparison is in captum's favour.  At least 3 times as fast.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from opening import Opened, opened_demo, write_json
from peer_captum import CaptumLine
from peer_saliency import guided_maps
from peer_timing import Timed, misses, timed
from rich.console import Console
from rich.table import Table

from geoaudit.api import Attributions
from geoaudit.demo import network
from geoaudit_plugins.methods.guided_ig import GuidedIG, GuidedIGParameters
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients

STEPS, FRACTION = 200, 0.25
RUNGS = ((20, "trapezoid"), (30, "trapezoid"), (40, "trapezoid"), (30, "refined"), (60, "trapezoid"),
         (100, "trapezoid"), (60, "refined"), (200, "trapezoid"))  # fmt: skip
"""Steps and rule of Guided IG, cheapest first; "refined" at least doubles the gradients of the steps."""
LADDER = (50, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""captum's numbers of nodes."""
TOLERANCE = 0.03
SAME_STEPS, SAME_ERROR, SAME_BAR = 1.8, 3.5, 3.0


@dataclass(frozen=True)
class Measured:
    """One tool with one setting on all photographs; errors are shares of |delta f|."""

    tool: str
    setting: str
    seconds: float
    worst_error: float
    median_error: float

    @classmethod
    def of(cls, tool: str, setting: str, run: Timed, demo: Opened) -> Measured:
        """A timed run with its maps' completeness errors; seconds for one photograph."""
        errors = misses(run.values, demo.problems)
        seconds = run.seconds / len(demo.problems)
        return cls(tool, setting, seconds, float(errors.max()), float(median(errors.tolist())))


@dataclass(frozen=True)
class Verdict:
    """A required ratio of seconds; None: the peer or geoaudit never reached the error."""

    name: str
    ratio: float | None
    required: float

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.ratio is not None and self.ratio >= self.required


def main() -> int:
    """Print both tables, write the JSON, and say whether the requirements are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--photographs", type=int, default=8, metavar="N", help="the first N of 8; 8")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"of Guided IG; {STEPS}")
    parser.add_argument("--most", type=int, default=LADDER[-1], metavar="N", help=f"nodes for captum; {LADDER[-1]}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    options = parser.parse_args()
    with opened_demo(options.photographs) as demo:
        demo.twin.value_and_gradient(demo.problems.x, demo.problems.targets, "logit")  # settles, warms
        original = network()
        guided, guided_verdicts = _guided(demo, original, options.steps)
        line, line_verdict = _line(demo, original, options.most)
    verdicts = [*guided_verdicts, line_verdict]
    out = Console(width=120) if not sys.stdout.isatty() else Console()
    out.print(_table("Guided IG", guided))
    out.print(_table("Integrated gradients", line))
    for verdict in verdicts:
        ratio = "never reached" if verdict.ratio is None else f"{verdict.ratio:.2f} times as fast"
        out.print(f"{'met   ' if verdict.met else 'MISSED'}  {verdict.name}: {ratio}, required {verdict.required:g}")
    write_json(
        options.json,
        {
            "measured": [asdict(row) for row in (*guided, *line)],
            "requirements": [{**asdict(verdict), "met": verdict.met} for verdict in verdicts],
        },
    )
    return 0 if all(verdict.met for verdict in verdicts) else 1


def _guided(demo: Opened, original: Any, steps: int) -> tuple[list[Measured], list[Verdict]]:
    """The peer twice, geoaudit at the same steps, and geoaudit's rungs up to the peer's error."""
    rows = []
    for name, module in (("original network", original), ("geoaudit's graph", None)):
        run = timed(lambda m=module: guided_maps(demo, m, steps, FRACTION))
        rows.append(Measured.of("saliency", f"{steps} steps, {name}", run, demo))
    peer = min(rows, key=lambda row: row.seconds)
    same = _walked(demo, steps, "left")
    rows.append(same)
    reached = None
    for rung, rule in RUNGS:
        if rung > steps:
            continue
        rows.append(_walked(demo, rung, rule))
        if rows[-1].worst_error <= peer.worst_error and rows[-1].median_error <= peer.median_error:
            reached = rows[-1]
            break
    return rows, [
        Verdict(f"Guided IG, {steps} steps", peer.seconds / same.seconds, SAME_STEPS),
        Verdict("Guided IG to the same error", None if reached is None else peer.seconds / reached.seconds, SAME_ERROR),
    ]


def _walked(demo: Opened, steps: int, rule: str) -> Measured:
    method = GuidedIG(GuidedIGParameters(steps=steps, fraction=FRACTION, max_dist=1.0, rule=rule))  # type: ignore[arg-type]
    run = timed(lambda: method.attribute(demo.problems, demo.probe).values)
    return Measured.of("geoaudit", f"{steps} steps, {rule}", run, demo)


def _line(demo: Opened, original: Any, most: int) -> tuple[list[Measured], Verdict]:
    """geoaudit to its error bar, and captum up the ladder."""
    made: list[Attributions] = []

    def attribute() -> Any:
        made.append(IntegratedGradients().attribute(demo.problems, demo.probe))
        return made[0].values

    run = timed(attribute)
    bars = [record.error_bar for record in made[0].records if record is not None]
    rows = [Measured.of("geoaudit", f"error bar {100 * max(bars):.1f} % at worst", run, demo)]
    captum = CaptumLine(original, demo.problems)
    reached = None
    for nodes in LADDER:
        if nodes > most:
            break
        peer = timed(lambda n=nodes: captum.maps(n))
        rows.append(Measured.of("captum", f"{nodes} nodes, {captum.batch} at once", peer, demo))
        if rows[-1].worst_error <= TOLERANCE:
            reached = rows[-1]
            break
    ratio = None if reached is None or max(bars) > TOLERANCE else reached.seconds / rows[0].seconds
    return rows, Verdict(f"integrated gradients to {100 * TOLERANCE:.0f} %", ratio, SAME_BAR)


def _table(title: str, rows: list[Measured]) -> Table:
    table = Table(title=title)
    for name in ("tool", "setting", "s a photograph", "worst completeness error", "median"):
        table.add_column(name, justify="left" if name in ("tool", "setting") else "right")
    for row in rows:
        errors = (f"{100 * error:.1f} %" for error in (row.worst_error, row.median_error))
        table.add_row(row.tool, row.setting, f"{row.seconds:.2f}", *errors)
    return table


if __name__ == "__main__":
    sys.exit(main())
