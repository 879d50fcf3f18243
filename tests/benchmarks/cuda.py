"""One NVIDIA GPU: scores, gradients and a whole audit, against what one writes without the tool and the processor.

    python tests/benchmarks/cuda.py [--rounds N] [--no-audit] [--json FILE] [--demo DIR]

Needs a GPU that torch and onnxruntime can use, else it says so and leaves with exit code 2.  Contenders take turns in
one process; whole audits run in processes of their own.  Pictures start and results end in the processor's memory, for
all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import child
import numpy as np
from bare import batched, converted
from bench_rows import Row, section_result
from opening import Opened, demo_folder, opened_with, write_json
from printing import show

from geoaudit.api import Floats, Ints
from geoaudit.audit.settings import Settings
from geoaudit.model.runtime import Runtime
from geoaudit.model.sessions import CPU, CUDA

SECTION = "cuda"
IMAGES = 64
FEW = 8
"""Images of one step of a walk whose steps wait for each other, in an audit of a group of 8."""
BATCHES = (8, 32, 64)
CLOSE = 1e-3
"""Largest difference from the processor's numbers, as a share of their range."""

Contender = Callable[[], Any]


def main() -> int:
    """Print the rows and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="interleaved rounds")
    parser.add_argument("--no-audit", action="store_true", help="leave the whole audits out")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    with demo_folder(options.demo) as (model, images):
        opened = opened_with(Settings(model=model, images=images, device="auto"))
        if (opened.runtime.device, opened.twin.device.type) != ("cuda", "cuda"):
            print("cuda.py: torch or onnxruntime finds no GPU that it can use", file=sys.stderr)
            return 2
        points = np.random.default_rng(0).standard_normal((IMAGES, 3, 224, 224)).astype(np.float32)
        rows = [*scores(opened, points, options.rounds), *gradients(opened, points, options.rounds)]
        if not options.no_audit:
            rows += audits(model, images)
    import torch

    show("CUDA", rows)
    notes = [*opened.runtime.notes, *opened.twin.notes]
    device = torch.cuda.get_device_name(0)
    write_json(options.json, section_result(rows, gpu=device, notes=notes, engine=_engine(opened)))
    print(*notes, sep="\n")
    return 0 if all(row.met is not False for row in rows) else 1


def scores(opened: Opened, points: Floats, rounds: int) -> list[Row]:
    """geoaudit's runtime against a bare session, many images and few."""
    import onnxruntime

    model, head = str(opened.artifact.path), opened.head
    # a session for every batch size: one that meets another size looks for its algorithms again
    bare = {batch: onnxruntime.InferenceSession(model, providers=[CUDA, CPU]) for batch in (*BATCHES, "few")}
    name = bare["few"].get_inputs()[0].name
    contenders: dict[str, Contender] = {}
    for batch in BATCHES:
        parts = [points[i : i + batch] for i in range(0, IMAGES, batch)]
        contenders[f"bare {batch}"] = lambda parts=parts, one=bare[batch]: [one.run(None, {name: p}) for p in parts]
        ours = Runtime(opened.artifact, head, "cuda", batch_size=batch)
        contenders[f"ours {batch}"] = lambda ours=ours: ours.logits(points)
    contenders["few"] = lambda: opened.runtime.logits(points[:FEW])
    contenders["bare few"] = lambda: bare["few"].run(None, {name: points[:FEW]})
    took = _timed(contenders, rounds)
    right = Runtime(opened.artifact, head, "cpu").logits(points)
    off = float(np.abs(opened.runtime.logits(points) - right).max() / np.ptp(right))
    chosen = opened.runtime.batch_size
    rows = [
        _row(f"scores, batches of {batch}", took[f"ours {batch}"], took[f"bare {batch}"], IMAGES,
             "bare: session.run with onnxruntime's defaults" + (", in use" if batch == chosen else ""))
        for batch in BATCHES
    ]  # fmt: skip
    rows.append(_row(f"scores of {FEW} images", took["few"], took["bare few"], FEW, f"batch of {chosen} filled up"))
    rows.append(Row(SECTION, "scores, difference from the processor's", off, None, "", off, CLOSE, "at most"))
    return rows


