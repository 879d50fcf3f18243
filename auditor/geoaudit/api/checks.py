"""Sanity checks: findings with a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from geoaudit.api.methods import Method
from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Need, Probe
from geoaudit.api.problems import Problems
from geoaudit.api.walks import WalkRecord


class Status(StrEnum):
    """The six verdicts.  SKIP and ERROR never read as PASS."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        check: the check's id.
        method: the examined method's id; None when the model itself was examined.
        status: the verdict.
        reason: one plain sentence.
        estimate: the measured number, its interval and the threshold it was held against, where they exist.
        details: anything else, JSON-ready.
    """

    check: str
    method: str | None
    status: Status
    reason: str
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    threshold: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC):
    """A sanity check of the model ("model") or of each method ("method").

    Class attributes:
        id, title, reference: as for methods.
        examines: "model": called once with the audited problems; "method": called for every method.
        needs: what it needs of the model besides its outputs; nothing unless it says otherwise.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    examines: ClassVar[Literal["model", "method"]]
    needs: ClassVar[frozenset[Need]] = frozenset()
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """The findings about `subject`; `problems` are the first audited images, as many as memory allows."""


@dataclass(frozen=True)
class Subject:
    """What a check examines.

    Attributes:
        method: the method, or None when the model is examined.
        image_ids: all audited images.
        records: for a method, what was measured on every image's walk, in the order of `image_ids`.
        parity: the parity certificate, keys as in the report's `parity`; its numbers are null where the model
            was not converted.
        labels: keys as in the report's `data.labels`.
        classes: number of classes of the model.
    """

    method: Method | None
    image_ids: tuple[str, ...]
    records: tuple[WalkRecord | None, ...]
    parity: Mapping[str, Any]
    labels: Mapping[str, Any]
    classes: int
