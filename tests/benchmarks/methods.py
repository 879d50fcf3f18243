"""Every method on the demo's photographs, as the README's table: `make methods`.

    python tests/benchmarks/methods.py [-o DIR] [--limit N] [--methods a,b|all] [--budget B] [--write-readme]
    python tests/benchmarks/methods.py --reports A.json B.json [--write-readme]

Runs `geoaudit demo --methods all` on the logit, and the path methods from the run's baseline once more on the
probability, writes both reports under DIR, and prints one Markdown table of them.  With --reports the table is made
from reports that exist already.  --write-readme puts the table into README.md, between the lines
`<!-- methods table -->` and `<!-- end of methods table -->`.

Below the table stands what it shows about NCC: which path methods cancel less than integrated gradients on the same
explained output, and whether geodesic-ig-svi does on the probability with a completeness error below 5 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from methods_table import findings, table

from geoaudit.api import Method
from geoaudit.registry import load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN, END = "<!-- methods table -->", "<!-- end of methods table -->"
SPACES = ("logit", "probability")


def main() -> int:
    """Print the table; run the audits first unless their reports are given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("geoaudit-methods"), metavar="DIR", help="reports")
    parser.add_argument("--reports", type=Path, nargs="+", metavar="FILE", help="report.json files: no new audits")
    parser.add_argument("--limit", type=int, metavar="N", help="only N photographs")
    parser.add_argument("--methods", default="all", metavar="IDS", help="ids of methods, or all; all")
    parser.add_argument("--budget", default="standard", metavar="B", help="quick, standard or thorough; standard")
    parser.add_argument("--write-readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    places = options.reports or _audited(options)
    reports = [json.loads(place.read_text(encoding="utf-8")) for place in places]
    text = f"{table(reports)}\n\n{findings(reports)}"
    print(text)
    if options.write_readme:
        README.write_text(inserted(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0


def _audited(options: argparse.Namespace) -> list[Path]:
    """One audit for each explained output."""
    shelf = load(()).methods
    wanted = shelf if options.methods == "all" else options.methods.split(",")
    along = [name for name in wanted if _walks_from_the_baseline(shelf[name].cls)]
    places = []
    for space, methods in zip(SPACES, (options.methods, ",".join(along)), strict=True):
        if methods:
            places.append(options.output / space / "report.json")
            _audit(space, methods, places[-1].parent, options)
    return places


def _walks_from_the_baseline(cls: type[Method]) -> bool:
    """Whether its map adds up to the run's own output difference, and it runs without being named."""
    return cls.family == "path" and "own-baseline" not in cls.flags and cls.runs != "when named"


def _audit(space: str, methods: str, folder: Path, options: argparse.Namespace) -> None:
    """Audit the demo in a process of its own.

    Raises:
        SystemExit: it could not be completed; what it said is on stderr.
    """
    command = [sys.executable, "-m", "geoaudit", "demo", "-o", str(folder), "--explain", space, "--methods", methods]
    command += ["--metrics", "srg", "--checks", "completeness"]  # what the table shows, and nothing beside
    command += ["--budget", options.budget, *([] if options.limit is None else ["--limit", str(options.limit)])]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if not (folder / "report.json").is_file():
        raise SystemExit(f"{' '.join(command)}: ended with exit code {done.returncode} and without a report")


def inserted(page: str, text: str) -> str:
    """The page with `text` between its markers.

    Raises:
        SystemExit: the page has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md: has no lines {BEGIN} and {END}; put them where the table belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
