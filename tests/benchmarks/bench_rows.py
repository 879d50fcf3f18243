"""What every benchmark prints: rows of ours against theirs, as JSON, as Markdown and for the terminal.

Nothing but the standard library is imported, so that tests can render a stored result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Sense = Literal["at least", "at most"]
NOT_YET = "The whole of it has not been measured on this version yet; `make bench` does that and writes it here."
BEGIN, END = "<!-- benchmarks table -->", "<!-- end of benchmarks table -->"
"""Lines of a page between which its tables stand."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        section: the benchmark that measured it.
        name: what was compared.
        ours, theirs: the two figures in `unit`; None where there is none.
        unit: of both, "" for pure numbers.
        ratio: what the requirement is about; None where it could not be measured.
        required: the ratio asked for; None: nothing is asked, the row informs.
        sense: whether the ratio has to reach or to stay below it.
        note: settings, and why a figure is missing.
    """

    section: str
    name: str
    ours: float | None
    theirs: float | None
    unit: str
    ratio: float | None
    required: float | None = None
    sense: Sense = "at least"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the requirement is met; None where there is none.  What was not measured is not met."""
        if self.required is None:
            return None
        if self.ratio is None:
            return False
        return self.ratio >= self.required if self.sense == "at least" else self.ratio <= self.required

    def entry(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "met": self.met}


def rows_of(result: Mapping[str, Any]) -> list[Row]:
    """The rows of a stored result.  Verdicts are not read but follow from the figures."""
    return [Row(**{key: value for key, value in entry.items() if key != "met"}) for entry in result["rows"]]


def verdict(row: Row) -> str:
    """ "met", "MISSED", or "" where nothing is asked."""
    return {None: "", True: "met", False: "MISSED"}[row.met]


def cells(row: Row) -> tuple[str, ...]:
    """The row as it is shown: name, ours, theirs, ratio, required, verdict."""
    asked = "" if row.required is None else f"{'≥' if row.sense == 'at least' else '≤'} {row.required:.3g}"
    ratio = "not measured" if row.ratio is None else figure(row.ratio)
    return row.name, _with_unit(row.ours, row.unit), _with_unit(row.theirs, row.unit), ratio, asked, verdict(row)


HEADS = ("what", "geoaudit", "beside it", "ratio", "asked for", "")


def measured(result: Mapping[str, Any]) -> bool:
    """Whether any section has been measured."""
    return any(row.ratio is not None for row in rows_of(result))


def markdown(result: Mapping[str, Any]) -> str:
    """The README's table: what is asked for, with the machine below."""
    if not measured(result):
        return NOT_YET
    lines = [_line(HEADS), _line((":---", "---:", "---:", "---:", "---:", ":---"))]
    asked = [row for row in rows_of(result) if row.required is not None]
    lines += [_line(cells(row)) for row in asked]
    return "\n".join([*lines, "", caption(result)])


def details(result: Mapping[str, Any]) -> str:
    """Every row of every section with its note, a table each, for the documentation."""
    if not measured(result):
        return NOT_YET
    parts = []
    rows = rows_of(result)
    for section in dict.fromkeys(row.section for row in rows):
        lines = [f"### {section[:1].upper()}{section[1:]}", "", _line((*HEADS[:5], "met", "how"))]
        lines.append(_line((":---", "---:", "---:", "---:", "---:", ":---", ":---")))
        lines += [_line((*cells(row), row.note)) for row in rows if row.section == section]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, caption(result)])


def caption(result: Mapping[str, Any]) -> str:
    """Machine, versions, how much was measured and how long it took."""
    machine, rows = result["machine"], [row for row in rows_of(result) if row.required is not None]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine["packages"].items()))
    cores = "1 processor core" if machine["cores"] == 1 else f"{machine['cores']} processor cores"
    missed = sum(not row.met for row in rows)
    told = "all are met" if not missed else f"{missed} of {len(rows)} {'is' if missed == 1 else 'are'} missed"
    asked = "1 figure is asked for" if len(rows) == 1 else f"{len(rows)} figures are asked for"
    return (
        f"{cores}, {machine['cpu']}, {machine['date']}; {versions}. Mode {result['mode']}, "
        f"{result['seconds'] / 60:.0f} minutes; {asked}, {told}."
    )


def figure(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def inserted(page: str, text: str, name: str) -> str:
    """The page, called `name`, with `text` between its markers.

    Raises:
        SystemExit: the page has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{name}: has no lines {BEGIN} and {END}; put them where the table belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"


def section_result(rows: Sequence[Row], **figures: Any) -> dict[str, Any]:
    """What a benchmark writes: its rows, and figures behind them."""
    return {"rows": [row.entry() for row in rows], "figures": figures}


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{figure(value)} {unit}".strip()


def _line(parts: Sequence[str]) -> str:
    return f"| {' | '.join(part.replace('|', chr(92) + '|') for part in parts)} |"
