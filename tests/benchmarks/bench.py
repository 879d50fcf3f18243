"""All benchmarks against the peers, in one run: `make bench`.

    pip install captum saliency quantus py-spy
    python tests/benchmarks/bench.py [--only NAME ...] [--quick | --full] [--json FILE] [--write-readme]

Every section is a script of its own in this folder, run in a fresh process, one after another; contenders whose times
are compared take turns in one process, and whole audits and peak memory are measured in processes of their own.  The
default takes about 25 minutes on two idle processor cores, --quick about 8 with figures that mean little, --full
about 90.

Prints one table, and writes the JSON with the machine's facts.  --write-readme puts what is asked for into README.md
and every row into docs/pages/performance.md, the JSON to docs/benchmarks.json, and the pictures to
docs/pages/pictures/: what both pages say is rendered from that file and nothing else.  Exit code 1 where a requirement
is missed or could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import child
from bench_rows import Row, details, inserted, markdown, rows_of
from machine import machine
from pictures import draw_all
from printing import show

ROOT = Path(__file__).parents[2]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "pages" / "performance.md"
STORED, PICTURES = ROOT / "docs" / "benchmarks.json", ROOT / "docs" / "pages" / "pictures"


@dataclass(frozen=True)
class Section:
    """One script.

    Attributes:
        script: its file.
        arguments: always given.
        full: given with --full as well.
    """

    script: str
    arguments: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


SECTIONS: Mapping[str, Section] = {
    "engine": Section("engine.py", full=("--rounds", "25")),
    "line": Section("peers.py", ("--only", "line"), ("--rounds", "3")),
    "guided": Section("peers.py", ("--only", "guided"), ("--rounds", "3")),
    "sweep": Section("faithfulness.py", full=("--rounds", "7")),
    "audit": Section("audit.py", full=("--full",)),
    "peaks": Section("peaks.py"),
    "scaling": Section("scaling.py", full=("--full",)),
    "profile": Section("profiled.py"),
}
"""The sections in the order in which they run."""


def main() -> int:
    """Run, print, write."""
    options = _options()
    begun = perf_counter()
    facts, chosen = machine(), options.only or list(SECTIONS)
    mode = "quick" if options.quick else "full" if options.full else "default"
    parts = _measured(chosen, mode)
    result = {
        "format": 1, "mode": mode, "machine": facts, "seconds": round(perf_counter() - begun, 1),
        "rows": [row for part in parts.values() for row in part["rows"]],
        "figures": {name: part["figures"] for name, part in parts.items()},
        "section_seconds": {name: round(part["seconds"], 1) for name, part in parts.items()},
    }  # fmt: skip
    rows = rows_of(result)
    show("geoaudit beside its peers", rows, notes=False)
    text = json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n"
    if options.json is not None:
        options.json.write_text(text, encoding="utf-8")
    if options.write_readme:
        publish(result, text)
    return 0 if rows and all(row.met is not False for row in rows) else 1


def publish(result: Mapping[str, Any], text: str) -> None:
    """Put the tables, the file and the pictures where readers find them."""
    pages = {
        place: inserted(place.read_text(encoding="utf-8"), table(result), place.name)
        for place, table in ((README, markdown), (GUIDE, details))
    }
    STORED.write_text(text, encoding="utf-8")
    draw_all(result, PICTURES)
    for place, page in pages.items():
        place.write_text(page, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="everything small: to see that it runs")
    parser.add_argument("--full", action="store_true", help="the peers on all photographs, more rounds, more scaling")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--write-readme", action="store_true", help="README.md, docs/benchmarks.json and the pictures")
    options = parser.parse_args()
    if options.quick and options.full:
        parser.error("--quick and --full: choose one")
    if options.write_readme and options.only:
        parser.error("--write-readme: needs all sections, not those of --only")
    return options


def _measured(names: Sequence[str], mode: str) -> dict[str, dict[str, Any]]:
    """What each section wrote; one that failed has a row that says so."""
    from geoaudit.demo import make_demo

    parts = {}
    with TemporaryDirectory(prefix="geoaudit-bench-") as folder:
        make_demo(Path(folder))
        for name in names:
            begun = perf_counter()
            parts[name] = {**_run(name, mode, Path(folder)), "seconds": perf_counter() - begun}
            print(f"== {name}: {parts[name]['seconds']:.0f} s", file=sys.stderr)
    return parts


def _run(name: str, mode: str, folder: Path) -> dict[str, Any]:
    section, place = SECTIONS[name], folder / f"{name}.json"
    extra = ("--quick",) if mode == "quick" else section.full if mode == "full" else ()
    command = child.script(section.script, "--demo", folder, "--json", place, *section.arguments, *extra)
    roots = os.pathsep.join(
        [*(str(ROOT / p) for p in ("auditor", "plugins", "reports")), os.environ.get("PYTHONPATH", "")]
    )
    try:
        child.run(command, {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": roots}, allowed=(0, 1))
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (SystemExit, FileNotFoundError):
        failed = Row(
            name, name, None, None, "", None, 1.0, note="the benchmark ended without a result; stderr says why"
        )
        return {"rows": [failed.entry()], "figures": {}}
    return found


if __name__ == "__main__":
    sys.exit(main())
