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
    """Metrics: which way is better, and the smallest budget under which each runs unnamed."""
    better = {True: "higher", False: "lower", None: "neither"}
    rows = [
        (
            name, e.cls.title, better[e.cls.higher_is_better], e.cls.from_budget, _parameters(e),
            e.cls.reference, e.provider,
        )
        for name, e in sorted(load(pinned(plugins)).metrics.items())
    ]  # fmt: skip
    _print(
        "Metrics", ("id", "title", "better", "runs from", "parameters", "reference", "from"), rows, [_RUNS_FROM]
    )  # fmt: skip


def check_table(plugins: str | None) -> None:
    """Checks: what each examines, what its failure means, and the smallest budget under which it runs unnamed."""
    rows = [
        (
            name, e.cls.title, _examined(e), _failure(e), e.cls.from_budget,
            ", ".join(sorted(e.cls.needs)) or "outputs", _parameters(e), e.cls.reference, e.provider,
        )
        for name, e in sorted(load(pinned(plugins)).checks.items())
    ]  # fmt: skip
    columns = ("id", "title", "examines", "failure", "runs from", "needs", "parameters", "reference", "from")
    below = (
        "gate: a method that fails is rejected; caution: it is put under caution; told: it stands in the report",
        _RUNS_FROM,
    )
    _print("Checks", columns, rows, below)


def imputer_table(plugins: str | None) -> None:
    """Imputers, and whether the masked sweep reads with them unless others are named."""
    from geoaudit.audit.settings import IMPUTERS

    rows = [
        (name, e.cls.title, "by default" if name in IMPUTERS else "when named", _parameters(e),
         e.cls.reference, e.provider)
        for name, e in sorted(load(pinned(plugins)).imputers.items())
    ]  # fmt: skip
    below = ("Single metrics may use imputers that the sweep does not; --imputers chooses the sweep's.",)
    _print("Imputers", ("id", "title", "in the sweep", "parameters", "reference", "from"), rows, below)


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


_RUNS_FROM = "runs from: the smallest budget under which it runs without being named"


def _examined(entry: Entry) -> str:
    """Whom a check examines."""
    if entry.cls.examines == "model":
        return "model"
    return "methods, controls" if entry.cls.examines_controls else "methods"


def _failure(entry: Entry) -> str:
    """What the failure of a check means for a method."""
    if entry.cls.examines == "model":
        return "told"
    return "gate" if entry.cls.gate else "caution"


def _parameters(entry: Entry) -> str:
    """Defaults, and in brackets what budgets set otherwise."""
    budgets = getattr(entry.cls, "budgets", {})
    told = []
    for name, field in entry.cls.Parameters.model_fields.items():
        others = [f"{budget} {values[name]}" for budget, values in budgets.items() if name in values]
        default = field.get_default(call_default_factory=True)
        value = f"{default:g}" if isinstance(default, float) else default
        told.append(f"{name}={value}" + (f" ({', '.join(others)})" if others else ""))
    return ", ".join(told)


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
