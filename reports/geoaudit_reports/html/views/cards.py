"""One card a method or control: everything that is known about it in one place."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import CheckResult, Curve, MethodResult, PerImage, RankingEntry, Report
from geoaudit.flags import MEANINGS
from geoaudit_reports.html.cells import CONTROL, PARETO, TIERS, Badge, Fact, Table
from geoaudit_reports.html.sentences import luck, sentence, why
from geoaudit_reports.html.views import card_facts, card_tables, policy
from geoaudit_reports.html.words import CONTROLS, FAMILY_LIMITS, INVERTED, is_inverted


@dataclass(frozen=True)
class Card:
    """One method.

    Attributes:
        id, title, control: of the method.
        badges: its tier, and whether it is on the Pareto front or in use.
        why: the tier's reasons, or what a control is.
        place: its position in words; empty for what has none.
        maps: whether it has maps to look at.
        scores, readings, seeds, masking: what was measured; None where it was not.
        luck: what another seed does to it; None for what uses no random numbers.
        findings: of the checks.
        policy: what the policy asks of it; None where it asks nothing.
        notes: what it found out itself.
        parameters: None where it has none.
        facts, limits: where it is from, what it cost, and what is known against it.
    """

    id: str
    title: str
    control: bool
    badges: tuple[Badge, ...]
    why: str
    place: str
    maps: bool
    scores: Table
    readings: Table | None
    seeds: Table | None
    masking: Table | None
    luck: str | None
    findings: Table
    policy: Table | None
    notes: tuple[str, ...]
    parameters: Table | None
    facts: tuple[Fact, ...]
    limits: tuple[str, ...]

    @property
    def badge(self) -> Badge:
        """The verdict."""
        return self.badges[0]

    @property
    def inverted(self) -> bool:
        """Whether it is a method's inverted control; these are folded together."""
        return is_inverted(self.id)


def build(report: Report, anchors: frozenset[str] = frozenset()) -> tuple[Card, ...]:
    """The method in use first, then ranked methods in their order, then the rest by id, then controls.

    Args:
        report: what to show.
        anchors: ids of the checks that have a block of their own to link to.
    """
    entries = {e.method: e for e in report.ranking.entries}
    place = {method: number for number, method in enumerate(entries)}
    if report.gate.in_use in place:
        place[report.gate.in_use] = -1
    walks: dict[str, list[PerImage]] = defaultdict(list)
    for row in report.per_image:
        walks[row.method].append(row)
    checks: dict[str, list[CheckResult]] = defaultdict(list)
    for check in report.checks:
        checks[check.method or ""].append(check)
    curves: dict[str, list[Curve]] = defaultdict(list)
    for curve in report.curves:
        curves[curve.method].append(curve)
    order = sorted(report.methods, key=lambda m: (m.kind == "control", place.get(m.id, len(place)), m.id))
    return tuple(
        _card(report, m, entries.get(m.id), walks[m.id], card_tables.masking(curves[m.id]),
              card_tables.findings(checks[m.id], m.kind == "control", anchors))
        for m in order
    )  # fmt: skip


def _card(
    report: Report, method: MethodResult, entry: RankingEntry | None, rows: list[PerImage], masking: Table | None,
    findings: Table,
) -> Card:  # fmt: skip
    badge, reason = _verdict(method, entry)
    extra = (*([PARETO] if entry and entry.pareto else []), *([IN_USE] if method.id == report.gate.in_use else []))
    return Card(
        id=method.id,
        title=method.title,
        control=method.kind == "control",
        badges=(badge, *extra),
        why=reason,
        place=_place(report, entry),
        maps=method.status == "ok" and not is_inverted(method.id),
        scores=card_tables.scores(method, unfit(report)),
        readings=card_tables.readings(method),
        seeds=card_tables.seeds(method),
        masking=None if is_inverted(method.id) else masking,
        luck=luck(method),
        findings=findings,
        policy=policy.of_method(report, method.id),
        notes=tuple(map(sentence, method.notes)),
        parameters=card_facts.parameters(report, method),
        facts=card_facts.facts(method, rows),
        limits=_limits(method),
    )


IN_USE = Badge("in use", "\u2605", "quiet")
"""The method whose maps are shown to people, as the policy says."""


def _verdict(method: MethodResult, entry: RankingEntry | None) -> tuple[Badge, str]:
    if method.status == "skipped":
        return Badge("not applicable", "–", "quiet"), sentence(method.reason or "it was not run")
    if entry is not None:
        return TIERS[entry.tier], why(entry)
    if method.kind == "method":
        return Badge("not ranked", "–", "quiet"), sentence(method.reason or "not among the ranked methods")
    return CONTROL, INVERTED if is_inverted(method.id) else CONTROLS.get(method.id, "A control.")


def unfit(report: Report) -> frozenset[str]:
    """The metrics that failed their own test on this model."""
    return frozenset(h.metric for h in report.metric_health if h.status in (Status.FAIL, Status.ERROR))


def _place(report: Report, entry: RankingEntry | None) -> str:
    if entry is None:
        return ""
    parts = [f"Position {entry.position} of {len(report.ranking.entries)}"]
    for name, found in (("NCC", entry.ncc), ("SRG", entry.faithfulness)):
        if found.rank is not None:
            ends = (
                ""
                if found.rank_low is None or found.rank_high is None
                else (f" (95 % interval {found.rank_low:.1f} to {found.rank_high:.1f})")
            )
            parts.append(f"mean {name} rank {found.rank:.1f}{ends}")
    if entry.p_best is not None:
        parts.append(f"first in {100 * entry.p_best:.0f} % of the bootstrap samples")
    return sentence("; ".join(parts))


def _limits(method: MethodResult) -> tuple[str, ...]:
    flags = [MEANINGS.get(flag, f"Flag: {flag}.") for flag in method.flags]
    family = FAMILY_LIMITS.get(method.family)
    return (*flags, *([family] if family else [])) or ("No limits are recorded for this family.",)
