"""How disordered a map is, and how much more so after randomisation: the efficient variant of the parameter test.

The discrete entropy of a map is that of the histogram of its magnitudes, in bits:

    H = - sum_b p_b log2 p_b,   p_b = share of the elements with |A| in bin b.

A model that has learned nothing should be explained by a more disordered map than the trained one, so the relative
rise (H(randomised) - H(original)) / H(original) should be positive.  It needs one randomised model, and compares no
pixel with another: a map that only moves is as disordered as before.

The bins divide the range from 0 to the map's own largest magnitude evenly, and both maps have the same number of them;
the authors' code lets a rule choose the number for each map, so that two maps' entropies have different upper
limits.  100 bins are ours.

Source: Hedstroem et al., A Fresh Look at Sanity Checks for Saliency Maps, xAI 2024, arXiv 2405.02383, section 4.
"""

from __future__ import annotations

import numpy as np

from geoaudit.api import Floats

BINS = 100
"""Bins of the histogram."""


def entropy(a: Floats, bins: int = BINS) -> float:
    """Discrete entropy of a map's magnitudes, in bits, in [0, log2(bins)]; nan where the map is 0 or not finite."""
    magnitudes = np.abs(np.asarray(a, dtype=np.float64))
    largest = float(magnitudes.max())
    if not 0 < largest < np.inf or not np.isfinite(magnitudes).all():
        return float("nan")
    counts, _ = np.histogram(magnitudes / largest, bins=bins, range=(0.0, 1.0))
    shares = counts[counts > 0] / magnitudes.size
    return abs(float(-(shares * np.log2(shares)).sum()))


def rise(before: Floats, after: Floats, bins: int = BINS) -> float:
    """Relative rise of the entropy from one map to another; nan where the first has none or one is undefined."""
    first, second = entropy(before, bins), entropy(after, bins)
    return (second - first) / first if first > 0 else float("nan")
