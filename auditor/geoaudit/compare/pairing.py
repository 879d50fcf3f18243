"""Which image of one report is which image of the other, by their bytes."""

from __future__ import annotations

from collections import defaultdict

from geoaudit.audit.result import ImageInfo, Report
from geoaudit.compare.result import Pair, Pairing


def pair_images(a: Report, b: Report) -> Pairing:
    """Pair the images of two reports by sha256.

    Copies of a picture within a report are paired in the order of their ids, those of the same id first.

    Returns:
        The pairs in the order of A's ids, and the ids that have no counterpart.
    """
    waiting: dict[str, list[ImageInfo]] = defaultdict(list)
    for image in sorted(b.data.images, key=lambda i: i.id):
        waiting[image.sha256].append(image)
    found: dict[str, ImageInfo] = {}
    ordered = sorted(a.data.images, key=lambda i: i.id)
    for named in (True, False):
        for image in ordered:
            others = [o for o in waiting[image.sha256] if not named or o.id == image.id]
            if image.id not in found and others:
                found[image.id] = others[0]
                waiting[image.sha256].remove(others[0])
    pairs = [_pair(image, found[image.id]) for image in ordered if image.id in found]
    return Pairing(
        n=len(pairs),
        same_target=sum(pair.same_target for pair in pairs),
        pairs=pairs,
        only_a=[image.id for image in ordered if image.id not in found],
        only_b=sorted(image.id for images in waiting.values() for image in images),
    )


def _pair(a: ImageInfo, b: ImageInfo) -> Pair:
    return Pair(
        sha256=a.sha256,
        image_a=a.id,
        image_b=b.id,
        target_a=a.target,
        target_b=b.target,
        name_a=a.target_name,
        name_b=b.target_name,
        probability_a=a.probability,
        probability_b=b.probability,
        same_target=a.target == b.target,
    )
