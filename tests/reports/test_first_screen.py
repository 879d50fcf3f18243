"""The first screen: what was audited, the policy's verdict, whom to rely on and why, and how sure that is."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html.views import summary

DOUBT = "too few images to decide whether it is more faithful than a random map"


def _point(report: Report, name: str) -> str:
    """The sentences of one point; empty where it is not there."""
    return " ".join(" ".join(p.texts) for p in summary.build(report).points if p.name == name)


def _changed(report: Report, **parts: Any) -> Report:
    told = report.model_dump(mode="json")
    for name, value in parts.items():
        told[name] = told[name] | value if isinstance(value, dict) else value
    return Report.model_validate(told)


def test_the_method_in_use_comes_first_and_is_explained(sample: SimpleNamespace) -> None:
    told = summary.build(sample.gated("FAIL")).points[0]
    assert told.name == "Method in use"
    words = told.texts[0]
    assert words.startswith(
        "Integrated Gradients (caution, position 2= of 5). SRG, how much sooner the prediction falls"
    )
    assert "is 0.20 (95 % interval 0.14 to 0.26); a random map reaches −0.01, an edge map 0.16." in words
    assert "NCC violation, the share of the map that cancels between plus and minus, is 0.995" in words
    assert words.endswith("9 images are too few for the tests to tell it from random.")


def test_without_a_policy_the_first_of_the_order_is_explained(report: Report) -> None:
    first = summary.build(report).points[0]
    assert (first.name, first.texts[0][:27]) == ("First in order", "Guided Integrated Gradients")


def test_a_method_in_use_that_was_not_audited_is_said_to_be_unknown(sample: SimpleNamespace) -> None:
    report = sample.gated("FAIL")
    changed = _changed(report, gate={"in_use": "rise"})
    assert _point(changed, "Method in use") == (
        "rise, as the policy says, is not among the methods of this audit: nothing is known of it."
    )


def test_reasons_are_counted_over_methods_and_numbers_do_not_split_them(report: Report) -> None:
    told = report.model_dump(mode="json")
    for place, entry in enumerate(told["ranking"]["entries"]):
        entry["tier"], entry["reasons"] = "caution", [f"{DOUBT} (p = 0.{place} after Holm, 9 images)"]
    told["ranking"]["entries"][0]["reasons"].append("it fails the check stability")
    words = _point(Report.model_validate(told), "With caution")
    assert words == f"Every method. Against all 5: {DOUBT}; against 1 of them: it fails the check stability."
    assert "no method without reservation" in _point(Report.model_validate(told), "Can be relied on").lower()


def test_more_reasons_than_can_be_read_are_counted(report: Report) -> None:
    told = report.model_dump(mode="json")
    told["ranking"]["entries"] = [told["ranking"]["entries"][0] | {"tier": "caution", "reasons": list("abcde")}]
    assert _point(Report.model_validate(told), "With caution").endswith("A; b; c; and 2 more reasons, told below.")


def test_whom_not_to_rely_on_is_told_with_the_reason(report: Report) -> None:
    words = _point(report, "Not to be relied on")
    assert "Gradient fails the gate check “Model randomization” and is rejected" in words
    assert "SmoothGrad. Ran out of memory at 64 samples." in words


def test_one_image_is_one_and_nothing_ranked_is_said(sample: SimpleNamespace) -> None:
    one = sample.build(1)
    assert "every score comes from 1 image" in _point(one, "Do not conclude")
    assert _point(one, "How sure").startswith("1 image: by indication only")
    none = _changed(one, ranking={"entries": [], "status": "inconclusive"})
    built = summary.build(none)
    assert built.headline == "No explanation method could be ranked."
    assert next(p.name for p in built.points) == "Can be relied on"
    assert "1 image: no method could be ranked." in _point(none, "How sure")


def test_an_inconclusive_ranking_is_called_so_where_a_method_is_recommended(report: Report) -> None:
    told = summary.build(_changed(report, ranking={"status": "inconclusive"}))
    name = "Guided Integrated Gradients"
    assert told.headline == f"Nothing counts against {name}, but the order of the methods could not be told."
    assert "9 images: the ranking is inconclusive." in " ".join(told.sentences)
    assert "ranked" not in told.headline


def test_few_images_with_every_score_are_not_called_few_images(report: Report) -> None:
    words = _point(_changed(report, data={"count": 30}), "How sure")
    assert words.startswith("30 images: by indication only, since fewer than 20 have a score of every ranked method.")


def test_what_a_test_finds_four_times_out_of_five_is_not_said_to_go_mostly_unseen(report: Report) -> None:
    words = _point(report, "How sure")
    assert "A difference in SRG below 0.12 would have been missed more often than one time in five." in words


@pytest.mark.parametrize(("bad", "told"), [(["srg"], "rests on it: "), (["srg", "road"], "rests on them: ")])
def test_metrics_that_failed_their_test_are_one_or_many(report: Report, bad: list[str], told: str) -> None:
    health = [{"metric": metric, "status": "FAIL", "reason": "r"} for metric in bad]
    assert told in _point(_changed(report, metric_health=health), "Also mind")


def test_every_kind_of_report_has_sentences_without_gaps(sample: SimpleNamespace, report: Report) -> None:
    bare = report.model_copy(update={"context": None, "maps": None, "metric_health": []})
    for built in (bare, sample.gradient_free(), sample.crowded(), sample.gated("WAIVED"), sample.build(1)):
        told = summary.build(built)
        for words in (told.headline, told.verdict.sentence, *told.sentences):
            assert re.search(r"[.?!…]$", words), words
            assert not re.search(r"\bNone\b|\(\)|  | ,|\.\.(?!\.)|\b1 (images|methods|rules|files)\b", words), words
        for point in told.points:
            assert ["".join(span.text for span in prose) for prose in point.prose] == list(point.texts)


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (Status.PASS, "they agree", ""),
        (Status.SKIP, "--gradient-free", "No gradient of this file was taken (--gradient-free): only methods that"),
        (Status.WARN, "rounding", "Parity of the converted copy that gives gradients is WARN: rounding."),
    ],
)
def test_parity_that_is_no_plain_pass_is_a_caution(report: Report, status: Status, reason: str, told: str) -> None:
    parity = report.parity.model_copy(update={"status": status, "reason": reason})
    words = _point(report.model_copy(update={"parity": parity}), "Also mind")
    assert words.startswith(told)
    assert told or not ("Parity" in words or "gradient of this file" in words)


def test_the_verdict_names_what_is_not_met_and_who_accepted_it(sample: SimpleNamespace, report: Report) -> None:
    assert summary.build(report).verdict.badge is None
    failed, waived, passed = (summary.build(sample.gated(v)).verdict for v in ("FAIL", "WAIVED", "PASS"))
    assert failed.sentence == "Policy “Conveyor, release 3”: FAIL. 2 of 5 rules are not met; 1 met with a WARN."
    assert [badge.word for badge, _ in failed.rulings] == ["FAIL", "FAIL"]
    assert failed.rulings[1][1] == "Asked: ncc-violation is at most 0.9. Found: no number. It is FAIL."
    assert waived.sentence.endswith("5 rules, none of them failing; 2 waived; 1 met with a WARN.")
    assert waived.rulings[1][1].endswith("Accepted by A. Person until 1 April 2026: known <i>since</i> release 2.")
    assert passed.sentence.endswith("PASS. 3 rules, none of them failing; 1 met with a WARN.")
    assert passed.rulings == ()
    assert [v.tone for v in (passed, waived, failed)] == ["good", "warn", "bad"]


def test_more_failing_rules_than_fit_are_counted(sample: SimpleNamespace) -> None:
    report = sample.gated("FAIL")
    gate = report.gate.model_copy(update={"results": [report.gate.results[-1]] * 5})
    told = summary.build(report.model_copy(update={"gate": gate})).verdict
    assert (len(told.rulings), told.more) == (3, "2 more rules under Policy")


def test_a_long_use_is_cut_at_a_word_and_none_is_none(report: Report) -> None:
    long = report.model_copy(update={"context": "sorting apples\nand pears " * 40})
    told = summary.build(long).context
    assert 200 < len(told) <= 242 and told.endswith((" sorting …", " apples …", " and …", " pears …"))
    assert summary.build(report.model_copy(update={"context": None})).context == ""


def test_jargon_leads_to_the_glossary_once(report: Report) -> None:
    built = summary.build(report)
    links = [s.link for p in built.points for prose in p.prose for s in prose if s.link]
    links += [s.link for s in built.verdict.prose if s.link]
    assert len(links) == len(set(links))
    for word in (
        "srg",
        "ncc-violation",
        "95-interval",
        "recommended",
        "policy",
        "not-gated",
        "indicative",
        "gate-check",
    ):
        assert f"#glossary-{word}" in links
    assert "#method-guided-ig" in links
