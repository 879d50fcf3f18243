"""The thresholds of a drafted policy: today's intervals, and a quarter of their width beyond."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from geoaudit.audit.result import Report, ScoreSummary
from geoaudit.gate.evidence import Evidence
from geoaudit.gate.toml_text import comment, quoted
from geoaudit.gate.wording import number
from geoaudit.words import counted

FIRST = ("srg", "ncc-violation", "completeness-error")
"""Metrics that the ranking rests on: their thresholds are asked for, those of the others are offered in comments."""


def threshold_lines(report: Report, method: str) -> Iterator[str]:
    """Tables [[threshold]] for the method's metrics; what is not asked for stands in comments, with the reason."""
    evidence = Evidence(report)
    result = evidence.method(method)
    if result is None or result.status != "ok":
        yield from comment(f"No thresholds: {method} has no results in this report.")
        return
    yield from comment(
        "Thresholds are about the method in use and held against that end of the 95 % interval which speaks against "
        "you. Each limit lies a quarter of today's interval's width beyond today's end, rounded outwards."
    )
    health = {h.metric: f"its own test on this model is {h.status} ({h.reason})" for h in report.metric_health}
    sound = {h.metric for h in report.metric_health if h.status == "PASS"}
    names = [name for name in FIRST if name in result.scores]
    for name in [*names, *sorted(set(result.scores) - set(names))]:
        score = result.scores[name]
        obstacle = _obstacle(score)
        if obstacle is None and name in health and name not in sound:
            obstacle = health[name]
        yield ""
        if obstacle is not None:
            yield from comment(f"Not asked for: {name}, since {obstacle}.")
            continue
        if name not in FIRST:
            yield from comment(f"Not asked for, since the ranking does not rest on it: {_today(name, score)}")
            yield from (f"# {line}" for line in _table(name, score))
            continue
        yield from comment(_today(name, score))
        yield from _table(name, score)


def _obstacle(score: ScoreSummary) -> str | None:
    """Why there can be no limit, to end a sentence with."""
    if score.status == "ERROR":
        return f"it broke ({score.reason or 'no reason is given'})"
    if score.mean is None or score.ci_low is None or score.ci_high is None:
        why = score.reason or f"{counted(score.n, 'image')} with a score"
        return f"it has no interval today ({why})"
    if score.higher_is_better is None:
        return "neither higher nor lower is better"
    return None


def _table(name: str, score: ScoreSummary) -> Iterator[str]:
    assert score.ci_low is not None
    assert score.ci_high is not None
    width = score.ci_high - score.ci_low
    margin = width / 4 if width else abs(score.ci_low) / 10
    yield "[[threshold]]"
    yield f"metric = {quoted(name)}"
    if score.higher_is_better:
        yield f"minimum = {_beyond(score.ci_low - margin, margin, math.floor)!r}"
    else:
        yield f"maximum = {_beyond(score.ci_high + margin, margin, math.ceil)!r}"
    if score.missing:
        share = math.ceil(100 * score.missing / (score.n + score.missing)) / 100
        yield f"missing = {share!r}" if share < 1 else f"missing = {score.missing / (score.n + score.missing)!r}"


def _today(name: str, score: ScoreSummary) -> str:
    assert score.mean is not None
    assert score.ci_low is not None
    assert score.ci_high is not None
    told = f"{name} is {number(score.mean)} today, interval {number(score.ci_low)} to {number(score.ci_high)}, "
    told += f"{counted(score.n, 'image')}."
    if score.missing:
        told += f" {counted(score.missing, 'image')} without a score ({score.reason}), which the key missing accepts."
    if score.higher_is_better and score.ci_low <= 0:
        told += " The interval reaches down to 0 or below: this limit asks for no more than that it does not get worse."
    return told


def _beyond(value: float, margin: float, away: Callable[[float], int]) -> float:
    """The limit, rounded away from today's value to one digit beyond the margin's first."""
    digits = min(1 - math.floor(math.log10(margin)), 300) if margin > 0 else 6  # 10.0**309 overflows
    return round(away(value * 10.0**digits) / 10.0**digits, max(digits, 0))
