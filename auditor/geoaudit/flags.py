"""What a method's flags mean, in words for reports and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHOWS_PICTURE: Final = "shows-picture"

MEANINGS: Final[Mapping[str, str]] = {
    "ncc-by-construction": "Hardly anything in its map can cancel by the way it is built, so a low NCC violation says "
    "nothing in its favour.",
    "not-complete": "Its attributions do not add up to Δf, so completeness and NCC cannot be held against it.",
    "own-baseline": "Complete with respect to a start of its own, not the run's baseline: its Δf is not that of the "
    "other methods.",
    "reconstruction": "Rebuilt from a description without published code; it may differ from what its authors ran.",
    "stochastic": "Uses random numbers; another seed gives another map.",
    SHOWS_PICTURE: "Its map is made from the picture alone and shows it, so it is kept only where the pictures are.",
    "needs-calibration-set": "Learns from a set of pictures; other pictures to learn from give other maps.",
}
"""A sentence for every `geoaudit.api.Flag`."""
