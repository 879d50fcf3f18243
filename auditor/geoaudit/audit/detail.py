"""Which images a report lists one by one, where there are too many to list them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

from geoaudit.audit import score_files
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import ImageInfo
from geoaudit.audit.settings import Settings

RULE = (
    "The listed images are drawn by explained class: places are dealt out to the classes in turn, and within a class "
    "images come in the order of sha256(seed/id); classes come in the order of their first image."
)


def listed_images(settings: Settings, infos: Sequence[ImageInfo], tell: Observer) -> frozenset[str] | None:
    """The images that the report lists; None where it lists all."""
    if len(infos) <= settings.detail:
        return None
    if not score_files.available():
        tell.warn(
            f"all {len(infos):,} images are listed one by one, for the package pyarrow, which writes the scores of "
            "the others, is missing: pip install 'geoaudit[parquet]'"
        )
        return None
    return drawn([i.id for i in infos], [i.target for i in infos], settings.detail, settings.seed)


def drawn(ids: Sequence[str], classes: Sequence[int], places: int, seed: int) -> frozenset[str]:
    """The images that are listed, by `RULE`; they depend on nothing else, above all not on their scores.

    Args:
        ids: of all images.
        classes: their explained classes, as many.
        places: how many are listed, at least 1.
        seed: of the run.
    """
    order = sorted(range(len(ids)), key=lambda i: sha256(f"{seed}/{ids[i]}".encode()).digest())
    strata: dict[int, list[str]] = defaultdict(list)
    for i in order:
        strata[classes[i]].append(ids[i])
    chosen: list[str] = []
    turn = 0
    while len(chosen) < min(places, len(ids)):
        chosen += [names[turn] for names in strata.values() if turn < len(names)]
        turn += 1
    return frozenset(chosen[:places])
