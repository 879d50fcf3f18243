"""Integrated gradients against captum, Guided IG against PAIR's saliency: seconds for the same error.

    pip install captum saliency
    python tests/benchmarks/peers.py [--only line|guided] [--photographs N] [--steps N] [--rounds N] [--quick]

Both halves explain the demo's photographs, all together where the tool takes them together.  The peers run in a process
of their own (`peer_process`), one tool after the other; the medians over interleaved rounds count.

Guided IG, unbounded, a quarter of the features at a time, 200 steps.  `saliency` takes one photograph at a time; it
gets its gradients from a bare torch loop over the original network or over the file converted by onnx2torch; the faster
of the two in a short trial runs the whole.  geoaudit walks the same 200 steps with the same left sum: at least 1.8
times as fast.  A row for information gives the peer what it does not have: geoaudit's converted graph, in its
process.  Then the cheapest of its own settings (`RUNGS`, in the order of their cost) whose completeness error is no
larger than the peer's at 200 steps, neither on the worst photograph nor on the median one: at least 3.5 times.

Integrated gradients: geoaudit to an error bar of 3 % on every photograph; captum with the first number of nodes of a
ladder whose completeness error is at most 3 % on the worst photograph, by the cheapest of its rules, on the faster of
two networks, with its `internal_batch_size` the fastest of several.  A completeness error may be small by chance and
is never larger than what the error bar allows for, so the comparison is in captum's favour.  At least 3 times as fast.

The maps are compared, too: what does not point the same way (`ALIKE`) is not the same work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_rows import Row, section_result
from opening import Opened, opened_demo, write_json
from peer_captum import BATCHES, RULES, Rule
from peer_process import NETWORKS, Peers, peers_aside
from peer_saliency import guided_maps
from peer_timing import Timed, alike, misses, timed
from printing import show

from geoaudit_plugins.methods.guided_ig import GuidedIG, GuidedIGParameters
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients

STEPS, FRACTION = 200, 0.25
RUNGS = ((10, "trapezoid"), (20, "trapezoid"), (30, "trapezoid"), (40, "trapezoid"), (30, "refined"),
         (60, "trapezoid"), (100, "trapezoid"), (60, "refined"), (200, "trapezoid"))  # fmt: skip
"""Steps and rule of Guided IG, cheapest first; "refined" at least doubles the gradients of the steps."""
LADDER = (32, 50, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""captum's numbers of nodes."""
TOLERANCE = 0.03
ALIKE, SHORT = 0.95, 2
"""Least median cosine of the two tools' maps.

Guided walks are compared after two steps: after one they are the same to the last digit, after five a rounding has
turned a choice and the maps have nothing in common, with either tool's gradients.
"""
SAME_STEPS, SAME_ERROR, SAME_BAR = 1.8, 3.5, 3.0

Maps = npt.NDArray[Any]


