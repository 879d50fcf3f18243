"""The first screen's findings, each with a name in the margin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import MethodResult, RankingEntry, Report, ScoreSummary
from geoaudit.scoring.contenders import ENOUGH
from geoaudit_reports.html import sentences
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.formats import count, decimal, for_metric
from geoaudit_reports.html.glossary.links import Linker, Prose
from geoaudit_reports.html.words import is_inverted

_MOST = 3
"""So many reasons are told; of more, the rest is counted."""


@dataclass(frozen=True)
class Point:
    """One finding: its name, its sentences, and the same with links to the glossary."""

    name: str
    texts: tuple[str, ...]
    prose: tuple[Prose, ...]


def points(report: Report, linker: Linker) -> tuple[Point, ...]:
    """What the first screen says, the method in use first; without findings that do not exist."""
    leader = _leader(report)
    told: list[tuple[str, Sequence[str | None]]] = [
        *([("Method in use" if report.gate.in_use else "First in order", [_scores(report, leader)])] if leader else []),
        *([] if leader or not report.gate.in_use else [("Method in use", [_absent(report)])]),
        ("Can be relied on", [_relied(report)]),
        ("With caution", [_tier(report, "caution")]),
        ("Not to be relied on", _rejected(report)),
        ("How sure", [_sure(report)]),
        (
            "Also mind",
            [
                sentences.uncertified(report),
                sentences.surrogate(report),
                sentences.untested(report),
                sentences.unhealthy(report),
            ],
        ),
        ("Do not conclude", [sentences.sentence(sentences.no_conclusion(report))]),
    ]
    cards = [(m.title, f"#method-{m.id}") for m in report.methods if not is_inverted(m.id)]
    cards += [(f"check {name}", f"#glossary-check-{name}") for name in CHECKS]
    found = [(name, sentences.together(texts)) for name, texts in told]
    return tuple(
        Point(name, texts, tuple(linker.prose(text, cards) for text in texts)) for name, texts in found if texts
    )


def _leader(report: Report) -> MethodResult | None:
    """The method in use, or else the first of the ranking."""
    name = report.gate.in_use or next((e.method for e in report.ranking.entries), None)
    return sentences.find(report, name) if name else None


def _absent(report: Report) -> str:
    return f"{report.gate.in_use}, as the policy says, is not among the methods of this audit: nothing is known of it."


def _scores(report: Report, method: MethodResult | None) -> str:
    """Place, faithfulness and cancellation of a method, each measure explained in half a sentence."""
    assert method is not None
    entry = next((e for e in report.ranking.entries if e.method == method.id), None)
    place = (
        f"{method.title} ({entry.tier}, position {entry.position} of {len(report.ranking.entries)})." if entry else ""
    )
    srg, ncc = method.scores.get("srg"), method.scores.get("ncc-violation")
    parts = [place or f"{method.title} has no place in the ranking: {sentences.sentence(_no_place(method), False)}"]
    if srg is not None and srg.mean is not None:
        parts.append(
            "SRG, how much sooner the prediction falls when what the map calls important is masked first instead of "
            f"last, is {_number(srg, 'srg')}; {_yardsticks(report)}."
        )
    if ncc is not None and ncc.mean is not None:
        share = "NCC violation, the share of the map that cancels between plus and minus"
        parts.append(f"{share}, is {_number(ncc, 'ncc-violation')}.")
    if entry and report.gate.in_use and entry.reasons:
        parts.append(_counted([entry]))
    return " ".join(parts)


def _no_place(method: MethodResult) -> str:
    return method.reason or "it is not among the ranked methods"


def _number(score: ScoreSummary, metric: str) -> str:
    assert score.mean is not None
    form = (lambda value: decimal(value, 2)) if metric == "srg" else for_metric(metric)
    if score.ci_low is None or score.ci_high is None:
        return f"{form(score.mean)} (no interval)"
    return f"{form(score.mean)} (95 % interval {form(score.ci_low)} to {form(score.ci_high)})"


def _yardsticks(report: Report) -> str:
    """What maps made without the model score."""
    found = []
    for name, words in (("random", "a random map reaches"), ("edges", "an edge map")):
        control = sentences.find(report, name)
        score = control.scores.get("srg") if control else None
        if score is not None and score.mean is not None:
            found.append(f"{words} {decimal(score.mean, 2)}")
    return ", ".join(found) or "0 is chance"


def _relied(report: Report) -> str:
    found = sentences.titles(report, "recommended")
    if not found:
        return "No method without reservation."
    them = "it" if len(found) == 1 else "them"
    return f"{sentences.first_of(found)}: nothing that the rule counts speaks against {them}."


def _tier(report: Report, tier: str) -> str | None:
    """The methods of a tier and the reasons counted against most of them."""
    entries = [e for e in report.ranking.entries if e.tier == tier]
    if not entries:
        return None
    names = sentences.titles(report, tier)
    if len(entries) == len(report.ranking.entries) > 1:
        return f"Every method. {_counted(entries)}"
    return f"{sentences.first_of(names)}. {_counted(entries)}"


def _rejected(report: Report) -> list[str | None]:
    """Failed checks that reject come with their reason; the others with theirs."""
    told = sentences.rejections(report)
    failed = {
        c.method for c in report.checks if c.gate and c.status is Status.FAIL and c.method is not None
    }  # fmt: skip
    others = [e for e in report.ranking.entries if e.tier == "rejected" and e.method not in failed]
    titles = {m.id: m.title for m in report.methods}
    names = sentences.first_of([titles.get(e.method, e.method) for e in others])
    return [*told, f"{names}. {_counted(others)}" if others else None]


def _counted(entries: Sequence[RankingEntry]) -> str:
    """The reasons, the most frequent first, and against how many methods each counts."""
    reasons = Counter(_plain(reason) for entry in entries for reason in entry.reasons)
    if not reasons:
        return "No reason was recorded."
    most = reasons.most_common()
    if len(entries) == 1:
        told = "; ".join(reason for reason, _ in most[:_MOST])
    else:
        told = "; ".join(f"against {_of(times, entries)}: {reason}" for reason, times in most[:_MOST])
    more = f"; and {sentences.several(len(most) - _MOST, 'more reason')}, told below" if len(most) > _MOST else ""
    return sentences.sentence(told + more)


def _of(times: int, entries: Sequence[RankingEntry]) -> str:
    return f"all {count(times)}" if times == len(entries) else f"{count(times)} of them"


def _plain(reason: str) -> str:
    """A reason without the numbers of the single method, so that equal reasons can be counted."""
    return re.sub(r"\s*\([^()]*\)\s*$", "", reason.rstrip("."))


def _sure(report: Report) -> str:
    """How many images, what they could have shown, and what an interval covers."""
    ranking = report.ranking
    images, some = report.data.count, f"fewer than {ENOUGH}"
    few = f"{some} images decide little" if images < ENOUGH else f"{some} have a score of every ranked method"
    how = {
        "ranked": "enough for the tests to decide, which does not mean that they did",
        "indicative": f"by indication only, since {few}",
        "inconclusive": "the ranking is inconclusive" if ranking.entries else "no method could be ranked",
    }[ranking.status]
    parts = [f"{sentences.several(images, 'image')}: {how}."]
    if ranking.smallest_detectable_difference is not None:
        smallest = decimal(ranking.smallest_detectable_difference, 2)
        parts.append(f"A difference in SRG below {smallest} would have been missed {sentences.MISSED}.")
    shared = [e for e in ranking.entries if "=" in e.position]
    if shared:
        who = f"{count(len(shared))} of {sentences.several(len(ranking.entries), 'method')}"
        parts.append(f"{who} share a position: the images cannot tell those apart that share one.")
    return " ".join(parts)
