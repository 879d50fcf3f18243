"""Sanity checks: findings with a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from geoaudit.api.methods import Method
from geoaudit.api.metrics import BudgetName
from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Cost, Need, Probe, Quadrature
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
class Series:
    """A line of measured points, drawn beside those of the check's other subjects.

    Attributes:
        chart: the chart's title; lines of one check with the same title share a chart.
        name: the line's name within its subject, such as "from the top"; may be empty.
        x_label, y_label: what the axes show, units included.
        x: shape (k,), finite.
        y: shape (k,), nan where there is no value.
    """

    chart: str
    name: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


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
        curves: what was measured along the way, for charts.
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
    curves: tuple[Series, ...] = ()


class Check(ABC):
    """A sanity check of the model ("model") or of each method ("method").

    Class attributes:
        id, title, reference: as for methods.
        examines: "model": called once with the audited problems; "method": called for every method.
        examines_controls: whether it is also shown the controls, which are pictures made without the model: what it
            says of them tells whether the check itself works.
        needs: what it needs of the model besides its outputs; nothing unless it says otherwise.
        gate: whether a method that fails it is rejected, whatever its scores.  Else a failure is a caution.
        from_budget: the smallest budget under which it runs without being named.
        budgets: parameters that a budget sets other than the defaults.
        adaptive: parameters that --adaptive sets besides, such as one to stop drawing once the verdict is settled.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    examines: ClassVar[Literal["model", "method"]]
    examines_controls: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset()
    gate: ClassVar[bool] = False
    from_budget: ClassVar[BudgetName] = "quick"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    adaptive: ClassVar[Mapping[str, str]] = {}
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """The findings about `subject`; `problems` are the first audited images, as many as memory allows.

        Raises:
            NotApplicable: it cannot say anything about this subject; reported as SKIP with the reason.
        """

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """Expected evaluations for one subject, all images together.

        Args:
            method: the method examined; None for the model.
            quadrature: the run's.
            images: number of images in `problems`.
            calibration: number of pictures that methods learn from.
        """
        return Cost()

    def scope(self, images: int) -> str:
        """How much it does under its parameters, in a few words for the plan that is printed: "2 images, 3 seeds"."""
        return ""


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
        seeds: a stochastic method's repeats, keys as in the report's `methods[].seeds`; None where it was not
            repeated.
        scores: the method's score of each image by metric, in the order of `image_ids`, None where missing.
    """

    method: Method | None
    image_ids: tuple[str, ...]
    records: tuple[WalkRecord | None, ...]
    parity: Mapping[str, Any]
    labels: Mapping[str, Any]
    classes: int
    seeds: Mapping[str, Any] | None = None
    scores: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
