"""The ranking's rule in plain words, as the report prints it."""

from __future__ import annotations

from collections.abc import Iterable

from geoaudit.scoring.contenders import ENOUGH

_TIERS = (
    "Rejected: it failed, or it is insensitive to the model's weights, or its SRG is not above that of a "
    "random map (paired Wilcoxon test, one-sided, Holm, p < .05). Caution: its SRG is not above that of "
    "an edge map, or NCC cannot be assessed or holds by construction, or it is not complete, or a check "
    f"was inconclusive, or the images are too few for the tests to decide (fewer than {ENOUGH}, or too few"
    " for p < .05). Recommended: the rest."
)
_BOTH = (
    "Within a tier the order is the mean of two ranks averaged over images, by NCC violation (lower is "
    "better) and by SRG (higher is better), or the one that exists; ties by SRG."
)
_NCC_ALONE = (
    "SRG failed its own test on this model and was taken out: the order within a tier rests on NCC "
    "violation alone, which a map that says nothing can satisfy, so no method is recommended."
)
_READING = (
    "Ranks have 95 % bootstrap intervals over images; a method whose interval overlaps that of the first "
    "of its group shares its position (“=”). P(best) is the share of resamples in which it came first in "
    "its tier. Controls are not numbered. NCC alone is no merit: a uniform map that adds up satisfies it "
    "fully."
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
