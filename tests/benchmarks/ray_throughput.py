"""Throughput of a Ray cluster of two one-thread workers against the local engine on one thread, per core.

Run by hand: python tests/benchmarks/ray_throughput.py [IMAGES [ROUNDS]].  Each engine audits 16 images and IMAGES: what
the further ones take is the throughput, without the start of workers.  Groups come from Ray in bunches, so that the
time between two of them says nothing.  Rounds alternate; the figure is the median ratio of images a second and core.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from geoaudit.audit.execute import run_audit
from geoaudit.audit.inputs import GROUP
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.result import Report
from geoaudit.audit.settings import Cluster, Settings
from geoaudit.demo import make_demo

WORKERS = 2
FEW = WORKERS * GROUP
METHODS = ("integrated-gradients", "gradient", "gradient-x-input")


class Stopwatch(Silent):
    """Seconds of the stage "auditing", in which units are made."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def stage(self, name: str, total: float) -> None:
        """Run from the stage's beginning to its end."""
        now = time.perf_counter()
        if self._began is not None:
            self.seconds = now - self._began
        self._began = now if name == "auditing" else None


def measure(model: Path, images: Path, limit: int | None, cluster: Cluster | None) -> tuple[float, Report]:
    """Seconds in which all units of one audit were made, and its report."""
    watch = Stopwatch()
    settings = Settings(
        model=model, images=images, limit=limit, budget="quick", methods=METHODS, checks=("parity",), threads=1,
        device="cpu", cluster=cluster,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place, MapWriter(Path(place) / "report") as maps:
        report = run_audit(settings, maps, watch)
    return watch.seconds, report


def main(count: int, rounds: int) -> None:
    """Print a table, and one line of JSON."""
    with tempfile.TemporaryDirectory() as place:
        model, photographs = make_demo(Path(place))
        images = Path(place) / "many"
        images.mkdir()
        files = sorted(photographs.iterdir())
        for i in range(count):
            file = files[i % len(files)]
            shutil.copyfile(file, images / f"{i:04d}{file.suffix}")
        measure(model, photographs, 1, None)  # the engine's choice is remembered from here on
        rows = []
        for _ in range(rounds):
            found = [
                (measure(model, images, FEW, cluster), measure(model, images, None, cluster))
                for cluster in (None, Cluster(workers=WORKERS))
            ]
            rates = [
                (count - FEW) / (many[0] - few[0]) / cores
                for (few, many), cores in zip(found, (1, WORKERS), strict=True)
            ]
            one, two = (many[1].model_dump(include={"per_image", "ranking"}) for _, many in found)
            whole = found[0][1][0] / found[1][1][0] / WORKERS
            rows.append((rates[1] / rates[0], one == two))
            print(
                f"local {rates[0]:.3f} images/s/core, Ray {rates[1]:.3f}, ratio {rows[-1][0]:.2f} ({whole:.2f} with "
                f"few images and the workers' start), scores {'identical' if one == two else 'DIFFERENT'}",
                flush=True,
            )
    ratio = statistics.median(row[0] for row in rows)
    print(json.dumps({"ray_per_core_of_local": ratio, "identical": all(row[1] for row in rows)}))


if __name__ == "__main__":
    images, turns, *_ = [*map(int, sys.argv[1:]), *(48, 3)[len(sys.argv) - 1 :]]
    main(images, turns)
