"""What the ranking hangs on, the scores at a glance, the budget, and the calibration in the report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports import write_report
from geoaudit_reports.html.glossary import GLOSSARY
from geoaudit_reports.html.views import facts, findings, overview, robustness
from geoaudit_reports.html.words import METRICS


def _ranking(report: Report, **changes: Any) -> Report:
    return report.model_copy(update={"ranking": report.ranking.model_copy(update=changes)})


def test_agreement_is_a_symmetric_table_of_numbers_with_shades(report: Report) -> None:
    table = robustness.build(report).metrics
    assert table.style == "heat"
    assert [c.title for c in table.columns] == [
        "",
        "NCC violation",
        "faithfulness (SRG)",
        "infidelity",
        "sensitivity-n",
    ]
    numbers = [[(cell.text, cell.shade) for cell in row.cells[1:]] for row in table.rows]
    assert numbers[0] == [("", ""), ("0.60", "p2"), ("0.20", "p1"), ("—", "")]
    assert all(numbers[i][j] == numbers[j][i] for i in range(4) for j in range(4))
    assert table.rows[0].cells[4].note == "not known"


@pytest.mark.parametrize(
    ("tau", "shade"),
    [(1, "p3"), (0.75, "p3"), (0.5, "p2"), (0.2, "p1"), (0.05, "z"), (-0.2, "m1"), (-0.5, "m2"), (-1, "m3")],
)
def test_every_agreement_has_its_shade(report: Report, tau: float, shade: str) -> None:
    changed = report.model_copy(deep=True)
    assert changed.ranking.robustness is not None
    changed.ranking.robustness.imputers[0].tau = tau
    assert robustness.build(changed).imputers.rows[0].cells[2].shade == shade


def test_leaving_one_out_is_told(report: Report) -> None:
    found = robustness.build(report)
    rows = {row.cells[0].text: [(c.text, c.note) for c in row.cells[1:]] for row in found.leave_one_out.rows}
    assert rows["infidelity"][0] == ("Guided Integrated Gradients", "as with it")
    first = "Guided Integrated Gradients and Integrated Gradients"
    assert rows["faithfulness (SRG)"][0] == (first, "another than with it")
    assert [f.name for f in found.surviving] == ["Guided Integrated Gradients before"]
    assert found.surviving[0].value.text == "Integrated Gradients, Gradient × Input and Gradient"
    assert found.conclusions == ("The first method comes first whichever metric is left out.",)


@pytest.mark.parametrize(
    ("alpha", "low", "words"),
    [
        (0.9, 0.85, "By SRG, the images agree on the order of the methods (Krippendorff's α = 0.90"),
        (0.7, 0.5, "agree well enough for tentative conclusions"),
        (0.5, 0.2, "agree in part"),
        (0.2, 0.05, "hardly agree"),
        (0.2, -0.1, "no more than by chance"),
        (-0.2, -0.4, "no more than by chance"),
    ],
)
def test_reliability_in_words(report: Report, alpha: float, low: float, words: str) -> None:
    changed = _ranking(report, reliability=alpha, reliability_low=low, reliability_high=0.95)
    assert words in (robustness.images_agree(changed.ranking) or "")


def test_an_earlier_report_says_what_it_does_not_hold(report: Report, tmp_path: Path) -> None:
    told = report.model_dump(mode="json", by_alias=True)
    for key in ("robustness", "reliability_low", "reliability_high"):
        del told["ranking"][key]
    del told["run"]["spending"]
    told |= {"checks": [], "curves": [], "per_image": []}  # nothing to draw: what is examined is text
    before = Report.model_validate(told)
    found = robustness.build(before)
    assert found.sentences[0] == "Images agree on the order of methods with Kendall's W = 0.710 (1: fully)."
    assert found.missing is not None and not found.metrics.rows
    text = write_report(before, tmp_path).read_text(encoding="utf-8")
    assert found.missing in text and "What the budget meant" not in text
    assert robustness.images_agree(_ranking(before, reliability=None).ranking) is None


def test_one_method_leaves_nothing_to_compare(report: Report, sample: SimpleNamespace, tmp_path: Path) -> None:
    empty = sample.MORE["robustness"](["guided-ig"], ("srg",)) | {"imputers": [], "leave_one_out": [], "surviving": []}
    told = report.model_dump(mode="json", by_alias=True)
    told |= {"checks": [], "curves": [], "per_image": []}
    told["ranking"] |= {"entries": told["ranking"]["entries"][:1], "robustness": empty, "reliability": None}
    told["methods"] = [m for m in told["methods"] if m["kind"] == "control" or m["id"] == "guided-ig"]
    text = write_report(Report.model_validate(told), tmp_path).read_text(encoding="utf-8")
    for words in ("No metric could be left out.", "Fewer than two could be compared."):
        assert words in text
    assert "No two methods keep their" not in text, "nobody looked"


def test_no_pair_that_survives_is_said(report: Report, tmp_path: Path) -> None:
    told = report.model_dump(mode="json", by_alias=True)
    told |= {"checks": [], "curves": [], "per_image": []}
    told["ranking"]["robustness"]["surviving"] = []
    text = write_report(Report.model_validate(told), tmp_path).read_text(encoding="utf-8")
    assert "No two methods keep their order whichever metric is left out." in text


def test_all_scores_stand_in_one_table(report: Report) -> None:
    table = overview.table(report)
    assert table.style == "matrix"
    assert [row.cells[0].text for row in table.rows][:2] == ["guided-ig", "integrated-gradients"]
    names = [column.title for column in table.columns[1:]]
    (row,) = [r for r in table.rows if r.cells[0].text == "edges"]
    assert row.cells[1 + names.index("faithfulness (SRG)")].text == "0.160"
    assert (row.cells[1].text, row.cells[1].note, row.tone) == ("—", "no score", "control")
    assert not any("inverted:" in r.cells[0].text for r in table.rows)
    changed = report.model_copy(deep=True)
    changed.metric_health[1].status = Status.FAIL
    hints = {c.title: c.hint for c in overview.table(changed).columns}
    assert hints["faithfulness (SRG)"] == "higher is better; not believed on this model"
    assert hints["deletion"] == "lower is better"


def test_calibration_is_grouped_with_a_verdict(report: Report, page: str) -> None:
    groups = findings.calibration(report)
    found = [(g.title, g.passed, len(g.table.rows), g.wrong) for g in groups]
    assert found == [
        ("walks with closed-form integrals", 2, 2, False),
        ("linear classifier", 1, 1, False),
        ("patch classifier", 29, 30, True),
    ]
    assert findings.calibrated(report).startswith("1 of 33 cases with known answers came out wrong")
    assert '<details class="small"><summary>walks with closed-form integrals: 2 of 2 right</summary>' in page
    assert '<details class="small" open><summary>patch classifier: 29 of 30 right</summary>' in page
    right = report.model_copy(update={"calibration": report.calibration[:3]})
    assert findings.calibrated(right).startswith("All 3 cases with known answers")
    assert findings.calibrated(right.model_copy(update={"calibration": []})) == "No model with known answers was run."


def test_the_budget_is_told_as_it_was_announced(report: Report) -> None:
    told = [(fact.name, fact.value.text) for fact in facts.spending(report)]
    assert told == [
        ("Budget standard", "error bar 5 % by at most 256 gradients a walk"), ("Checks left out", "stability"),
    ]  # fmt: skip


def test_every_metric_of_the_ranking_has_a_name_and_a_meaning() -> None:
    known = " ".join(word.lower() for word in (entry.term for entry in GLOSSARY))
    for name in ("road", "pic", "infidelity", "sensitivity-n", "patch degradation", "complexity", "comprehensiveness"):
        assert name in known
    assert {"road", "pic-sic", "pic-aic", "infidelity", "sensitivity-n", "patch-degradation"} <= METRICS.keys()


def test_cases_that_were_not_run_are_no_wrong_ones(report: Report) -> None:
    idle = [c.model_copy(update={"status": Status.SKIP, "measured": {}}) for c in report.calibration[2:3]]
    some = report.model_copy(update={"calibration": [*report.calibration[:2], *idle]})
    assert findings.calibrated(some) == (
        "All 2 cases with known answers, run through the same code in this audit, came out right. "
        "1 more was not run; the tables say which."
    )
    assert [(g.told, g.wrong) for g in findings.calibration(some)] == [
        ("2 of 2 right", False),
        ("0 of 0 right, 1 not run", False),
    ]
    none = findings.calibrated(report.model_copy(update={"calibration": idle}))
    assert none.startswith("No model with known answers was run.")
    wrong = report.model_copy(update={"calibration": [*idle, report.calibration[-1]]})
    assert findings.calibrated(wrong).startswith("1 of 1 cases with known answers came out wrong")
