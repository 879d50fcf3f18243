"""The gradient engine against a bare onnx2torch loop, and what an audit spends outside the model.

    python tests/benchmarks/engine.py [--json FILE] [--rounds N] [--no-audit]

Everything runs in one process in interleaved rounds, so that a busy machine disturbs all alike; the medians'
ratios are what to read.  The bare loop is the stock conversion of the file as it is: no graph clean-up,
contiguous tensors, trainable weights.  The audit is the standard one of two photographs.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import onnx
from clocks import model_clock
from opening import Opened, opened_demo, write_json
from rich.console import Console
from rich.table import Table

from geoaudit.api import Floats, Ints
from geoaudit.audit.execute import run_audit
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit_reports import write_report

BATCHES = (1, 8)
AUDITED = 2
"""Photographs of the instrumented audit."""


def main() -> int:
    """Print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="interleaved rounds; 7")
    parser.add_argument("--no-audit", action="store_true", help="leave out the instrumented audit")
    options = parser.parse_args()
    out = Console()
    with opened_demo(AUDITED) as demo:
        milliseconds = _compare(demo, options.rounds)
        out.print(_speed_table(milliseconds))
        out.print(f"engine: {demo.twin.engine}")
        shares = None if options.no_audit else _audit(demo)
    if shares is not None:
        out.print(_share_table(shares))
    write_json(options.json, {"milliseconds_per_image": milliseconds, "engine": demo.twin.engine, "audit": shares})
    return 0


def _compare(demo: Opened, rounds: int) -> dict[str, float]:
    """Median milliseconds an image of every contender."""
    points = np.resize(demo.problems.x, (max(BATCHES), *demo.problems.space.shape))
    targets = np.resize(demo.problems.targets, max(BATCHES))
    contenders: dict[str, tuple[int, Callable[[], object]]] = {}
    demo.twin.value_and_gradient(points[:1], targets[:1], "logit")  # settles layout and batch size
    assert demo.twin.setting is not None  # it has just been evaluated
    size = demo.twin.setting.batch_size
    full, wanted = np.resize(points, (size, *points.shape[1:])), np.resize(targets, size)
    contenders["geoaudit gradient"] = (size, lambda: demo.twin.value_and_gradient(full, wanted, "logit"))
    bare = _bare(demo.settings.model)
    for batch in BATCHES:
        x, t = points[:batch], targets[:batch]
        contenders[f"bare gradient, batch {batch}"] = (batch, lambda x=x, t=t: bare(x, t))  # type: ignore[misc]
    size = demo.runtime.batch_size
    forward = np.resize(points, (size, *points.shape[1:]))
    contenders["onnxruntime forward"] = (size, lambda: demo.runtime.logits(forward))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, (batch, evaluate) in contenders.items():
            begun = perf_counter()
            evaluate()
            if number:  # the first round only warms up
                times[name].append(1e3 * (perf_counter() - begun) / batch)
    return {name: median(values) for name, values in times.items()}


def _bare(model: Path) -> Callable[[Floats, Ints], Floats]:
    """What one writes without the tool: convert, forward, backward."""
    import onnx2torch  # the twin has loaded it, with or without torchvision
    import torch

    module = onnx2torch.convert(onnx.load(str(model))).eval()

    def gradient(points: Floats, targets: Ints) -> Floats:
        x = torch.from_numpy(points).requires_grad_(True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converted modules warn about their own code
            chosen = module(x).gather(1, torch.from_numpy(targets)[:, None])
        (made,) = torch.autograd.grad(chosen.sum(), x)
        return np.asarray(made.numpy())

    return gradient


def _audit(demo: Opened) -> dict[str, Any]:
    """Seconds of a whole audit, report included, inside and outside the model; imports are not counted."""
    with TemporaryDirectory(prefix="geoaudit-bench-") as name, model_clock() as clock:
        folder, begun = Path(name), perf_counter()
        with MapWriter(folder) as maps:
            report = run_audit(demo.settings, maps, Silent())
            audited = perf_counter() - begun
            inside = clock.model
            maps.keep()
        write_report(report, folder)
        total = perf_counter() - begun
    return {
        "photographs": len(demo.problems),
        "seconds": total,
        "onnxruntime_seconds": clock.runtime,
        "torch_seconds": clock.twin,
        "report_seconds": total - audited,
        "other_seconds": audited - inside,
        "share_outside": 1.0 - clock.model / total,
    }


def _speed_table(milliseconds: dict[str, float]) -> Table:
    table = Table(title="Milliseconds an image, medians of interleaved rounds")
    table.add_column("")
    table.add_column("ms", justify="right")
    table.add_column("times geoaudit's gradient", justify="right")
    for name, value in milliseconds.items():
        table.add_row(name, f"{value:.1f}", f"{value / milliseconds['geoaudit gradient']:.2f}")
    return table


def _share_table(shares: dict[str, Any]) -> Table:
    table = Table(title=f"A standard audit of {shares['photographs']} photographs, {shares['seconds']:.0f} s")
    table.add_column("")
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    for name in ("torch", "onnxruntime", "report", "other"):
        seconds = shares[f"{name}_seconds"]
        table.add_row(name, f"{seconds:.1f}", f"{100 * seconds / shares['seconds']:.1f} %")
    table.add_section()
    table.add_row("outside the model", "", f"{100 * shares['share_outside']:.1f} %")
    return table


if __name__ == "__main__":
    sys.exit(main())
