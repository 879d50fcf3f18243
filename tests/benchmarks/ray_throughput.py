"""Throughput of a Ray cluster of two one-thread workers against the local engine on one thread, per core.

Run by hand: python tests/benchmarks/ray_throughput.py [IMAGES [ROUNDS]].  Rounds alternate between the two; the figure
is the median ratio of their images a second and core while units are made, with the workers' start told apart.
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
METHODS = ("integrated-gradients", "gradient", "gradient-x-input")


class Stopwatch(Silent):
    """When units came, in seconds after the stage "auditing" began."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._began: float | None = None

    def stage(self, name: str, total: float) -> None:
        """Run from the stage's beginning to its end."""
        self._began = time.perf_counter() if name == "auditing" else None

    def advance(self, amount: float) -> None:
        """A unit came."""
        if self._began is not None:
            self.times.append(time.perf_counter() - self._began)


def measure(model: Path, images: Path, cluster: Cluster | None) -> tuple[list[float], Report]:
    """When units came, and the report."""
    watch = Stopwatch()
    settings = Settings(
        model=model, images=images, budget="quick", methods=METHODS, checks=("parity",), threads=1, device="cpu",
        cluster=cluster,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place, MapWriter(Path(place) / "report") as maps:
        report = run_audit(settings, maps, watch)
    return watch.times, report


def rate(times: list[float], images: int, cores: int) -> tuple[float, float]:
    """Images a second and core after the first group has come, and the seconds until then."""
    begun = cores * GROUP  # every worker's first group, which waits for its start
    units = len(times) * begun // images
    return (images - begun) / (times[-1] - times[units - 1]) / cores, times[units - 1]


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
        measure(model, photographs, None)  # the engine's choice is remembered from here on
        rows = []
        for _ in range(rounds):
            start = time.perf_counter()
            local, one = measure(model, images, None)
            middle = time.perf_counter()
            spread, two = measure(model, images, Cluster(workers=WORKERS))
            same = one.model_dump(include={"per_image", "ranking"}) == two.model_dump(include={"per_image", "ranking"})
            rows.append((rate(local, count, 1), rate(spread, count, WORKERS), same, middle - start))
    ratios = [ray[0] / here[0] for here, ray, _, _ in rows]
    for here, ray, same, _ in rows:
        print(
            f"local {here[0]:.3f} images/s/core, Ray {ray[0]:.3f} (first group after {ray[1]:.1f} s), "
            f"ratio {ray[0] / here[0]:.2f}, scores {'identical' if same else 'DIFFERENT'}"
        )
    print(json.dumps({"ray_per_core_of_local": statistics.median(ratios), "identical": all(r[2] for r in rows)}))


if __name__ == "__main__":
    images, turns, *_ = [*map(int, sys.argv[1:]), *(48, 3)[len(sys.argv) - 1 :]]
    main(images, turns)
