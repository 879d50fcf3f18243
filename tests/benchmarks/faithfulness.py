"""The masked-forward sweep against bare onnxruntime, and against Quantus' pixel flipping.

    pip install quantus
    python tests/benchmarks/faithfulness.py [--rounds N] [--json FILE]

Needs the extra `dev` and, for the second half, the package `quantus` (0.6; nothing else of geoaudit does; without it
the first half is printed and the exit code is 1).  Everything runs in one process on the demo's model and photographs,
one map a photograph, the same for all.  Takes about a minute on two idle processor cores.  Exit code 1 where a
requirement is missed.

Throughput: images a second that the sweep of the standard budget evaluates, everything included (ordering regions,
building and filling masked images, batching, softmax), as a share of what a bare onnxruntime session on the same file
reaches with the same threads at the best of several batch sizes, on pictures that are ready in memory.  Once the best
batch size is known, bare rounds and the sweeps of single photographs take turns, so that what else the machine does
falls on both; the medians count.  At least 80 %.

Quantus: `PixelFlipping` with 32 steps, most relevant first, all photographs in one batch, on the original torch network
and on geoaudit's converted graph; the faster of the two counts.  Beside it the same 32 masked forwards a map by the
sweep, which makes them 16 most and 16 least relevant first, and a sweep of 32 steps in both orders, twice the work.
Quantus takes at least 8 times as long as the former.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from opening import Opened, opened_demo, write_json
from peer_quantus import flipping
from rich.console import Console
from rich.table import Table

from geoaudit.api import Group
from geoaudit.audit.settings import BUDGETS
from geoaudit.demo import network
from geoaudit.scoring.sweep import Sweep
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.imputers.blur import Blur
from geoaudit_plugins.methods.gradient_x_input import GradientXInput

BATCHES = (1, 2, 4, 8, 16, 32, 64)
BARE_IMAGES = 64
"""Images a round of a bare session."""
STEPS = 32
SHARE, RATIO = 0.8, 8.0


def main() -> int:
    """Print both tables, write the JSON, and say whether the requirements are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of everything; 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    options = parser.parse_args()
    out = Console(width=120) if not sys.stdout.isatty() else Console()
    with opened_demo() as demo:
        maps = GradientXInput().attribute(demo.problems, demo.probe).values
        bare, beside, swept = throughput(demo, maps, options.rounds)
        share = beside / swept
        out.print(_throughput_table(bare, beside, swept))
        out.print(f"{'met   ' if share >= SHARE else 'MISSED'}  {share:.1%} of bare onnxruntime, required {SHARE:.0%}")
        peers = against_quantus(demo, maps, options.rounds)
    ratio = peers["Quantus"] / peers["sweep, the same masked forwards"]
    table = Table("tool", "s a map", title=f"{STEPS} steps a map, {len(demo.problems)} photographs")
    for name, seconds in peers.items():
        table.add_row(name, f"{seconds:.3f}")
    out.print(table)
    out.print(
        f"{'met   ' if ratio >= RATIO else 'MISSED'}  Quantus takes {ratio:.1f} times as long, required {RATIO:g}"
    )
    met = share >= SHARE and ratio >= RATIO
    write_json(
        options.json,
        {"bare_seconds": {str(b): s for b, s in bare.items()}, "bare_seconds_beside": beside,
         "sweep_seconds": swept, "share": share,
         "map_seconds": peers, "ratio": ratio, "met": met},
    )  # fmt: skip
    return 0 if met else 1


def throughput(demo: Opened, maps: Any, rounds: int) -> tuple[dict[int, float], float, float]:
    """Seconds an image: bare by batch size, bare at the best of them beside the sweep, and of the sweep."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = demo.runtime.threads
    session = onnxruntime.InferenceSession(str(demo.artifact.path), options, providers=["CPUExecutionProvider"])
    name, problems = session.get_inputs()[0].name, demo.problems

    def bare(batch: int) -> float:
        points = np.resize(problems.x, (batch, *problems.x.shape[1:]))

        def run() -> None:
            for _ in range(BARE_IMAGES // batch):
                session.run(None, {name: points})

        return _seconds(run) / BARE_IMAGES

    by_batch = {batch: min(bare(batch) for _ in range(rounds)) for batch in BATCHES}
    best = min(BATCHES, key=lambda batch: by_batch[batch])
    sweep = BUDGETS["standard"].sweep
    forwards = int(sweep.cost(problems.space)[0].forwards)
    groups = [grouped(demo, [i]) for i in range(len(problems))]
    beside, swept = [], []
    for turn in range(rounds + 1):
        for i, group in enumerate(groups):
            beside.append(bare(best))
            swept.append(_seconds(lambda m=maps[i : i + 1], g=group: sweep.curves(m, g)) / forwards)  # type: ignore[misc]
        if turn == 0:  # pays the ends of the curves, and warms
            beside, swept = [], []
    return by_batch, median(beside), median(swept)


def grouped(demo: Opened, photographs: list[int]) -> Group:
    """These photographs, and the imputers of the standard budget."""
    imputers = {"baseline": Baseline(), "blur": Blur()}
    return Group(demo.problems.select(photographs), demo.probe, imputers)


def against_quantus(demo: Opened, maps: Any, rounds: int) -> dict[str, float]:
    """Seconds a map of each tool, the shortest of some rounds."""
    group = grouped(demo, list(range(len(demo.problems))))
    same, double = Sweep(imputers=("baseline",), steps=STEPS // 2), Sweep(imputers=("baseline",), steps=STEPS)
    runs: dict[str, Callable[[], Any]] = {
        "sweep, the same masked forwards": lambda: same.curves(maps, group),
        "sweep, twice as many: 32 steps in both orders": lambda: double.curves(maps, group),
    }
    networks = {"original network": network(), "geoaudit's graph": demo.twin.copied_module()}
    for name, module in networks.items():
        runs[f"Quantus, {name}"] = lambda m=module: flipping(demo, m, maps, STEPS)  # type: ignore[misc]
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name] = min(seconds[name], _seconds(run) / len(demo.problems))
    return {**seconds, "Quantus": min(s for name, s in seconds.items() if name.startswith("Quantus"))}


def _seconds(run: Callable[[], Any]) -> float:
    begun = perf_counter()
    run()
    return perf_counter() - begun


def _throughput_table(bare: dict[int, float], beside: float, swept: float) -> Table:
    table = Table("what", "ms an image", "images a second", title="Throughput")
    for batch, seconds in bare.items():
        table.add_row(f"bare onnxruntime, {batch} at once", f"{1e3 * seconds:.2f}", f"{1 / seconds:.0f}")
    for name, seconds in (("bare, at the best, beside the sweep", beside), ("sweep", swept)):
        table.add_row(name, f"{1e3 * seconds:.2f}", f"{1 / seconds:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
