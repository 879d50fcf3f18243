"""Gallery pages: every image has its block, and what is kept out stays out."""

from __future__ import annotations

import base64
import hashlib
import re
import runpy
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.audit.result import Report
from geoaudit_reports import write_report
from geoaudit_reports.html import pages
from geoaudit_reports.html.tiles import map_tile
from geoaudit_reports.html.views.images import choose, gather
from geoaudit_reports.maps import MapStore

MANY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("many_images.py"))))
HOSTILE = (
    "<script>planted()</script>.png", "\" onload='planted()' x=\".png", "../../escape%2e.png",
    "javascript:planted().png", "line\nbreak.png", "\u202egnp.exe", "a&amp;b.png", "{{ 7 * 7 }}.png",
    "https://example.org/x.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def light(report: Report) -> Report:
    built = MANY.light(report)
    assert isinstance(built, Report)
    return built


class Parsed(HTMLParser):
    """Elements with their attributes, and the text by kind of element."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self.words = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.script += data
        elif self._inside != "style":
            self.words += data

    def all(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]


def rendered(sample: SimpleNamespace, base: Report, folder: Path, odd: tuple[str, ...]) -> Path:
    """A rendered folder of 19 images: files, classes, notes and the model's metadata are called `odd` names."""
    names = [*odd, *(f"plain/{number}.png" for number in range(10))]
    found = MANY.grown(sample, base, names)
    for image, name in zip(found.data.images, reversed(names), strict=True):
        image.target_name = name
        image.notes = [name]
    found.model.metadata = {name: name for name in odd}
    sample.write_maps(found, folder / "maps.npz", side=16)
    write_report(found, folder)
    return folder


def read(folder: Path) -> dict[str, Parsed]:
    """The pages in `folder` by their names, report.html first."""
    paths = [folder / "report.html", *sorted((folder / "gallery").iterdir())]
    return {str(path.relative_to(folder)): Parsed(path.read_text(encoding="utf-8")) for path in paths}


@pytest.fixture(scope="module")
def hostile(sample: SimpleNamespace, undrawn: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages about names that want to be more than names."""
    return rendered(sample, undrawn, tmp_path_factory.mktemp("hostile"), HOSTILE)


@pytest.fixture(scope="module")
def parsed(hostile: Path) -> dict[str, Parsed]:
    return read(hostile)


def test_pages_hold_every_image_once_and_the_report_a_choice(parsed: dict[str, Parsed]) -> None:
    assert list(parsed) == ["report.html", *(f"gallery/images-00{number}.html" for number in (1, 2, 3))]
    blocks = {
        name: [i for i in page.all("id") if i.startswith("image-") and i != "image-table"]
        for name, page in parsed.items()
    }
    front = blocks.pop("report.html")
    assert len(front) == 8 and len(set(front)) == 8
    assert [one for held in blocks.values() for one in held] == [f"image-{number}" for number in range(1, 20)]
    assert "8 of 19 images are shown here, evenly spaced by their mean SRG" in parsed["report.html"].words
    assert "The gallery pages show all 19." in parsed["report.html"].words
    assert "Images 9 to 16 of 19" in parsed["gallery/images-002.html"].words


def test_every_link_leads_somewhere_inside(parsed: dict[str, Parsed]) -> None:
    for name, page in parsed.items():
        for href in page.all("href"):
            if href == "data:,":
                continue
            file, _, place = href.partition("#")
            target = name
            if file:
                assert re.fullmatch(r"(?:gallery/|\.\./)?(?:images-\d{3}|report)\.html", file)
                target = {"../report.html": "report.html"}.get(file, f"gallery/{file.removeprefix('gallery/')}")
            assert not place or place in parsed[target].all("id"), f"{name}: {href}"
    assert {"gallery/images-001.html", "gallery/images-003.html"} <= set(parsed["report.html"].all("href"))
    assert {"images-001.html", "images-003.html", "../report.html"} <= set(
        parsed["gallery/images-002.html"].all("href")
    )


def test_the_table_of_images_links_to_each_block(parsed: dict[str, Parsed], hostile: Path) -> None:
    text = (hostile / "report.html").read_text(encoding="utf-8")
    table = text[text.index('<table id="image-table"') :]
    links = re.findall(r'<th scope="row"[^>]*><a href="([^"]+)">', table[: table.index("</table>")])
    assert [link.partition("#")[2] for link in links] == [f"image-{number}" for number in range(1, 20)]
    assert sum(link.startswith("#") for link in links) == 8
    assert "gallery/images-002.html#image-" in " ".join(links)


def test_nothing_that_a_name_says_becomes_markup(
    parsed: dict[str, Parsed], sample: SimpleNamespace, undrawn: Report, tmp_path: Path
) -> None:
    harmless = read(rendered(sample, undrawn, tmp_path, tuple(f"odd-{number}.png" for number in range(len(HOSTILE)))))
    for name, page in parsed.items():
        tags, expected = (Counter(tag for tag, _ in pages.elements) for pages in (page, harmless[name]))
        assert tags == expected, f"{name} has elements that the templates did not write"
        assert not [a for _, attrs in page.elements for a in attrs if a.startswith("on") or a == "style"], name
        assert "planted" not in page.script and page.script.count('"use strict"') == 1
        for attribute in ("src", "href", "srcset", "action", "formaction", "data", "poster", "xlink:href"):
            for value in page.all(attribute):
                assert value.startswith(("#", "data:image/", "data:,", "gallery/images-", "images-", "../report.html"))
    assert "<script>planted()</script>.png" in parsed["report.html"].words
    assert "javascript:planted().png" in parsed["gallery/images-001.html"].words


def test_characters_that_steer_the_display_are_written_out(parsed: dict[str, Parsed]) -> None:
    for page in parsed.values():
        assert "\u202e" not in page.words + "".join(map(str, page.elements))
    assert "\\u202egnp.exe" in parsed["report.html"].words


def test_every_page_has_the_same_strict_policy(hostile: Path, parsed: dict[str, Parsed]) -> None:
    for name, page in parsed.items():
        text = (hostile / name).read_text(encoding="utf-8")
        policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a) or ""
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert policy.endswith("base-uri 'none'; form-action 'none'")
        for kind in ("style", "script"):
            for inline in re.findall(f"<{kind}>(.*?)</{kind}>", text, flags=re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in policy, name


def test_a_block_answers_for_one_decision(hostile: Path) -> None:
    text = (hostile / "gallery/images-002.html").read_text(encoding="utf-8")
    start = text.index('id="image-11"')
    block = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", text[start : text.index('id="image-12"')]))
    for words in (
        "plain/1.png", "class 291", "probability 0.810", "Predicted class", "Labelled as", f"{10:064x}", "7.25 logit",
        "Every result on this image", "guided-ig", "INCONCLUSIVE", "attributions do not add up", "7.10", "2.4",
    ):  # fmt: skip
        assert words in block, words


def test_without_photographs_no_pixel_of_one_is_in_any_page(
    sample: SimpleNamespace, light: Report, tmp_path: Path
) -> None:
    found = MANY.grown(sample, light, [f"{number}.png" for number in range(10)])
    sample.write_maps(found, tmp_path / "maps.npz", photos=False, side=16)
    write_report(found, tmp_path)
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "report.html", *(tmp_path / "gallery").iterdir())]
    everything = "".join(texts)
    with MapStore(tmp_path / "maps.npz") as maps:
        for method, drawn in {"input-difference": False, "edges": False, "integrated-gradients": True}.items():
            for image in found.data.images[1:]:
                summed = maps.summed_map(image.id, method, "NCHW")
                assert summed is not None
                tile = map_tile(summed, 224)
                assert tile is not None and (tile.uri in everything) == drawn, method
    assert len(texts) == 3
    for text in texts:
        assert "image/jpeg" not in text and 'id="overlay"' not in text and "<img" in text
        assert "photographs are kept out" in text and "File names are shown" in text


def test_without_maps_the_pages_still_have_the_numbers(sample: SimpleNamespace, light: Report) -> None:
    found = MANY.grown(sample, light, [f"{number}.png" for number in range(10)])
    made = dict(pages(found, None))
    assert list(made) == ["report.html", "gallery/images-001.html", "gallery/images-002.html"]
    for text in made.values():
        assert "<img" not in text and "No maps.npz lies beside report.json" in text and "Choose methods" not in text
        assert "Every result on this image" in text
    assert made["gallery/images-001.html"].count("<code>0000") == 8


def test_few_images_need_no_gallery(sample: SimpleNamespace, light: Report) -> None:
    for number, told in ((1, "The one image."), (8, "All 8 images.")):
        made = dict(pages(MANY.grown(sample, light, [f"{n}.png" for n in range(number)]), None))
        assert list(made) == ["report.html"]
        assert told in made["report.html"] and "Gallery pages" not in made["report.html"]


def test_the_choice_spans_worst_to_best_and_copes_with_none(sample: SimpleNamespace, light: Report) -> None:
    images = gather(MANY.grown(sample, light, [f"{number:02d}.png" for number in range(40)]))
    means = [images.means[image.id] for image in choose(images, 8)]
    assert means == sorted(means) and means[0] == min(images.means.values()) and means[-1] == max(images.means.values())
    assert choose(images, 0) == [] and len(choose(images, 100)) == 40
    assert choose(gather(light.model_copy(update={"per_image": []})), 3)


def test_the_script_keeps_within_its_size_and_stores_nothing(hostile: Path) -> None:
    (script,) = re.findall("<script>(.*?)</script>", (hostile / "report.html").read_text(encoding="utf-8"), re.DOTALL)
    assert len(script.encode()) <= 10_000
    assert not re.search(
        r"localStorage|sessionStorage|cookie|fetch\(|XMLHttp|innerHTML|eval\(|setAttribute\(.on", script
    )


def test_controls_that_need_the_script_are_hidden_without_it(parsed: dict[str, Parsed]) -> None:
    for classes in ("sieve", "turning", "chooser"):
        found = [attrs for _, attrs in parsed["report.html"].elements if attrs.get("class") == classes]
        assert len(found) == 1 and "hidden" in found[0], classes
    rows = [attrs for tag, attrs in parsed["report.html"].elements if tag == "tr" and "data-status" in attrs]
    assert len(rows) == 19 and not [row for row in rows if "hidden" in row or "class" in row]
