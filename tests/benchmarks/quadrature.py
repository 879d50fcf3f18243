"""Integrated gradients on the demo's photographs: gradients that geoaudit, uniform nodes and captum need.

    python tests/benchmarks/quadrature.py [--json FILE] [--limit N]

Needs the extra `dev`.  Takes about eight minutes on two processor cores.  Exit code 1 where geoaudit misses
one of its three requirements: at most 160 gradients on average, an error bar of at most 3 % on every
photograph, and on average at most a third of the gradients that uniform midpoint nodes need for the error
bar that geoaudit reached.

"Needed" by uniform nodes: the first number on the ladder whose error bar is met.  Error bars of uniform nodes
do not fall steadily, so the number from which on every larger one evaluated meets the bar stands beside it.

Reference maps: the trapezoid rule on 1024 equal pieces.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
from line import Line
from opening import Opened, opened_demo, write_json
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from geoaudit.api import InputSpace, Problems
from geoaudit.model.convert import convert
from geoaudit.paths.integrator import integrate
from geoaudit.paths.walk import straight_line

Array = npt.NDArray[np.float64]

LADDER = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Numbers of uniform nodes that are always evaluated."""
BEYOND = (768, 1024)
"""Numbers that are evaluated only while the bar is not met."""
TOLERANCE, MOST_GRADIENTS, LARGEST_SHARE = 0.03, 160.0, 1 / 3
REGION = 16
"""Side of the patches in pixels over which maps are compared."""


@dataclass(frozen=True)
class Need:
    """Uniform midpoint nodes needed for an error bar; None: more than the ladder has."""

    first: int | None
    steadily: int | None


@dataclass(frozen=True)
class Accuracy:
    """A map against the reference map.

    Attributes:
        elements: sum |A - R| over sum |R|, over single input elements.
        patches: the same over sums of patches.
        spearman: rank correlation of the patches' sums.
        spearman_magnitude: rank correlation of the patches' sums of |A|.
    """

    elements: float
    patches: float
    spearman: float
    spearman_magnitude: float


@dataclass(frozen=True)
class Row:
    """One photograph; errors and bars are shares of |delta f|."""

    image: str
    gradients: int
    error_bar: float
    completeness: float
    uniform_bars: dict[int, float]
    uniform_same_bar: float
    uniform_same_completeness: float
    need_tolerance: Need
    need_reached: Need
    captum_same: float
    captum_50: float
    map_geoaudit: Accuracy
    map_uniform: Accuracy
    map_captum: Accuracy


