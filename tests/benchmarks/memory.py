"""Peak memory of an audit of 16 and of 64 images: it must not grow with their number.

    python tests/benchmarks/memory.py [--json FILE] [--model FILE] [--images N N]

The images are crops and mirror images of the demo's photographs; each audit is a process of its own, with the
quick budget and two methods.  Takes about ten minutes on two idle processor cores with the demo's
model; any other model that states its preprocessing can be given.  Exit code 1 where the larger audit takes more than
1.15 times the memory of the smaller one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from opening import write_json
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from geoaudit.demo import make_demo

LARGEST_RATIO = 1.15
METHODS = "integrated-gradients,guided-ig"


def main() -> int:
    """Print both peaks and their ratio, write the JSON, and say whether the requirement is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--model", type=Path, metavar="FILE", help="another ONNX file than the demo's")
    parser.add_argument("--images", type=int, nargs=2, default=(16, 64), metavar="N", help="two numbers of images")
    options = parser.parse_args()
    few, many = options.images
    with TemporaryDirectory(prefix="geoaudit-bench-") as name:
        folder = Path(name)
        model, photographs = make_demo(folder)
        peaks, seconds = {}, {}
        for count in (few, many):
            _multiply(photographs, folder / f"images-{count}", count)
            peaks[count], seconds[count] = _audit(options.model or model, folder / f"images-{count}", folder / "out")
    ratio = peaks[many] / peaks[few]
    table = Table("images", "peak memory", "seconds", title="Audit, quick budget")
    for count in (few, many):
        table.add_row(str(count), f"{peaks[count] / 2**20:.0f} MiB", f"{seconds[count]:.0f}")
    out = Console()
    out.print(table)
    met = ratio <= LARGEST_RATIO
    out.print(f"{'met   ' if met else 'MISSED'}  ratio {ratio:.3f}, required at most {LARGEST_RATIO}")
    write_json(
        options.json,
        {"peak_bytes": {str(k): v for k, v in peaks.items()}, "ratio": ratio, "at_most": LARGEST_RATIO, "met": met},
    )
    return 0 if met else 1


def _multiply(photographs: Path, folder: Path, count: int) -> None:
    """`count` different pictures: the photographs, cut by a few pixels more each round, every other one mirrored."""
    folder.mkdir()
    originals = sorted(photographs.iterdir())
    for number in range(count):
        source, turn = originals[number % len(originals)], number // len(originals)
        with Image.open(source) as picture:
            cut = ImageOps.crop(picture, border=2 * turn)
            (ImageOps.mirror(cut) if turn % 2 else cut).save(folder / f"{number:03d}-{source.stem}.png")


def _audit(model: Path, images: Path, output: Path) -> tuple[int, float]:
    """Peak resident bytes and seconds of one audit in a fresh process.

    Raises:
        SystemExit: the audit failed; what it said is on stderr.
    """
    command = [sys.executable, "-m", "geoaudit", str(model), str(images), "-o", str(output), "-q"]
    begun = perf_counter()
    process = subprocess.Popen([*command, "--budget", "quick", "--methods", METHODS], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the audit of {images.name} ended with exit code {code}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return usage.ru_maxrss * unit, perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
