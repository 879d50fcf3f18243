"""Straight lines to an image, each seen at a few random positions: the samples' sums and their record.

Used by Expected Gradients, whose documentation says how samples are drawn and what each number of the record means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints, WalkRecord
from geoaudit.api.problems import smallest_difference

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One image's samples.

    Attributes:
        references: places in the pool, shape (n,).
        positions: ascending, each in its n-th of [0, 1], shape (n,).
    """

    references: Ints
    positions: Array


class Sums:
    """What is added up over one image's samples.

    Args:
        shape: of the image.
        samples: how many will come, in ascending order.

    Attributes:
        values: the map: the mean of the samples, float64.
        half: the same from every other sample.
        slopes: each sample's sum, in output units; with the next ones, shape (n,).
        outputs: explained output at each sample.
        lengths: |x - b| of each sample.
        absolutes: sum_i |(x - b)_i g_i| of each sample.
        conformals: |x - b| |g| of each sample.
    """

    def __init__(self, shape: tuple[int, ...], samples: int) -> None:
        self.values: Array = np.zeros(shape)
        self.half: Array = np.zeros(shape)
        self.slopes, self.outputs, self.lengths, self.absolutes, self.conformals = np.zeros((5, samples))

    def add(self, s: int, way: Floats, gradient: Floats, output: float) -> None:
        """Take sample s into account."""
        n = len(self.slopes)
        part = way * gradient
        self.values += part / n
        if s % 2 == 0:
            self.half += part / ((n + 1) // 2)
        self.slopes[s] = part.sum(dtype=np.float64)
        self.outputs[s] = output
        self.absolutes[s] = np.abs(part).sum(dtype=np.float64)
        self.lengths[s] = np.sqrt(np.square(way, dtype=np.float64).sum())
        self.conformals[s] = self.lengths[s] * np.sqrt(np.square(gradient, dtype=np.float64).sum())


def record(sums: Sums, drawn: Drawn, known: dict[int, float], f_x: float, tolerance: float) -> WalkRecord:
    """What was measured on one image's samples; as documented in Expected Gradients.

    Args:
        sums: all samples added up.
        drawn: which they were.
        known: explained output at the references.
        f_x: explained output at the image.
        tolerance: largest error bar, as a share of |claim|, that counts as met.
    """
    n = len(drawn.references)
    starts = np.array([known[int(b)] for b in drawn.references])
    deltas = f_x - starts
    claim, smallest = float(deltas.mean()), float(smallest_difference(f_x, starts).mean())
    share = 1.0 / abs(claim) if abs(claim) >= smallest else np.nan
    misses = sums.slopes - deltas
    bar = float(np.sqrt(np.square(np.diff(misses)).sum() / (2 * n * (n - 1))))
    total, variation = float(sums.values.sum()), _variation(sums.outputs, drawn, known, f_x)
    return WalkRecord(
        delta_f=claim,
        nodes=n,
        gradients=n,
        forwards=len(known),
        attribution_sum=total,
        magnitude=float(np.abs(sums.values).sum()),
        magnitude_half=float(np.abs(sums.half).sum()),
        sum_half=float(sums.half.sum()),
        completeness_error=abs(total - claim) * share,
        quadrature_error=abs(total - claim) * share,
        method_error=0.0 * share,
        error_bar=bar * share,
        absolute_misses=float(np.abs(misses).mean()) * share,
        total_variation=variation,
        path_cancellation=max(0.0, 1.0 - abs(claim) / variation) if variation > 0 else 0.0,
        length=float(sums.lengths.mean()),
        absolute_integral=float(sums.absolutes.mean()),
        conformal_length=float(sums.conformals.mean()),
        met=bar <= tolerance * max(abs(claim), smallest),
    )


def _variation(outputs: Array, drawn: Drawn, known: dict[int, float], f_x: float) -> float:
    """|f changes| from each reference over its samples to the image, by the references' shares of the samples."""
    total = 0.0
    for b, start in known.items():
        own = drawn.references == b
        total += own.mean() * np.abs(np.diff([start, *outputs[own], f_x])).sum()
    return float(total)
