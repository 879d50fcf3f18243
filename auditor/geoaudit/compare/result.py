"""A comparison as data: the model that comparison.json is written from and its schema is generated from.

Differences are B minus A throughout.  Every number may be null, and where one is, a reason or a verdict stands
beside it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from geoaudit.api import Status
from geoaudit.audit.result import Gate, NamedFile, Parity, RankInterval, Record, Tool

COMPARISON_VERSION = 1  # 1: first version; raised only by a change that breaks readers

Verdict = Literal["better", "worse", "different", "no difference shown", "inconclusive"]
SeedVerdict = Literal[
    "less alike than two seeds", "as alike as two seeds", "inconclusive", "identical", "no seeds to compare with"
]


class Source(Record):
    """One of the two reports."""

    file: str = Field(description="report.json, as it was named")
    sha256: str = Field(description="of report.json")
    tool: Tool
    started: str = Field(description="when the audit began: UTC, ISO 8601")
    model: NamedFile
    images: int
    ranking: Literal["ranked", "indicative", "inconclusive"]
    parity: Parity
    maps: NamedFile | None = Field(description="the file of the maps, if it was read")


class Difference(Record):
    """A fact that is not the same in both reports."""

    name: str
    a: Any
    b: Any
    note: str = ""


class SettingDifference(Difference):
    """A setting that is not the same in both reports."""

    matters: bool = Field(description="whether it may change scores or maps, beyond rounding")


class Pair(Record):
    """An image that both reports have, by its bytes."""

    sha256: str
    image_a: str
    image_b: str
    target_a: int
    target_b: int
    name_a: str | None
    name_b: str | None
    probability_a: float
    probability_b: float
    same_target: bool


class Pairing(Record):
    """Which images the comparison rests on."""

    n: int
    same_target: int = Field(description="pairs of which both reports explain the same class")
    pairs: list[Pair]
    only_a: list[str] = Field(description="ids of images without a counterpart in B")
    only_b: list[str]


class Estimate(Record):
    """A mean over images."""

    n: int
    mean: float | None
    ci_low: float | None = Field(description="95 % interval; null where the values are too few")
    ci_high: float | None


class Predictions(Record):
    """What the models say of the paired images."""

    top1_agreement: Estimate = Field(description="share of pairs with the same best class; exact binomial interval")
    probability: Estimate = Field(description="change of the explained class's probability where it is the same class")
    accuracy_a: float | None = Field(description="over the pairs that have the same true label in both; null if none")
    accuracy_b: float | None
    accuracy: Estimate = Field(description="change of the accuracy")


class MetricChange(Record):
    """A metric of one method, paired by image."""

    metric: str
    higher_is_better: bool | None
    n: int = Field(description="pairs on which both reports have a value")
    missing: int = Field(description="pairs on which at least one report has none")
    mean_a: float | None = Field(description="over those n pairs")
    mean_b: float | None
    difference: float | None
    ci_low: float | None = Field(description="95 % bootstrap interval of the mean difference over images")
    ci_high: float | None
    p: float | None = Field(description="paired Wilcoxon test, two-sided")
    p_holm: float | None = Field(description="after Holm's correction over the methods; null for controls")
    smallest: float | None = Field(description="mean difference that these pairs would have shown four times in five")
    verdict: Verdict
    reason: str | None


class Standing(Record):
    """A method's place in one report."""

    place: int = Field(description="row of the ranking's table, from 1")
    position: str = Field(description='as the report says it: "1=" where methods cannot be told apart')
    tier: Literal["recommended", "caution", "rejected"]
    reasons: list[str]
    ncc: RankInterval
    faithfulness: RankInterval


class RankChange(Record):
    """Change of a method's mean rank among the methods that both reports have; positive is a drop."""

    rank_a: float | None = Field(description="mean over the pairs; 1 is best")
    rank_b: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None


class MapSimilarity(Record):
    """How alike the two maps of an image are; 1 is the same map."""

    n: int = Field(description="pairs compared: of those with the same explained class at most 64, spread evenly")
    missing: int = Field(description="of the pairs so chosen, those that could not be compared")
    spearman: Estimate = Field(description="rank correlation of |A|, element by element")
    ssim: Estimate = Field(description="structural similarity of |A| as pictures")
    seeds: float | None = Field(
        description="the same correlation between two seeds of one model: the lower of both reports"
    )
    verdict: SeedVerdict
    reason: str | None


class MethodChange(Record):
    """A method or control that both reports scored."""

    id: str
    title: str
    kind: Literal["method", "control"]
    flags: list[str] = Field(description="of either report")
    a: Standing | None = Field(description="null for controls")
    b: Standing | None
    tier_change: Literal["same", "better", "worse"] | None
    rank: RankChange | None
    metrics: list[MetricChange]
    maps: MapSimilarity | None


class Flip(Record):
    """Two methods whose order is not the same in both reports."""

    first_a: str = Field(description="the one that stands higher in A")
    first_b: str = Field(description="the one that stands higher in B")
    separated_a: Literal["tier", "position", "no"] = Field(description="what sets them apart in A's ranking")
    separated_b: Literal["tier", "position", "no"]
    shown: bool = Field(description="whether their ranks moved against each other beyond chance")


class RankingChange(Record):
    """What became of the order of the methods that both reports ranked."""

    verdict: Literal["changed", "no change shown", "inconclusive"]
    reason: str
    methods: int
    n: int = Field(description="pairs behind it")
    tau: float | None = Field(description="Kendall's tau-b between the orders by mean rank on the paired images")
    tau_low: float | None = Field(description="95 % range over resampled images, the same for both reports")
    tau_high: float | None
    tau_chance: float | None = Field(
        description="median tau between A's order and A's own order on resampled images: what chance alone leaves"
    )
    moved: list[list[str]] = Field(
        description="pairs [risen, fallen] of methods that moved against each other beyond chance (family-wise 5 %)"
    )
    flips: list[Flip]


class CheckChange(Record):
    """A check of one method, or of the model where the method is null."""

    id: str
    title: str
    method: str | None
    status_a: Status | None = Field(description="null where the report has no such finding")
    status_b: Status | None
    change: Literal["same", "better", "worse", "undecided", "only in A", "only in B"]
    estimate_a: float | None
    estimate_b: float | None
    difference: float | None
    ci_low: float | None = Field(description="interval of the difference, from both reports' intervals")
    ci_high: float | None
    reason_a: str
    reason_b: str


class Absent(Record):
    """A method that cannot be compared."""

    id: str
    ran: list[Literal["A", "B"]] = Field(description="the report in which it ran, if any")
    reason: str


class Comparison(Record):
    """comparison.json."""

    schema_: Literal["geoaudit.comparison"] = Field(default="geoaudit.comparison", alias="schema")
    schema_version: Literal[1] = 1
    tool: Tool
    status: Literal["compared", "indicative", "inconclusive"]
    reason: str
    subject: Literal["one model file twice", "float to quantised", "quantised to float", "two model files"]
    a: Source
    b: Source
    pairing: Pairing
    settings: list[SettingDifference] = Field(description="settings that differ; what is not listed is the same")
    model: list[Difference] = Field(description="facts about the model files that differ")
    predictions: Predictions
    ranking: RankingChange
    methods: list[MethodChange] = Field(description="in A's order, controls last")
    absent: list[Absent] = Field(description="methods that are not comparable, and why")
    checks: list[CheckChange]
    conclusions: list[str]
    gate: Gate
    judged: str | None = Field(default=None, description="UTC day on which the policy was applied; null if not gated")
    exit_code: int
