"""How methods are told apart, and from the controls: by tests that belong to how the images were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from geoaudit.audit.result import AdaptiveRanking, PairTest
from geoaudit.scoring import separation, statistics, tiers
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.statistics import Array

Bools = npt.NDArray[np.bool_]


class Judge(Protocol):
    """The tests behind tiers and positions."""

    def against(self, methods: Sequence[Contender], control: Contender | None) -> Mapping[str, tiers.Against]:
        """Every method's SRG against one control's, by method; empty where there is no such control."""
        ...

    def apart(self, methods: Sequence[Contender], parts: Array) -> Bools:
        """Which of the methods of a tier, best first, are told apart; shape (k, k), read above the diagonal.

        Args:
            methods: k methods.
            parts: what the order rests on, one column a method (`Standings.parts`).
        """
        ...

    def pairwise(self, methods: Sequence[Contender]) -> Sequence[PairTest]:
        """The report's tests of every two methods' SRG."""
        ...

    def tied(self, srg: Array) -> str:
        """Why the methods' SRG cannot be told apart at all; empty where it can, or where there is one method."""
        ...

    def friedman(self, scores: Array) -> tuple[float | None, float | None, int]:
        """Statistic, p and number of images of Friedman's test."""
        ...

    def told(self) -> AdaptiveRanking | None:
        """What the report says of comparisons that were settled on the way; None where every image was read."""
        ...


class FullSample:
    """Tests of all images at once, whose number was fixed beforehand.

    Args:
        seed: of resampling.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def against(self, methods: Sequence[Contender], control: Contender | None) -> Mapping[str, tiers.Against]:
        """As `tiers.against`."""
        return tiers.against(methods, control)

    def apart(self, methods: Sequence[Contender], parts: Array) -> Bools:
        """As `separation.apart`."""
        return separation.apart(parts, self._seed)

    def pairwise(self, methods: Sequence[Contender]) -> Sequence[PairTest]:
        """As `tiers.pairwise`."""
        return tiers.pairwise(methods)

    def tied(self, srg: Array) -> str:
        """By Wilcoxon's or Friedman's test."""
        if srg.shape[1] < 2:
            return ""
        if (srg == srg[:, :1]).all(axis=1)[~np.isnan(srg).any(axis=1)].all():
            return "all are equal on every image"
        if srg.shape[1] == 2:
            name, (p, _) = "Wilcoxon's test", statistics.wilcoxon(srg[:, 0], srg[:, 1])
        else:
            name, (_, p, _) = "Friedman's test", statistics.friedman(srg)
        return f"{name}, p = {p:.3g}" if p is not None and p >= tiers.ALPHA else ""

    def friedman(self, scores: Array) -> tuple[float | None, float | None, int]:
        """As `statistics.friedman`."""
        return statistics.friedman(scores)

    def told(self) -> AdaptiveRanking | None:
        """Nothing."""
        return None
