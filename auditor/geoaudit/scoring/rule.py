"""The ranking's rule in plain words, as the report prints it."""

from __future__ import annotations

from collections.abc import Iterable

from geoaudit.scoring.contenders import ENOUGH
from geoaudit.scoring.separation import FEWEST
from geoaudit.scoring.tiers import MATTERS

_TIERS = (
    "Rejected: it failed, or a check that decides alone speaks against it (such as that its map does not depend on "
    "the model's weights), or its SRG is not above that of a random map (paired Wilcoxon test, one-sided, Holm, "
    f"p < .05) and is less than {MATTERS} above it (p < .05) on at least {ENOUGH} images, or is below it (p < .05). "
    "Caution: its SRG is not shown to be above that of a random map, or of an edge map, or NCC cannot be assessed or "
    "holds by construction, or it is not complete, or it fails another check, or one that decides alone warns, or one "
    "was inconclusive or crashed, or the images are too few for the tests to decide (fewer than "
    f"{ENOUGH}). Recommended: the rest."
)
_BOTH = (
    "Within a tier the order is the mean of two ranks averaged over images, by NCC violation (lower is "
    "better) and by SRG (higher is better); ties by SRG. Each rank is taken on the images on which all methods have "
    "the score that have it on at least half of the images. A method that has no NCC rank, because NCC cannot be "
    "assessed or holds by construction, counts as last by NCC (one without SRG as last by SRG): among such methods "
    "the order rests on SRG alone, and none stands above a method with both ranks except by a better SRG rank."
)
_NCC_ALONE = (
    "SRG failed its own test on this model and was taken out: the order within a tier rests on NCC "
    "violation alone, which a map that says nothing can satisfy, so no method is recommended."
)
_READING = (
    "A method shares the position of the first of its group (“=”) unless the two can be told apart: tests of all "
    "pairs of the tier on the images' ranks at once, in which the chance of telling any equal methods apart is at most "
    f"5 % (with fewer than {FEWEST} images none can be). Ranks have 95 % bootstrap intervals over images. P(best) is "
    "the share of resamples in which a method came first in its tier. Controls are not numbered. NCC alone is no "
    "merit: a uniform map that adds up satisfies it fully."
)


def rule_text(failed: Iterable[str]) -> str:
    """The rule, and what it rests on.

    Args:
        failed: ids of the metrics that failed their health test.
    """
    broken = set(failed)
    parts = [_TIERS, _NCC_ALONE if "srg" in broken else _BOTH, _READING]
    if others := sorted(broken - {"srg"}):
        parts.append(f"Also failed, and not to be relied on here: {', '.join(others)}.")
    return " ".join(parts)
