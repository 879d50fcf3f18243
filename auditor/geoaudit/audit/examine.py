"""The checks: each shown the model, or every method whose maps are there.

A check that crashes is its own failure; the others go on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from geoaudit.api import Check, Cost, Finding, Method, Problems, Status, Subject
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.meter import Meter
from geoaudit.audit.method_results import not_applicable
from geoaudit.audit.observer import Observer
from geoaudit.audit.plan import Plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import Parity
from geoaudit.audit.seeds import seed_spread
from geoaudit.audit.shelf import Shelf
from geoaudit.audit.speed import Speed
from geoaudit.audit.tally import Tally
from geoaudit.audit.unit import Expense, Ledger
from geoaudit.errors import GeoauditError, NotApplicable


@dataclass(frozen=True)
class Examined:
    """A finding and what it cost.

    Attributes:
        finding: the finding.
        check: the check; its title and whether a failure rejects the method stand in the report.
        cost: evaluations behind it; of several findings about one subject the first bears all.
        seconds: likewise.
    """

    finding: Finding
    check: Check
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0

    @property
    def gate(self) -> bool:
        """Whether a failure rejects the method."""
        return self.check.gate


@dataclass(frozen=True)
class Found:
    """What a check found about one subject.

    Attributes:
        findings: at least one.
        expense: what they cost.
        warning: a sentence for the user; None but for a check that failed.
    """

    findings: tuple[Finding, ...]
    expense: Expense
    warning: str | None = None


@dataclass(frozen=True)
class Examination:
    """What the checks are shown.

    Attributes:
        plan: the checks.
        inputs: the images.
        parity: the certificate.
        classes: number of classes of the model.
        sample: the first images.
        probe: the model.
        speed: for the progress bar.
        tell: told of the progress.
        ledger: of the run's expenses.
        shelf: where findings are looked for, and kept.
    """

    plan: Plan
    inputs: Inputs
    parity: Parity
    classes: int
    sample: Problems
    probe: ModelProbe
    speed: Speed
    tell: Observer
    ledger: Ledger = field(default_factory=Ledger)
    shelf: Shelf = field(default_factory=Shelf)

    def run(self, tallies: Mapping[str, Tally]) -> list[Examined]:
        """All findings, sorted by check and method."""
        found = [
            Examined(Finding(c.id, None, Status.SKIP, f"{not_applicable(c.needs).capitalize()}."), c)
            for c in self.plan.idle_checks
        ]
        scored = [t for _, t in sorted(tallies.items()) if not t.over]
        by_method = {t.method.id: t for t in scored}
        methods = [t.method for t in scored if t.method in self.plan.methods]
        self.tell.stage("checking", sum(self._seconds(c, m) for c, m in self._pairs(methods)))
        for check, method in self._pairs(methods):
            self.tell.working(f"{method.id if method else 'the model'}: {check.id}")
            found += self._examine(check, None if method is None else by_method[method.id])
            self.tell.advance(self._seconds(check, method))
        return sorted(found, key=lambda e: (e.finding.check, e.finding.method or ""))

    def _pairs(self, methods: Sequence[Method]) -> Iterator[tuple[Check, Method | None]]:
        """Method by method, so that what checks share of one method's maps need not be kept."""
        for check in self.plan.checks:
            if check.examines == "model":
                yield check, None
        for method in methods:
            for check in self.plan.checks:
                if method in self.plan.examined(check, [method]):
                    yield check, method

    def _seconds(self, check: Check, method: Method | None) -> float:
        return self.speed.seconds(
            check.cost(method, self.plan.budget.quadrature, len(self.sample), len(self.inputs.calibration))
        )

    def _subject(self, tally: Tally | None) -> Subject:
        subject = Subject(
            method=None,
            image_ids=tuple(info.id for info in self.inputs.infos),
            records=(),
            parity=self.parity.model_dump(mode="json"),
            labels=self.inputs.data.labels.model_dump(mode="json"),
            classes=self.classes,
        )
        if tally is None:
            return subject
        spread = None if tally.repeats is None else seed_spread(tally.repeats, tally, self.plan.metrics)
        return replace(
            subject,
            method=tally.method,
            records=tuple(row.record for row in tally.rows),
            seeds=None if spread is None else spread.model_dump(mode="json"),
            scores={
                metric.id: tuple(float(v) if math.isfinite(v) else None for v in tally.column(metric.id))
                for metric in self.plan.metrics
            },
        )

    def _examine(self, check: Check, tally: Tally | None) -> list[Examined]:
        method = None if tally is None else tally.method
        found = self.shelf.check(check, method, Found, lambda: self._found(check, self._subject(tally)), _sound)
        if found.warning is not None:
            self.tell.warn(found.warning)
        cost = self.ledger.charge(found.expense)
        first = [Examined(finding, check, cost, found.expense.seconds) for finding in found.findings[:1]]
        return first + [Examined(finding, check) for finding in found.findings[1:]]

    def _found(self, check: Check, subject: Subject) -> Found:
        method = subject.method.id if subject.method is not None else None
        meter, warning = Meter(self.probe), None
        try:
            findings = check.examine(subject, self.sample, self.probe)
            _require_sound(findings, check.id, method)
        except NotApplicable as told:
            findings = [Finding(check.id, method, Status.SKIP, _sentence(told))]
        except Exception as error:
            why = error.message if isinstance(error, GeoauditError) else f"{type(error).__name__}: {error}"
            warning = f"the check {check.id} of {method or 'the model'} failed: {why}"
            findings = [Finding(check.id, method, Status.ERROR, f"The check itself failed ({why}).")]
        return Found(tuple(findings), meter.read(), warning)


def _sound(found: Found) -> bool:
    """Whether it is worth keeping: what broke may have broken for want of memory or room, and is tried again."""
    return found.warning is None


def _require_sound(findings: Sequence[Finding], check: str, method: str | None) -> None:
    """A finding that is about something else would be lost, and one that is no JSON would cost the whole report.

    Raises:
        ValueError: there is no finding, or one cannot be reported; the message says which and why.
    """
    if not findings:
        raise ValueError("it returned no finding")
    for found in findings:
        if (found.check, found.method) != (check, method):
            raise ValueError(f"it returned a finding of {found.check} about {found.method or 'the model'}")
        for line in found.curves:
            if len(line.x) != len(line.y) or not all(map(math.isfinite, line.x)):
                raise ValueError(f"the line '{line.name}' of '{line.chart}' needs a finite x for every y")
        try:
            json.dumps(dict(found.details), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"its details are not JSON: {error}") from error


def _sentence(told: NotApplicable) -> str:
    """The reason as a sentence, the way out behind it."""
    parts = [part.strip().rstrip(".") for part in (told.reason, told.way_out) if part.strip()]
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."
