"""The whole quick audit against the same work put together from the peers, and what it spends outside the model.

    pip install captum saliency quantus
    python tests/benchmarks/audit.py [--photographs N] [--peer-photographs N] [--full] [--quick] [--json FILE]

geoaudit: the command line, report included, in a fresh process with an empty cache, on the demo's model and its eight
photographs.  Its seconds are those of the process, start and imports included.  Outside the model is everything that is
not an evaluation by onnxruntime or by the gradient engine: start, imports, conversion, the choice of the engine, walks,
scores, statistics, the report.  At most 8 % of the wall time.

The peers: `peer_audit.py` in a fresh process.  The same methods from captum, saliency or a bare torch loop, with as
many gradients and masked forwards a map as the audit's report says that it spent (`audit_counts`); Quantus' pixel
flipping for the sweep, captum's infidelity, Quantus' sensitivity-n for every map and control; other seeds; Quantus'
MPRT with as many randomised models; two maps for input invariance.  All of it on the stock conversion of the file, in
the fastest of several batches.  The stages that grow with the photographs are measured on two of them, the checks on
one, and multiplied; with --full all is measured.  What only geoaudit makes is left out: certificate, calibration,
statistics, report.  At least 5 times as fast, with at most a third of their peak memory.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import child
import numpy as np
from audit_counts import counted
from bench_rows import Row, section_result
from opening import Opened, opened_demo, write_json
from peer_timing import alike
from printing import show

SECTION = "whole quick audit"
FASTER, MEMORY, OUTSIDE = 5.0, 1 / 3, 0.08
ALIKE = {"gradient": 0.98, "integrated-gradients": 0.6}
"""Least median cosine of a peer's map and ours, for the methods that compute the same thing."""


def main() -> int:
    """Print the rows and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--photographs", type=int, metavar="N", help="audited; 8, or 2 with --quick")
    parser.add_argument("--peer-photographs", type=int, metavar="N", help="of the peers' maps and scores; 2")
    parser.add_argument("--full", action="store_true", help="the peers on all photographs")
    parser.add_argument("--quick", action="store_true", help="two photographs, the peers on one")
    parser.add_argument("--no-peers", action="store_true", help="only geoaudit, and what it spends outside the model")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    count = options.photographs or (2 if options.quick else 8)
    with TemporaryDirectory(prefix="geoaudit-bench-") as name, opened_demo(count, folder=options.demo) as demo:
        own, clock = audited(demo, Path(name), count)
        rows = [outside(own, clock)]
        figures: dict[str, Any] = {"geoaudit": components(own, clock), "photographs": count}
        if not options.no_peers:
            few = count if options.full else min(count, options.peer_photographs or (1 if options.quick else 2))
            peer, stages = peers(demo, Path(name), few, None if options.full else 1)
            rows = [*compared(own, peer, stages, count, few), *rows]
            figures["peers"] = {"parts": stages, "photographs": few, "process_seconds": peer.seconds}
    show("A whole quick audit", rows)
    write_json(options.json, section_result(rows, **figures))
    return 0 if all(row.met is not False for row in rows) else 1


def audited(demo: Opened, folder: Path, count: int) -> tuple[child.Ran, dict[str, float]]:
    """One audit in a fresh process with an empty cache, and its clock."""
    place = folder / "clock.json"
    command = child.script(
        "own_audit.py", place, demo.settings.model, demo.settings.images, "-o", folder / "report", "-q",
        "--budget", "quick", "--limit", str(count),
    )  # fmt: skip
    ran = child.run(command, {"XDG_CACHE_HOME": str(folder / "cache")})
    return ran, json.loads(place.read_text(encoding="utf-8"))


def components(own: child.Ran, clock: Mapping[str, float]) -> dict[str, float]:
    """Where the process' seconds went; they add up to `seconds`."""
    start = own.seconds - clock["program_seconds"]
    rest = own.seconds - start - clock["model_seconds"]
    overlap = clock["gradient_seconds"] + clock["forward_seconds"] - clock["model_seconds"]
    return {
        "seconds": own.seconds, "gradients": clock["gradient_seconds"] - overlap, "outputs": clock["forward_seconds"],
        "start and imports": start, "everything else": rest, "cpu_seconds": own.cpu_seconds, "peak_bytes": own.peak,
    }  # fmt: skip


