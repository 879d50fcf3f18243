"""A summary in Markdown, for a pull request or a step summary: below 60 kB, no pictures, no foreign markup.

Failed rules come first.  Tables are cut after thirty rows, and what is left out is counted.  Names stand as code,
sentences as plain words: nothing that a file name, a label or a reason holds becomes markup, a link or a mention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, GateResult, RankingEntry, Report, ScoreSummary
from geoaudit.words import counted, mean_told
from geoaudit_reports import CHECKSUMS_NAME, HTML_NAME, JSON_NAME
from geoaudit_reports.escaping import code, prose, shortened, visible
from geoaudit_reports.facts import against, broken, by_severity, findings, gated, statuses, verdict, why

LIMIT = 60_000
"""The largest summary, in bytes of UTF-8."""
GLYPHS = {"PASS": "✓", "WARN": "!", "WAIVED": "○", "FAIL": "✗", "ERROR": "✗", "not gated": "–"}
_LOUD = (Status.FAIL, Status.ERROR)
_DIGEST = 64


@dataclass(frozen=True)
class _Room:
    """How much is shown: rows of a table, and characters of one text."""

    rows: int
    text: int


_ROOMS = (_Room(30, 240), _Room(30, 100), _Room(15, 60), _Room(5, 40))


def dumps(report: Report) -> str:
    """The summary, one newline at the end; the same report gives the same text.

    Where names and reasons are so long that it would pass 60 kB, texts are shortened further, then rows.
    """
    text = ""
    for room in _ROOMS:
        text = "\n\n".join(_parts(report, room)) + "\n"
        if len(text.encode("utf-8", "backslashreplace")) <= LIMIT:
            break
    return text


def _parts(report: Report, room: _Room) -> Iterator[str]:
    yield f"## geoaudit: {code(shortened(report.model.file, room.text))}"
    yield _verdict(report, room)
    if report.gate.results:
        yield "### Policy"
        yield _policy_table(report, room)
    yield "### Which explanation method can be relied on"
    yield _ranking(report, room)
    yield "### Checks"
    yield _checks(report, room)
    yield "### Record"
    yield _record(report, room)


def _verdict(report: Report, room: _Room) -> str:
    gate = report.gate
    lines = []
    reason = broken(report)
    if reason is not None:
        lines.append(f"**{GLYPHS['FAIL']} {prose(shortened(reason, room.text))}**")
    if not gated(report):
        lines.append(
            f"**{GLYPHS['not gated']} Not gated.** No policy was given: these are findings, nothing passed or failed."
        )
        return "\n\n".join(lines)
    word = verdict(report)
    said = "PASS, with warnings" if word == "WARN" else word
    met = f"{counted(len(gate.results), 'rule')}: {statuses(gate.results)}."
    lines.append(f"**{GLYPHS[word]} Policy: {said}.** {met}")
    named = [f"Policy {code(shortened(gate.policy or 'without a name', room.text))}"]
    if gate.title:
        named.append(prose(shortened(gate.title, room.text)))
    if gate.owner:
        named.append(f"answered for by {prose(shortened(gate.owner, room.text))}")
    if report.run.judged:
        named.append(f"judged on {prose(shortened(report.run.judged, room.text))}")
    lines.append(", ".join(named) + ".")
    if gate.in_use:
        lines.append(f"Method in use: {code(shortened(gate.in_use, room.text))}.")
    return "\n\n".join(lines)


def _policy_table(report: Report, room: _Room) -> str:
    results = by_severity(report.gate.results)
    rows = [_policy_row(result, room) for result in results[: room.rows]]
    table = _table(("Status", "Result", "Asked for", "Found", "Why"), rows)
    return table + _rest(results[room.rows :], "result")


def _policy_row(result: GateResult, room: _Room) -> Sequence[str]:
    return (
        f"{GLYPHS[result.status]} {result.status}",
        code(shortened(result.id, room.text)),
        prose(shortened(result.rule, room.text)),
        prose(shortened(against(result), room.text)),
        prose(shortened("" if result.status == "PASS" else why(result).rstrip("."), room.text)),
    )


def _ranking(report: Report, room: _Room) -> str:
    ranking = report.ranking
    told = f": {prose(shortened(ranking.reason.rstrip('.'), 10 * room.text))}" if ranking.reason else ""
    lead = f"On {counted(report.data.count, 'image')}, the ranking is {ranking.status}{told}."
    if not ranking.entries:
        return f"{lead} No method was ranked."
    scores = {method.id: method.scores for method in report.methods}
    shown = ranking.entries[: room.rows]
    rows = [_ranking_row(entry, scores.get(entry.method, {}), room) for entry in shown]
    table = _table(("#", "Method", "Tier", "SRG [95 %]", "NCC violation", "Why"), rows)
    more = len(ranking.entries) - len(shown)
    rest = f"\n\nand {counted(more, 'more method')}" if more else ""
    note = "SRG: mean faithfulness, higher is better. NCC violation: median share of the map that cancels."
    return f"{lead}\n\n{table}{rest}\n\n{note}"


def _ranking_row(entry: RankingEntry, scores: dict[str, ScoreSummary], room: _Room) -> Sequence[str]:
    srg, ncc = scores.get("srg"), scores.get("ncc-violation")
    return (
        prose(entry.position),
        code(shortened(entry.method, room.text)),
        entry.tier,
        mean_told(srg),
        "–" if ncc is None or ncc.median is None else f"{ncc.median:.3f}",
        prose(_why(entry.reasons, room.text // 2)),
    )


def _why(reasons: Sequence[str], length: int) -> str:
    """The first reasons, as many as `length` characters hold but at least one, and how many more there are."""
    kept = 1
    while kept < len(reasons) and len("; ".join(reasons[: kept + 1])) <= length:
        kept += 1
    text = shortened("; ".join(reasons[:kept]), 2 * length)
    return f"{text}; and {counted(len(reasons) - kept, 'more reason')}" if len(reasons) > kept else text


def _checks(report: Report, room: _Room) -> str:
    found = findings(report)
    failed = [check for check in found if check.status in _LOUD]
    lines = [f"- {_finding(check, room)}" for check in failed[: room.rows]]
    listed = "\n\n" + "\n".join(lines) if lines else ""
    return f"Findings: {statuses(found)}.{listed}{_rest(failed[room.rows :], 'finding')}"


def _finding(check: CheckResult, room: _Room) -> str:
    of = "the model" if check.method is None else code(shortened(check.method, room.text))
    name = code(shortened(check.id, room.text))
    return f"{GLYPHS[check.status]} {check.status}: {name} of {of}: {prose(shortened(check.reason, room.text))}"


def _record(report: Report, room: _Room) -> str:
    digests = [
        ("model" if not report.model.external_data else "model and its external data, joined", report.model.sha256),
        ("images (manifest)", report.data.manifest_sha256),
        ("policy", report.gate.sha256),
        ("maps", report.maps.sha256 if report.maps else None),
    ]
    files = [HTML_NAME, JSON_NAME, *([report.maps.file] if report.maps else []), CHECKSUMS_NAME]
    # its words are kept as a shell needs them written
    command = shortened(visible(" ".join(report.run.command)), 10 * room.text)
    fence = "`" * (max(map(len, _runs(command)), default=0) + 3)
    return "\n".join(
        [
            *(f"- sha256 of the {name}: {code(shortened(digest, _DIGEST))}" for name, digest in digests if digest),
            f"- Files of the report: {', '.join(code(shortened(name, room.text)) for name in files)}",
            f"- geoaudit {prose(shortened(report.tool.version, room.text))}, "
            f"budget {prose(shortened(report.run.budget, room.text))}, seed {report.run.seed}",
            "",
            "To repeat the audit:",
            "",
            f"{fence}sh\n{command}\n{fence}",
        ]
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, [":--"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rest(left: Sequence[GateResult | CheckResult], noun: str) -> str:
    return f"\n\nand {counted(len(left), f'more {noun}')}: {statuses(left)}" if left else ""


def _runs(text: str) -> list[str]:
    """The runs of backticks in `text`."""
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]
