"""The comparison's verdicts as badges."""

from __future__ import annotations

from geoaudit_reports.html.cells import Badge

VERDICTS = {
    "better": Badge("better", "↑", "good"),
    "worse": Badge("worse", "↓", "bad"),
    "different": Badge("different", "≠", "warn"),
    "no difference shown": Badge("no difference shown", "–", "quiet"),
    "inconclusive": Badge("inconclusive", "?", "warn"),
    "less alike than two seeds": Badge("less alike than two seeds", "≠", "warn"),
    "as alike as two seeds": Badge("as alike as two seeds", "=", "quiet"),
    "identical": Badge("identical", "=", "quiet"),
    "no seeds to compare with": Badge("no seeds to compare with", "–", "quiet"),
    "same": Badge("same", "=", "quiet"),
    "undecided": Badge("undecided", "?", "warn"),
    "only in A": Badge("only in A", "?", "warn"),
    "only in B": Badge("only in B", "+", "quiet"),
}
