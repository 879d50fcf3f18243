"""Rows on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench_rows import HEADS, Row, cells
from rich.console import Console
from rich.table import Table


def show(title: str, rows: Sequence[Row], *, notes: bool = True) -> None:
    """Print a table of rows, with their notes below."""
    out = Console(width=140) if not sys.stdout.isatty() else Console()
    table = Table(title=title)
    for place, head in enumerate(HEADS):
        table.add_column(head, justify="left" if place in (0, 5) else "right")
    for row in rows:
        table.add_row(*cells(row), style="bold red" if row.met is False else "")
    out.print(table)
    for row in rows if notes else ():
        if row.note:
            out.print(f"  {row.name}: {row.note}", highlight=False)
