"""What GitHub Actions shows of an audit: the step summary, and annotations.

Annotations are workflow commands.  The runner reads them on stderr as it does on stdout, so they go to stderr:
stdout stays data.  GitHub shows at most ten errors and ten warnings of a step, and refuses a summary above 1 MiB.
Source: GitHub Docs, "Workflow commands for GitHub Actions", and "Adding a job summary".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from geoaudit.audit.result import GateResult, Report
from geoaudit.words import counted
from geoaudit_reports import markdown
from geoaudit_reports.escaping import command_data, command_property
from geoaudit_reports.facts import NOT_GATED, against, broken, findings, gated, statuses, why

SHOWN = 10
"""Annotations of one kind that GitHub shows for a step."""
SUMMARY_BYTES = 2**20
"""The largest summary of a step, in bytes."""
VARIABLE = "GITHUB_STEP_SUMMARY"


def tell(report: Report, environ: Mapping[str, str]) -> None:
    """Append the Markdown summary to the file that `environ` names, and print the annotations on stderr.

    A summary that cannot be written is warned of on stderr and fails nothing.

    Args:
        report: what to tell of.
        environ: the environment variables; without GITHUB_STEP_SUMMARY there is no summary.
    """
    for line in commands(report):
        print(line, file=sys.stderr)
    place = environ.get(VARIABLE)
    if place:
        problem = _append(Path(place), markdown.dumps(report))
        if problem is not None:
            print(_command("warning", "geoaudit", f"The step summary was not written: {problem}."), file=sys.stderr)


def commands(report: Report) -> list[str]:
    """Workflow commands, one a line: errors for what failed, warnings for what was waived or met with a warning.

    At most ten of each; a notice counts the rest.  Without a policy a notice says that nothing was gated.
    """
    failed = [_annotation("error", r) for r in report.gate.results if r.status == "FAIL"]
    reason = broken(report)
    if reason is not None:
        failed.insert(0, _command("error", "geoaudit", reason))
    doubtful = [_annotation("warning", r) for r in report.gate.results if r.status in ("WAIVED", "WARN")]
    lines = [*failed[:SHOWN], *doubtful[:SHOWN]]
    rest = [
        counted(len(found) - SHOWN, noun)
        for found, noun in ((failed, "more error"), (doubtful, "more warning"))
        if len(found) > SHOWN
    ]
    if rest:
        lines.append(_command("notice", "geoaudit", f"Not shown here: {' and '.join(rest)}. The summary lists them."))
    if not gated(report):
        text = f"{NOT_GATED} Checks: {statuses(findings(report))}. Ranking: {report.ranking.status}."
        lines.append(_command("notice", "geoaudit", text))
    return lines


def _annotation(kind: str, result: GateResult) -> str:
    text = "\n".join(dict.fromkeys((result.rule, against(result), why(result))))
    return _command(kind, f"geoaudit {result.status}: {result.id}", text)


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={command_property(title)}::{command_data(text)}"


def _append(path: Path, text: str) -> str | None:
    """Add `text` to the file; returns why not, where it was not."""
    try:
        before = path.stat().st_size if path.exists() else 0
        data = (("\n" if before else "") + text).encode("utf-8", "backslashreplace")
        if before + len(data) >= SUMMARY_BYTES:
            return f"with it, it would be larger than {SUMMARY_BYTES // 2**20} MiB"
        with path.open("ab") as stream:
            stream.write(data)
    except (OSError, ValueError) as error:  # ValueError: the path holds a null character
        return getattr(error, "strerror", None) or str(error)
    return None
