"""The order in which an adaptive audit reads its images: at random, for a folder's order may go by class."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def drawn(ids: Sequence[str], seed: int) -> list[int]:
    """Places of the ids in an order that hangs on the ids and the seed alone, not on the order given.

    Args:
        ids: all different.
        seed: the run's.
    """
    return sorted(range(len(ids)), key=lambda i: sha256(f"{seed}\x1f{ids[i]}".encode()).digest())
