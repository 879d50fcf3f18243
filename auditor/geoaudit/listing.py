"""Tables of what there is: methods, metrics, checks, and the self-test's cases.  Data, so they go to stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from geoaudit.command import pinned
from geoaudit.flags import MEANINGS
from geoaudit.registry import Entry, load
from geoaudit.terminal import console


def method_table(plugins: str | None) -> None:
    """Methods, then controls; what each needs of the model, and whether it runs unless others are named."""
    shelf = load(pinned(plugins)).methods
    entries = sorted(shelf.items(), key=lambda item: (item[1].cls.kind != "method", item[0]))
    rows = [
        (
            name,
            e.cls.kind,
            e.cls.title,
            ", ".join(sorted(e.cls.needs)) or "outputs",
            e.cls.runs,
            ", ".join(sorted(e.cls.flags)),
            _parameters(e),
            e.cls.reference,
            e.provider,
        )
        for name, e in entries
    ]
    _print(
        "Methods and controls",
        ("id", "kind", "title", "needs", "runs", "flags", "parameters", "reference", "from"),
        rows,
        [f"{flag}: {meaning}" for flag, meaning in MEANINGS.items() if any(flag in e.cls.flags for _, e in entries)],
    )


def metric_table(plugins: str | None) -> None:
    """Metrics."""
    better = {True: "higher", False: "lower", None: "neither"}
    rows = [
        (name, e.cls.title, better[e.cls.higher_is_better], _parameters(e), e.cls.reference, e.provider)
        for name, e in sorted(load(pinned(plugins)).metrics.items())
    ]
    _print("Metrics", ("id", "title", "better", "parameters", "reference", "from"), rows)


def check_table(plugins: str | None) -> None:
    """Checks."""
    rows = [
        (
            name, e.cls.title, e.cls.examines, ", ".join(sorted(e.cls.needs)) or "outputs", _parameters(e),
            e.cls.reference, e.provider,
        )
        for name, e in sorted(load(pinned(plugins)).checks.items())
    ]  # fmt: skip
    _print("Checks", ("id", "title", "examines", "needs", "parameters", "reference", "from"), rows)


def selftest_table() -> bool:
    """Run the self-test and show every case; returns whether all passed."""
    from geoaudit.selftest import run_selftest

    cases = run_selftest()
    rows = []
    for case in cases:
        pairs = (f"{key} {_number(case.measured.get(key))} ({_number(value)})" for key, value in case.expected.items())
        rows.append((case.case, str(case.status), ", ".join(pairs)))
    _print("Closed-form cases: measured (expected)", ("case", "status", "numbers"), rows)
    failed = sum(case.status != "PASS" for case in cases)
    console().print(f"{len(cases) - failed} of {len(cases)} cases passed", markup=False)
    return failed == 0


def _parameters(entry: Entry) -> str:
    fields = entry.cls.Parameters.model_fields.items()
    return ", ".join(f"{name}={field.default}" for name, field in fields)


def _number(value: float | list[float] | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return "(" + ", ".join(f"{v:.6g}" for v in value) + ")"
    return f"{value:.6g}"


def _print(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str] = ()) -> None:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out = console(data=True)
    out.print(table, markup=False)
    for line in below:
        out.print(line, markup=False)
