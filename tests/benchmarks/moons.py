"""Half-moons: how much of a map cancels, and what the maps say about the points, over noise: `make moons`.

    python tests/benchmarks/moons.py [--noise X ...] [--seeds N ...] [--full] [--json FILE] [--picture FILE]

A 2-10-10-2 ReLU network learns two half-moons and is exported to ONNX; every held-out point is explained by the
log-probability of its predicted class, from the baseline (-.5, -.5), which lies on class 1's side.  Methods that need
a calibration set get the training points.  Printed for each noise level and method, as means over the seeds:

- S - |df|: sum |A| minus |delta f|, mean over the points; cancelled: sum |A| minus |sum A|, which no error of the
  quadrature can make negative; NCC violation: median over the points where it can be judged.
- purity: the mean predicted class of the half of the points with the smallest sum |A|.  A point of class 1 is about as
  probable as the baseline, so nothing needs attributing there and 1 is best.
- std 0, std 1: standard deviation of sum |A| among the points of each true class: less is better.

Exit code 1 where the conformal kNN walk (5 neighbours) does not cut the mean S - |df| of integrated gradients at noise
0.1 by at least 10 times.

Takes about five minutes on one processor core.

The study is that of Salek and Enguehard, 2025, arXiv 2502.12108; training and the sizes are smaller by default.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from moons_model import Moons, make_moons
from opening import write_json
from rich.console import Console
from rich.table import Table

from geoaudit import registry
from geoaudit.api import Attributions, Evidence, Group

Array = npt.NDArray[np.float64]

_BANK = {"bank": "500", "search": "1000"}
"""Every sixth training point, and a search that nearly always ends with the shortest walk."""
CONTENDERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "IG": ("integrated-gradients", {}),
    "guided IG": ("guided-ig", {}),
    "kNN, 5 neighbours": ("geodesic-ig-knn", {**_BANK, "neighbours": "5"}),
    "kNN, 10 neighbours": ("geodesic-ig-knn", {**_BANK, "neighbours": "10"}),
    "kNN, 5, Euclidean": ("geodesic-ig-knn", {**_BANK, "neighbours": "5", "distance": "euclidean"}),
    "SVI": ("geodesic-ig-svi", {}),
    "expected gradients": ("expected-gradients", {}),
    "gradient x input": ("gradient-x-input", {}),
    "random": ("random", {}),
}
"""Name in the table: method and the parameters that differ from its defaults."""
STRAIGHT, SHORTEST, WHERE, TIMES = "IG", "kNN, 5 neighbours", 0.1, 10.0
"""The requirement: at this noise the second's mean S - |df| is smaller than the first's by this factor."""
SHORT = {"noise": (0.1, 0.2, 0.3), "seeds": (12,)}
FULL = {"noise": tuple(round(0.05 * k, 2) for k in range(1, 14)), "seeds": (12, 24, 36, 48, 60)}
POINTS, EPOCHS, EXPLAINED = 4000, 50, 200
_AT_ONCE = 50


@dataclass(frozen=True)
class Row:
    """One method at one noise level and seed.

    Attributes:
        excess: mean of sum |A| - |delta f|, in nats.
        cancelled: mean of sum |A| - |sum A|, in nats.
        ncc_violation: median over the points where it can be judged; None where there are none.
        judged: number of these points.
        purity: in [0, 1].
        spread: standard deviation of sum |A| among the points of class 0 and of class 1, in nats.
        gradients: for one point, preparation included.
        seconds: for all points.
    """

    noise: float
    seed: int
    method: str
    accuracy: float
    excess: float
    cancelled: float
    ncc_violation: float | None
    judged: int
    purity: float
    spread: tuple[float, float]
    gradients: float
    seconds: float


Magnitudes = dict[str, Array]
"""Sum |A| of each point by the method's name in the table."""


def main() -> int:
    """Print the table, write JSON and picture, and say whether the requirement is met."""
    options = _options().parse_args()
    sizes = FULL if options.full else SHORT
    noises, seeds = options.noise or sizes["noise"], options.seeds or sizes["seeds"]
    talk, rows = Console(stderr=True, highlight=False), []
    seen: tuple[Moons, Magnitudes] | None = None
    for seed in seeds:
        for noise in noises:
            moons = make_moons(noise, int(seed), options.points, options.epochs, options.explained)
            found, magnitudes = measure(moons, noise, int(seed))
            rows += found
            if seen is None or noise == WHERE:
                seen = moons, magnitudes
            talk.print(f"noise {noise:g}, seed {seed}: accuracy {moons.accuracy:.3f}")
    met = verdict(rows)
    out = Console(width=150) if not sys.stdout.isatty() else Console()
    out.print(table(rows))
    out.print(_sentence(rows, met))
    write_json(options.json, {"rows": [asdict(row) for row in rows], "met": met})
    if options.picture is not None and seen is not None:
        from moons_picture import draw

        draw(options.picture, *seen, rows)
    return 1 if met is False else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw them: .png or .svg")
    parser.add_argument("--full", action="store_true", help="13 noise levels and 5 seeds: hours, not minutes")
    parser.add_argument("--noise", type=float, nargs="+", metavar="X", help="noise levels; .1 .2 .3")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="seeds; 12")
    parser.add_argument("--points", type=int, default=POINTS, metavar="N", help=f"points drawn; {POINTS}")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help=f"of training; {EPOCHS}")
    parser.add_argument("--explained", type=int, default=EXPLAINED, metavar="N", help=f"points explained; {EXPLAINED}")
    return parser


