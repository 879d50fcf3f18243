"""What an adaptive audit decides while images come in: which comparisons of the ranking are settled.

Three families of comparisons, each at 5 % over all its members (Holm), as in the ranking of a full audit:

- the order of every two methods.  On an image a method is preferred by SRG, by NCC violation, by both or by neither
  (a score that is missing is last); the mean preference lies in [-1, 1].  Settled once it differs from 0, or once it
  is shown to lie within `TIE` of 0: then the two share a position and more images are not spent on them.
- every method's SRG against the random control's, and against that of `edges`: above, below, or shown to gain less
  than `MATTERS`.

Half of the 5 % is for looks along the way, by evidence that stays valid whenever one looks (`adaptive`).  The other
half is for one test at the end, of comparisons that were read on all images (Wilcoxon 1945); together they are 5 % by
the sum of the two.  That less than `MATTERS` is gained, or that two methods are within `TIE`, is shown at 5 % each, for
no order is claimed by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.scoring.adaptive import BoundedCapital, SymmetricCapital
from geoaudit.scoring.statistics import Array, holm, wilcoxon
from geoaudit.scoring.tiers import ALPHA, MATTERS

TIE = 0.2
"""Smallest mean preference of interest: neither of two methods is preferred on 60 % of the images."""
REFERENCES = ("random", "edges")
"""The controls that methods are compared with."""

Bools = npt.NDArray[np.bool_]
Gain = Literal["above", "below", "not above"]
Order = Literal["first", "second", "tie"]


@dataclass(frozen=True)
class Scores:
    """Scores of k methods, and of the references, on n images in the order of the audit; nan where missing.

    Attributes:
        ncc: NCC violation as far as it earns a rank, shape (n, k).
        srg: shape (n, k).
        references: SRG of those of `REFERENCES` that were scored, shape (n,) each.
        read: where masked forwards were spent: methods' shape (n, k).
        references_read: likewise, shape (n,) each.
    """

    ncc: Array
    srg: Array
    references: Mapping[str, Array]
    read: Bools
    references_read: Mapping[str, Bools]


@dataclass(frozen=True)
class Against:
    """A method against a reference.

    Attributes:
        outcome: None where nothing is settled.
        above: p that it is not above, Holm-adjusted over the methods; None where there is nothing to compare.
        below: p that it is not below, likewise.
    """

    outcome: Gain | None
    above: float | None
    below: float | None


@dataclass(frozen=True)
class Pair:
    """Two methods.

    Attributes:
        first: id.
        second: id.
        n: images on which both were read.
        preference: mean over them, positive where the first is preferred, in [-1, 1]; None without images.
        outcome: who is preferred; None where nothing is settled.
        p: that neither is preferred, Holm-adjusted over the pairs.
    """

    first: str
    second: str
    n: int
    preference: float | None
    outcome: Order | None
    p: float


class Decisions:
    """Evidence on all comparisons so far.

    Args:
        methods: ids, in the order of the columns.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        self.methods = tuple(methods)
        self._pairs = np.array(list(combinations(range(len(methods)), 2)), dtype=np.int64).reshape(-1, 2)
        m, k = len(self._pairs), len(methods)
        self._preferred = BoundedCapital(m), BoundedCapital(m)
        self._near = BoundedCapital(m, -TIE), BoundedCapital(m, -TIE)
        self._total, self._count = np.zeros(m), np.zeros(m, dtype=np.int64)
        self._gained = {
            name: (SymmetricCapital(k), SymmetricCapital(k), SymmetricCapital(k, -MATTERS)) for name in REFERENCES
        }
        self._compared = {name: np.zeros(k, dtype=np.int64) for name in REFERENCES}

    def add(self, scores: Scores) -> None:
        """More images."""
        if not len(scores.srg):
            return
        liked = preference(scores, self._pairs)
        for capitals in (self._preferred, self._near):
            capitals[0].add(liked)
            capitals[1].add(-liked)
        known = ~np.isnan(liked)
        self._total += np.where(known, liked, 0.0).sum(axis=0)
        self._count += known.sum(axis=0)
        for name in scores.references:
            gain = gains(scores, name)
            for capital, values in zip(self._gained[name], (gain, -gain, -gain), strict=True):
                capital.add(values)
            self._compared[name] += (~np.isnan(gain)).sum(axis=0)

    def against(self, reference: str, taking_part: Bools, end: Scores | None = None) -> list[Against]:
        """Every method against a reference, in the order of `methods`.

        Args:
            reference: one of `REFERENCES`.
            taking_part: which methods are compared, shape (k,).
            end: all images, once there are no more: comparisons that were read on all of them are tested once more.
        """
        up, down, little = (capital.p for capital in self._gained[reference])
        above, below = 2 * up, 2 * down
        if end is not None and reference in end.references:
            whole: Bools = np.logical_and(end.read.all(axis=0), end.references_read[reference].all())
            gain = gains(end, reference)
            above = _with_end(above, gain, whole, "greater")
            below = _with_end(below, gain, whole, "less")
        part = taking_part & (self._compared[reference] > 0)
        higher, lower = (holm([float(p) if on else None for p, on in zip(ps, part, strict=True)])
                         for ps in (above, below))  # fmt: skip
        return [_gain(up_, down_, float(p)) for up_, down_, p in zip(higher, lower, little, strict=True)]

    def pairs(self, taking_part: Bools, end: Scores | None = None) -> list[Pair]:
        """Every two methods that take part; arguments as in `against`."""
        sides = np.stack([capital.p for capital in self._preferred])
        p = 4 * sides.min(axis=0, initial=1.0)
        positive = sides[0] <= sides[1]
        if end is not None:
            whole: Bools = np.asarray(end.read[:, self._pairs].all(axis=(0, 2)), dtype=np.bool_)
            p = _with_end(p, preference(end, self._pairs), whole, "two-sided")
            positive = np.where(whole, self._total > 0, positive)
        on: Bools = np.asarray(taking_part[self._pairs].all(axis=1), dtype=np.bool_)
        adjusted = holm([float(value) if use else None for value, use in zip(p, on, strict=True)])
        near = np.stack([capital.p for capital in self._near]).max(axis=0, initial=0.0) < ALPHA
        found = []
        for i, (a, b) in enumerate(self._pairs):
            value, n = adjusted[i], int(self._count[i])
            if value is None:
                continue
            told: Order | None = "tie" if near[i] else None
            if value < ALPHA:
                told = "first" if positive[i] else "second"
            mean = float(self._total[i] / n) if n else None
            found.append(Pair(self.methods[a], self.methods[b], n, mean, told, value))
        return found


