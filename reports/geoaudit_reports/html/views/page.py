"""The whole page as data, and the order of its sections."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.audit.result import Report
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import Fact, Table
from geoaudit_reports.html.charts.canvas import Chart
from geoaudit_reports.html.views import (
    cards,
    checks,
    curves,
    facts,
    findings,
    glossary_words,
    graphics,
    learning,
    left_out,
    overview,
    policy,
    provenance,
    ranking,
    robustness,
    sign_off,
    summary,
)


@dataclass(frozen=True)
class Section:
    """A numbered part of the report; its template is `sections/<id>.html`."""

    id: str
    title: str


SECTIONS = (
    Section("ranking", "Ranking"),
    Section("faithfulness", "Faithfulness and cancellation"),
    Section("curves", "Deletion and insertion"),
    Section("gallery", "Heat maps"),
    Section("methods", "Methods and controls"),
    Section("checks", "Sanity checks"),
    Section("tests", "Statistical tests"),
    Section("robustness", "Agreement and robustness"),
    Section("instruments", "Health of the metrics and calibration"),
    Section("gate", "Policy"),
    Section("left-out", "What was left out"),
    Section("model", "Intended use, model, conversion and parity"),
    Section("input", "Preprocessing and baseline"),
    Section("images", "Images and labels"),
    Section("options", "Options"),
    Section("limitations", "Limitations"),
    Section("glossary", "Glossary"),
    Section("provenance", "Provenance"),
    Section("sign-off", "Sign-off"),
)

_SOURCED = "Every setting and where it came from"


@dataclass(frozen=True)
class Page:
    """Everything the templates show, except the gallery, which depends on the room left in the file."""

    title: str
    file: str
    summary: summary.Summary
    ranking: Table
    ranking_rule: str
    ranking_sentences: tuple[str, ...]
    faithfulness_charts: tuple[Chart, ...]
    curve_charts: tuple[Chart, ...]
    cards: tuple[cards.Card, ...]
    overview: Table
    rejections: tuple[str, ...]
    control_verdicts: tuple[str, ...]
    check_matrix: Table
    model_checks: Table
    check_blocks: tuple[checks.Block, ...]
    health: Table
    calibrated: str
    calibration: tuple[findings.Cases, ...]
    friedman: Table
    pairwise: Table
    robustness: robustness.Robustness
    policy: policy.Policy
    gate_commands: tuple[Fact, ...]
    left_out: left_out.LeftOut
    context: tuple[str, ...]
    model: tuple[Fact, ...]
    conversion: tuple[Fact, ...]
    parity: tuple[Fact, ...]
    preprocess: Table
    baseline: tuple[Fact, ...]
    labels: tuple[Fact, ...]
    learned: tuple[Fact, ...]
    options: Table
    spending: tuple[Fact, ...]
    limitations: tuple[str, ...]
    no_conclusion: str
    glossary: tuple[glossary_words.Group, ...]
    provenance: tuple[Fact, ...]
    digests: tuple[Fact, ...]
    determinism: str
    checking: tuple[Fact, ...]
    packages: Table
    sign_off: sign_off.SignOff


def build(report: Report) -> Page:
    """Turn the report into what is shown."""
    blocks = checks.blocks(report)
    charts = (
        graphics.tradeoff_chart(report), graphics.srg_chart(report),
        graphics.cancellation_chart(report), curves.profile_chart(report),
    )  # fmt: skip
    return Page(
        title=f"Explanation audit of {report.model.file}",
        file=report.model.file,
        summary=summary.build(report),
        ranking=ranking.table(report),
        ranking_rule=report.ranking.rule,
        ranking_sentences=sentences.together(
            [
                sentences.audited(report),
                sentences.certainty(report),
                sentences.not_applicable(report),
                sentences.without_walk(report),
                sentences.own_start(report),
                sentences.ncc_alone(report),
                sentences.centre_bias(report),
            ]
        ),
        faithfulness_charts=tuple(chart for chart in charts if chart is not None),
        curve_charts=curves.curve_charts(report),
        cards=cards.build(report, frozenset(block.id for block in blocks)),
        overview=overview.table(report),
        rejections=sentences.rejections(report),
        control_verdicts=sentences.controls_told(report),
        check_matrix=checks.matrix(report),
        model_checks=checks.of_the_model(report),
        check_blocks=blocks,
        health=findings.health(report),
        calibrated=findings.calibrated(report),
        calibration=findings.calibration(report),
        friedman=ranking.friedman(report),
        pairwise=ranking.pairwise(report),
        robustness=robustness.build(report),
        policy=policy.build(report),
        gate_commands=provenance.gate_commands(),
        left_out=left_out.build(report),
        context=tuple(line.strip() for line in (report.context or "").splitlines() if line.strip()),
        model=facts.model(report),
        conversion=facts.conversion(report),
        parity=findings.parity(report),
        preprocess=facts.sourced(_SOURCED, report.data.preprocess, "No preprocessing was recorded."),
        baseline=facts.baseline(report),
        labels=findings.accuracy(report),
        learned=learning.facts(report),
        options=facts.sourced(_SOURCED, report.config, "No options were recorded."),
        spending=facts.spending(report),
        limitations=tuple(report.limitations),
        no_conclusion=sentences.no_conclusion(report),
        glossary=glossary_words.build(report),
        provenance=provenance.run(report),
        digests=provenance.digests(report),
        determinism=provenance.DETERMINISM,
        checking=provenance.checking(report),
        packages=provenance.packages(report),
        sign_off=sign_off.build(report),
    )
