"""The better of two maps, image by image, and what both cost together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from geoaudit.api import Attributions, WalkRecord

Criterion = Literal["conformal-length", "total-variation"]


def shorter(
    straight: Attributions, bent: Attributions, places: Sequence[int], criterion: Criterion, searched: int
) -> tuple[Attributions, list[int]]:
    """The maps of the bent walks where they are shorter than the straight lines, else the straight lines'.

    Args:
        straight: n maps.
        bent: k maps of walks that were found.
        places: the images to which these belong, shape (k,).
        criterion: the length that is compared, as the integrator measured it.
        searched: gradients that the search took for each image that moves.

    Returns:
        n maps, whose records' gradients count the straight line, the search and both integrations; and which of
        the k bent walks they follow.
    """
    values = straight.values.copy()
    records = [charged(record, searched) for record in straight.records]
    taken = []
    for k, (found, own, i) in enumerate(zip(bent.values, bent.records, places, strict=True)):
        line = records[i]
        assert own is not None and line is not None  # walks are recorded
        if length(own, criterion) < length(line, criterion):
            values[i], records[i] = found, charged(own, line.gradients)
            taken.append(k)
        else:
            records[i] = charged(line, own.gradients)
    return Attributions(values, tuple(records)), taken


def length(record: WalkRecord | None, criterion: Criterion) -> float:
    """A walk's length, in output units; 0 without a record."""
    if record is None:
        return 0.0
    return record.conformal_length if criterion == "conformal-length" else record.total_variation


def charged(record: WalkRecord | None, gradients: int) -> WalkRecord | None:
    """The record with the gradients spent beside the integration; none where the image equals its baseline."""
    return record and replace(record, gradients=record.gradients + (gradients if record.nodes else 0))
