"""The words of the report, each with its formula and what it cannot show."""

from __future__ import annotations

from geoaudit_reports.html.glossary.checks import CHECK_ENTRIES
from geoaudit_reports.html.glossary.entry import Entry
from geoaudit_reports.html.glossary.metrics import METRIC_ENTRIES
from geoaudit_reports.html.glossary.verdicts import STATUS_ENTRIES, VERDICT_ENTRIES
from geoaudit_reports.html.glossary.words import MAP_ENTRIES, MASK_ENTRIES, RECORD_ENTRIES, TEST_ENTRIES

__all__ = ["GLOSSARY", "GROUPS", "Entry"]

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Maps", MAP_ENTRIES),
    ("Metrics", METRIC_ENTRIES),
    ("Measuring", MASK_ENTRIES),
    ("Verdicts", (*STATUS_ENTRIES, *VERDICT_ENTRIES)),
    ("Statistics", TEST_ENTRIES),
    ("Checks", CHECK_ENTRIES),
    ("The record", RECORD_ENTRIES),
)
"""Every word, by what it is about."""

GLOSSARY = tuple(entry for _, entries in GROUPS for entry in entries)