def outside(own: child.Ran, clock: Mapping[str, float]) -> Row:
    """The share outside the model."""
    seconds = own.seconds - clock["model_seconds"]
    start = own.seconds - clock["program_seconds"]
    note = f"share of the process' wall time; {start:.1f} s of it before the program runs and after it ends"
    share = seconds / own.seconds
    return Row(SECTION, "time outside the model", seconds, own.seconds, "s", share, OUTSIDE, "at most", note)


def peers(demo: Opened, folder: Path, few: int, checks: int | None) -> tuple[child.Ran, dict[str, float]]:
    """The peers' process, and its seconds by part, scaled to all photographs."""
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    problems = demo.problems
    counts = counted(report, demo.settings.model, demo.settings.images, problems.space)
    np.savez(folder / "work.npz", x=problems.x, targets=problems.targets, baseline=problems.baseline)
    (folder / "counts.json").write_text(json.dumps(counts.entry()), encoding="utf-8")
    places = [demo.settings.model, folder / "work.npz", folder / "counts.json", folder / "peers.json"]
    child.run(child.script("peer_audit.py", *places, "--settle"))  # not the process whose memory is measured
    batches = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
    extra = ["--batch", str(batches["batch"]), "--forward-batch", str(batches["forward_batch"])]
    extra += [] if checks is None else ["--checks", str(checks)]
    ran = child.run(child.script("peer_audit.py", *places, "--photographs", str(few), *extra))
    told = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
    _require_alike(folder, demo)
    return ran, scaled(told["setup_seconds"], told["stages"])


def scaled(setup: float, stages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds by part, each stage multiplied from the photographs it was made for to those wanted."""
    parts: dict[str, float] = defaultdict(float)
    parts["start, imports and conversion"] = setup
    for stage in stages:
        parts[stage["part"]] += stage["seconds"] * stage["wanted"] / stage["done"]
    return dict(parts)


def _require_alike(folder: Path, demo: Opened) -> None:
    """Methods that compute the same thing give the same maps.

    Raises:
        SystemExit: they do not.
    """
    stored, theirs = np.load(folder / "report" / "maps.npz"), np.load(folder / "peers.npz")
    for name, least in ALIKE.items():
        made = theirs[name]
        ours = np.stack([stored[f"{image}/{name}"] for image in demo.problems.ids[: len(made)]])
        cosine = alike(ours, made)
        if cosine < least:
            raise SystemExit(f"{name}: the median cosine of the maps is {cosine:.2f}: this is not the same work")


def compared(own: child.Ran, peer: child.Ran, parts: Mapping[str, float], count: int, few: int) -> list[Row]:
    """Time in all, without the scores that geoaudit shares between maps, and memory."""
    total = sum(parts.values())
    told = "measured in full"
    if few < count:
        told = f"maps and scores measured on {few} of {count}, checks on 1, and multiplied"
    shared = parts["infidelity"] + parts["sensitivity-n"]
    listed = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in parts.items())
    mib = 2.0**20
    return [
        Row(SECTION, "whole audit, peers put together", own.seconds, total, "s", total / own.seconds, FASTER,
            note=f"{told}: {listed}"),
        Row(SECTION, "the same without infidelity and sensitivity-n", own.seconds, total - shared, "s",
            (total - shared) / own.seconds,
            note="the peers evaluate these masks for every map, geoaudit once for all; its own time still holds them"),
        Row(SECTION, "peak memory of the whole audit", own.peak / mib, peer.peak / mib, "MiB", own.peak / peer.peak,
            MEMORY, "at most", note="largest resident set of the process"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
