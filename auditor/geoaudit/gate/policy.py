"""The policy file as data: its schema is generated from `PolicyFile`, and its reference from the descriptions.

Values are taken as TOML types them: no text is read as a number, no number as a date.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from geoaudit.gate.compare_rules import CompareRules

POLICY_VERSION = 1  # 1: first version; raised only by a change that breaks policies
IN_USE = "in-use"
GROUPS = ("recommended", "ranked", "all")
"""Words for several methods, which only a report tells: by tier, by having a place in the ranking, all but controls."""

Excuse = Literal["WARN", "INCONCLUSIVE", "SKIP", "ERROR"]
"""Statuses that a policy may accept.  FAIL is not among them: it can only be waived."""
_METHODS = (
    'whom it is about: "in-use" (the method of [method]), an id, a list of ids, or "recommended" (that tier), "ranked" '
    '(every place of the ranking), "all" (every method of the report, controls apart); a word that selects nobody fails'
)


def _some(names: str | list[str]) -> str | list[str]:
    """Lists that select nobody ask for nothing."""
    if not names:
        raise ValueError("selects nobody: name a method")
    return names


def _digest(text: str) -> str:
    """Digests as they are compared: lower case."""
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise ValueError("is no sha256: 64 hexadecimal digits")
    return text.lower()


Methods = Annotated[str | list[str], AfterValidator(_some)]
Digest = Annotated[str, AfterValidator(_digest)]


class Table(BaseModel):
    """Base of the policy's tables: unknown keys, empty texts, other types and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, str_min_length=1, str_strip_whitespace=True
    )


Tier = Literal["recommended", "caution"]


class AuditRules(Table):
    """`[audit]`: the audit itself.  That nothing in it broke is asked for by every policy."""

    allow: list[Literal["ERROR"]] = Field(
        default_factory=list,
        description='["ERROR"] accepts an audit in which a method, a score or a check broke; without it such an audit '
        "never passes",
    )


class ModelRules(Table):
    """`[model]`: which file may be audited."""

    sha256: Digest | list[Digest] = Field(description="digest of the ONNX file, or a list of which it must be one")

    @property
    def digests(self) -> list[str]:
        """The digests as a list."""
        return [self.sha256] if isinstance(self.sha256, str) else self.sha256

    @model_validator(mode="after")
    def _some(self) -> ModelRules:
        if not self.digests:
            raise ValueError("pins no digest: name one, or leave the table out")
        return self


class ImageRules(Table):
    """`[images]`: what was audited on."""

    minimum: int | None = Field(default=None, ge=1, description="smallest number of audited images")
    maximum_skipped: int | None = Field(default=None, ge=0, description="largest number of inputs that were left out")
    manifest_sha256: Digest | None = Field(
        default=None, description="the report's data.manifest_sha256: exactly these images, byte for byte"
    )


class MethodRules(Table):
    """`[method]`: the method whose maps are shown to people."""

    in_use: str = Field(description='its id; elsewhere in the policy it is called "in-use"')
    tiers: list[Tier] = Field(
        default=["recommended", "caution"],
        min_length=1,
        description="tiers of the ranking that are accepted; rejected cannot be accepted, only waived",
    )


class ChecksRules(Table):
    """`[checks]`: checks that must have run and passed."""

    required: list[str] = Field(default_factory=list, description="ids of checks")
    methods: Methods = Field(default=IN_USE, description=f"for checks that examine methods, {_METHODS}")
    allow: list[Excuse] = Field(
        default_factory=list,
        description="statuses besides PASS that are accepted of every check which the policy names; SKIP includes a "
        "check that was not run",
    )


class CheckRule(Table):
    """`[[check]]`: one required check with allowances or methods of its own."""

    id: str = Field(description="id of the check; it may stand in the policy once, here or in checks.required")
    methods: Methods | None = Field(default=None, description=f"as in [checks], which it overrides; {_METHODS}")
    allow: list[Excuse] = Field(
        default_factory=list, description="statuses that are accepted besides PASS and those of [checks]"
    )


Statistic = Literal["interval", "mean", "median", "estimate", "ci_low", "ci_high"]


