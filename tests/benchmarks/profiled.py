"""Where the time of a quick audit goes: py-spy's samples of one run, by component and by function.

    pip install py-spy
    python tests/benchmarks/profiled.py [--photographs N] [--quick] [--json FILE] [--demo DIR]

py-spy looks at the stacks a hundred times a second from outside the process and does not stop it.  A sample belongs to
the first of its frames, from the outermost, that a component's module holds (`COMPONENTS`); what is inside the engines
is told apart from what is around them.  Its innermost frame of geoaudit's own code is the function that it is counted
for.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import child
from bench_rows import section_result
from opening import demo_folder, write_json
from rich.console import Console
from rich.table import Table

RATE = 100
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "gradients": ("geoaudit/model/twin.py", "geoaudit/model/engines/", "geoaudit/model/adjoint/"),
    "outputs": ("geoaudit/model/runtime.py", "geoaudit/model/sessions.py"),
    "imports": ("<frozen importlib._bootstrap>",),
    "opening and certifying the model": (
        "geoaudit/model/", "geoaudit/audit/opening.py", "geoaudit/audit/speed.py", "onnx2torch/",
    ),
    "report": ("geoaudit_reports/",),
    "walks and methods": ("geoaudit/paths/", "geoaudit_plugins/methods/", "geoaudit_plugins/geodesics/"),
    "sweep and metrics": ("geoaudit/scoring/", "geoaudit_plugins/metrics/", "geoaudit_plugins/imputers/"),
    "checks": ("geoaudit_plugins/checks/", "geoaudit_plugins/sanity/"),
}  # fmt: skip
"""Components by what a frame's file contains; a sample goes to the first one that any of its frames is in."""
ELSEWHERE = "everything else"


def main() -> int:
    """Print both tables and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--photographs", type=int, metavar="N", help="audited; 4, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="two photographs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--demo", type=Path, metavar="DIR", help="where the demo's model and photographs lie already")
    options = parser.parse_args()
    if shutil.which("py-spy") is None and not (Path(sys.executable).parent / "py-spy").is_file():
        raise SystemExit("profiled.py needs py-spy: pip install py-spy")
    count = options.photographs or (2 if options.quick else 4)
    with TemporaryDirectory(prefix="geoaudit-bench-") as name, demo_folder(options.demo) as (model, images):
        samples = sampled(model, images, Path(name), count)
    parts, functions = components(samples), innermost(samples)
    _print(parts, functions)
    write_json(options.json, section_result([], components=parts, functions=functions, photographs=count, rate=RATE))
    return 0


def sampled(model: Path, images: Path, folder: Path, count: int) -> list[tuple[list[str], int]]:
    """Stacks of the main thread, outermost frame first, and how often each was seen."""
    spy = shutil.which("py-spy") or str(Path(sys.executable).parent / "py-spy")
    audit = [sys.executable, "-m", "geoaudit", str(model), str(images), "-o", str(folder / "report"), "-q"]
    raw = folder / "stacks.txt"
    command = [spy, "record", "--nonblocking", "--full-filenames", "-r", str(RATE), "-f", "raw", "-o", str(raw), "--"]
    child.run([*command, *audit, "--budget", "quick", "--limit", str(count)], {"XDG_CACHE_HOME": str(folder / "cache")})
    return parsed(raw.read_text(encoding="utf-8"))


def parsed(raw: str) -> list[tuple[list[str], int]]:
    """py-spy's raw format: frames separated by semicolons, then a count."""
    samples = []
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and "(" in stack:
            samples.append((stack.split(";"), int(count)))
    return samples


def components(samples: Sequence[tuple[list[str], int]]) -> dict[str, float]:
    """Share of the samples by component, largest first."""
    counts: Counter[str] = Counter()
    for frames, count in samples:
        counts[_component(frames)] += count
    total = counts.total() or 1
    return {name: count / total for name, count in counts.most_common()}


def _component(frames: Sequence[str]) -> str:
    for name, places in COMPONENTS.items():
        if any(place in frame for frame in frames for place in places):
            return name
    return ELSEWHERE


def innermost(samples: Sequence[tuple[list[str], int]], most: int = 15) -> dict[str, float]:
    """Share of the samples by the innermost function of geoaudit's own packages."""
    counts: Counter[str] = Counter()
    for frames, count in samples:
        own = next((f for f in reversed(frames) if "/geoaudit" in f), frames[-1])
        counts[_function(own)] += count
    total = counts.total() or 1
    return {name: count / total for name, count in counts.most_common(most)}


def _function(frame: str) -> str:
    """`name (package/module.py)` without the line and the folders before the package."""
    name, _, place = frame.partition(" (")
    file = place.rstrip(")").rsplit(":", 1)[0]
    at = file.rfind("/geoaudit")
    inside = file.rfind("/geoaudit/")
    at = inside if inside >= 0 else at
    return f"{name} ({file[at + 1 :] if at >= 0 else Path(file).name})"


def _print(parts: Mapping[str, float], functions: Mapping[str, float]) -> None:
    for title, shares in (("By component", parts), ("By function", functions)):
        table = Table(title, "share")
        for name, share in shares.items():
            table.add_row(name, f"{100 * share:.1f} %")
        Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
