"""What a report says about one method, metric or check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geoaudit.audit.result import CheckResult, MethodResult, MetricHealth, RankingEntry, Report
from geoaudit.gate.ids import words
from geoaudit.gate.policy import GROUPS, IN_USE


@dataclass(frozen=True)
class Chosen:
    """One method that a rule is about.

    Attributes:
        word: what the policy says: an id, "in-use" or a word for several.
        method: the method's id; None where a word for several selects nobody.
    """

    word: str
    method: str | None


@dataclass(frozen=True)
class Evidence:
    """A report, asked."""

    report: Report

    def method(self, name: str) -> MethodResult | None:
        """The method or control of this id; None if it was not run."""
        return next((method for method in self.report.methods if method.id == name), None)

    def place(self, name: str) -> RankingEntry | None:
        """The method's place in the ranking; None if it has none."""
        return next((entry for entry in self.report.ranking.entries if entry.method == name), None)

    def findings(self, check: str, method: str | None) -> list[CheckResult]:
        """The check's findings about the method, or about the model; empty if it was not run on it."""
        return [found for found in self.report.checks if (found.id, found.method) == (check, method)]

    def health(self, metric: str) -> MetricHealth | None:
        """The metric's health test; None where metrics of its kind have none."""
        return next((health for health in self.report.metric_health if health.metric == metric), None)

    def chosen(self, asked: str | Sequence[str] | None, in_use: str | None) -> list[Chosen]:
        """The methods that the key `methods` of a rule selects, each once, in the policy's order.

        Args:
            asked: the key's value; None for the method in use.
            in_use: id of the method in use.
        """
        found: dict[str | tuple[str], Chosen] = {}
        for word in words(asked if asked is None or isinstance(asked, str) else list(asked)):
            names = self._group(word) if word in GROUPS else [in_use if word == IN_USE and in_use else word]
            for name in names:
                found.setdefault(name, Chosen(word, name))
            if not names:
                found[(word,)] = Chosen(word, None)
        return list(found.values())

    def _group(self, word: str) -> list[str]:
        if word == "all":
            return sorted(method.id for method in self.report.methods if method.kind == "method")
        entries = self.report.ranking.entries
        return [entry.method for entry in entries if word == "ranked" or entry.tier == word]
