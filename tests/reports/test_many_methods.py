"""A report by 22 methods: folded, counted, within its size; and what flags, notes and seeds look like in it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from rich.console import Console

from geoaudit.api import Flag
from geoaudit.audit.result import Report
from geoaudit.flags import MEANINGS
from geoaudit.terminal import summary
from geoaudit_reports import write_report
from geoaudit_reports.html import sentences
from geoaudit_reports.html.views import cards, facts, graphics, learning, ranking


@pytest.fixture(scope="module")
def crowd(sample: SimpleNamespace) -> Report:
    built = sample.crowded()
    assert isinstance(built, Report)
    return built


@pytest.fixture(scope="module")
def place(crowd: Report, sample: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crowd")
    sample.write_maps(crowd, folder / "maps.npz", side=24)
    write_report(crowd, folder)
    return folder


@pytest.fixture(scope="module")
def text(place: Path) -> str:
    return (place / "report.html").read_text(encoding="utf-8")


def test_every_flag_has_a_meaning() -> None:
    assert set(MEANINGS) == set(get_args(Flag))


def test_long_lists_of_names_are_counted(text: str, crowd: Report) -> None:
    assert "Agi, Blur Ig, Expected Gradients and 17 more can be relied on here" in text
    assert "Scoring below it: Captum/Deepliftshap, Captum/Guidedbackprop, Captum/Kernelshap and 10 more." in (
        sentences.centre_bias(crowd) or ""
    )
    four = crowd.model_copy(deep=True)
    four.ranking.entries = four.ranking.entries[:4]
    assert sentences.headline(four).startswith("Agi, Blur Ig, Expected Gradients and Geodesic Ig Knn can be")


def test_standings_comparisons_and_pictures_are_folded_and_all_there(text: str) -> None:
    standings = re.findall(r'<ol class="standings">(.*?)</ol>', text, flags=re.DOTALL)
    assert [part.count("<li>") for part in standings] == [10, 10]
    assert '<details class="more"><summary>10 more</summary>' in text
    assert '<details class="more"><summary>All 190 comparisons of two methods</summary>' in text
    assert len(re.findall(r'<details class="shots" id="image-\d+" open>', text)) == 2
    assert len(re.findall(r'<details class="shots" id="image-\d+">', text)) == 6


def test_inverted_controls_are_cards_in_one_fold_and_in_no_table_of_methods(text: str, crowd: Report) -> None:
    names = {cell.note for row in ranking.table(crowd).rows for cell in row.cells if cell.kind == "head"}
    assert "agi" in names and "random" in names
    assert not [name for name in names if name.startswith("inverted:")]
    for chart in (graphics.srg_chart(crowd), graphics.tradeoff_chart(crowd), graphics.cancellation_chart(crowd)):
        assert chart is not None and "inverted:" not in chart.svg
    fold = text[text.index("Inverted controls (20)") : text.index('<section id="checks"')]
    assert fold.count('<details class="card control">') == 20
    assert fold.count("<code>inverted:agi</code>") == 1


def test_another_seed_and_another_image_are_told_apart(crowd: Report, text: str) -> None:
    found = {card.id: card for card in cards.build(crowd)}
    told = found["smoothgrad"]
    assert told.luck == (
        "Another seed moves SRG by 0.021; another image by 0.152. "
        "Maps under two seeds rank the elements alike to 0.41 (1: the same)."
    )
    assert told.seeds is not None
    assert "seeds 0, 1 and 2 on the first 2 images" in told.seeds.caption
    rows = {row.cells[0].sort: [cell.text for cell in row.cells[1:]] for row in told.seeds.rows}
    assert rows == {"ncc-violation": ["—", "0.004"], "srg": ["0.021", "0.152"]}
    assert ("Cost of the repeats", "480 gradients, 40 forwards") in [(f.name, f.value.text) for f in told.facts]
    assert found["agi"].seeds is None
    assert found["agi"].luck == "How much the seed decides is not known: the repeat failed."
    assert found["idgi"].luck is None and found["idgi"].seeds is None
    assert text.count("Another seed moves SRG by") == 3
    assert "Seed spread" in text


def test_a_small_spread_does_not_read_as_none(crowd: Report) -> None:
    (method,) = [m.model_copy(deep=True) for m in crowd.methods if m.id == "rise"]
    assert method.seeds is not None
    (srg,) = [s for s in method.seeds.spread if s.metric == "srg"]
    for deviation, told in ((0.0002, "less than 0.001"), (0.0, "0.000")):
        srg.seed_sd = deviation
        assert (sentences.luck(method) or "").startswith(f"Another seed moves SRG by {told};")


def test_notes_stand_in_the_methods_card(crowd: Report, text: str) -> None:
    assert {card.notes for card in cards.build(crowd) if card.id == "xrai"} == {("A note of xrai.",)}
    assert text.count("<li>A note of xrai.</li>") == 1


def test_a_start_of_its_own_is_explained_wherever_it_matters(crowd: Report, text: str) -> None:
    assert "Blur Ig and Ig2 walk from a start of their own: complete with respect to that start" in text
    (card,) = [card for card in cards.build(crowd) if card.id == "ig2"]
    assert MEANINGS["own-baseline"] in card.limits
    (fact,) = [fact for fact in card.facts if fact.name == "Δf from its own start"]
    assert (fact.value.text, fact.value.note) == ("7.25", "median over images; 7.25 from the run's baseline")
    assert sentences.own_start(crowd.model_copy(update={"methods": []})) is None


def test_the_reason_why_a_method_has_no_map_is_a_sentence(crowd: Report, sample: SimpleNamespace) -> None:
    told = sentences.not_applicable(crowd)
    assert told == f"Without a map, and no failure: Pattern Attribution and Pattern Guided Ig: {sample.PATTERNLESS}."


def test_the_pictures_learned_from_are_facts(crowd: Report, report: Report) -> None:
    told = {fact.name: (fact.value.text, fact.value.note) for fact in learning.facts(crowd)}
    assert told["From"] == ("the pictures in other-photographs", "")
    assert told["Pictures"] == ("256", "spread evenly over 1\u202f200")
    assert told["Audited as well"][0] == "3 of 256"
    assert told["Used by"][0] == "no method of this audit"
    table = learning.skipped(report)
    assert table is not None and table.rows[0].cells[0].text == "cut<b>.png"
    data = report.data.model_copy(update={"calibration": None})
    before = report.model_copy(update={"data": data})
    assert (learning.facts(before), learning.skipped(before)) == ((), None)


def test_the_autoencoder_is_a_fact_of_the_model(report: Report) -> None:
    told = report.model_dump(mode="json")
    half = {"file": "half.onnx", "sha256": "12" * 32}
    told["model"]["autoencoder"] = {"encoder": half, "decoder": half, "code_shape": [8, 1, 1]}
    found = {fact.name: fact.value for fact in facts.model(Report.model_validate(told))}
    assert found["Encoder"].text == "half.onnx" and "1212" in found["Decoder"].note
    assert found["Code"].text == "8 × 1 × 1"
    assert "Encoder" not in {fact.name for fact in facts.model(report)}


def test_the_terminal_keeps_names_whole_at_80_columns(crowd: Report, sample: SimpleNamespace) -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(summary(crowd))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for name in sample.MANY[:19]:
        assert any(f" {name} " in line for line in lines), name
    assert any("ig2 *" in line for line in lines)
    assert "* complete with respect to a start of its own, not the run's baseline" in out.getvalue()
    assert "pattern-attribution, pattern-guided-ig: not applicable: 31 %" in out.getvalue()


def test_an_earlier_report_has_no_seeds_notes_or_calibration(report: Report, tmp_path: Path) -> None:
    told = report.model_dump(mode="json", by_alias=True)
    del told["data"]["calibration"], told["model"]["autoencoder"]
    for method in told["methods"]:
        del method["notes"], method["seeds"]
    for row in told["per_image"]:
        if row["walk"]:
            del row["walk"]["delta_f"]
    assert write_report(Report.model_validate(told), tmp_path).stat().st_size > 0
