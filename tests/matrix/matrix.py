"""Which exported classifiers convert, and how exactly: `make matrix`.

    python tests/matrix/matrix.py [--folder DIR] [--json FILE] [--set known|held-out|special|all] [--only NAMES]
                                  [--exporters legacy-13,legacy-17,dynamo-20,dynamo-23] [--keep]

Every architecture (timm and torchvision, random weights) is exported by both of torch's exporters, converted, and
compared at batch 1 and 4 with onnxruntime and with the original network, gradients in float32 and float64 as well;
the special graphs are judged by the parity certificate.  Needs the extra `dev`; all of it takes hours on two cores
and some gigabytes in DIR, a single name about a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from architectures import ARCHITECTURES, HELD_OUT
from export import EXPORTERS
from rich.console import Console
from rich.table import Table
from special_graphs import SPECIAL

_HERE = Path(__file__).parent
_ROOTS = [str(_HERE.parents[1] / name) for name in ("auditor", "plugins", "reports")]
_LIMIT = 1800
GOOD = ("pass", "warn")
Row = dict[str, Any]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the scripts beside this one, in its own process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*_ROOTS, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(_HERE / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT)


def architecture(name: str, exporters: list[str], folder: Path, keep: bool) -> list[Row]:
    """Export and check one architecture; its files are deleted afterwards unless `keep`."""
    rows: list[Row] = []
    try:
        if not (folder / f"{name}.json").exists():
            done = run("export.py", name, str(folder), *exporters)
            if done.returncode:
                return [_lost(name, "export", done)]
        done = run("check.py", "architecture", name, str(folder))
        rows = [json.loads(line) for line in done.stdout.splitlines()] or [_lost(name, "check", done)]
    except subprocess.TimeoutExpired as late:
        rows = [{"model": name, "exporter": "all", "status": "crashed", "reason": f"longer than {late.timeout} s"}]
    finally:
        if not keep:
            for path in folder.glob(f"{name}[._]*"):
                path.unlink()
    return [row for row in rows if row["exporter"] in (*exporters, "all")]


def special(name: str) -> list[Row]:
    """Check one hand-written graph."""
    done = run("check.py", "special", name)
    return [json.loads(line) for line in done.stdout.splitlines()] or [_lost(name, "check", done)]


def _lost(name: str, stage: str, done: subprocess.CompletedProcess[str]) -> Row:
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return {"model": name, "exporter": "all", "status": "crashed", "reason": f"{stage}: {last}"}


def show(rows: list[Row]) -> None:
    """The table, and one line for each exporter."""
    table = Table(title="Conversion")
    for column in ("model", "exporter", "status", "outputs", "gradient", "gradient float64", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        outputs = [v for k, v in row.items() if "_batch_" in k]
        numbers = (max(outputs, default=None), row.get("gradient"), row.get("gradient64"))
        cells = ("" if n is None else f"{n:.1e}" for n in numbers)
        table.add_row(row["model"], row["exporter"], row["status"], *cells, row.get("reason", ""))
    console = Console()
    console.print(table, markup=False)
    for exporter in dict.fromkeys(row["exporter"] for row in rows):
        counts = Counter(row["status"] for row in rows if row["exporter"] == exporter)
        exported = sum(counts.values()) - counts["not exported"]
        good = sum(counts[status] for status in GOOD)
        console.print(f"{exporter}: {good} of {exported} exported files pass ({dict(counts)})", markup=False)


def main() -> int:
    """Run the chosen part; the exit code is 0 if every exported file passes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the exported files go; an empty temporary folder if absent")
    parser.add_argument("--json", type=Path, default=Path("matrix.json"))
    parser.add_argument("--set", choices=["known", "held-out", "special", "all"], default="all")
    parser.add_argument("--only", default="")
    parser.add_argument("--exporters", default=",".join(EXPORTERS))
    parser.add_argument("--keep", action="store_true", help="keep the exported files, and use those that are there")
    options = parser.parse_args()
    sets = {"known": ARCHITECTURES, "held-out": HELD_OUT, "special": tuple(SPECIAL)}
    chosen = [n for key, names in sets.items() if options.set in (key, "all") for n in names]
    if options.only:
        chosen = options.only.split(",")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            if name in SPECIAL:
                found = special(name)
            else:
                found = architecture(name, options.exporters.split(","), folder, options.keep)
            rows += found
            for row in found:
                print(f"{row['model']} {row['exporter']}: {row['status']} {row.get('reason', '')}", file=sys.stderr)
            options.json.write_text(json.dumps(rows, indent=1))
    show(rows)
    return 0 if all(row["status"] in (*GOOD, "not exported") for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
