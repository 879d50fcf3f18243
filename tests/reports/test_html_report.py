"""report.html: safe, self-contained, complete, deterministic, small."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.audit.result import GateResult, Report
from geoaudit.errors import UsageError
from geoaudit_reports import render_folder, write_report
from geoaudit_reports.html import render
from geoaudit_reports.html.views.page import SECTIONS
from geoaudit_reports.maps import MapStore


class Document(HTMLParser):
    """Elements, their attributes, and the text a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.raw:
            self.raw[self._inside][-1] += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def document(page: str) -> Document:
    return Document(page)


def test_hostile_names_stay_text(document: Document, sample: SimpleNamespace) -> None:
    assert sample.HOSTILE_FILE in document.text
    assert sample.HOSTILE_LABEL in document.text
    assert not [a for _, attrs in document.elements for a in attrs if a.startswith("on")]
    assert len(document.raw["script"]) == 1
    assert "alert(" not in document.raw["script"][0]


def test_nothing_refers_outside(page: str, document: Document) -> None:
    for tag, attributes in document.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/", "data:,", "gallery/images-00")), f"{tag} {name}={value[:60]}"
        assert "style" not in attributes, f"{tag} has a style attribute, which the policy blocks"
        references = [v for v in attributes.values() if v and "url(" in v]
        assert all(v.startswith("url(#") for v in references)
    for style in document.raw["style"]:
        assert "@import" not in style
        assert all(u.startswith('"data:image/') for u in re.findall(r"url\(([^)]*)\)", style))


def test_policy_allows_exactly_what_is_inlined(document: Document) -> None:
    metas = [a for tag, a in document.elements if tag == "meta" and a.get("http-equiv")]
    policy = metas[0]["content"] or ""
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy and "http" not in policy
    for kind in ("style", "script"):
        made = {
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in document.raw[kind]
        }
        allowed = next(part for part in policy.split("; ") if part.startswith(f"{kind}-src")).split()[1:]
        assert set(allowed) == made


def test_no_programmers_words_reach_the_reader(document: Document) -> None:
    assert not re.search(r"\b(None|nan|NaN|inf|Infinity|Undefined|True|False)\b", document.text)


def test_every_dash_has_its_reason(page: str) -> None:
    cells = re.findall(r"<(?:td|dd|span)[^>]*>(?:<span[^>]*>[^<]*</span>)?\s*—(.{0,200})", page, flags=re.DOTALL)
    assert len(cells) > 20
    for rest in cells:
        assert re.match(r'\s*(<small>[^<]+</small>|</dd><dd class="note">[^<]+</dd>)', rest), rest[:80]


