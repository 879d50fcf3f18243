"""The checks in the report: the matrix, the blocks, what they measured, and hostile names in all of it."""

from __future__ import annotations

import html
import math
import re
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from geoaudit.api import Status
from geoaudit.audit.result import CheckCurve, CheckResult, Report
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import BADGES, Cell
from geoaudit_reports.html.charts import series
from geoaudit_reports.html.charts.series import Labels, Panel, Trace
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.views import check_charts, checks, summary


@pytest.fixture(scope="module")
def crowd(sample: SimpleNamespace) -> Report:
    built = sample.crowded()
    assert isinstance(built, Report)
    return built


@pytest.fixture(scope="module")
def blocks(report: Report) -> dict[str, checks.Block]:
    """By the check's id, in their order."""
    return {block.id: block for block in checks.blocks(report)}


def _check(sample: SimpleNamespace, *given: Any, **more: Any) -> CheckResult:
    return CheckResult.model_validate(sample.MORE["finding"](*given, **more))


def _with(report: Report, found: list[CheckResult]) -> Report:
    return report.model_copy(update={"checks": found})


def _matrix(report: Report) -> tuple[list[str], dict[str, list[Cell]]]:
    table = checks.matrix(report)
    return [c.title for c in table.columns], {row.cells[0].text: list(row.cells[1:]) for row in table.rows}


def test_methods_and_controls_stand_against_the_checks_of_methods(report: Report) -> None:
    columns, rows = _matrix(report)
    assert columns[:3] == ["Method", "Model randomization", "Completeness"], "a gate comes first"
    assert list(rows)[:5] == ["guided-ig", "integrated-gradients", "gradient-x-input", "gradient", "smoothgrad"]
    assert [b.word for b in rows["gradient"][0].badges] == ["FAIL, rejects"]
    assert rows["gradient"][0].badges[0].tone == "severe"
    assert [(b.word, b.tone) for b in rows["edges"][0].badges] == [("FAIL", "quiet")], "a control ought to fail"
    assert rows["gradient"][0].note == "0.990"
    assert {cell.note for cell in rows["smoothgrad"]} == {"not examined"}
    told = [row.cells[0].text for row in checks.of_the_model(report).rows]
    assert told == ["parity", "label-randomization"]


def test_of_several_findings_the_worst_comes_first(report: Report) -> None:
    columns, rows = _matrix(report)
    cell = rows["guided-ig"][columns.index("Stability") - 1]
    assert [b.word for b in cell.badges] == ["INCONCLUSIVE", "PASS"]
    assert cell.note == "2 findings"


@pytest.mark.parametrize("status", [Status.SKIP, Status.ERROR, Status.INCONCLUSIVE, Status.WARN])
@pytest.mark.parametrize("gate", [True, False])
def test_only_a_pass_looks_like_one(sample: SimpleNamespace, status: Status, gate: bool) -> None:
    found = checks.badge_of(_check(sample, "stability", "gradient", status, gate=gate))
    assert (found.word, found.tone != "good") == (str(status), True)
    assert found.glyph != BADGES[Status.PASS].glyph


def test_a_third_partys_check_needs_no_words_of_ours(sample: SimpleNamespace, report: Report) -> None:
    found = _check(sample, "package/own", "guided-ig", "PASS", title="A check of <i>ours</i>", reason="all <b>well</b>")
    (block,) = checks.blocks(_with(report, [found]))
    assert (block.title, block.words.asks, block.details, block.charts) == ("A check of <i>ours</i>", "", None, ())
    assert block.findings is not None
    assert block.findings.rows[0].cells[-1].text == "All <b>well</b>."


