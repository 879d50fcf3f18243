"""`geoaudit verify` for people: a table of at most 80 columns, what did not come out again, and the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from geoaudit.verify.result import Difference, Finding, Verification
from geoaudit.words import counted

WIDTH = 80
MOST = 20
"""Differences, and findings of one kind, that are printed; the rest is counted."""
_DIGEST, _LONG = 64, 60
_SHOWN = {"PASS": ("✓ PASS", "green"), "FAIL": ("✗ FAIL", "bold red"), "SKIP": ("– SKIP", "dim")}
_TITLES = {
    "report": "The report",
    "environment": "Versions",
    "numbers": "Its numbers",
    "model": "The model",
    "data": "What methods learned from",
    "images": "The pictures",
    "maps": "The maps",
    "rerun": "The re-run",
}


def show(verification: Verification, out: Console) -> None:
    """Print everything that was found."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in verification.findings:
        groups[finding.id.split(".")[0]].append(finding)
    table = Table(box=SIMPLE_HEAD, show_edge=False, collapse_padding=True, width=WIDTH)
    table.add_column("", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=2)
    table.add_column("finding", overflow="fold", ratio=3)
    for name, findings in groups.items():
        table.add_row("", Text(_TITLES.get(name, name), "bold"), "")
        for finding in _first(findings):
            word, style = _SHOWN[finding.status]
            table.add_row(Text(word, style), Text(finding.subject), Text(_told(finding)))
        if len(findings) > MOST:
            table.add_row("", "", f"and {len(findings) - MOST:,} more")
    out.print(table)
    for line in _closing(verification):
        out.print(Text(line), soft_wrap=False, width=WIDTH)


def _first(findings: Sequence[Finding]) -> list[Finding]:
    """The first of a kind, failures before all others where not all can be shown."""
    if len(findings) <= MOST:
        return list(findings)
    return sorted(findings, key=lambda finding: finding.status != "FAIL")[:MOST]


def _told(finding: Finding) -> str:
    values = [
        f"{name} {_short(value)}"
        for name, value in (("report:", finding.expected), ("found:", finding.found))
        if value is not None
    ]
    return f"{finding.reason} ({', '.join(values)})" if values else finding.reason


def _short(value: str) -> str:
    """A digest by its first digits, a number to six; anything else as it is, unless it is long."""
    if len(value) == _DIGEST and value.isalnum():
        return f"{value[:12]}…"
    with suppress(ValueError):
        return f"{float(value):.6g}"
    return value if len(value) <= _LONG else f"{value[:_LONG]}…"


def _closing(verification: Verification) -> Iterator[str]:
    yield from _sampled(verification)
    yield from _unlike(verification.differences)
    yield f"sha256 of {verification.report.file}:\n{verification.report.sha256}"
    if any(f.id == "report.expected" and f.status == "SKIP" for f in verification.findings):
        yield (
            "Whoever rewrites a report can rewrite the digests beside it too.  What cannot be rewritten with it is a "
            "sha256 that reached you another way (--expect), a signed in-toto statement, and the re-run."
        )
    failures = sum(finding.status == "FAIL" for finding in verification.findings)
    if verification.status == "FAIL":
        yield f"✗ FAIL: {counted(failures, 'finding')} against this report; see above."
    elif verification.worst:
        yield "✓ PASS: nothing that was checked differs, and the scores came out again."
    else:
        yield "✓ PASS: nothing that was checked differs; no score was computed again."


def _sampled(verification: Verification) -> Iterator[str]:
    sample = verification.sample
    if sample.chosen == "random":
        seed = f"--sample {len(sample.images)} --sample-seed {sample.seed}"
        yield f"Computed again: {len(sample.images)} of {sample.of} pictures ({seed}): {', '.join(sample.images)}"
    if not verification.worst:
        return
    exact = sum(worst.size == 0 for worst in verification.worst)
    if exact == len(verification.worst):
        yield "Worst difference: none; every number that was compared is equal to the last bit."
        return
    yield f"Worst differences (share of max(1, |stored|), allowed {verification.tolerance:g}, of maps ten times it):"
    for worst in verification.worst[:MOST]:
        if worst.size > 0:
            place = " on ".join(part for part in (worst.method, worst.image) if part is not None)
            yield f"  {worst.size:.1e}  {worst.metric}{f': {place}' if place else ''}"
    if exact:
        yield f"  0        {counted(exact, 'other kind')} of numbers"


def _unlike(differences: Sequence[Difference]) -> Iterator[str]:
    if not differences:
        return
    yield f"{counted(len(differences), 'value')} did not come out again:"
    for difference in differences[:MOST]:
        place = " on ".join(part for part in (difference.method, difference.image) if part is not None)
        values = f"report {_value(difference.stored)}, found {_value(difference.found)}"
        size = "" if difference.size is None else f", difference {difference.size:.1e}"
        yield f"  {difference.metric}{f' of {place}' if place else ''}: {values}{size}"
    if len(differences) > MOST:
        yield f"  and {len(differences) - MOST:,} more (--format json lists them all)"


def _value(value: float | str | None) -> str:
    return "nothing" if value is None else f"{value:.7g}" if isinstance(value, float) else repr(_short(value))