def test_sections_are_there_in_order_and_ids_are_unique(document: Document) -> None:
    ids = [a["id"] for _, a in document.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    found = [a["id"] for tag, a in document.elements if tag == "section"]
    assert found == [section.id for section in SECTIONS]
    links = [a["href"] for tag, a in document.elements if tag == "a"]
    here = [link for link in links if link and not link.startswith("gallery/images-00")]
    assert all(link and link.removeprefix("#") in ids for link in here)


def test_the_first_screen_says_what_was_found(document: Document) -> None:
    for words in (
        "Guided Integrated Gradients can be relied on here, by indication only.",
        "5 explanation methods and 7 controls were scored on 9 images.",
        "The ranking is indicative: 9 images, 20 are needed.",
        "Not gated: no policy was configured",
        "Ran out of memory at 64 samples.",
        "NCC alone is trivially gamed: the control uniform-complete spreads Δf evenly over all pixels, "
        "scores 0.000 here",
        "The control center, a blob in the middle",
        "Gradient fails the gate check “Model randomization” and is rejected, whatever the scores. "
        "The map is almost the",
    ):
        assert words in document.text
    assert "Policy: PASS" not in document.text


def test_the_first_screen_says_that_gradients_explain_a_stand_in(report: Report) -> None:
    from geoaudit_reports.html.views import summary

    told = report.model_dump(mode="json")
    rounded = summary.build(report)
    assert any("stand-in of the model" in sentence for sentence in rounded.sentences)
    told["model"]["conversion"]["straight_through"] = []
    assert not any("stand-in" in sentence for sentence in summary.build(Report.model_validate(told)).sentences)


def test_controls_stand_in_place_without_a_number(page: str) -> None:
    table = page[page.index('<section id="ranking"') : page.index('<section id="faithfulness"')]
    order = re.findall(r'<th scope="row".*?<small>([a-z:-]+)</small></th>', table)
    expected = [
        "guided-ig",
        "center",
        "integrated-gradients",
        "edges",
        "gradient-x-input",
        "gradient",
        "smoothgrad",
    ]
    assert order[:7] == expected
    controls = re.findall(r'<tr class="control">\s*<td[^>]*>(.*?)</td>', table, flags=re.DOTALL)
    assert len(controls) == 6, "the inverted control says of metrics, not of this model"
    assert all(re.sub("<[^>]*>", "", cell).strip().endswith("control") for cell in controls)
    assert table.count("Pareto front") == 1


def test_verdicts_are_words_with_glyphs(page: str) -> None:
    glyph = r'<span class="badge \w+"><span class="glyph" aria-hidden="true">(.)</span>'
    badges = re.findall(glyph + "([^<]+)</span>", page)
    assert len(badges) == page.count('class="badge ') > 20
    assert ("✓", "PASS") in badges and ("✕", "rejected") in badges and ("–", "SKIP") in badges


def test_pictures_speak(document: Document) -> None:
    pictures = [a for tag, a in document.elements if tag == "img"]
    assert len(pictures) > 60
    assert all(a.get("alt") for a in pictures)
    drawings = [a for tag, a in document.elements if tag == "svg"]
    assert len(drawings) == 9
    assert all(a.get("role") == "img" and a.get("aria-labelledby") for a in drawings)
    for words in ("the map holds non-finite numbers", "ran out of memory at 64 samples", "8 of 9 images"):
        assert words in document.text


def test_same_input_same_bytes(report: Report, folder: Path, page: str) -> None:
    with MapStore(folder / "maps.npz") as maps:
        assert render(report, maps) == page
    assert re.search(r"20\d\d-\d\d-\d\dT", page) is None, "no drawing may carry its date"


def test_pictures_step_down_and_out_to_keep_the_size(report: Report, folder: Path, page: str) -> None:
    whole = len(page.encode())
    assert whole < 10_000_000
    with MapStore(folder / "maps.npz") as maps:
        less = render(report, maps, most_bytes=whole - 1)
        none = render(report, maps, most_bytes=1)
    assert "4 of 9 images are shown here" in less and len(less.encode()) < whole
    assert "The pictures are left out" in none and "<img" not in none
    assert "no room for any of the 9 images; the gallery pages show them" in none


def test_without_maps_or_photographs_the_report_says_so(
    undrawn: Report, sample: SimpleNamespace, tmp_path: Path
) -> None:
    assert "has no pictures" in render(undrawn, None)
    sample.write_maps(undrawn, tmp_path / "maps.npz", photos=False)
    written = write_report(undrawn, tmp_path)
    text = written.read_text(encoding="utf-8")
    assert "Photographs were not stored" in text
    assert 'id="overlay"' not in text
    names = {"maps.npz", "report.json", "report.html", "gallery", "SHA256SUMS"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_damaged_folder_is_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        render_folder(tmp_path)
    (tmp_path / "maps.npz").write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"maps\.npz"):
        write_report(report, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_empty_ranking_and_a_gate_are_told(report: Report) -> None:
    changed = report.model_copy(deep=True)
    changed.ranking.entries = []
    changed.ranking.status = "inconclusive"
    changed.curves, changed.checks, changed.limitations = [], [], []
    changed.methods = [m.model_copy(update={"scores": {}, "ncc_profile": []}) for m in changed.methods]
    changed.gate.configured, changed.gate.status = True, "FAIL"
    changed.gate.results = [
        GateResult(
            id="threshold:ncc", rule="ncc-violation is at most 0.9", method=None, status="FAIL",
            found="no number", reason="There is nothing to compare.",
        )
    ]  # fmt: skip
    text = Document(render(changed, None)).text
    for words in (
        "No explanation method could be ranked.", "Policy: FAIL. 1 of 1 rule is not met.",
        "No masking curves were recorded.",
        "No limitations were recorded.", "No check examined a method.", "None was run.", "ncc-violation is at most 0.9",
    ):  # fmt: skip
        assert words in text


def test_only_rejected_methods_are_not_recommended(undrawn: Report) -> None:
    changed = undrawn.model_copy(deep=True)
    for entry in changed.ranking.entries:
        entry.tier = "rejected"
    assert "No explanation method can be relied on here." in render(changed, None)


def test_more_methods_than_colours_are_said_to_be_cut(undrawn: Report) -> None:
    changed = undrawn.model_copy(deep=True)
    curves = [c for c in changed.curves if c.method == "guided-ig"]
    method = next(m for m in changed.methods if m.id == "guided-ig")
    for number in range(9):
        changed.methods.append(method.model_copy(update={"id": f"other/{number}"}))
        changed.curves += [c.model_copy(update={"method": f"other/{number}"}) for c in curves]
    text = Document(render(changed, None)).text
    assert "Drawn: the first 8 of 13 methods in the ranking; the table has all." in text
    assert "Drawn: the first 8 of 11 methods in the ranking; the table has all." in text
    assert "Drawn:" not in Document(render(undrawn, None)).text


def test_reports_of_earlier_versions_say_what_could_have_been_found(report: Report) -> None:
    from geoaudit_reports.html.sentences import certainty

    told = "Differences in SRG smaller than 0.118 would have been missed more often than one time in five."
    assert told not in certainty(report)  # its reason says it
    earlier = report.model_copy(update={"ranking": report.ranking.model_copy(update={"robustness": None})})
    assert told in certainty(earlier)