def test_a_block_counts_methods_apart_from_controls(blocks: dict[str, checks.Block]) -> None:
    block = next(iter(blocks.values()))
    assert (block.id, block.gate, block.open) == ("model-randomization", True, True)
    assert [(badge.word, times) for badge, times in block.tally] == [("FAIL, rejects", 1), ("PASS", 3)]
    assert block.words is CHECKS["model-randomization"]
    assert block.findings is not None
    tones = [row.tone for row in block.findings.rows]
    assert tones == [""] * 4 + ["control"] * 6
    assert block.details is not None
    told = {row.cells[1].text: row.cells[2].text for row in block.details.rows}
    assert told["levels"] == "full: 0.110, no value, 0.200"
    assert told["moved"] == "yes"
    assert told["note"].endswith("x… (report.json has all)") and len(told["note"]) < 450


def test_a_check_of_the_model_alone_has_a_block_only_for_what_the_table_does_not_tell(
    sample: SimpleNamespace, report: Report
) -> None:
    plain = _check(sample, "parity", None, "FAIL")
    assert checks.blocks(_with(report, [plain])) == ()
    (block,) = checks.blocks(_with(report, [plain.model_copy(update={"details": {"images": 8}})]))
    assert block.findings is None and block.details is not None
    assert [badge.word for badge, _ in block.tally] == ["FAIL"]


def test_hostile_titles_and_lines_stay_text_in_drawings(
    sample: SimpleNamespace, page: str, blocks: dict[str, checks.Block]
) -> None:
    assert "<script>alert(3)" not in page
    assert "&lt;/title&gt;&lt;script&gt;alert(3)" in page
    block = blocks["model-perturbation"]
    assert [chart.title for chart in block.charts] == [sample.MORE["HOSTILE_CHART"]]
    root = ElementTree.fromstring(str(block.charts[0].svg))
    assert not [a for e in root.iter() for a in e.attrib if a.startswith("on") or a == "style"]
    assert not [e for e in root.iter() if e.tag.endswith("}script")]
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_a_chart_without_a_value_is_said_to_be_missing(
    sample: SimpleNamespace, blocks: dict[str, checks.Block]
) -> None:
    assert (
        blocks["model-perturbation"].omitted == f"Without a single value, so not drawn: {sample.MORE['EMPTY_CHART']}."
    )


def test_a_missing_point_breaks_the_line_and_is_a_dash_in_the_table(blocks: dict[str, checks.Block]) -> None:
    chart = blocks["model-randomization"].charts[0]
    (row,) = [r for r in chart.table.rows if r.cells[0].text == "gradient" and r.cells[1].text == "Spearman, absolute"]
    assert [cell.text for cell in row.cells[2:]] == ["1.00", "—", "1.00", "1.00"]
    assert row.cells[3].note == "no value"


def _curve(name: str, x: list[float], y: list[float | None], chart: str = "A chart") -> CheckCurve:
    return CheckCurve(chart=chart, name=name, x_label="x", y_label="y", x=x, y=y)


def _lines(count: int, names: int, control: bool = False) -> list[check_charts.Measured]:
    return [
        check_charts.Measured(f"m{number}", control, _curve(f"line {name}", [0.0, 1.0], [0.1, 0.2]))
        for number in range(count)
        for name in range(names)
    ]


@pytest.mark.parametrize(
    ("count", "names", "panels", "lines", "cut"),
    [
        (1, 1, 1, 1, ""),
        (8, 1, 1, 8, ""),
        (9, 1, 9, 1, ""),
        (3, 4, 4, 3, ""),
        (3, 5, 3, 5, ""),
        (20, 3, 20, 3, ""),
        (30, 9, 28, 8, "the first 28 of 30 methods and controls"),
    ],
)
def test_lines_are_told_apart_or_get_panels_of_their_own(
    count: int, names: int, panels: int, lines: int, cut: str
) -> None:
    found, note = check_charts._panels(_lines(count, names))
    assert len(found) == panels
    assert {len(panel.traces) for panel in found} == {lines}
    assert (cut in note) and bool(cut) == bool(note)
    if count == 30:
        assert "the first 8 of 9 lines each" in note


