"""The masked-forward sweep against bare onnxruntime, Quantus' pixel flipping, and a loop in the manner of Xplique.

    pip install quantus
    python tests/benchmarks/faithfulness.py [--rounds N] [--quick] [--json FILE] [--demo DIR]

Needs the extra `dev` and, for the second half, the package `quantus` (0.6; nothing else of geoaudit does; without it
its rows say so and the exit code is 1).  Everything runs in one process on the demo's model and photographs, one map a
photograph, the same for all, in interleaved rounds whose medians count.  Exit code 1 where a requirement is missed.

Throughput: images a second that the sweep of the standard budget evaluates, everything included (ordering regions,
building and filling masked images, batching, softmax), as a share of what a bare onnxruntime session on the same file
reaches with the same threads at the best of several batch sizes, on pictures that are ready in memory.  Once the best
batch size is known, bare rounds and the sweeps of single photographs take turns, so that what else the machine does
falls on both; the medians count.  At least 80 %.

Quantus: `PixelFlipping` with 32 steps, most relevant first, on the original torch network, on the stock conversion of
the file and on geoaudit's converted graph, one photograph at a time and all in one batch; each variant has its row, and
the fastest counts.  Beside it the same 32 masked forwards a map by the sweep, 16 most and 16 least relevant first.
Quantus takes at least 8 times as long.  The peers' networks must predict what onnxruntime predicts, and the curves must
have as many points, or nothing is compared.

Xplique runs on TensorFlow; its loop is written after its published definition (`peer_xplique`), on the stock
conversion, 32 steps of deletion.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from bare import converted
from bench_rows import Row, section_result
from opening import Opened, opened_demo, write_json
from peer_quantus import MISSING, flip
from peer_xplique import causal
from printing import show

from geoaudit.api import Group
from geoaudit.audit.settings import BUDGETS
from geoaudit.demo import network
from geoaudit.scoring.sweep import Sweep
from geoaudit_plugins.imputers.baseline import Baseline
from geoaudit_plugins.imputers.blur import Blur
from geoaudit_plugins.methods.gradient_x_input import GradientXInput

SECTION = "masked sweep"
BATCHES = (1, 2, 4, 8, 16, 32, 64)
BARE_IMAGES = 64
"""Images a round of a bare session."""
STEPS = 32
SHARE, RATIO = 0.8, 8.0
SAME = 1e-3
"""Largest difference of the targets' probabilities between a peer's network and onnxruntime."""
OURS = "the sweep"


def main() -> int:
    """Print the rows, write the JSON, and say whether the requirements are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, metavar="N", help="of everything; 2, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="two photographs, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 2)
    with opened_demo(2 if options.quick else None, folder=options.demo) as demo:
        maps = GradientXInput().attribute(demo.problems, demo.probe).values
        rows, figures = throughput(demo, maps, rounds)
        seconds = against_peers(demo, maps, rounds)
        rows += compared(seconds)
    show("Masked-forward sweep", rows)
    write_json(options.json, section_result(rows, **figures, map_seconds=seconds, photographs=len(demo.problems)))
    return 0 if all(row.met is not False for row in rows) else 1


def throughput(demo: Opened, maps: Any, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """The sweep's share of bare onnxruntime, and seconds an image of each."""
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
    ours, theirs = median(swept), median(beside)
    note = f"bare onnxruntime, {best} images at once; the ratio is the share of its throughput"
    row = Row(
        SECTION, "masked forwards, bare onnxruntime", 1e3 * ours, 1e3 * theirs, "ms", theirs / ours, SHARE, note=note
    )
    return [row], {"bare_milliseconds": {str(b): 1e3 * s for b, s in by_batch.items()}}


def grouped(demo: Opened, photographs: list[int]) -> Group:
    """These photographs, and the imputers of the standard budget."""
    imputers = {"baseline": Baseline(), "blur": Blur()}
    return Group(demo.problems.select(photographs), demo.probe, imputers)


def against_peers(demo: Opened, maps: Any, rounds: int) -> dict[str, float]:
    """Seconds a map of each tool, medians of interleaved rounds."""
    problems, group = demo.problems, grouped(demo, list(range(len(demo.problems))))
    sweep = Sweep(imputers=("baseline",), steps=STEPS // 2)
    networks = {
        "original network": network(), "stock conversion": converted(demo.settings.model),
        "geoaudit's graph": demo.twin.copied_module(),
    }  # fmt: skip
    _require_same(demo, networks)
    runs: dict[str, Callable[[], Any]] = {OURS: lambda: sweep.curves(maps, group)}
    if find_spec("quantus") is not None:
        for (name, module), batch in product(networks.items(), (1, len(problems))):
            told = "one photograph at a time" if batch == 1 else "all in one batch"
            runs[f"Quantus, {name}, {told}"] = partial(
                flip, module, problems.x, problems.targets, maps, STEPS, batch=batch
            )
    runs["Xplique-style loop"] = partial(
        causal, problems, networks["stock conversion"], maps, STEPS, "deletion", len(problems)
    )
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(_seconds(lambda n=name, r=run: _require_points(n, r())) / len(problems))  # type: ignore[misc]
    return {name: median(values) for name, values in times.items()}


def _require_points(name: str, curves: Any) -> None:
    points = curves.shape[1] if isinstance(curves, np.ndarray) else 2 * (curves.morf.shape[2] - 2)
    if points != STEPS:
        raise SystemExit(f"{name}: made {points} masked forwards a map instead of {STEPS}: this is not the same work")


def _require_same(demo: Opened, networks: dict[str, Any]) -> None:
    """Every peer's network predicts what the audited file predicts."""
    import torch

    problems = demo.problems
    ours = demo.probe.probabilities(problems.x, problems.targets)
    for name, module in networks.items():
        with torch.no_grad():
            scores = module(torch.from_numpy(problems.x)).softmax(dim=1).numpy()
        difference = float(np.abs(scores[np.arange(len(ours)), problems.targets] - ours).max())
        if not difference <= SAME:
            raise SystemExit(
                f"{name}: probabilities differ by {difference:.2g} from onnxruntime's: nothing is compared"
            )


def compared(seconds: dict[str, float]) -> list[Row]:
    """One row a variant; the fastest of Quantus' is held against the requirement."""
    ours = seconds[OURS]
    quantus = {name: value for name, value in seconds.items() if name.startswith("Quantus")}
    what = f"{STEPS} masked forwards a map, Quantus"
    if not quantus:
        return [Row(SECTION, what, ours, None, "s", None, RATIO, note=MISSING)]
    best = min(quantus, key=lambda name: quantus[name])
    rows = [Row(SECTION, what, ours, quantus[best], "s", quantus[best] / ours, RATIO, note=f"the fastest: {best}")]
    others = [name for name in seconds if name not in (OURS, best)]
    return rows + [Row(SECTION, name, ours, seconds[name], "s", seconds[name] / ours) for name in others]


def _seconds(run: Callable[[], Any]) -> float:
    begun = perf_counter()
    run()
    return perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
