"""Plain sentences made from the data: what a reader must know before any table."""

from __future__ import annotations

from geoaudit_reports.html.sentences.cautions import (
    centre_bias,
    ncc_alone,
    no_conclusion,
    surrogate,
    uncertified,
    unhealthy,
    untested,
)
from geoaudit_reports.html.sentences.methods import (
    controls_told,
    luck,
    not_applicable,
    own_start,
    rejections,
    without_walk,
)
from geoaudit_reports.html.sentences.verdict import (
    MISSED,
    audited,
    certainty,
    explained,
    gating,
    headline,
    ruling,
    why,
)
from geoaudit_reports.html.sentences.words import find, first_of, sentence, several, titles, together

__all__ = [
    "MISSED",
    "audited",
    "centre_bias",
    "certainty",
    "controls_told",
    "explained",
    "find",
    "first_of",
    "gating",
    "headline",
    "luck",
    "ncc_alone",
    "no_conclusion",
    "not_applicable",
    "own_start",
    "rejections",
    "ruling",
    "sentence",
    "several",
    "surrogate",
    "titles",
    "together",
    "uncertified",
    "unhealthy",
    "untested",
    "why",
    "without_walk",
]
