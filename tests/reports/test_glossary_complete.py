"""Every word that the report uses is in its glossary, with formula, range, direction and source."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import get_args

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import GateResult, RankingEntry, Report
from geoaudit.registry import load
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.glossary import GLOSSARY, Entry
from geoaudit_reports.html.glossary.links import Linker
from geoaudit_reports.html.views import glossary_words, overview, ranking
from geoaudit_reports.html.words import METRICS

BY_ID = {entry.id: entry for entry in GLOSSARY if entry.id}
PLAIN = {"method", "tier and reasons", "images", "metric", "a", "b", "median a − b"}
"""Columns whose words are everyday ones, or the glossary's in another order."""


def test_every_metric_of_the_registry_is_defined_in_full() -> None:
    metrics = load(()).metrics
    assert set(METRICS) == set(metrics)
    better = {True: "higher", False: "lower", None: "neither end by itself"}
    for name, entry in metrics.items():
        word = BY_ID[name]
        assert word.anchor == f"glossary-{name}"
        assert all((word.meaning, word.formula, word.range, word.fails, word.source)), name
        assert word.better == better[entry.cls.higher_is_better], name


def test_sources_are_those_that_the_plugins_name() -> None:
    registered = load(())
    for name, word in [(n, BY_ID[n]) for n in METRICS] + [(n, BY_ID[f"check-{n}"]) for n in CHECKS]:
        reference = (registered.metrics.get(name) or registered.checks[name]).cls.reference
        for number in re.findall(r"\d{4}\.\d{5}", reference)[:1]:
            assert number in word.source or name == "baseline-sensitivity", name


def test_every_check_is_defined() -> None:
    assert set(load(()).checks) == set(CHECKS)
    for name in CHECKS:
        word = BY_ID[f"check-{name}"]
        assert word.meaning and word.range and word.source and word.fails, name


def test_every_verdict_is_defined() -> None:
    statuses = {status.value for status in Status} | set(get_args(GateResult.model_fields["status"].annotation))
    assert {f"status-{status.lower()}" for status in statuses} <= BY_ID.keys()
    terms = {entry.term.lower() for entry in GLOSSARY}
    tiers = set(get_args(RankingEntry.model_fields["tier"].annotation))
    for word in (*tiers, "not gated", "policy", "waiver", "tier", "pareto front", "indicative", "ranked", "parity"):
        assert word in terms, word


def test_every_column_of_scores_and_ranks_is_a_word_of_the_glossary(report: Report) -> None:
    known = {form.lower() for e in GLOSSARY for form in (e.term, *e.spoken)}
    titles = {column.title for table in (ranking.table(report), ranking.friedman(report), ranking.pairwise(report))
              for column in table.columns}  # fmt: skip
    shown = {value.lower(): name for name, value in METRICS.items()}
    titles |= {column.title for column in overview.table(report).columns}
    for title in (t.lower() for t in titles):
        parts = title.replace(" rank", "|rank").split("|")
        assert (
            title in PLAIN
            or title in shown
            or all(any(part == form or part in re.split(r"[ ,]+", form) for form in known) for part in parts)
        ), title


@pytest.mark.parametrize("word", ["Holm", "Kendall's τ", "Krippendorff's α", "Δf", "imputer", "LeRF", "digest", "gap"])
def test_words_of_the_tables_are_there(word: str) -> None:
    assert any(word.lower() in (e.term.lower(), *(form.lower() for form in e.spoken)) for e in GLOSSARY)


def test_anchors_are_unique_and_safe() -> None:
    anchors = [entry.anchor for entry in GLOSSARY]
    assert len(anchors) == len(set(anchors))
    assert all(re.fullmatch(r"glossary-[a-z0-9-]+", anchor) for anchor in anchors)
    assert Entry("Δf", "").anchor == "glossary-deltaf"


def test_what_became_of_a_metric_here_is_said(report: Report, sample: SimpleNamespace) -> None:
    def here(metric: str) -> str:
        return next(w.here for g in glossary_words.build(report) for w in g.words if w.entry.id == metric)

    assert here("srg") == (
        "has a value for 4 of 4 methods; it passed its test on this model: inverted maps score below random."
    )
    assert here("road").startswith("not measured")
    assert "inverted maps do not test it" in here("ncc-violation")


def test_links_take_whole_words_the_longest_first_and_once() -> None:
    linker = Linker()
    spans = linker.prose("NCC violation and NCC; unsure of <b> SRG</b>, SRGs, x-SRG", [("<b>", "#x")])
    assert [(s.text, s.link) for s in spans if s.link] == [
        ("NCC violation", "#glossary-ncc-violation"), ("<b>", "#x"), ("SRG", "#glossary-srg"),
    ]  # fmt: skip
    assert [s.link for s in linker.prose("SRG again")] == [""]
    assert linker.prose("") == ()
