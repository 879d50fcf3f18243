"""The policy's `[compare]` table: how far an explanation may change from one report to the next."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Rules(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, str_min_length=1, str_strip_whitespace=True
    )


class ChangeThreshold(_Rules):
    """How much worse a metric may become (`[[compare.threshold]]`)."""

    metric: str = Field(description='id of a metric, such as "srg"')
    worse_by_at_most: float = Field(
        ge=0.0, description="in the metric's own units; a metric without a better direction may move by this either way"
    )
    of: Literal["interval", "mean"] = Field(
        default="interval",
        description="what is held against the limit: the end of the 95 % interval that speaks against you, or the mean",
    )
    missing: float = Field(
        default=0.0, ge=0, lt=1, description="largest accepted share of the paired images without a value in both"
    )
    methods: str | list[str] | None = Field(
        default=None, description="as for the whole table, for this threshold alone"
    )


class CompareRules(_Rules):
    """What `geoaudit compare --policy` asks; at least one of the limits must be given."""

    methods: str | list[str] = Field(
        default="in-use",
        description='whom it is about: "in-use" (the method of [method]), "all" (every method that ran in either '
        "report), an id, or a list of ids",
    )
    pairs_at_least: int = Field(default=2, ge=2, description="images that both reports must have")
    same_settings: bool = Field(
        default=True, description="what was measured must have been set alike: a change of setting may be the cause"
    )
    same_images: bool = Field(default=False, description="neither report may have images that the other has not")
    threshold: list[ChangeThreshold] = Field(default_factory=list)
    rank_drop_at_most: float | None = Field(
        default=None,
        ge=0.0,
        description="how far the mean rank over images may fall; the upper end of its 95 % interval counts",
    )
    map_similarity_at_least: float | None = Field(
        default=None,
        ge=-1.0,
        le=1.0,
        description="rank correlation of |A| between the maps of an image; the lower end of its 95 % interval counts",
    )
    top1_agreement_at_least: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="observed share of the paired images for which both models name the same class",
    )
    checks_may_not_worsen: bool = Field(
        default=False, description="no check may come out worse than before, nor be missing"
    )
    tiers_may_not_worsen: bool = Field(default=False, description="no tier may be lower than before")

    @model_validator(mode="after")
    def _asks_something(self) -> CompareRules:
        limits = (self.rank_drop_at_most, self.map_similarity_at_least, self.top1_agreement_at_least)
        asked = [self.threshold, self.checks_may_not_worsen, self.tiers_may_not_worsen, self.same_images]
        if not any(asked) and all(limit is None for limit in limits):
            raise ValueError("asks for nothing: give a limit, such as map_similarity_at_least = 0.5")
        if self.methods == [] or any(rule.methods == [] for rule in self.threshold):
            raise ValueError("methods = [] selects nobody")
        return self