def measure(moons: Moons, noise: float, seed: int, names: Sequence[str] = ()) -> tuple[list[Row], Magnitudes]:
    """Explain the points by every method.

    Args:
        moons: the classifier and its points.
        noise, seed: for the rows.
        names: keys of `CONTENDERS`; all of them by default.
    """
    shelf = registry.load(()).methods
    rows, magnitudes = [], {}
    for name in names or CONTENDERS:
        method, settings = CONTENDERS[name]
        made, gradients, seconds = _attributed(registry.create(shelf[method], "standard", settings, shelf), moons)
        magnitudes[name] = np.abs(made.values.reshape(len(made.values), -1)).sum(axis=1, dtype=np.float64)
        rows.append(_row(name, noise, seed, moons, made, gradients, seconds))
    return rows, magnitudes


def _attributed(method: Any, moons: Moons) -> tuple[Attributions, float, float]:
    """The maps, gradients a point, seconds; a fresh memory for what is learned once a run."""
    probe, n = moons.probe.reseeded(0), len(moons.problems)
    before, begun = probe.spent, perf_counter()
    parts = [
        method.attribute(moons.problems.select(range(start, min(start + _AT_ONCE, n))), probe)
        for start in range(0, n, _AT_ONCE)
    ]
    seconds = perf_counter() - begun
    values = np.concatenate([part.values for part in parts])
    records = tuple(record for part in parts for record in part.records)
    return Attributions(values, records), (probe.spent.gradients - before.gradients) / n, seconds


def _row(name: str, noise: float, seed: int, moons: Moons, made: Attributions, gradients: float, seconds: float) -> Row:
    flat = made.values.reshape(len(made.values), -1).astype(np.float64)
    magnitude, total = np.abs(flat).sum(axis=1), flat.sum(axis=1)
    claims = [d if r is None else r.delta_f for r, d in zip(made.records, moons.problems.delta_f, strict=True)]
    metric = registry.load(()).metrics["ncc-violation"].cls()
    violations = metric.score(made, moons.problems, Evidence(None, Group(moons.problems, moons.probe, {}))).values
    judged = violations[np.isfinite(violations)]
    smallest = np.argsort(magnitude, kind="stable")[: len(magnitude) // 2]
    return Row(
        noise=noise,
        seed=seed,
        method=name,
        accuracy=moons.accuracy,
        excess=float((magnitude - np.abs(claims)).mean()),
        cancelled=float((magnitude - np.abs(total)).mean()),
        ncc_violation=float(np.median(judged)) if len(judged) else None,
        judged=len(judged),
        purity=float(moons.problems.targets[smallest].mean()),
        spread=(float(magnitude[moons.labels == 0].std()), float(magnitude[moons.labels == 1].std())),
        gradients=gradients,
        seconds=seconds,
    )


def verdict(rows: Sequence[Row]) -> bool | None:
    """Whether the requirement is met; None where the noise level was not measured."""
    found = {
        name: [row.excess for row in rows if row.method == name and row.noise == WHERE] for name in (STRAIGHT, SHORTEST)
    }
    if not all(found.values()):
        return None
    return abs(fmean(found[SHORTEST])) * TIMES <= fmean(found[STRAIGHT])


def _sentence(rows: Sequence[Row], met: bool | None) -> str:
    if met is None:
        return f"not judged: noise {WHERE:g} was not measured"
    straight, shortest = (
        fmean(row.excess for row in rows if row.method == name and row.noise == WHERE) for name in (STRAIGHT, SHORTEST)
    )
    head = "met   " if met else "MISSED"
    return f"{head}  mean S - |df| at noise {WHERE:g}: {straight:.3f} ({STRAIGHT}) to {shortest:.3f} ({SHORTEST}), \
required: at most a {TIMES:.0f}th"


def table(rows: Sequence[Row]) -> Table:
    """All rows, averaged over the seeds."""
    made = Table(title="Half-moons")
    heads = (
        "noise", "accuracy", "method", "S - |df|", "cancelled", "NCC violation", "judged", "purity", "std 0", "std 1",
        "gradients", "seconds",
    )  # fmt: skip
    for head in heads:
        made.add_column(head, justify="left" if head == "method" else "right", no_wrap=True)
    for noise in sorted({row.noise for row in rows}):
        made.add_section()
        for name in dict.fromkeys(row.method for row in rows):
            same = [row for row in rows if row.noise == noise and row.method == name]
            violations = [row.ncc_violation for row in same if row.ncc_violation is not None]
            made.add_row(
                f"{noise:g}", _mean(same, "accuracy"), name, _mean(same, "excess"), _mean(same, "cancelled"),
                f"{fmean(violations):.4f}" if violations else "", f"{sum(row.judged for row in same)}",
                _mean(same, "purity"), *(f"{fmean(row.spread[k] for row in same):.3f}" for k in (0, 1)),
                f"{fmean(row.gradients for row in same):.0f}", f"{fmean(row.seconds for row in same):.1f}",
            )  # fmt: skip
    return made


def _mean(rows: Sequence[Row], name: str) -> str:
    return f"{fmean(getattr(row, name) for row in rows):.3f}"


if __name__ == "__main__":
    sys.exit(main())
