"""What a finished run says on stderr: the ranking as a table, and what must be known beside it.  stdout is for data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from geoaudit.api import Status
from geoaudit.errors import ExitCode
from geoaudit.words import counted, mean_told

if TYPE_CHECKING:
    from geoaudit.audit.result import MethodResult, RankingEntry, Report

_LOUD = (Status.FAIL, Status.ERROR)
_NAMED = 4
_REJECTS = "FAIL, rejects"
_LOUDEST = "not dim not italic bold red"
OWN_START = "own-baseline"
TIER_STYLE = {"recommended": "green", "caution": "yellow", "rejected": "red"}


def console(*, data: bool = False) -> Console:
    """The console for talk (stderr), or for data (stdout).  Lines are broken for a terminal's reader only."""
    made = Console(stderr=not data, highlight=False, markup=False)  # names of files and reasons are no markup
    made.soft_wrap = data or not made.is_terminal
    return made


def summary(report: Report) -> Table:
    """The ranking as a table of at most 80 columns; controls are in the report."""
    images = counted(report.data.count, "image")
    table = Table(
        title=f"{report.model.file} on {images}: ranking {report.ranking.status}",
        box=SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
    )
    table.add_column("#", justify="right")
    table.add_column("method", overflow="fold")
    table.add_column("tier")
    table.add_column("SRG [95 %]", justify="right")
    table.add_column("NCC", justify="right")
    table.add_column("S/|Δf|", justify="right")
    methods = {method.id: method for method in report.methods}
    told = _below(report)
    if told:
        table.caption = Text("\n").join(Text(line, _LOUDEST if line.startswith(_REJECTS) else "") for line in told)
        table.caption_justify = "left"
    for entry in report.ranking.entries:
        table.add_row(*_row(entry, methods[entry.method]), style=TIER_STYLE[entry.tier])
    return table


def closing(report: Report) -> str:
    """What is said below the ranking: how far it carries, whether the audit is whole, and the policy's verdict."""
    from geoaudit.gate.telling import rules_told

    gate = report.gate
    if not gate.configured:
        verdict = "Not gated: no policy was given."
    else:
        verdict = f"Policy {gate.policy}: {gate.status}. {rules_told(gate)}"
    whole = "The audit was not completed (exit code 3)." if report.exit_code == ExitCode.INCOMPLETE else ""
    return "  ".join(filter(None, (report.ranking.reason, whole, verdict)))


def _below(report: Report) -> list[str]:
    """What must be known beside the ranking: methods without a map, and those with a start of their own."""
    reasons: dict[str, list[str]] = {}
    for method in report.methods:
        if method.status == "skipped":
            reasons.setdefault(method.reason or "not applicable", []).append(method.id)
    told = []
    for reason, names in reasons.items():
        if reason.endswith("gradient-free"):
            told.append(f"Not applicable without gradients: {', '.join(names)}")
        else:
            told.append(f"{', '.join(names)}: {reason}")
    if any(OWN_START in method.flags and method.status == "ok" for method in report.methods):
        told.append("* complete with respect to a start of its own, not the run's baseline")
    return [*told, *_checked(report)]


def _checked(report: Report) -> list[str]:
    """How the checks came out: how many of each status, then who failed what.

    Of controls, which no verdict is about, only checks that broke are told.
    """
    controls = {method.id for method in report.methods if method.kind == "control"}
    found = [check for check in report.checks if check.method not in controls or check.status == Status.ERROR]
    if not found:
        return ["Checks: none"]
    counts = Counter(check.status for check in found)
    told = ["Checks: " + ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])]
    failed: dict[tuple[bool, str, str], list[str]] = {}
    for check in found:
        if check.status in _LOUD:
            rejects = check.gate and check.status == Status.FAIL and check.method is not None
            key = (not rejects, check.id, str(check.status))
            failed.setdefault(key, []).append(check.method or "the model")
    for (harmless, name, status), of in sorted(failed.items()):
        told.append(f"{status if harmless else _REJECTS}: {name} of {_some(sorted(set(of)))}")
    return told


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _row(entry: RankingEntry, method: MethodResult) -> Sequence[str]:
    srg, ncc, excess = (method.scores.get(name) for name in ("srg", "ncc-violation", "ncc-excess"))
    return (
        entry.position,
        f"{method.id} *" if OWN_START in method.flags else method.id,
        entry.tier,
        mean_told(srg),
        "–" if ncc is None or ncc.median is None else f"{ncc.median:.3f}",
        "–" if excess is None or excess.median is None else f"{excess.median + 1:.0f}",
    )