def test_methods_differ_by_colour_and_dash_and_look_alike_in_every_panel() -> None:
    found, _ = check_charts._panels(_lines(8, 1))
    looks = series._looks(found)
    assert len({look["color"] for look in looks.values()}) == 8
    assert len({str(look["linestyle"]) for look in looks.values()}) > 1
    several, _ = check_charts._panels(_lines(20, 3))
    assert len(series._looks(several)) == 3
    quiet, _ = check_charts._panels(_lines(2, 1, control=True))
    assert {look["linewidth"] for look in series._looks(quiet).values()} == {1.0}


@pytest.mark.parametrize(
    ("y", "low", "high"),
    [
        ((0.2, 0.9), -0.03, 1.06),
        ((-0.8, 0.9), -1.06, 1.06),
        ((0.001, 0.002), 0, 0.00216),
        ((0.0, 0.0), 0, 1),
        ((3.0, 7.0), 0, 7.56),
    ],
)
def test_axes_do_not_make_much_of_little(y: tuple[float, ...], low: float, high: float) -> None:
    with series.Sheet(3, 2) as sheet:
        series._scale(sheet.axes[0], [Trace("a", False, (0.0, 1.0), (*y, math.nan))])
        assert sheet.axes[0].get_ylim() == pytest.approx((low, high))


def test_wide_ranges_are_logarithmic() -> None:
    with series.Sheet(3, 2) as sheet:
        series._scale(sheet.axes[0], [Trace("a", False, (0.01, 1.0), (0.001, 5.0))])
        assert (sheet.axes[0].get_xscale(), sheet.axes[0].get_yscale()) == ("log", "log")


def test_names_that_matplotlib_would_hide_are_drawn() -> None:
    traces = tuple(Trace(name, False, (0.0, 1.0), (0.2, 0.5)) for name in ("_hidden", "$shown$"))
    svg = str(series.draw("chart-x", [Panel("", traces)], Labels("x", "y", "t", "d")))
    assert "_hidden" in svg and "$shown$" in svg


def test_twenty_methods_stay_whole(crowd: Report) -> None:
    _, rows = _matrix(crowd)
    assert len(rows) == 20 + 6
    found = [c.model_copy(update={"curves": c.curves[:4]}) for c in crowd.checks if c.id == "model-randomization"]
    (block,) = checks.blocks(_with(crowd, found))
    assert [badge.word for badge, _ in block.tally] == ["FAIL, rejects", "PASS"]
    svg = str(block.charts[0].svg)
    assert "captum/GuidedBackprop" in svg and "○ edges" in svg
    assert len(block.charts[0].table.rows) == 26 * 4


def test_rejections_name_the_gate_and_the_reason(sample: SimpleNamespace, report: Report) -> None:
    def told(*failed: str) -> tuple[str, ...]:
        found = [_check(sample, "model-randomization", m, "FAIL", reason="it stays") for m in failed]
        return sentences.rejections(_with(report, found))

    assert told() == () == told("edges", "random")
    (one,) = told("gradient", "edges")
    assert one == "Gradient fails the gate check “Model randomization” and is rejected, whatever the scores. It stays."
    (two,) = told("gradient", "guided-ig")
    assert two.startswith("Gradient and Guided Integrated Gradients fail the gate check “Model randomization” and are")
    assert two.endswith(CHECKS["model-randomization"].failing)
    harmless = [_check(sample, "stability", "gradient", "FAIL")]
    assert sentences.rejections(_with(report, harmless)) == ()


def test_checks_of_an_earlier_report_have_no_title_or_gate(report: Report) -> None:
    told = report.model_dump(mode="json", by_alias=True)
    for check in told["checks"]:
        for key in ("title", "gate", "curves", "cost"):
            del check[key]
    before = Report.model_validate(told)
    assert [b.title for b in checks.blocks(before)][:2] == ["Completeness", "Input invariance"]
    assert not any(b.gate or b.charts for b in checks.blocks(before))
    assert sentences.rejections(before) == ()


def test_a_broken_check_of_a_control_is_an_alarm_and_a_gate_of_the_model_rejects_nobody(
    sample: SimpleNamespace,
) -> None:
    broken = _check(sample, "model-randomization", "edges", "ERROR")
    assert checks.badge_of(broken, control=True) == BADGES[Status.ERROR]
    failed = _check(sample, "parity", None, "FAIL", gate=True)
    assert checks.badge_of(failed) == BADGES[Status.FAIL]


