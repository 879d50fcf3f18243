"""The verdict as a document of its own: what `geoaudit gate --format json` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geoaudit import __version__
from geoaudit.audit.result import Gate, NamedFile, Record, Report, Tool

VERDICT_VERSION = 1  # 1: first version; raised only by a change that breaks readers


class Verdict(Record):
    """A stored report held against a policy."""

    schema_: Literal["geoaudit.verdict"] = Field(default="geoaudit.verdict", alias="schema")
    schema_version: Literal[1] = 1
    tool: Tool = Field(description="who judged; the report names who measured")
    report: NamedFile = Field(description="the judged report.json: its name and the sha256 of its bytes")
    model: NamedFile = Field(description="the audited model, as the report names it")
    judged: str = Field(description="the UTC day on which the policy was applied, ISO 8601: waivers expire by it")
    gate: Gate
    exit_code: int = Field(description="0: PASS; 1: FAIL; 3: the audit was not completed, and the policy asks for that")


def verdict_of(judged: Report, report: NamedFile) -> Verdict:
    """The verdict of a judged report.

    Args:
        judged: as `geoaudit.gate.judged` returns it.
        report: the file that was judged.
    """
    return Verdict(
        tool=Tool(name="geoaudit", version=__version__),
        report=report,
        model=NamedFile(file=judged.model.file, sha256=judged.model.sha256),
        judged=judged.run.judged or "",
        gate=judged.gate,
        exit_code=judged.exit_code,
    )
