"""The verification as data: the model that `geoaudit verify --format json` prints and its schema is generated from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geoaudit.audit.result import NamedFile, Record, Tool

VERIFICATION_VERSION = 1  # 1: first version; raised only by a change that breaks readers

Status = Literal["PASS", "FAIL", "SKIP"]


class Finding(Record):
    """One thing that was looked at."""

    id: str = Field(description="what was checked; the same from run to run")
    subject: str = Field(description="the file, picture, map, method or number that it is about")
    status: Status = Field(description="SKIP: not checked, or nothing to decide; the reason says why")
    reason: str
    expected: str | None = Field(default=None, description="what the report says, where one value says it")
    found: str | None = Field(default=None, description="what is there")


class Difference(Record):
    """One value of the report that did not come out again."""

    image: str | None = Field(description="null where the value is about no single picture")
    method: str | None = Field(description="null where the value is about no single method")
    metric: str = Field(description="the score; 'map' for the map itself; else the value's place in the report")
    stored: float | str | None = Field(description="in the report; of a map the sum of its magnitudes")
    found: float | str | None = Field(description="in the re-run; of a map the sum of its magnitudes")
    size: float | None = Field(
        description="|stored - found| / max(1, |stored|); of a map the sum of its changes over the sum of its "
        "magnitudes; null where one of them is no number"
    )


class Worst(Record):
    """The largest difference of one kind of number, within the tolerance or not."""

    metric: str
    compared: int = Field(description="numbers of this kind that were compared")
    size: float = Field(description="as in `Difference`; 0 means equal to the last bit")
    image: str | None
    method: str | None


class Sample(Record):
    """The pictures that the scores were computed again on."""

    chosen: Literal["all", "random", "none"]
    seed: int | None = Field(description="of the choice; the same seed and report choose the same pictures")
    images: list[str]
    of: int = Field(description="pictures in the report")


class VerifyRun(Record):
    """When and where it was verified."""

    started: str = Field(description="UTC, ISO 8601")
    seconds: float
    host: dict[str, str]
    packages: dict[str, str]


class Verification(Record):
    """What an independent person found out about a stored report."""

    schema_: Literal["geoaudit.verification"] = Field(default="geoaudit.verification", alias="schema")
    schema_version: Literal[1] = 1
    tool: Tool
    run: VerifyRun
    report: NamedFile = Field(description="the verified report.json, as found")
    sample: Sample
    tolerance: float = Field(description="largest allowed `Difference.size` of a number; of a map ten times that")
    findings: list[Finding]
    worst: list[Worst] = Field(description="by metric; empty without a re-run")
    differences: list[Difference] = Field(description="beyond the tolerance; empty without a re-run")
    status: Literal["PASS", "FAIL"]
    exit_code: int
