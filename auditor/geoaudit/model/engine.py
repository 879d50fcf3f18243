"""Settings of the gradient engine: a short measurement, biased towards one answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from geoaudit.model.engines.base import EngineName

BUDGET_SECONDS = 2.0
"""Measuring stops after this long; what has not been measured is not chosen."""
ADVANTAGE = 0.75
"""A rival must take at most this share of the favourite's time: noise must not change the choice."""


@dataclass(frozen=True, order=True)
class Setting:
    """One way to run.

    Attributes:
        channels_last: torch's weights and images stored with channels last.
        batch_size: images that torch evaluates together; onnxruntime's gradients take them one by one, side by side.
        engine: what computes the model's gradients; copies of which more than the weights was changed are torch's.
    """

    channels_last: bool
    batch_size: int
    engine: EngineName = "torch"

    @property
    def layout(self) -> str:
        """The memory layout as the report states it."""
        return "channels-last" if self.channels_last else "contiguous"


def pick(seconds: Mapping[Setting, float], order: Sequence[Setting]) -> Setting:
    """The setting to use.

    Args:
        seconds: measured seconds per image.
        order: settings from most to least favoured; the first measured one is the favourite.

    Returns:
        The favourite, unless the fastest measured setting takes at most `ADVANTAGE` of its time: two runs on
        one machine then make one choice, and their numbers agree to the last bit.
    """
    measured = [setting for setting in order if setting in seconds]
    favourite = measured[0]
    fastest = min(measured, key=lambda setting: seconds[setting])
    return fastest if seconds[fastest] <= ADVANTAGE * seconds[favourite] else favourite


def measure(
    evaluate: Callable[[Setting], None], order: Sequence[Setting], budget: float = BUDGET_SECONDS
) -> dict[Setting, float]:
    """Seconds per image of the settings, in `order`, as far as the budget reaches.

    Args:
        evaluate: runs one batch.
        order: settings to measure; the first is measured in any case.
        budget: seconds; a setting that is expected to exceed what is left is passed over.

    Returns:
        The better of two timed runs, after one untimed, over the batch size.
    """
    seconds: dict[Setting, float] = {}
    begun = time.perf_counter()
    for setting in order:
        spent = time.perf_counter() - begun
        if seconds and spent + 3 * setting.batch_size * min(seconds.values()) > budget:
            continue
        evaluate(setting)
        runs = []
        for _ in range(2):
            start = time.perf_counter()
            evaluate(setting)
            runs.append(time.perf_counter() - start)
        seconds[setting] = min(runs) / setting.batch_size
    return seconds
