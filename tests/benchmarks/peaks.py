"""Peak memory of each contender, alone in a fresh process.

    python tests/benchmarks/peaks.py [--quick] [--json FILE] [--demo DIR]

Each process opens the model, makes the maps or curves of the demo's photographs once, and ends; what it imports is part
of it.  The peers get the preprocessed photographs from a file and import nothing of geoaudit but its public
names.  The whole audit's memory is part of audit.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import child
import numpy as np
from bare import converted
from bench_rows import Row, section_result
from printing import show

SECTION = "peak memory"
NODES, STEPS, MASKS, BATCH = 64, 30, 32, 16


def main() -> int:
    """Print the rows and write the JSON; with --run, be one contender."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--run", nargs=3, metavar=("SIDE", "WHAT", "NPZ"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="two photographs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    if options.run:
        side, what, place = options.run
        (OURS if side == "geoaudit" else THEIRS)[what](options.demo, Path(place))
        return 0
    from opening import demo_folder, opened_demo, write_json

    with TemporaryDirectory(prefix="geoaudit-bench-") as name, demo_folder(options.demo) as (model, _):
        folder, place = model.parents[1], Path(name) / "work.npz"
        with opened_demo(2 if options.quick else None, folder=folder) as demo:
            p = demo.problems
            np.savez(place, x=p.x, targets=p.targets, baseline=p.baseline)
        rows = [_row(what, folder, place) for what in OURS]
    show("Peak memory", rows)
    write_json(options.json, section_result(rows))
    return 0


def _row(what: str, folder: Path, place: Path) -> Row:
    ours, theirs = (_peak(side, what, folder, place) for side in ("geoaudit", "peer"))
    return Row(SECTION, what, ours, theirs, "MiB", ours / theirs)


def _peak(side: str, what: str, folder: Path, place: Path) -> float:
    return child.run(child.script("peaks.py", "--demo", folder, "--run", side, what, place)).peak / 2**20


def _gradients(folder: Path, place: Path) -> None:
    from opening import opened_demo

    with opened_demo(len(np.load(place)["x"]), folder=folder) as demo:
        demo.twin.value_and_gradient(demo.problems.x, demo.problems.targets, "logit")


def _line(folder: Path, place: Path) -> None:
    from opening import opened_demo

    from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients

    with opened_demo(len(np.load(place)["x"]), folder=folder) as demo:
        IntegratedGradients().attribute(demo.problems, demo.probe)


def _guided(folder: Path, place: Path) -> None:
    from opening import opened_demo

    from geoaudit_plugins.methods.guided_ig import GuidedIG, GuidedIGParameters

    with opened_demo(len(np.load(place)["x"]), folder=folder) as demo:
        GuidedIG(GuidedIGParameters(steps=STEPS, rule="left")).attribute(demo.problems, demo.probe)


def _sweep(folder: Path, place: Path) -> None:
    from faithfulness import grouped
    from opening import opened_demo

    from geoaudit.scoring.sweep import Sweep

    with opened_demo(len(np.load(place)["x"]), folder=folder) as demo:
        group = grouped(demo, list(range(len(demo.problems))))
        Sweep(imputers=("baseline",), steps=MASKS // 2).curves(demo.problems.x, group)


def _ask(folder: Path, place: Path, gradients: int):  # type: ignore[no-untyped-def]  # peer_methods is imported there only
    from peer_methods import Ask

    from geoaudit.demo import MODEL

    work = np.load(place)
    module = converted(folder / "model" / MODEL)
    return Ask(module, work["x"], work["targets"], work["baseline"][:1], gradients, 0, BATCH, BATCH)


def _peer_gradients(folder: Path, place: Path) -> None:
    from peer_methods import captum_gradient

    captum_gradient(_ask(folder, place, 1))


def _peer_line(folder: Path, place: Path) -> None:
    from peer_methods import captum_line

    captum_line(_ask(folder, place, NODES))


def _peer_guided(folder: Path, place: Path) -> None:
    from peer_methods import saliency_guided

    saliency_guided(_ask(folder, place, STEPS))


def _peer_sweep(folder: Path, place: Path) -> None:
    from peer_quantus import flip

    ask = _ask(folder, place, 0)
    flip(ask.module, ask.x, ask.targets, ask.x, MASKS)


Contender = Callable[[Path, Path], None]
OURS: Mapping[str, Contender] = {
    "gradients, peer: captum Saliency": _gradients,
    "integrated gradients, peer: captum": _line,
    "guided IG, peer: saliency": _guided,
    "masked sweep, peer: Quantus": _sweep,
}
THEIRS: Mapping[str, Contender] = dict(
    zip(OURS, (_peer_gradients, _peer_line, _peer_guided, _peer_sweep), strict=True)
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