def preference(scores: Scores, pairs: npt.NDArray[np.int64]) -> Array:
    """By how much the first of each pair is preferred on each image, in [-1, 1]; nan where one was not read.

    Mean over the two criteria of 1 where the first is better, -1 where the second is, 0 where they are equal; the
    method without a score is the worse one.

    Returns:
        Shape (n, m) for m pairs.
    """
    ncc, srg = np.where(np.isnan(scores.ncc), np.inf, scores.ncc), np.where(np.isnan(scores.srg), -np.inf, scores.srg)
    a, b = pairs[:, 0], pairs[:, 1]
    better = (ncc[:, a] < ncc[:, b]).astype(np.float64) + (srg[:, a] > srg[:, b])
    worse = (ncc[:, a] > ncc[:, b]).astype(np.float64) + (srg[:, a] < srg[:, b])
    both = scores.read[:, a] & scores.read[:, b]
    return np.where(both, (better - worse) / 2, np.nan)


def gains(scores: Scores, reference: str) -> Array:
    """SRG less the reference's, nan where either was not read or is missing; shape (n, k)."""
    both = scores.read & scores.references_read[reference][:, None]
    return np.where(both, scores.srg - scores.references[reference][:, None], np.nan)


def _with_end(p: Array, values: Array, whole: Bools, side: Literal["two-sided", "greater", "less"]) -> Array:
    """The smaller of p so far and twice that of the test at the end, for the columns that were read throughout."""
    found = p.copy()
    for i in np.flatnonzero(whole):
        last, _ = wilcoxon(values[:, i], np.where(np.isnan(values[:, i]), np.nan, 0.0), side)
        found[i] = min(found[i], 2 * last) if last is not None else found[i]
    return found


def _gain(above: float | None, below: float | None, little: float) -> Against:
    if above is None or below is None:
        return Against(None, above, below)
    outcome: Gain | None = "not above" if little < ALPHA else None
    if above < ALPHA:
        outcome = "above"
    elif below < ALPHA:
        outcome = "below"
    return Against(outcome, above, below)
