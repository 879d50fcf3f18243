"""The page of an audit without gradients, and of a quantised model: nothing skipped may look tried or passed."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit.terminal import summary
from geoaudit_reports import json_report, write_report
from geoaudit_reports.html.views import cards, facts, findings, page, ranking
from geoaudit_reports.html.views.images import gather


@pytest.fixture(scope="module")
def free(sample: SimpleNamespace) -> Report:
    built = sample.gradient_free()
    assert isinstance(built, Report)
    return built


@pytest.fixture(scope="module")
def words(free: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page's text, tags and styles taken out."""
    folder = tmp_path_factory.mktemp("free")
    text = write_report(free, folder).read_text(encoding="utf-8")
    text = re.sub(r"(?s)<(style|script).*?</\1>", " ", text)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_the_page_says_what_was_not_tried_and_why(words: str) -> None:
    assert "1 explanation method and 7 controls were scored" in words
    assert "4 methods more are not applicable here." in words
    assert "Without a map, and no failure:" in words
    assert "needs gradients, and the audit is gradient-free" in words
    assert "NCC does not exist for Occlusion: such maps come from no walk" in words


def test_skipped_methods_are_cards_that_are_no_verdict(free: Report) -> None:
    found = {card.id: card for card in cards.build(free)}
    for name in ("guided-ig", "smoothgrad"):
        assert (found[name].badge.word, found[name].badge.tone) == ("not applicable", "quiet")
        assert found[name].why == "Not applicable: needs gradients, and the audit is gradient-free."
        verdicts = {badge.word for row in found[name].scores.rows for cell in row.cells for badge in cell.badges}
        assert verdicts == {"SKIP"}
    outcome = {fact.name: fact.value.text for fact in found["guided-ig"].facts}["Outcome"]
    assert outcome == "skipped"
    assert found["occlusion"].badge.word == "caution"


def test_a_skipped_control_is_not_applicable_either(free: Report) -> None:
    idle = {"status": "skipped", "reason": "not applicable: needs gradients"}
    methods = [m.model_copy(update=idle) if m.id == "edges" else m for m in free.methods]
    changed = free.model_copy(update={"methods": methods})
    (card,) = [card for card in cards.build(changed) if card.id == "edges"]
    assert card.control
    assert card.badge.word == "not applicable"
    assert "edges" not in {
        cell.note for row in ranking.table(changed).rows for cell in row.cells if cell.kind == "head"
    }


def test_skipped_methods_have_no_map_no_rank_and_no_curve(free: Report) -> None:
    idle = {m.id for m in free.methods if m.status == "skipped"}
    assert len(idle) == 4
    assert not idle & {m.id for m in gather(free).methods}
    names = {cell.note for row in ranking.table(free).rows for cell in row.cells if cell.kind == "head"}
    assert "occlusion" in names
    assert not idle & names


def test_what_was_not_converted_never_reads_as_passed(free: Report) -> None:
    for told in (findings.parity(free), facts.conversion(free)):
        (only,) = told
        assert [badge.word for badge in only.value.badges] == ["SKIP"]
        assert only.value.note == "not converted: --gradient-free"
    certificate = {fact.name: fact.value for fact in page.build(free).summary.facts}["Parity"]
    assert [badge.word for badge in certificate.badges] == ["SKIP"]
    assert "not converted" in certificate.note


def test_a_certificate_without_numbers_but_with_another_verdict_shows_dashes(report: Report) -> None:
    parity = report.parity.model_copy(
        update={"status": Status.WARN, "max_abs_diff": None, "max_rel_diff": None, "tolerance": None}
    )
    told = {fact.name: fact.value for fact in findings.parity(report.model_copy(update={"parity": parity}))}
    assert told["Largest relative difference"].note == "not measured"


def test_quantised_and_independent_classes_are_facts_of_the_model(report: Report) -> None:
    conversion = {fact.name: fact.value for fact in facts.conversion(report)}
    assert conversion["Straight-through gradients"].text == "QuantizeLinear"
    assert "as if it were not there" in conversion["Straight-through gradients"].note
    classes = {fact.name: fact.value for fact in facts.model(report)}["Classes are"]
    assert classes.text.startswith("independent")
    assert classes.note == report.model.explained_output.reading


def test_the_terminal_names_what_was_not_applicable(free: Report, report: Report) -> None:
    caption = str(summary(free).caption)
    assert caption.startswith("Not applicable without gradients: ")
    assert "guided-ig" in caption
    assert "Not applicable" not in str(summary(report).caption)


def test_the_json_of_it_is_valid(free: Report) -> None:
    again = Report.model_validate_json(json_report.dumps(free))
    assert again == free
    assert {m.status for m in again.methods} == {"ok", "skipped"}


def test_a_report_of_an_earlier_release_can_still_be_rendered(report: Report, tmp_path: Path) -> None:
    told = report.model_dump(mode="json")
    del told["model"]["conversion"]["straight_through"]
    del told["model"]["explained_output"]["kind"], told["model"]["explained_output"]["reading"]
    write_report(Report.model_validate(told), tmp_path)
