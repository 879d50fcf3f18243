"""The table of all methods from report.json files, and what it shows, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]
STRAIGHT, SEARCHED = "integrated-gradients", "geodesic-ig-svi"
COMPLETE = 0.05
"""Largest median completeness error at which a method counts as complete."""


def table(reports: Sequence[Report]) -> str:
    """One row a method, then the controls; NCC of every explained output, the rest from the first report.

    Raises:
        SystemExit: two reports explain the same output, or there is none.
    """
    by_space = {_space(report): report for report in reports}
    if len(by_space) != len(reports) or not reports:
        raise SystemExit("--reports: give one report for each explained output")
    ncc = [f"NCC violation ({space})" for space in by_space]
    heads = ["Method", *ncc, "SRG", "Completeness error", "Gradients", "Seconds"]
    lines = [_line(heads), _line([":---", *("---:" for _ in heads[1:])])]
    lines += [_row(method, reports) for method in _ordered(reports[0])]
    return "\n".join([*lines, "", _caption(reports)])


def _ordered(report: Report) -> list[Mapping[str, Any]]:
    """Methods by title, then controls by title; inverted maps are left out."""
    shown = [m for m in report["methods"] if not m["id"].startswith("inverted:")]
    return sorted(shown, key=lambda m: (m["kind"] != "method", m["title"]))


def _row(method: Mapping[str, Any], reports: Sequence[Report]) -> str:
    title = method["title"] if method["kind"] == "method" else f"*{method['title']}*"
    name = f"{title} `{method['id']}`"
    ncc = [_ncc(_found(report, method["id"])) for report in reports]
    if method["status"] != "ok":
        return _line([name, *ncc, "", "", "", ""])
    n, scores = reports[0]["data"]["count"], method["scores"]
    spent = method["cost"]
    return _line(
        [
            name, *ncc, _interval(scores.get("srg")), _error(method),
            f"{spent['gradients'] / n:,.0f}", f"{spent['seconds'] / n:.1f}",
        ]
    )  # fmt: skip


def _error(method: Mapping[str, Any]) -> str:
    if "not-complete" in method["flags"]:
        return "not complete"
    error = _score(method["scores"], "completeness-error", "median")
    return "not judged" if error is None else _percent(error)


def _found(report: Report, name: str) -> Mapping[str, Any] | None:
    return next((m for m in report["methods"] if m["id"] == name), None)


def _ncc(method: Mapping[str, Any] | None) -> str:
    """The median, or why there is none."""
    if method is None:
        return ""
    if method["status"] != "ok":
        reason = str(method["reason"]).splitlines()[0]
        return f"{'not applicable' if method['status'] == 'skipped' else 'error'}: {reason}"
    score = method["scores"].get("ncc-violation")
    if score is None or score["median"] is None:
        reason = str(score["reason"]) if score is not None and score["reason"] else "not judged"
        return reason.removesuffix(f" ({score['missing']})") if score is not None else reason
    missing = f" ({score['n']} of {score['n'] + score['missing']})" if score["missing"] else ""
    by_construction = "\\*" if "ncc-by-construction" in method["flags"] else ""
    return f"{score['median']:.3f}{by_construction}{missing}"


def _interval(score: Mapping[str, Any] | None) -> str:
    if score is None or score["mean"] is None:
        return "not judged"
    if score["ci_low"] is None:
        return f"{score['mean']:.2f}"
    return f"{score['mean']:.2f} [{score['ci_low']:.2f}, {score['ci_high']:.2f}]"


def _caption(reports: Sequence[Report]) -> str:
    """What was audited, with what, and what the columns mean."""
    run, count = reports[0]["run"], reports[0]["data"]["count"]
    pictures = "1 photograph" if count == 1 else f"{count} photographs"
    return (
        f"{pictures}, budget {run['budget']}, seed {run['seed']}, {run['host']['cores']} processor cores, "
        f"{run['device']}. NCC violation and completeness error: median; SRG: mean with 95 % interval, regions black "
        f"and blurred; gradients and seconds: for one photograph; both on the {_space(reports[0])} but for NCC "
        "violation. In brackets: photographs that could be judged. \\*: by construction. In italics: controls."
    )


def findings(reports: Sequence[Report]) -> str:
    """For each explained output: which path methods cancel less than integrated gradients."""
    return "\n".join(f"- {_finding(report)}" for report in reports)


def _finding(report: Report) -> str:
    space, line = _space(report), _found(report, STRAIGHT)
    own = None if line is None else _score(line["scores"], "ncc-violation", "median")
    if own is None:
        return f"On the {space} the NCC violation of `{STRAIGHT}` could not be judged."
    less = []
    for method in report["methods"]:
        median = _score(method["scores"], "ncc-violation", "median")
        counted = method["family"] == "path" and "ncc-by-construction" not in method["flags"]
        if counted and median is not None and median < own:
            less.append(f"`{method['id']}` ({median:.3f}{_completeness(method)})")
    reference = f"`{STRAIGHT}` ({own:.3f})"
    if not less:
        return f"On the {space} no path method has a lower median NCC violation than {reference}."
    return f"On the {space} these have a lower median NCC violation than {reference}: {', '.join(sorted(less))}."


def _completeness(method: Mapping[str, Any]) -> str:
    """What must be said of how complete the searched walk is."""
    error = _score(method["scores"], "completeness-error", "median")
    if method["id"] != SEARCHED or error is None:
        return ""
    return f", completeness error {_percent(error)}{'' if error < COMPLETE else ': too large'}"


def _score(scores: Mapping[str, Any], metric: str, what: str) -> float | None:
    found = scores.get(metric)
    return None if found is None or found[what] is None else float(found[what])


def _space(report: Report) -> str:
    return str(report["model"]["explained_output"]["space"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