def main() -> int:
    """Print the table, write the JSON, and say whether the requirements are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--limit", type=int, metavar="N", help="only N photographs")
    options = parser.parse_args()
    talk = Console(stderr=True, highlight=False)
    rows = []
    with opened_demo(options.limit) as demo:
        captum = Captum(demo)
        for i, image in enumerate(demo.problems.ids):
            rows.append(_row(demo, i, captum))
            talk.print(f"{image}: {rows[-1].gradients} gradients, uniform {_rung(rows[-1].need_reached)}")
    verdicts = _verdicts(rows)
    _print(rows, verdicts)
    write_json(options.json, {"photographs": [asdict(r) for r in rows], "requirements": verdicts})
    return 0 if all(v["met"] for v in verdicts.values()) else 1


class Captum:
    """captum's integrated gradients with its default rule (Gauss-Legendre) on the same converted graph."""

    def __init__(self, demo: Opened) -> None:
        from captum.attr import IntegratedGradients

        self._attribute = IntegratedGradients(convert(demo.normalised.proto, "the model").module).attribute

    def map(self, problem: Problems, nodes: int) -> Array:
        """The map of the one problem, float64, shape (*shape,)."""
        import torch

        x, baseline = torch.from_numpy(problem.x), torch.from_numpy(problem.baseline)
        target = int(problem.targets[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converted modules warn about their own code
            made = self._attribute(x, baselines=baseline, target=target, n_steps=nodes, internal_batch_size=8)
        return np.asarray(made.detach().numpy()[0], dtype=np.float64)


def _row(demo: Opened, i: int, captum: Captum) -> Row:
    problem = demo.problems.select([i])
    made = integrate(straight_line(problem), problem, demo.probe)
    record = made.records[0]
    assert record is not None  # integrate() measures every walk
    line = Line(problem, demo.probe)
    reference = line.reference()
    bars = {n: line.error_bar(n) for n in LADDER}
    for n in BEYOND:
        if min(bars.values()) > min(TOLERANCE, record.error_bar):
            bars[n] = line.error_bar(n)
    nodes = record.gradients
    uniform, theirs = line.uniform_map(nodes), captum.map(problem, nodes)
    delta = float(problem.delta_f[0])
    space = problem.space
    return Row(
        image=problem.ids[0],
        gradients=nodes,
        error_bar=record.error_bar,
        completeness=record.completeness_error,
        uniform_bars=bars,
        uniform_same_bar=line.error_bar(nodes),
        uniform_same_completeness=abs(float(uniform.sum()) - delta) / abs(delta),
        need_tolerance=_need(bars, TOLERANCE),
        need_reached=_need(bars, record.error_bar),
        captum_same=abs(float(theirs.sum()) - delta) / abs(delta),
        captum_50=abs(float(captum.map(problem, 50).sum()) - delta) / abs(delta),
        map_geoaudit=_accuracy(made.values[0], reference, space),
        map_uniform=_accuracy(uniform, reference, space),
        map_captum=_accuracy(theirs, reference, space),
    )


def _need(bars: dict[int, float], bar: float) -> Need:
    """The first rung that meets the bar, and the first from which on all evaluated rungs do."""
    met = [n for n in sorted(bars) if bars[n] <= bar]
    missed = max((n for n in bars if bars[n] > bar), default=0)
    return Need(min(met, default=None), min((n for n in met if n > missed), default=None))


def _accuracy(values: npt.NDArray[Any], reference: Array, space: InputSpace) -> Accuracy:
    difference = np.abs(values - reference).sum() / np.abs(reference).sum()
    a, r = _patches(values, space), _patches(reference, space)
    magnitudes = spearmanr(_patches(np.abs(values), space), _patches(np.abs(reference), space)).statistic
    return Accuracy(
        float(difference),
        float(np.abs(a - r).sum() / np.abs(r).sum()),
        float(spearmanr(a, r).statistic),
        float(magnitudes),
    )


def _patches(values: npt.NDArray[Any], space: InputSpace) -> Array:
    """Sums over channels and squares of `REGION` px, row by row; the demo's side is a multiple of it."""
    pixels = values.astype(np.float64).sum(axis=space.channel_axis)
    height, width = (side // REGION for side in pixels.shape)
    sums: Array = pixels.reshape(height, REGION, width, REGION).sum(axis=(1, 3)).ravel()
    return sums


def _verdicts(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """The three requirements; rungs beyond the ladder count as its last one, in geoaudit's disfavour."""
    last = max(LADDER + BEYOND)
    gradients = fmean(r.gradients for r in rows)
    bar = max(r.error_bar for r in rows)
    uniform = fmean(r.need_reached.first or last for r in rows)
    return {
        "gradients on average": _verdict(gradients, MOST_GRADIENTS),
        "largest error bar": _verdict(bar, TOLERANCE),
        "share of uniform's gradients": _verdict(gradients / uniform, LARGEST_SHARE),
    }


def _verdict(measured: float, required: float) -> dict[str, Any]:
    return {"measured": measured, "at_most": required, "met": measured <= required}


def _print(rows: list[Row], verdicts: dict[str, dict[str, Any]]) -> None:
    out = Console(width=150) if not sys.stdout.isatty() else Console()
    out.print(_needs_table(rows))
    out.print(_errors_table(rows))
    out.print(_maps_table(rows))
    for name, v in verdicts.items():
        out.print(
            f"{'met   ' if v['met'] else 'MISSED'}  {name}: {v['measured']:.3g}, required at most {v['at_most']:.3g}"
        )


def _needs_table(rows: list[Row]) -> Table:
    table = Table(title="Gradients for an error bar; in brackets: from which on all larger numbers meet it")
    for name in ("photograph", "geoaudit", "its bar", "uniform for 3 %", "ratio", "uniform for its bar", "ratio"):
        table.add_column(name, justify="left" if name == "photograph" else "right")
    for r in rows:
        table.add_row(
            r.image, str(r.gradients), _percent(r.error_bar),
            _rung(r.need_tolerance), _ratio(r.need_tolerance, r), _rung(r.need_reached), _ratio(r.need_reached, r),
        )  # fmt: skip
    mean = fmean(r.gradients for r in rows)
    ends = []
    for needs in ([r.need_tolerance for r in rows], [r.need_reached for r in rows]):
        beyond = ">" if any(n.first is None for n in needs) else ""
        average = fmean(n.first or max(BEYOND) for n in needs)
        ends += [f"{beyond}{average:.0f}", f"{beyond}{average / mean:.1f}"]
    table.add_section()
    table.add_row("mean (bar: worst)", f"{mean:.0f}", _percent(max(r.error_bar for r in rows)), *ends)
    return table


def _errors_table(rows: list[Row]) -> Table:
    table = Table(title="Completeness error (and error bar) at geoaudit's number of gradients")
    for name in ("photograph", "nodes", "geoaudit", "uniform", "captum", "captum at 50"):
        table.add_column(name, justify="left" if name == "photograph" else "right")
    for r in rows:
        ours = f"{_percent(r.completeness)} ({_percent(r.error_bar)})"
        uniform = f"{_percent(r.uniform_same_completeness)} ({_percent(r.uniform_same_bar)})"
        table.add_row(r.image, str(r.gradients), ours, uniform, _percent(r.captum_same), _percent(r.captum_50))
    table.add_section()
    columns = (
        [r.completeness for r in rows], [r.uniform_same_completeness for r in rows],
        [r.captum_same for r in rows], [r.captum_50 for r in rows],
    )  # fmt: skip
    table.add_row("mean", "", *(_percent(fmean(c)) for c in columns))
    table.add_row("worst", "", *(_percent(max(c)) for c in columns))
    return table


def _maps_table(rows: list[Row]) -> Table:
    table = Table(title=f"Maps against the reference: relative L1 / Spearman over patches of {REGION} px (signed sums)")
    for name in ("photograph", "geoaudit", "uniform", "captum"):
        table.add_column(name, justify="left" if name == "photograph" else "right")
    maps = [(r.map_geoaudit, r.map_uniform, r.map_captum) for r in rows]
    for r, three in zip(rows, maps, strict=True):
        table.add_row(r.image, *(f"{_percent(a.patches)} / {a.spearman:.3f}" for a in three))
    table.add_section()
    by_tool = list(zip(*maps, strict=True))
    table.add_row(
        "mean", *(f"{_percent(fmean(a.patches for a in m))} / {fmean(a.spearman for a in m):.3f}" for m in by_tool)
    )
    table.add_row(
        "worst", *(f"{_percent(max(a.patches for a in m))} / {min(a.spearman for a in m):.3f}" for m in by_tool)
    )
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rung(need: Need) -> str:
    first = f">{max(BEYOND)}" if need.first is None else str(need.first)
    return first if need.steadily == need.first else f"{first} ({need.steadily or f'>{max(BEYOND)}'})"


def _ratio(need: Need, row: Row) -> str:
    return f"{'>' if need.first is None else ''}{(need.first or max(BEYOND)) / row.gradients:.1f}"


if __name__ == "__main__":
    sys.exit(main())
