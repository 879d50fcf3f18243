"""What the charts draw: one method or control with its two main scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval over images; the interval may be missing."""

    mean: float
    low: float | None
    high: float | None

    @property
    def arms(self) -> list[list[float]]:
        """Lengths below and above the mean, as error bars want them."""
        low = self.mean if self.low is None else self.low
        high = self.mean if self.high is None else self.high
        return [[max(0.0, self.mean - low)], [max(0.0, high - self.mean)]]


@dataclass(frozen=True)
class Point:
    """One method or control; a score that does not exist is None."""

    id: str
    control: bool
    pareto: bool
    srg: Interval | None
    ncc: Interval | None
    excess: Interval | None
