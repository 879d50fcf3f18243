"""How time and memory of an audit grow with images, methods, picture size and model size.

    python tests/benchmarks/scaling.py [--images N N ...] [--full] [--quick] [--json FILE]

Every point is a quick audit by the command line in a fresh process, on small convolutional classifiers and pictures
made for it; with --full the images' series also on EfficientNet-Lite0 with one cheap method.

Images: the exponent of a straight line through log seconds over log images, at most 1.05.  Seconds that do not depend
on the images (start, imports, certificate, checks) make the exponent look small, so it is also fitted to the seconds
beyond those of 8 images; the larger of the two counts.  Peak memory of the most images over that of the fewest: at most
1.1.  The other series are shown, and nothing is asked of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import child
import numpy as np
from bench_rows import Row, section_result
from opening import demo_folder, write_json
from printing import show
from small_model import write_classifier, write_pictures

SECTION = "scaling"
IMAGES = (32, 128, 512)
GROUP = 8
"""Images whose audit holds everything that more images do not repeat."""
SIDE, WIDTH = 64, 16
METHODS = ("gradient", "integrated-gradients", "guided-ig", "blur-ig", "smoothgrad", "occlusion", "idgi", "xrai")
CHEAP = "integrated-gradients"
SIDES, WIDTHS = (96, 224, 384), (8, 32, 128)
EXPONENT, MEMORY = 1.05, 1.1


@dataclass(frozen=True)
class Point:
    """One audit: its size, seconds of its process and of all its threads, and bytes at its peak."""

    size: float
    seconds: float
    cpu_seconds: float
    peak: int


def main() -> int:
    """Print the rows and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, nargs="+", metavar="N", help="32 128 512; 16 32 with --quick")
    parser.add_argument("--full", action="store_true", help="EfficientNet-Lite0, too")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller points")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    counts = tuple(options.images or ((16, 32) if options.quick else IMAGES))
    with TemporaryDirectory(prefix="geoaudit-bench-") as name:
        folder = Path(name)
        series = small(folder, counts, options.quick)
        if options.full:
            series["images, EfficientNet-Lite0"] = real(folder, counts, options.demo)
    rows = [row for title, points in series.items() for row in rows_of(title, points)]
    show("Scaling", rows)
    write_json(options.json, section_result(rows, series={k: [asdict(p) for p in v] for k, v in series.items()}))
    return 0 if all(row.met is not False for row in rows) else 1


def small(folder: Path, counts: Sequence[int], quick: bool) -> dict[str, list[Point]]:
    """Every series on small classifiers; one that has but two points has its ends."""
    model = folder / "small.onnx"
    write_classifier(model, SIDE, WIDTH)
    write_pictures(folder / "pictures", SIDE, max(*counts, GROUP))
    images = [(n, audited(model, folder / "pictures", folder, n, (CHEAP,))) for n in (GROUP, *counts)]
    methods = [METHODS[:n] for n in ((1, len(METHODS)) if quick else (1, 2, 4, len(METHODS)))]
    by_method = [(len(m), audited(model, folder / "pictures", folder, GROUP, m)) for m in methods]
    by_side, by_width = [], []
    for side in SIDES[::2] if quick else SIDES:
        write_classifier(folder / f"side{side}.onnx", side, WIDTH)
        write_pictures(folder / f"side{side}", side, GROUP)
        ran = audited(folder / f"side{side}.onnx", folder / f"side{side}", folder, GROUP, (CHEAP,))
        by_side.append((side * side, ran))
    for width in WIDTHS[::2] if quick else WIDTHS:
        place = folder / f"width{width}.onnx"
        by_width.append(
            (write_classifier(place, SIDE, width), audited(place, folder / "pictures", folder, GROUP, (CHEAP,)))
        )
    named = {"images": images, "methods": by_method, "pixels": by_side, "parameters": by_width}
    return {name: [_point(size, ran) for size, ran in pairs] for name, pairs in named.items()}


def real(folder: Path, counts: Sequence[int], demo: Path | None) -> list[Point]:
    """The images' series on the demo's model."""
    write_pictures(folder / "large", 224, max(*counts, GROUP))
    with demo_folder(demo) as (model, _):
        return [_point(n, audited(model, folder / "large", folder, n, ("gradient",))) for n in (GROUP, *counts)]


def audited(model: Path, images: Path, folder: Path, limit: int, methods: Sequence[str]) -> child.Ran:
    """One quick audit of so many images; it may end with 1 where a policy is configured, never otherwise."""
    arguments = [model, images, "-o", folder / f"report-{model.stem}-{limit}-{len(methods)}", "-q", "--budget", "quick"]
    command = [sys.executable, "-m", "geoaudit", *map(str, arguments), "--limit", str(limit)]
    return child.run([*command, "--methods", ",".join(methods)], {"XDG_CACHE_HOME": str(folder / "cache")})


def _point(size: float, ran: child.Ran) -> Point:
    return Point(size, ran.seconds, ran.cpu_seconds, ran.peak)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def rows_of(title: str, points: Sequence[Point]) -> list[Row]:
    """Exponent and memory of one series; requirements hold for images."""
    asked = title.startswith("images")
    first, *rest = points if asked else [points[0], *points]
    sizes = [p.size for p in rest]
    whole = exponent(sizes, [p.seconds for p in rest])
    told = f"{rest[0].seconds:.1f} s at {sizes[0]:,.0f}, {rest[-1].seconds:.1f} s at {sizes[-1]:,.0f} {title}"
    slope: float | None = whole
    if asked:
        beyond = [(p.size - first.size, p.seconds - first.seconds) for p in rest]
        inside = all(seconds > 0 for _, seconds in beyond)
        slope = max(whole, exponent(*zip(*beyond, strict=True))) if inside else None  # noise: it was not measured
        told += f"; {whole:.2f} with the seconds that do not depend on their number"
    mib, ratio = 2.0**20, rest[-1].peak / rest[0].peak
    return [
        Row(SECTION, f"exponent of time over {title}", None, None, "", slope, EXPONENT if asked else None, "at most",
            told),
        Row(SECTION, f"peak memory, most over fewest {title}", rest[-1].peak / mib, rest[0].peak / mib, "MiB", ratio,
            MEMORY if asked else None, "at most", f"at {sizes[-1]:,.0f} and {sizes[0]:,.0f}"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