class ThresholdRule(Table):
    """`[[threshold]]`: a number of the report that must lie within bounds, which are included."""

    metric: str | None = Field(default=None, description="id of a metric")
    check: str | None = Field(default=None, description="id of a check; a check that failed meets no threshold")
    number: str | None = Field(
        default=None, description='any other number of the report, by its dotted path: "parity.max_rel_diff"'
    )
    name: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        description="what its results are called; by default the metric's or check's id, or the path. Thresholds on "
        "the same thing need names of their own",
    )
    methods: Methods | None = Field(
        default=None, description=f'for metrics, and checks of methods; "in-use" by default; {_METHODS}'
    )
    of: Statistic | None = Field(
        default=None,
        description='of a metric over the images: "interval" (the default: the end of the 95 % interval that speaks '
        'against you, ci_low for a minimum and ci_high for a maximum), "mean", "median", "ci_low", "ci_high"; of a '
        'check: "estimate" (the default), "interval", "ci_low", "ci_high"',
    )
    minimum: float | None = Field(default=None, description="smallest accepted value")
    maximum: float | None = Field(default=None, description="largest accepted value")
    missing: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="of a metric: largest accepted share of images without a score; 0 by default, for a mean over the "
        "images that could be scored may flatter",
    )
    allow: list[Literal["FAIL", "WARN", "INCONCLUSIVE", "SKIP", "ERROR"]] = Field(
        default_factory=list,
        description="statuses besides PASS that are accepted: of the check, where FAIL cannot be; or of the metric's "
        "own health test, where FAIL (it cannot tell methods from their inversions) includes the others",
    )

    @property
    def of_what(self) -> str:
        """The metric's or check's id, or the number's path."""
        return self.metric or self.check or self.number or ""

    @property
    def called(self) -> str:
        """What the results are called."""
        return self.name or self.of_what

    @property
    def statistic(self) -> str:
        """What of the metric or check is held against the bounds."""
        return self.of or ("estimate" if self.check else "interval")

    @model_validator(mode="after")
    def _one_question(self) -> ThresholdRule:
        if sum(what is not None for what in (self.metric, self.check, self.number)) != 1:
            raise ValueError("needs exactly one of metric, check and number")
        if self.minimum is None and self.maximum is None:
            raise ValueError("needs a minimum or a maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("has a minimum above its maximum")
        self._suited()
        return self

    def _suited(self) -> None:
        if self.number is not None and (self.methods is not None or self.of is not None or self.allow):
            raise ValueError("on a number takes neither methods nor of nor allow")
        if self.metric is None and self.missing is not None:
            raise ValueError("takes the key missing only with a metric")
        if self.metric is not None and self.of == "estimate":
            raise ValueError('with a metric cannot be of "estimate": say mean, median, interval, ci_low or ci_high')
        if self.check is not None and self.of in ("mean", "median"):
            raise ValueError(f'with a check cannot be of "{self.of}": say estimate, interval, ci_low or ci_high')
        if self.check is not None and "FAIL" in self.allow:
            raise ValueError("cannot allow FAIL of a check: a failure can only be waived")
        if self.metric is not None and {"WARN", "ERROR"} & set(self.allow):
            raise ValueError("with a metric can allow FAIL, INCONCLUSIVE and SKIP of its health test, nothing else")


class WaiverRule(Table):
    """`[[waiver]]`: a failure that a named person accepts for a while."""

    rule: str = Field(description='id of the result, as `geoaudit gate` prints it: "check:stability:guided-ig"')
    reason: str = Field(description="why the failure is accepted")
    owner: str = Field(description="who answers for that")
    expires: datetime.date = Field(description="the last day on which it holds (UTC), such as 2027-01-31")


class PolicyFile(Table):
    """What `--policy` names."""

    version: Literal[1] = Field(description="of the policy format")
    title: str = Field(default="", description="what the policy is for")
    owner: str = Field(default="", description="who answers for it")
    audit: AuditRules = Field(default_factory=AuditRules)
    model: ModelRules | None = None
    images: ImageRules | None = None
    method: MethodRules | None = None
    checks: ChecksRules = Field(default_factory=ChecksRules)
    check: list[CheckRule] = Field(default_factory=list)
    threshold: list[ThresholdRule] = Field(default_factory=list)
    waiver: list[WaiverRule] = Field(default_factory=list)
    compare: CompareRules | None = Field(default=None, description="what `geoaudit compare` asks of two reports")

    @property
    def asked_checks(self) -> list[CheckRule]:
        """Every required check, those of [checks] first, each with the methods and allowances that hold for it."""
        stated = [*(CheckRule(id=name) for name in self.checks.required), *self.check]
        return [
            CheckRule(
                id=rule.id,
                methods=rule.methods or self.checks.methods,
                allow=list(dict.fromkeys([*self.checks.allow, *rule.allow])),
            )
            for rule in stated
        ]

    @property
    def asks_of_audits(self) -> bool:
        """Whether there is a rule that a report can be judged by."""
        images = self.images is not None and self.images != ImageRules()
        return bool(self.model or images or self.method or self.asked_checks or self.threshold)


class Policy(PolicyFile):
    """A policy whose ids have been looked up.

    Attributes:
        file: its file's name.
        sha256: of the file's bytes.
        model_checks: ids of the checks that examine the model and no method.
    """

    file: str
    sha256: str
    model_checks: frozenset[str] = frozenset()
