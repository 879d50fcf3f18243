"""What the ranking is made from: per-image scores of every method and control, aligned on the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from geoaudit.scoring.statistics import Array

ENOUGH = 20
"""From this many images on a ranking counts as more than indicative."""


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
        ncc_reason: the most frequent reason of the missing NCC values.
        insensitive: what the randomisation check said, where it found the method insensitive.
        inconclusive: ids of checks that ended INCONCLUSIVE for this method.
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
    insensitive: str | None = None
    inconclusive: tuple[str, ...] = ()

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
    lengths = {len(a) for c in ordered for a in (c.ncc, c.srg, c.srg_by_imputer)}
    if len(lengths) > 1:
        raise ValueError(f"scores of {sorted(lengths)} images cannot be compared")
    if not ordered:
        return []
    keys = [key for c in ordered for key in (c.srg, c.ncc, *c.srg_by_imputer.T)]
    rows = np.lexsort(keys)
    return [replace(c, ncc=c.ncc[rows], srg=c.srg[rows], srg_by_imputer=c.srg_by_imputer[rows]) for c in ordered]
