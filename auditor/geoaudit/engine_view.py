"""The gradient engines that were tried, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from geoaudit.audit.result import EngineTrial

_COLUMNS = ("", "engine", "layout", "batch", "threads", "ms", "differs", "stable", "MiB")
_WORDS = ("engine", "layout")


def show_engines(trials: Sequence[EngineTrial], out: Console) -> None:
    """A row for everything that ran, a line for why each was chosen or not; the setting in use comes first."""
    table = Table(title="Gradient engines", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in _WORDS else "right", no_wrap=True)
    ran = [trial for trial in trials if trial.batch_size is not None]
    for number, trial in enumerate(ran, 1):
        table.add_row(*_cells(number, trial), style="green" if trial.chosen else None)
    out.print(table, markup=False)
    for number, trial in enumerate(ran, 1):
        out.print(f"{number}: {trial.reason}", markup=False)
    for trial in trials:
        if trial.batch_size is None:
            out.print(f"{trial.engine}: {trial.reason}", markup=False)
    out.print(
        "ms: value and gradient of one image.  differs: the gradient, in the lower quartile of pictures, from torch's "
        "on contiguous tensors, relative.  stable: the same bits whatever stands beside an image in its batch.",
        markup=False,
    )
    out.print()


def _cells(number: int, trial: EngineTrial) -> tuple[str, ...]:
    return (
        str(number),
        trial.engine,
        trial.memory_layout or "",
        str(trial.batch_size),
        str(trial.threads),
        "" if trial.milliseconds is None else f"{trial.milliseconds:.1f}",
        "" if trial.difference is None else f"{trial.difference:.2g}",
        "" if trial.stable is None else "yes" if trial.stable else "no",
        "" if trial.memory_bytes is None else f"{trial.memory_bytes / 2**20:.0f}",
    )
