"""Policy, what was left out, one method in one place, provenance and sign-off."""

from __future__ import annotations

import hashlib
import re
from types import SimpleNamespace

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import MetricHealth, Report, Sourced
from geoaudit_reports import json_report
from geoaudit_reports.html import render
from geoaudit_reports.html.cells import Fact
from geoaudit_reports.html.views import cards, left_out, policy, provenance, sign_off


@pytest.fixture(scope="module")
def failed(sample: SimpleNamespace) -> Report:
    built = sample.gated("FAIL")
    assert isinstance(built, Report)
    return built.model_copy(update={"checks": [c.model_copy(update={"curves": []}) for c in built.checks]})


@pytest.fixture(scope="module")
def page(failed: Report) -> str:
    return render(failed, None)


def _values(facts: tuple[Fact, ...]) -> dict[str, str]:
    return {fact.name: fact.value.text for fact in facts}


def test_rules_stand_with_the_loud_ones_first(failed: Report) -> None:
    built = policy.build(failed)
    assert [row.cells[0].badges[0].word for row in built.results.rows] == ["FAIL", "FAIL", "WARN", "PASS", "PASS"]
    assert [row.cells[4].text for row in built.results.rows] == [
        "no number", "at most 0.9", "no number", "at least 9", "at least 0.1",
    ]  # fmt: skip
    facts = _values(built.facts)
    assert facts["sha256"] == "b2" * 32 and facts["Answers for it"] == "Quality & Safety"
    assert (facts["Judged on"], facts["Method in use"]) == ("2 March 2026", "Integrated Gradients")


@pytest.mark.parametrize(("verdict", "states"), [("FAIL", ["expired"]), ("WAIVED", ["in force", "in force"])])
def test_waivers_say_whether_they_hold(sample: SimpleNamespace, verdict: str, states: list[str]) -> None:
    waivers = policy.build(sample.gated(verdict)).waivers
    assert waivers is not None
    assert [row.cells[1].text for row in waivers.rows] == states
    assert all(row.cells[3].text == "A. Person" for row in waivers.rows)
    assert policy.build(sample.gated("PASS")).waivers is None


def test_a_waiver_of_nothing_here_says_so(sample: SimpleNamespace) -> None:
    told = sample.gated("PASS").model_dump(mode="json")
    given = {"rule": "check:parity", "reason": "r", "owner": "o", "expires": "2026-06-30"}
    told["gate"]["results"].append(
        told["gate"]["results"][0] | {"id": "waiver:check:parity", "status": "WARN", "waiver": given}
    )
    waivers = policy.build(Report.model_validate(told)).waivers
    assert waivers is not None
    assert [row.cells[1].text for row in waivers.rows] == ["names nothing here"]


@pytest.mark.parametrize(
    ("status", "count", "asked"),
    [
        ("indicative", 9, "Is an indication from 9 images enough for this decision, or are 20 or more needed?"),
        ("indicative", 30, "from 30 images enough for this decision, or must more images have every score?"),
        ("inconclusive", 30, "The ranking is inconclusive: can this be decided without it?"),
        ("ranked", 30, ""),
    ],
)
def test_the_question_about_the_ranking_fits_it(report: Report, status: str, count: int, asked: str) -> None:
    ranking = report.ranking.model_copy(update={"status": status})
    data = report.data.model_copy(update={"count": count})
    changed = report.model_copy(update={"ranking": ranking, "data": data})
    found = [q.text for q in sign_off.questions(changed) if q.link == "#ranking"]
    assert len(found) == bool(asked) and all(text.endswith(asked) for text in found)


def test_a_report_without_a_policy_says_how_to_gate(report: Report) -> None:
    built = policy.build(report)
    assert not built.configured and built.facts == () and built.results.rows == ()
    assert built.told.startswith("Not gated")
    assert list(_values(provenance.gate_commands()).values()) == [
        "geoaudit policy init report.json", "geoaudit gate report.json --policy POLICY",
    ]  # fmt: skip


def test_the_page_decides_nothing_and_escapes_everything(page: str, sample: SimpleNamespace) -> None:
    text = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]*>", " ", page)
    assert not re.search(r"complian|conform", text, re.IGNORECASE)
    assert "decided by a person" in text
    assert "<b>" not in page.replace("<small><b>", "") and "<i>" not in page
    assert page.count("<script>") == 1 and sample.HOSTILE_LABEL not in page


