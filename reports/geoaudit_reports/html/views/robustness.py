"""How far the ranking hangs on the choice of metrics, imputers and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.audit.result import Agreement, Ranking, Report
from geoaudit_reports.html.cells import Cell, Column, Fact, Row, Table, head, number, text
from geoaudit_reports.html.formats import DASH, count, decimal, listing, percent, share
from geoaudit_reports.html.sentences import sentence, together
from geoaudit_reports.html.words import METRICS

_STEPS = ((0.75, "p3"), (0.4, "p2"), (0.1, "p1"), (-0.1, "z"), (-0.4, "m1"), (-0.75, "m2"))
_ALPHA = (
    (0.8, "the images agree on the order of the methods"),
    (0.667, "the images agree well enough for tentative conclusions"),
    (0.4, "the images agree in part: the order of the methods differs from image to image"),
)


@dataclass(frozen=True)
class Robustness:
    """The section.

    Attributes:
        sentences: on images, imputers and what could not have been found.
        conclusions: what survives and what does not.
        consensus: methods by the metrics together, one vote a source of evidence, best first.
        metrics, imputers: Kendall's tau of every two.
        leave_one_out: the order without a metric or a source of evidence.
        surviving: by method, which ones it comes before whichever metric is left out.
        missing: why there is less than all of this.
    """

    sentences: tuple[str, ...]
    conclusions: tuple[str, ...]
    consensus: str | None
    metrics: Table
    imputers: Table
    leave_one_out: Table
    surviving: tuple[Fact, ...]
    missing: str | None


def build(report: Report) -> Robustness:
    """What of the ranking depends on choices."""
    ranking, found = report.ranking, report.ranking.robustness
    told = together([images_agree(ranking), _imputers_agree(ranking), _detectable(report)])
    nothing = "Fewer than two could be compared."
    titles = {m.id: m.title for m in report.methods}
    if found is None:
        why = "The agreement of metrics was not examined: the report is of an earlier version."
        empty = Table("", (), (), nothing)
        return Robustness(told, (), None, empty, empty, empty, (), why)
    order = listing([titles.get(name, name) for name in found.consensus])
    return Robustness(
        told, tuple(map(sentence, found.conclusions)), order or None,
        _taus("Kendall's τ of every two metrics", found.metrics, METRICS, nothing),
        _taus("Kendall's τ of every two imputers", found.imputers, {}, nothing),
        _leave_one_out(ranking, titles), _surviving(found.surviving, titles), None,
    )  # fmt: skip


def images_agree(ranking: Ranking) -> str | None:
    """Krippendorff's alpha in words; reports of earlier versions hold Kendall's W."""
    value = ranking.reliability
    if value is None:
        return None
    if ranking.robustness is None and ranking.reliability_low is None:
        return f"Images agree on the order of methods with Kendall's W = {share(value)} (1: fully)."
    low, high = ranking.reliability_low, ranking.reliability_high
    chance = low is not None and low <= 0
    words = next(
        (words for least, words in _ALPHA if value >= least), "the images hardly agree on the order of methods"
    )
    if chance or value <= 0:
        words = "the images may agree on the order of the methods no more than by chance"
    between = "" if low is None or high is None else f", 95 % interval {decimal(low, 2)} to {decimal(high, 2)}"
    return (
        f"By SRG, {words} (Krippendorff's α = {decimal(value, 2)}{between}; 1 is full agreement, 0 chance, and below "
        "0.667 no conclusion should rest on single images)."
    )


def _imputers_agree(ranking: Ranking) -> str | None:
    if ranking.agreement is None:
        return None
    return f"Imputers agree on the order of methods with Kendall's τ = {decimal(ranking.agreement, 2)} (1: fully)."


def _detectable(report: Report) -> str | None:
    smallest = report.ranking.smallest_detectable_difference
    if smallest is None:
        return None
    images = "1 image" if report.data.count == 1 else f"{count(report.data.count)} images"
    return (
        f"With {images}, a difference in mean SRG below {decimal(smallest)} would mostly go unseen, so a tie is no "
        "proof of equality."
    )


def _taus(caption: str, pairs: Sequence[Agreement], titles: dict[str, str], empty: str) -> Table:
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    known = {(p.a, p.b): p for p in pairs} | {(p.b, p.a): p for p in pairs}
    body = tuple(
        Row((head(titles.get(a, a)), *(Cell("", kind="number") if a == b else _tau(known.get((a, b))) for b in names)))
        for a in names
    )
    columns = (Column(""), *(Column(titles.get(name, name), True) for name in names))
    return Table(caption, columns, body, empty, "heat")


def _tau(pair: Agreement | None) -> Cell:
    if pair is None:
        return Cell(DASH, "not compared", kind="number")
    if pair.tau is None:
        return Cell(DASH, "not known", kind="number")
    step = next((name for least, name in _STEPS if pair.tau >= least), "m3")
    return Cell(decimal(pair.tau, 2), sort=repr(pair.tau), kind="number", shade=step)


def _leave_one_out(ranking: Ranking, titles: dict[str, str]) -> Table:
    assert ranking.robustness is not None
    body = [
        Row(
            (
                head(METRICS.get(left.without, left.without), ", ".join(left.metrics) if len(left.metrics) > 1 else ""),
                text(
                    listing([titles.get(name, name) for name in left.first]) or "nobody",
                    "as with it" if left.same_first else "another than with it",
                ),
                number(left.pairs_kept, percent, "no pair to compare"),
                number(left.tau, lambda v: decimal(v, 2), "too few methods"),
            )
        )
        for left in ranking.robustness.leave_one_out
    ]
    columns = (
        Column("Without"), Column("Comes first then"), Column("Pairs in the same order", True),
        Column("τ", True, "with the consensus"),
    )  # fmt: skip
    caption = "The consensus of the metrics with each one, and each source of evidence, left out in turn"
    return Table(caption, columns, tuple(body), "No metric could be left out.")


def _surviving(pairs: Sequence[Sequence[str]], titles: dict[str, str]) -> tuple[Fact, ...]:
    worse: dict[str, list[str]] = {}
    for better, other in pairs:
        worse.setdefault(titles.get(better, better), []).append(titles.get(other, other))
    return tuple(Fact(f"{name} before", text(listing(others))) for name, others in worse.items())