def main() -> int:
    """Print the rows, write the JSON, and say whether the requirements are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=("line", "guided"), help="one half")
    parser.add_argument("--photographs", type=int, metavar="N", help="the first N of 8; 8, or 2 with --quick")
    parser.add_argument("--steps", type=int, metavar="N", help=f"of Guided IG; {STEPS}, or 40 with --quick")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of both tools; 1")
    parser.add_argument("--quick", action="store_true", help="two photographs and 40 steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    count, steps = options.photographs or (2 if options.quick else 8), options.steps or (40 if options.quick else STEPS)
    rows: list[Row] = []
    figures: dict[str, Any] = {"photographs": count, "rounds": options.rounds}
    with opened_demo(count, folder=options.demo) as demo:
        demo.twin.value_and_gradient(demo.problems.x, demo.problems.targets, "logit")  # settles, warms
        with peers_aside(demo.settings.model, demo.problems, (16,) if options.quick else BATCHES) as peers:
            if options.only != "guided":
                made, figures["line"] = line(demo, peers, options.rounds)
                rows += made
            if options.only != "line":
                made, figures["guided"] = guided(demo, peers, steps, options.rounds)
                rows += made
    show("Against captum and saliency", rows)
    write_json(options.json, section_result(rows, **figures))
    return 0 if all(row.met is not False for row in rows) else 1


def line(demo: Opened, peers: Peers, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """geoaudit to its error bar, and captum with the fewest nodes that reach it."""
    bars: list[float] = []

    def own() -> Maps:
        made = IntegratedGradients().attribute(demo.problems, demo.probe)
        bars[:] = [record.error_bar for record in made.records if record is not None]
        return made.values

    first = timed(own)
    trials = peers.line_trials()
    name = min(trials, key=lambda key: trials[key])
    batch = trials[name][1]
    found = _cheapest(peers, name, demo)
    what = f"integrated gradients to {100 * TOLERANCE:.0f} %"
    if found is None or max(bars) > TOLERANCE:
        why = f"captum needs more than {LADDER[-1]} nodes" if found is None else "geoaudit missed the error bar"
        return [Row("integrated gradients", what, first.seconds, None, "s", None, SAME_BAR, note=why)], {}
    nodes, rule = found
    ours, theirs = _rounds((lambda: timed(own), lambda: peers.line(name, nodes, rule)), rounds)
    cosine = alike(ours.values, theirs.values)
    _require_alike("line", cosine)
    worst = float(misses(theirs.values, demo.problems).max())
    note = (
        f"captum: {nodes} nodes ({rule}), {batch} at once, {name}, worst completeness error {100 * worst:.1f} %;"
        f" geoaudit: worst error bar {100 * max(bars):.1f} %; cosine of the maps {cosine:.3f}"
    )
    rows = [_per_photograph("integrated gradients", what, ours, theirs, demo, SAME_BAR, note)]
    return rows, {"nodes": nodes, "rule": rule, "batch": batch, "network": name, "error_bars": bars}


def _cheapest(peers: Peers, name: str, demo: Opened) -> tuple[int, Rule] | None:
    """The fewest nodes, and the rule, whose worst completeness error is within the tolerance; None: too many."""
    best: tuple[int, Rule] | None = None
    order = list(range(len(demo.problems)))
    for rule in RULES:
        for nodes in LADDER:
            if best is not None and nodes >= best[0]:
                break
            failed = next(
                (i for i in order if not _within(peers.line(name, nodes, rule, slice(i, i + 1)), demo, i)), None
            )
            if failed is None:
                best = (nodes, rule)
                break
            order.remove(failed)
            order.insert(0, failed)  # the hard ones first: one miss is enough
    return best


def _within(made: Timed, demo: Opened, photograph: int) -> bool:
    return bool(misses(made.values, demo.problems.select([photograph]))[0] <= TOLERANCE)


def guided(demo: Opened, peers: Peers, steps: int, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """The peer on its faster network, geoaudit at the same steps, and its rungs up to the peer's error."""
    tried = {name: peers.guided(name, 10, FRACTION, slice(0, 1)).seconds for name in NETWORKS}
    name = min(tried, key=lambda key: tried[key])
    graph = demo.twin.copied_module()
    same, peer, dressed = _rounds(
        (lambda: _walked(demo, steps, "left"), lambda: peers.guided(name, steps, FRACTION),
         lambda: timed(lambda: guided_maps(demo.problems, graph, steps, FRACTION))),
        rounds,
    )  # fmt: skip
    cosine = alike(_walked(demo, SHORT, "left").values, peers.guided(name, SHORT, FRACTION).values)
    _require_alike("guided", cosine)
    theirs = misses(peer.values, demo.problems)
    told = f"worst completeness error {100 * theirs.max():.0f} %, median {100 * median(theirs.tolist()):.0f} %"
    note = f"saliency: {name}; {told}; cosine of the maps {cosine:.3f} after {SHORT} steps"
    title, lent = "guided IG", "saliency with geoaudit's converted graph and memory settings: the walk alone"
    rows = [
        _per_photograph(title, f"{title}, {steps} steps", same, peer, demo, SAME_STEPS, note),
        _per_photograph(title, f"{title}, {steps} steps, on our graph", same, dressed, demo, None, lent),
    ]
    rung = next((r for r in RUNGS if r[0] <= steps and _no_worse(_walked(demo, *r).values, theirs, demo)), None)
    if rung is None:
        rows.append(Row(title, f"{title} to the same error", None, None, "s", None, SAME_ERROR, note="never reached"))
    else:
        (ours,) = _rounds((lambda: _walked(demo, *rung),), rounds)
        own = misses(ours.values, demo.problems)
        note = f"saliency: {told}; geoaudit: {rung[0]} steps, {rung[1]}, worst {100 * own.max():.0f} %"
        rows.append(_per_photograph(title, f"{title} to the same error", ours, peer, demo, SAME_ERROR, note))
    return rows, {"trial_seconds": tried, "steps": steps, "rung": rung}


def _walked(demo: Opened, steps: int, rule: str) -> Timed:
    method = GuidedIG(GuidedIGParameters(steps=steps, fraction=FRACTION, max_dist=1.0, rule=rule))  # type: ignore[arg-type]
    return timed(lambda: method.attribute(demo.problems, demo.probe).values)


def _no_worse(values: Maps, theirs: Maps, demo: Opened) -> bool:
    own = misses(values, demo.problems)
    return bool(own.max() <= theirs.max() and np.median(own) <= np.median(theirs))


def _rounds(runs: tuple[Callable[[], Timed], ...], rounds: int) -> list[Timed]:
    """Each run's maps, and the median of its seconds over interleaved rounds."""
    made = [[run() for run in runs] for _ in range(rounds)]
    return [Timed(column[0].values, median(t.seconds for t in column)) for column in zip(*made, strict=True)]


def _per_photograph(
    section: str, name: str, ours: Timed, theirs: Timed, demo: Opened, required: float | None, note: str
) -> Row:
    n = len(demo.problems)
    ratio = theirs.seconds / ours.seconds
    return Row(section, name, ours.seconds / n, theirs.seconds / n, "s", ratio, required, note=note)


def _require_alike(half: str, cosine: float) -> None:
    if cosine < ALIKE:
        raise SystemExit(f"{half}: the median cosine of the maps is {cosine:.2f}: this is not the same work")


if __name__ == "__main__":
    sys.exit(main())