def gradients(opened: Opened, points: Floats, rounds: int) -> list[Row]:
    """geoaudit's gradient engine against the usual loop, and with and without recording."""
    targets = np.arange(IMAGES, dtype=np.int64)
    loop = _usual(opened.artifact.path)
    engine = opened.twin._torch

    def plain(count: int) -> Contender:
        def run() -> Any:
            with engine._exact():
                given = points[:count].copy(), targets[:count].copy()
                return [made.detach().cpu().numpy() for made in engine._slope(*engine._placed(given), "logit")]

        return run

    contenders: dict[str, Contender] = {
        f"ours {n}": lambda n=n: opened.twin.value_and_gradient(points[:n], targets[:n], "logit") for n in (IMAGES, FEW)
    }
    contenders |= {f"plain {n}": plain(n) for n in (IMAGES, FEW)}
    contenders |= {f"usual {batch}": lambda batch=batch: batched(loop, batch)(points, targets) for batch in BATCHES}
    contenders["usual few"] = lambda: loop(points[:FEW], targets[:FEW])
    took = _timed(contenders, rounds)
    best = min(BATCHES, key=lambda batch: took[f"usual {batch}"])
    twice = [contenders[f"ours {IMAGES}"]()[1] for _ in range(2)]
    rows = [
        _row("gradients against the usual loop", took[f"ours {IMAGES}"], took[f"usual {best}"], IMAGES,
             f"its best batch, {best}; ours {_engine(opened)}"),
        _row(f"gradients of {FEW} images, usual loop", took[f"ours {FEW}"], took["usual few"], FEW, ""),
        _row("gradients without CUDA graphs", took[f"ours {IMAGES}"], took[f"plain {IMAGES}"], IMAGES, ""),
        _row(f"gradients of {FEW} images without CUDA graphs", took[f"ours {FEW}"], took[f"plain {FEW}"], FEW, ""),
        Row(SECTION, "gradients, twice the same bits", None, None, "", float(np.array_equal(*twice)), 1.0),
    ]  # fmt: skip
    return [*rows, Row(SECTION, "gradients, difference from the processor's", None, None, "", *_off(opened, points))]


def _off(opened: Opened, points: Floats) -> tuple[float, float, Any]:
    """Median difference of a gradient as a share of its norm; single images may sit on a kink."""
    some, targets = points[:FEW], np.arange(FEW, dtype=np.int64)
    from geoaudit.model.twin import Twin

    processor = Twin(opened.normalised, opened.head, "cpu", batch_size=4, channels_last=False, engine="torch")
    right = processor.value_and_gradient(some, targets, "logit")[1].reshape(FEW, -1).astype(np.float64)
    found = opened.twin.value_and_gradient(some, targets, "logit")[1].reshape(FEW, -1)
    share = np.linalg.norm(found - right, axis=1) / np.linalg.norm(right, axis=1)
    return float(median(share)), 2e-3, "at most"


def _usual(model: Path) -> Callable[[Floats, Ints], Floats]:
    """The stock conversion on the GPU, contiguous, weights that could be trained."""
    import torch

    module = converted(model).cuda()

    def evaluate(points: Floats, targets: Ints) -> Floats:
        x = torch.from_numpy(points).cuda().requires_grad_(True)
        chosen = module(x).gather(1, torch.from_numpy(targets).cuda()[:, None])
        (made,) = torch.autograd.grad(chosen.sum(), x)
        return np.asarray(made.cpu().numpy())

    return evaluate


def audits(model: Path, images: Path) -> list[Row]:
    """The quick audit of the demo on the GPU and on the processor, command to exit."""
    found: dict[str, tuple[child.Ran, dict[str, float]]] = {}
    with TemporaryDirectory(prefix="geoaudit-cuda-") as name:
        for device in ("cuda", "cpu"):
            folder = Path(name) / device
            folder.mkdir()
            options = ["-o", folder / "report", "-q", "--budget", "quick", "--device", device]
            command = child.script("own_audit.py", folder / "clock.json", model, images, *options)
            ran = child.run(command, {"XDG_CACHE_HOME": str(folder / "cache")})
            found[device] = ran, json.loads((folder / "clock.json").read_text(encoding="utf-8"))
    (cuda, clock), (cpu, other) = found["cuda"], found["cpu"]
    ratio = cpu.seconds / cuda.seconds
    rows = [Row(SECTION, "whole quick audit, against the processor", cuda.seconds, cpu.seconds, "s", ratio)]
    for part in ("forward_seconds", "gradient_seconds"):
        name = f"whole quick audit, {part.replace('_', ' ')}"
        rows.append(Row(SECTION, name, clock[part], other[part], "s", other[part] / clock[part]))
    return rows


def _timed(contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """Median seconds of each, in turns, after three runs that are not timed."""
    import torch

    took: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(-3, rounds):
        for name, run in contenders.items():
            torch.cuda.synchronize()
            begun = perf_counter()
            run()
            torch.cuda.synchronize()
            if turn >= 0:
                took[name].append(perf_counter() - begun)
    return {name: median(several) for name, several in took.items()}


def _row(name: str, ours: float, theirs: float, images: int, note: str) -> Row:
    return Row(SECTION, name, 1e3 * ours / images, 1e3 * theirs / images, "ms", theirs / ours, note=note)


def _engine(opened: Opened) -> str:
    engine = opened.twin.engine
    return f"{engine['gradients']}, {engine['memory_layout']}, batch {engine['batch_size']}"


if __name__ == "__main__":
    sys.exit(main())
