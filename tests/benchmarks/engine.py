"""The gradient engine against what one writes without it: a bare torch loop over the stock conversion.

    python tests/benchmarks/engine.py [--rounds N] [--quick] [--json FILE] [--demo DIR]

Everything runs in one process in interleaved rounds, so that a busy machine disturbs all alike; the medians' ratios
are what to read.

The usual loop: onnx2torch's conversion of the file as it is, contiguous, weights that could be trained, one picture or
eight at a time, whichever is faster.  The best bare loop: every combination of batch size, memory layout and frozen
weights is tried, the three fastest take part in the rounds, and the fastest of all of them there counts.  geoaudit's
engine is given the pictures all at once and batches them itself.  The maps must agree, or nothing is compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from bare import batched, converted, gradients
from bench_rows import Row, section_result
from opening import Opened, opened_demo, write_json
from printing import show

from geoaudit.api import Floats, Ints

BATCHES = (1, 2, 4, 8, 16, 32)
USUAL = (1, 8)
FINALISTS = 3
"""Fastest bare loops of the search that take part in the rounds."""
IMAGES = 64
"""Pictures that geoaudit is given at a time; every batch size it may choose divides it."""
AGREEMENT, WORST = 5e-3, 5e-2
"""Largest difference of a gradient as a share of its norm, in the median and on the worst photograph.

Two exact evaluations in float32 differ by up to 2 % on single photographs: where an activation lies on a kink within
rounding, one slope or the other is taken.  The stock conversion differs from its own float64 run by as much.
"""
OVER_USUAL, OF_BEST = 1.4, 0.95

Run = tuple[int, Callable[[], Any]]  # pictures, and what evaluates them


def main() -> int:
    """Print the rows and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds; 9, or 3 with --quick")
    parser.add_argument("--quick", action="store_true", help="fewer batch sizes and rounds")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    with opened_demo(folder=options.demo) as demo:
        rows, figures = measure(demo, options.rounds or (3 if options.quick else 9), options.quick)
    show("Gradient engine", rows)
    write_json(options.json, section_result(rows, **figures))
    return 0 if all(row.met is not False for row in rows) else 1


def measure(demo: Opened, rounds: int, quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and milliseconds an image of every contender."""
    points = np.resize(demo.problems.x, (IMAGES, *demo.problems.space.shape))
    targets = np.resize(demo.problems.targets, IMAGES)
    stock = converted(demo.settings.model)
    usual = gradients(stock)
    own = lambda: demo.twin.value_and_gradient(points, targets, "logit")[1]  # noqa: E731
    few = len(demo.problems)
    differences = _differences(own()[:few], usual(points[:few], targets[:few]))
    if not (median(differences) <= AGREEMENT and max(differences) <= WORST):
        raise SystemExit(f"the gradients differ by {max(differences):.2g} of their norm: nothing is compared")
    searched = _search(demo.settings.model, points, targets, (1, 8) if quick else BATCHES)
    fastest = sorted(searched.items(), key=lambda item: item[1][0])[:FINALISTS]
    contenders: dict[str, Run] = {"geoaudit": (IMAGES, own)}
    for batch in USUAL:
        x, t = points[:batch], targets[:batch]
        contenders[f"usual, batch {batch}"] = (batch, lambda x=x, t=t: usual(x, t))  # type: ignore[misc]
    contenders |= {name: (max(BATCHES), run) for name, (_, run) in fastest}
    times = _interleaved(contenders, rounds)
    ms = {key: 1e3 * median(values) for key, values in times.items()}
    common = min(ms["usual, batch 1"], ms["usual, batch 8"])
    name = min((key for key in ms if key != "geoaudit"), key=lambda key: ms[key])
    engine = ", ".join(f"{key} {value}" for key, value in demo.twin.engine.items() if isinstance(value, str | int))
    rows = [
        Row("gradient engine", "gradients, usual loop (eager onnx2torch)", ms["geoaudit"], common, "ms",
            common / ms["geoaudit"], OVER_USUAL, note="the faster of batch 1 and 8"),
        Row("gradient engine", "gradients, best bare loop", ms["geoaudit"], ms[name], "ms",
            ms[name] / ms["geoaudit"], OF_BEST, note=f"{name}, best of {len(searched)}"),
    ]  # fmt: skip
    trials = {key: 1e3 * seconds for key, (seconds, _) in searched.items()}
    return rows, {
        "milliseconds": ms, "trials_milliseconds": trials, "engine": engine, "differences": differences,
        "rounds": rounds,
    }  # fmt: skip


def _search(
    model: Path, points: Floats, targets: Ints, batches: tuple[int, ...]
) -> dict[str, tuple[float, Callable[[], Floats]]]:
    """Seconds an image of every bare loop, the shorter of two runs, and what runs it over 32 pictures."""
    found = {}
    few, wanted = points[: max(BATCHES)], targets[: max(BATCHES)]
    for last, frozen in product((False, True), repeat=2):
        evaluate = gradients(converted(model), channels_last=last, frozen=frozen)
        for batch in batches:
            run = lambda e=evaluate, b=batch: batched(e, b)(few, wanted)  # noqa: E731
            name = f"batch {batch}, {'channels-last' if last else 'contiguous'}{', frozen' if frozen else ''}"
            evaluate(points[:batch], targets[:batch])  # warms
            found[name] = (min(_seconds(run) for _ in range(2)) / len(few), run)
    return found


def _interleaved(contenders: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds an image of each contender in each round; the first round only warms."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, (count, evaluate) in contenders.items():
            seconds = _seconds(evaluate)
            if number:
                times[name].append(seconds / count)
    return times


def _seconds(run: Callable[[], Any]) -> float:
    begun = perf_counter()
    run()
    return perf_counter() - begun


def _differences(ours: Floats, theirs: Floats) -> list[float]:
    """|difference| over |gradient| of every picture, norms."""
    n = len(theirs)
    norms = np.linalg.norm(theirs.reshape(n, -1), axis=1)
    shares: list[float] = (np.linalg.norm((ours - theirs).reshape(n, -1), axis=1) / norms).tolist()
    return shares


if __name__ == "__main__":
    sys.exit(main())