def test_what_a_gate_says_of_controls_is_told(sample: SimpleNamespace, report: Report, page: str) -> None:
    def told(**verdicts: str) -> tuple[str, ...]:
        found = [_check(sample, "model-randomization", name, status) for name, status in verdicts.items()]
        return sentences.controls_told(_with(report, found))

    assert told() == () == told(gradient="FAIL")
    assert told(edges="FAIL", center="FAIL", random="INCONCLUSIVE") == (
        "The gate check “Model randomization” fails these controls, as it should: edges and center. "
        "No method is meant by that.",
    )
    expected, alarm = told(edges="FAIL", center="PASS", random="WARN")
    assert "edges" in expected
    assert alarm.endswith("does not fail these controls, so what it passes proves little: center and random.")
    assert "fails these controls, as it should" in page


def test_rejections_stand_out_on_the_first_screen(report: Report, page: str) -> None:
    first_screen = page[page.index('<header id="summary"') : page.index("</header>")]
    (told,) = sentences.rejections(report)
    place = first_screen.index("<dt>Not to be relied on</dt>")
    words = html.unescape(re.sub(r"<[^>]*>", "", first_screen[place : first_screen.index("<dt>How sure</dt>")]))
    assert told in words
    assert told.startswith("Gradient fails the gate check") and words.count("fails the gate check") == 1


@pytest.mark.parametrize(
    ("statuses", "shown", "note"),
    [
        (("PASS", "FAIL", "ERROR", "SKIP"), "1 FAIL, 1 ERROR", "1 PASS, 1 SKIP"),
        (("PASS", "INCONCLUSIVE"), "1 PASS", "1 INCONCLUSIVE"),
        (("SKIP",), "1 SKIP", ""),
    ],
)
def test_key_facts_put_failures_first_and_no_pass_where_there_is_none(
    sample: SimpleNamespace, report: Report, statuses: tuple[str, ...], shown: str, note: str
) -> None:
    found = [_check(sample, "stability", "gradient", status) for status in statuses]
    found.append(_check(sample, "stability", "edges", "FAIL"))
    (fact,) = [f for f in summary.build(_with(report, found)).facts if f.name == "Checks"]
    assert (fact.value.text, fact.value.note) == (shown, note)


def test_a_table_that_shows_some_points_says_so(sample: SimpleNamespace, report: Report) -> None:
    for points, said in ((12, False), (40, True)):
        x = [float(step) for step in range(points)]
        line = {"chart": "A chart", "name": "a", "x_label": "x", "y_label": "y", "x": x, "y": x}
        (block,) = checks.blocks(_with(report, [_check(sample, "stability", "gradient", "PASS", curves=[line])]))
        table = block.charts[0].table
        assert len(table.columns) == 2 + 12
        assert ("12 of 40 points" in table.caption) == said


def test_words_of_older_reports_are_the_checks_own_titles() -> None:
    from geoaudit.registry import load

    assert {name: words.title for name, words in CHECKS.items()} == {
        name: entry.cls.title for name, entry in load(()).checks.items()
    }


def test_the_first_screen_says_where_nobody_looked_at_the_weights(sample: SimpleNamespace, report: Report) -> None:
    def told(*found: CheckResult) -> str | None:
        return sentences.untested(_with(report, list(found)))

    of_method, of_control = (_check(sample, "model-randomization", m, "FAIL") for m in ("gradient", "edges"))
    skipped = _check(sample, "model-randomization", "gradient", "INCONCLUSIVE")
    assert told(of_method) is None is told(skipped, _check(sample, "model-randomization", "guided-ig", "PASS"))
    assert "was not run" in (told() or "") and "was not run" in (told(of_control) or "")
    assert "came to no verdict" in (told(skipped, of_control) or "")
    assert told() in summary.build(_with(report, [])).sentences
    assert not any("was not run" in words for words in summary.build(report).sentences)