def test_all_links_lead_somewhere(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    inner = set(re.findall(r'href="#([^"]+)"', page))
    assert len(inner) > 60
    assert inner <= set(ids)


def test_a_card_has_everything_about_its_method(failed: Report, page: str) -> None:
    first, *others = cards.build(failed)
    assert first.id == "integrated-gradients", "the method in use comes first"
    assert [badge.word for badge in first.badges] == ["caution", "in use"]
    assert first.place.startswith("Position 2= of 5; mean NCC rank 1.8 (95 % interval 1.4 to 2.3);")
    checked = {c.id for c in failed.checks if c.method == first.id}
    assert {row.cells[0].note or row.cells[0].sort for row in first.findings.rows} >= {"gate check"}
    assert {row.cells[0].sort for row in first.findings.rows} == checked
    assert first.policy is not None and len(first.policy.rows) == 3
    assert first.masking is not None and len(first.masking.rows) == 4
    assert 'id="method-integrated-gradients"' in page and '<a href="#gallery">Its maps</a>' in page
    control = next(card for card in others if card.id == "edges")
    assert (control.place, control.policy, control.parameters) == ("", None, None)


def test_masked_shares_are_read_between_the_measured_ones(report: Report) -> None:
    card = next(card for card in cards.build(report) if card.id == "guided-ig")
    assert card.masking is not None
    row = next(r for r in card.masking.rows if r.cells[0].sort == "morf" and "blur" in r.cells[0].note)
    curve = next(c for c in report.curves if (c.method, c.imputer, c.order) == ("guided-ig", "blur", "morf"))
    assert row.cells[3].text == f"{curve.mean[7]:.3f}", "half of the regions is the seventh of fourteen steps"


def test_parameters_say_whether_they_were_set(report: Report) -> None:
    given = Sourced(value=["guided-ig.steps=60", "gradient.bounded=1"], source="option --set")
    changed = report.model_copy(update={"config": {**report.config, "set": given}})
    card = next(card for card in cards.build(changed) if card.id == "guided-ig")
    assert card.parameters is not None
    told = {row.cells[0].text: row.cells[2].text for row in card.parameters.rows}
    assert told == {"bounded": "default, budget standard", "steps": "set by --set"}


def test_an_unfit_metric_is_marked_in_every_card_and_listed_as_taken_out(report: Report) -> None:
    bad = MetricHealth(metric="insertion", status=Status.FAIL, reason="inversions score as well")
    changed = report.model_copy(update={"metric_health": [*report.metric_health, bad]})
    card = cards.build(changed)[0]
    assert [row.cells[0].sort for row in card.scores.rows if "not believed" in row.cells[0].note] == ["insertion"]
    assert [row.cells[0].sort for row in left_out.build(changed).metrics.rows] == ["insertion"]


def test_everything_left_out_is_in_one_place(report: Report, sample: SimpleNamespace) -> None:
    built = left_out.build(report)
    assert built.told == "1 file, 1 method and 2 checks, wholly or in part; each with its reason."
    assert built.files.rows[0].cells[1].text == "Not an image."
    assert [row.cells[1].text for row in built.methods.rows] == ["broke"]
    assert built.learned is not None and built.budget == ("Checks left out: stability.",)
    assert {row.cells[0].text for row in built.images.rows} >= {"guided-ig", "edges"}
    free = left_out.build(sample.gradient_free())
    assert {row.cells[1].text for row in free.methods.rows} == {"not applicable"} and len(free.methods.rows) == 4


def test_nothing_left_out_is_said(report: Report) -> None:
    clean = report.model_copy(
        update={
            "data": report.data.model_copy(update={"skipped": []}), "checks": [], "per_image": [],
            "methods": [m for m in report.methods if m.status == "ok"],
        }
    )  # fmt: skip
    assert left_out.build(clean).told == "No file, method, metric or check."


def test_missing_scores_are_grouped_by_metric_and_reason(report: Report) -> None:
    lacking = [
        row.model_copy(update={"reasons": {"pic-sic": "cannot be scaled"}}) if row.image == "clock.png" else row
        for row in report.per_image
    ]
    (row,) = left_out.build(report.model_copy(update={"per_image": lacking})).scores.rows
    counted = sum(r.image == "clock.png" and not r.method.startswith("inverted:") for r in report.per_image)
    assert (row.cells[0].sort, row.cells[2].text) == ("pic-sic", str(counted))


def test_the_digest_is_that_of_the_file(failed: Report) -> None:
    digest = hashlib.sha256(json_report.dumps(failed).encode()).hexdigest()
    assert _values(provenance.digests(failed))["report.json"] == digest
    assert _values(sign_off.build(failed).signed)["Report"] == digest
    assert _values(provenance.digests(failed))["maps.npz"] == "a1" * 32
    old = failed.model_copy(update={"maps": None})
    assert {_values(provenance.digests(old))[name] for name in ("report.json", "maps.npz")} == {"—"}


def test_commands_can_be_typed(failed: Report) -> None:
    odd = failed.model_copy(update={"model": failed.model.model_copy(update={"file": "my model;rm.onnx"})})
    told = _values(provenance.checking(odd))
    assert told["The numbers come out again"] == "geoaudit verify report.json 'my model;rm.onnx' IMAGES"
    assert told["The policy's verdict"] == "geoaudit gate report.json --policy 'policy <b>.toml'"


def test_questions_follow_from_the_data(report: Report, sample: SimpleNamespace) -> None:
    def asked(built: Report) -> str:
        return " ".join(question.text for question in sign_off.questions(built))

    first, waived = asked(report), asked(sample.gated("WAIVED"))
    assert "9 images: are they like those in production" in first and "1 file was skipped" in first
    assert "Is an indication from 9 images enough" in first and "whose maps do people see" in first
    assert (
        "those of Integrated Gradients" in waived and "2 rules are waived until 1 April 2026 and 30 June 2026" in waived
    )
    one = asked(sample.build(1))
    assert "1 image: is it like those" in one and "1 images" not in one
    blank = report.model_copy(update={"context": None})
    assert "No intended use was stated" in asked(blank) and "No intended use" not in first


def test_there_are_lines_to_sign_on(page: str, failed: Report) -> None:
    built = sign_off.build(failed)
    assert [fact.name for fact in built.lines] == ["Name", "Role", "Organisation", "Date", "Signature"]
    assert not any(fact.value.text for fact in built.lines)
    section = page[page.index('<section id="sign-off"') :]
    assert section.count('class="line"') == 3 and section.count("to be filled in") == 5
    assert built.signed[3].value.badges[0].word == "FAIL"
    assert all(question.text.endswith("?") for question in built.questions)


def test_missing_scores_are_not_denied_where_every_image_passed(report: Report) -> None:
    row = report.per_image[0].model_copy(
        update={"status": Status.PASS, "reason": None, "reasons": {"ncc-violation": "no walk"}}
    )
    built = left_out.build(report.model_copy(update={"per_image": [row]}))
    assert (len(built.images.rows), built.images.empty) == (0, "Every per-image result is PASS.")
    assert len(built.scores.rows) == 1
