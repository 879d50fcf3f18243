"""Markdown: what a GFM reader sees, rendered by a parser of its own."""

from __future__ import annotations

import shlex
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from geoaudit.audit.result import Report
from geoaudit_reports import markdown
from geoaudit_reports.escaping import code, prose, visible

WIDTHS = {"Status": 5, "#": 6}
"""Columns of the tables, by their first header."""


class Seen(HTMLParser):
    """Elements, attributes and the cells of every table row, as text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


def seen(text: str) -> Seen:
    """`text` as GitHub Flavored Markdown with tables, strike-through and raw HTML."""
    return Seen(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))


ALLOWED = {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code", "pre"}


def test_only_the_summary_s_own_markup_is_seen(case: SimpleNamespace) -> None:
    text = markdown.dumps(case.report)
    page = seen(text)
    assert page.tags <= ALLOWED and page.attributes <= {"style", "class"}
    width = 0
    for row in page.rows:
        width = WIDTHS.get(row[0], width)
        assert len(row) == width
    assert len(text.encode()) <= markdown.LIMIT
    assert (
        len([line for line in text.splitlines() if line.startswith("#")])
        == text.count("\n## ") + text.count("\n### ") + 1
    )


def test_the_verdict_comes_first(case: SimpleNamespace) -> None:
    first = seen(markdown.dumps(case.report).split("###")[0]).text
    word = {"PASS": "✓ Policy: PASS.", "WARN": "! Policy: PASS, with warnings."}.get(case.verdict)
    if word is not None:
        assert word in first and "✗" not in first
    elif case.verdict == "not gated":
        assert "– Not gated." in first and "PASS" not in first
    else:
        assert "✗" in first and "✓" not in first


def test_failed_rules_come_first_and_the_rest_is_counted(verdicts: dict[str, Report]) -> None:
    text = markdown.dumps(verdicts["many"])
    rows = [row for row in seen(text).rows if len(row) == 5][1:]
    assert [row[0] for row in rows] == ["✗ FAIL"] * 30
    assert "and 170 more results: 20 FAIL, 50 WAIVED, 50 WARN, 50 PASS" in text
    assert "200 rules: 50 FAIL, 50 WAIVED, 50 WARN, 50 PASS." in text


def test_a_row_says_what_was_asked_and_found(verdicts: dict[str, Report]) -> None:
    rows = {row[1]: row for row in seen(markdown.dumps(verdicts["FAIL"])).rows if len(row) == 5}
    assert rows["d"] == [
        "✗ FAIL", "d", "what d asks", "measured 0.12, required at least 0.2 and at most 0.9", "why d is FAIL"
    ]  # fmt: skip
    assert rows["c"][4] == "why c is WAIVED; waived until 2026-04-01 by A. Person: known, being fixed"
    assert rows["a"][4] == ""


def test_the_ranking_is_the_report_s(report: Report) -> None:
    page = seen(markdown.dumps(report))
    rows = [row for row in page.rows if len(row) == 6][1:]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (entry.position, entry.method, entry.tier) for entry in report.ranking.entries
    ]
    assert rows[0][3:5] == ["0.36 [0.30, 0.42]", "0.983"] and rows[3][4] == "–"
    assert rows[4][3:] == ["–", "–", "ran out of memory at 64 samples"]
    assert "On 9 images, the ranking is indicative: 9 images, 20 are needed." in page.text


def test_many_reasons_are_counted(report: Report) -> None:
    entry = report.ranking.entries[0].model_copy(update={"reasons": ["one reason"] * 2 + ["another " * 20] * 2})
    ranking = report.ranking.model_copy(update={"entries": [entry]})
    assert "| one reason; one reason; and 2 more reasons |" in markdown.dumps(
        report.model_copy(update={"ranking": ranking})
    )


def test_failed_checks_are_listed_and_controls_are_not(report: Report) -> None:
    told = seen(markdown.dumps(report)).text.split("Checks\n")[1].split("Record")[0]
    assert "FAIL: model-randomization of gradient: The map is almost the same" in told
    assert "edges" not in told and "Findings: " in told


def test_the_command_can_be_copied(report: Report) -> None:
    command = ["geoaudit", "my model.onnx", "```", "$(x)"]
    stored = [shlex.quote(word) for word in command]
    text = markdown.dumps(report.model_copy(update={"run": report.run.model_copy(update={"command": stored})}))
    shown = next(line for line in text.splitlines() if line.startswith("geoaudit '"))
    assert shlex.split(shown) == command
    assert shown in seen(text).text


def test_digests_and_files_are_named(verdicts: dict[str, Report]) -> None:
    text = markdown.dumps(verdicts["external"])
    report = verdicts["external"]
    for digest in (report.model.sha256, report.data.manifest_sha256, "34" * 32):
        assert f"`{digest}`" in text
    assert "model and its external data, joined" in text
    assert "`report.html`, `report.json`, `maps.npz`, `SHA256SUMS`" in text
    assert f"`{'12' * 32}`" in markdown.dumps(verdicts["PASS"])


def test_long_texts_are_cut_to_the_limit_and_digests_are_not(make: SimpleNamespace, report: Report) -> None:
    long = make.judged(report, *(make.result("|" * 900 + str(n), "FAIL", rule="@" * 900) for n in range(100)))
    ranking = long.ranking.model_copy(update={"reason": "a long reason. " * 9000})
    text = markdown.dumps(long.model_copy(update={"ranking": ranking}))
    assert f"`{report.model.sha256}`" in text
    assert len(text.encode()) <= markdown.LIMIT and "more results: " in text
    assert len(seen(text).rows) > 5


@pytest.mark.parametrize("text", ["@team", "#1", "https://e.org", "www.e.org", "a@b.org", "&lt;", "<b>", "$x$", "a|b"])
def test_nothing_becomes_a_link_a_mention_or_markup(text: str) -> None:
    written = prose(text)
    assert text not in written
    assert seen(written).text.replace("\u200b", "").strip() == text


@given(st.text(max_size=30))
def test_any_text_is_seen_as_it_is(text: str) -> None:
    row = seen(f"| a | b |\n|:--|:--|\n| x{prose(text)} | {code(text)} |\n").rows[1]
    shown = visible(text).strip()
    expected = " ".join(shown.split(" "))
    assert row[0].replace("\u200b", "") == f"x{expected}".replace("\u200b", "").rstrip()
    assert row[1].replace("\u200b", "").strip() in (expected.replace("\u200b", "").strip(), "–")
