"""What the ranking is made from: per-image scores of every method and control, aligned on the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.scoring.statistics import Array

ENOUGH = 20
"""From this many images on a ranking counts as more than indicative."""
BY_CONSTRUCTION = "ncc-by-construction"
"""Flag of methods whose NCC holds whatever they say: it earns them no rank."""


@dataclass(frozen=True)
class Scale:
    """How a metric that judges maps is read.

    Attributes:
        metric: its id.
        higher_is_better: its direction.
        source: the evidence that it reads; metrics of one source are near-copies of each other.
    """

    metric: str
    higher_is_better: bool
    source: str


RANKED_BY = (Scale("ncc-violation", False, "ncc-violation"), Scale("srg", True, "sweep"))
"""What the ranking itself rests on."""


@dataclass(frozen=True)
class Contender:
    """One method or control.

    Attributes:
        id: the method's id.
        kind: "method" or "control".
        flags: the method's flags.
        status: "error" where it crashed; its scores are then ignored.
        reason: why, where status is "error".
        ncc: NCC violation of each image, nan where null, shape (n,).
        srg: SRG of each image, mean over imputers, nan where missing, shape (n,).
        srg_by_imputer: SRG of each image and imputer, shape (n, p); p may be 0 where it is not known.
        imputers: their ids, shape (p,).
        ncc_reason: the most frequent reason of the missing NCC values.
        readings: per-image scores by every metric with a direction, shape (n,) each, nan where null.
        failed: gating checks that the method failed, each with its reason: they reject it.
        doubted: ids of other checks that it failed.
        warned: gating checks that it neither passed nor failed, each with its reason.
        inconclusive: ids of checks that ended INCONCLUSIVE for this method.
        unchecked: ids of checks that crashed on it.
        read: the images on which masked forwards were spent, in an adaptive audit; None: on all; shape (n,).
    """

    id: str
    kind: Literal["method", "control"]
    flags: frozenset[str]
    status: Literal["ok", "error"]
    reason: str | None
    ncc: Array
    srg: Array
    srg_by_imputer: Array
    ncc_reason: str | None = None
    imputers: tuple[str, ...] = ()
    readings: Mapping[str, Array] = field(default_factory=dict)
    failed: tuple[tuple[str, str], ...] = ()
    doubted: tuple[str, ...] = ()
    warned: tuple[tuple[str, str], ...] = ()
    inconclusive: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    read: npt.NDArray[np.bool_] | None = None

    @property
    def read_on(self) -> npt.NDArray[np.bool_]:
        """Whether masked forwards were spent on each image, shape (n,)."""
        return np.ones(len(self.srg), dtype=np.bool_) if self.read is None else self.read

    def asked(self, scores: Array) -> Array:
        """Its scores by a metric, without those that no forwards were spent on; at most as many as `scores`."""
        return scores if self.read is None else scores[self.read | ~np.isnan(scores)]

    @property
    def earned(self) -> Array:
        """NCC violation of each image as far as it is the method's merit: all nan where it holds by construction."""
        return np.full_like(self.ncc, np.nan) if BY_CONSTRUCTION in self.flags else self.ncc

    def scored_by(self, metric: str) -> Array:
        """Its scores by a metric, as far as they may rank it; all nan where there are none, shape (n,)."""
        own = {"ncc-violation": self.earned, "srg": self.srg}
        return own.get(metric, self.readings.get(metric, np.full_like(self.srg, np.nan)))

    @property
    def assessable(self) -> bool:
        """Whether NCC exists on at least half of the images."""
        return covers(self.ncc)


def covers(scores: Array) -> bool:
    """Whether at least half of the images have a score; what has fewer takes no part in a comparison."""
    return bool(len(scores)) and 2 * int((~np.isnan(scores)).sum()) >= len(scores)


def canonical(contenders: Sequence[Contender]) -> list[Contender]:
    """The contenders sorted by id, with the images in an order that depends on the scores alone.

    So neither the order of methods nor that of images reaches the resampling.

    Raises:
        ValueError: an id occurs twice, or the arrays are not aligned.
    """
    ordered = sorted(contenders, key=lambda c: c.id)
    if len({c.id for c in ordered}) < len(ordered):
        raise ValueError("a contender's id occurs twice")
    lengths = {len(a) for c in ordered for a in (c.ncc, c.srg, c.srg_by_imputer, *c.readings.values())}
    if len(lengths) > 1:
        raise ValueError(f"scores of {sorted(lengths)} images cannot be compared")
    if not ordered:
        return []
    read = [[c.readings[name] for name in sorted(c.readings)] for c in ordered]
    keys = [key for c, more in zip(ordered, read, strict=True) for key in (*more, c.srg, c.ncc, *c.srg_by_imputer.T)]
    rows = np.lexsort(keys)
    return [
        replace(
            c, ncc=c.ncc[rows], srg=c.srg[rows], srg_by_imputer=c.srg_by_imputer[rows],
            readings={name: scores[rows] for name, scores in c.readings.items()},
            read=None if c.read is None else c.read[rows],
        )
        for c in ordered
    ]  # fmt: skip
