"""Two sets of numbers held against each other: the largest difference of each kind, and all beyond the tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats
from geoaudit.verify.projection import Leaf, Place
from geoaudit.verify.result import Difference, Worst

MAP = "map"
MAP_TIMES = 10
"""How much more than a score a map may change: its elements do not average rounding out, as scores do.

Measured on EfficientNet-Lite0 with the other memory layout and batches of 3 instead of 8, which stands for another
machine: scores of the quick budget's methods other than Guided IG change by at most 4e-4, their maps by at most 2e-3.
Guided IG chooses elements by rank at every step, so rounding leads it another way, and its map changes as a whole.
"""
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass
class Comparison:
    """What came of comparing.

    Attributes:
        tolerance: largest allowed `Difference.size`.
        worst: by kind of number.
        differences: beyond the tolerance, in the order in which they were met.
        compared: numbers, texts and maps.
    """

    tolerance: float
    worst: dict[str, Worst] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    compared: int = 0

    def leaves(self, stored: Mapping[Place, Leaf], found: Mapping[Place, Leaf], places: Iterable[Place]) -> None:
        """Compare what stands at these places; what is missing on one side is a difference."""
        for place in places:
            self._leaf(place, stored.get(place), found.get(place))

    def _leaf(self, place: Place, stored: Leaf, found: Leaf) -> None:
        image, method, metric = place
        if isinstance(stored, float) and isinstance(found, float):
            self._measured(place, abs(stored - found) / max(1.0, abs(stored)), stored, found)
            return
        self.compared += 1
        if stored != found and not (isinstance(stored, str) and isinstance(found, str) and self._reads(stored, found)):
            self.differences.append(
                Difference(image=image, method=method, metric=metric, stored=stored, found=found, size=None)
            )

    def _reads(self, stored: str, found: str) -> bool:
        """Whether two texts say the same, but for numbers that the tolerance or their last printed place allows."""
        if _NUMBER.sub("0", stored) != _NUMBER.sub("0", found):
            return False
        pairs = zip(_NUMBER.findall(stored), _NUMBER.findall(found), strict=True)
        return all(_near(one, other, self.tolerance) for one, other in pairs)

    def map(self, image: str, method: str, stored: npt.NDArray[np.float32], found: Floats) -> None:
        """Compare two maps of one shape: the sum of the changes over the sum of magnitudes."""
        mass, other = (float(np.abs(values).sum(dtype=np.float64)) for values in (stored, found))
        change = float(np.abs(stored.astype(np.float64) - found).sum())
        size = 0.0 if change == 0 else change / mass if mass > 0 else math.inf
        self._measured((image, method, MAP), size, mass, other, MAP_TIMES)

    def _measured(self, place: Place, size: float, stored: float, found: float, times: float = 1) -> None:
        image, method, metric = place
        self.compared += 1
        if size > times * self.tolerance:
            told = size if math.isfinite(size) else None
            self.differences.append(
                Difference(image=image, method=method, metric=metric, stored=stored, found=found, size=told)
            )
        if not math.isfinite(size):
            return
        kind = metric if image is not None else "summaries and checks"
        before = self.worst.get(kind)
        many = 1 if before is None else before.compared + 1
        if before is None or size > before.size:
            self.worst[kind] = Worst(metric=kind, compared=many, size=size, image=image, method=method)
        else:
            self.worst[kind] = before.model_copy(update={"compared": many})


def _near(one: str, other: str, tolerance: float) -> bool:
    """Whether two printed numbers agree within the tolerance or one unit of their last place."""
    a, b = (float(text.replace(",", "")) for text in (one, other))
    places = max(len(text.partition("e")[0].partition(".")[2]) for text in (one, other))
    unit = 0.0 if "." not in one + other else 10.0**-places
    return abs(a - b) <= max(tolerance * max(1.0, abs(a)), 1.001 * unit)
