"""200 photographs: how fast the report answers and how heavy it is, and how one finds an image in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Read = Callable[..., Page]

MOST_BYTES = 10_000_000
MOST_MILLISECONDS = 1000
IMAGES = 200

_CLICK_AT_ONCE = """
addEventListener("DOMContentLoaded", () => {
  const heading = document.querySelector("#ranking thead th.numeric");
  const first = heading.closest("table").tBodies[0].rows[0];
  heading.querySelector("button").click();
  heading.querySelector("button").click();
  const sorted = heading.ariaSort === "ascending" && heading.closest("table").tBodies[0].rows[0] !== first;
  requestAnimationFrame(() => setTimeout(() => { window.__answered = sorted ? performance.now() : Infinity; }));
});
"""


@pytest.fixture(scope="session")
def many_page(rendered: Callable[[str], Path]) -> Path:
    return rendered("many") / "report.html"


def _rows(page: Page) -> list[str]:
    links: list[str] = page.locator("#image-table tbody th a").evaluate_all(
        "all => all.filter(e => e.checkVisibility()).map(e => e.textContent)"
    )
    return links


def test_it_answers_within_a_second_and_fits_in_the_mail(read: Read, many_page: Path) -> None:
    took = []
    for _ in range(8):  # the quickest counts: other programs only ever lengthen one
        page = read(many_page, script=_CLICK_AT_ONCE)
        page.wait_for_function("window.__answered !== undefined")
        took.append(page.evaluate("window.__answered"))
        if took[-1] < MOST_MILLISECONDS:
            break
    assert min(took) < MOST_MILLISECONDS, f"from navigation to a sorted table on the screen, in ms: {took}"
    assert many_page.stat().st_size <= MOST_BYTES
    assert many_page.stat().st_size > MOST_BYTES / 4, "pictures of real size must be in it"


def test_the_table_of_images_is_paged(read: Read, many_page: Path) -> None:
    page = read(many_page)
    turning = page.locator("#images .turning")
    following, before = (
        turning.get_by_role("button", name="Next rows"),
        turning.get_by_role("button", name="Previous rows"),
    )
    told = turning.get_by_role("status")
    first = _rows(page)
    assert len(first) == 25
    expect(told).to_have_text(re.compile("200 images, rows 1 to 25"))
    following.press("Enter")
    second = _rows(page)
    assert len(second) == 25 and not set(first) & set(second)
    expect(told).to_have_text(re.compile("rows 26 to 50"))
    expect(following).to_be_focused()
    before.press("Space")
    assert _rows(page) == first
    expect(before).to_have_attribute("aria-disabled", "true")
    seen = [*first]
    for _ in range(7):
        following.press("Enter")
        seen += _rows(page)
    assert len(set(seen)) == len(seen) == IMAGES, "each image on one page of rows"
    expect(following).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Rows a page").select_option("all")
    assert len(_rows(page)) == IMAGES


def test_the_table_of_images_is_filtered(read: Read, many_page: Path) -> None:
    page = read(many_page)
    told = page.locator("#images .turning").get_by_role("status")
    page.get_by_label("Text", exact=True).fill("EXTRA 11")
    expect(told).to_have_text(re.compile(r"of 200 images fit"))
    found = _rows(page)
    assert found and len(found) < 25
    assert all("extra" in name for name in found)
    page.get_by_label("Text", exact=True).fill("no such image")
    expect(told).to_have_text(re.compile("0 of 200"))
    assert _rows(page) == []
    page.get_by_label("Text", exact=True).fill("")
    for label in ("Predicted class", "A method’s result"):
        choice = page.get_by_label(label)
        choice.select_option(index=1)
        fitting = int((told.text_content() or "").split()[0])
        assert 0 < fitting <= IMAGES
        assert _rows(page) != []
        choice.select_option(index=0)
    expect(told).to_have_text(re.compile("200 images, rows 1 to 25"))


def test_sorting_reaches_beyond_the_page_of_rows(read: Read, many_page: Path) -> None:
    page = read(many_page)
    page.locator("#image-table").get_by_role("button", name="Image").click()
    page.locator("#image-table").get_by_role("button", name="Image").click()
    assert _rows(page)[0] == "rocket.jpg", "the last of all 200 names, falling"
    heading = page.locator("#image-table th").first
    expect(heading).to_have_attribute("aria-sort", "descending")


def test_methods_can_be_picked_out_of_the_gallery(read: Read, report_page: Path) -> None:
    page = read(report_page)
    chooser = page.locator(".chooser")
    chooser.locator("summary").click()
    tiles = page.locator("#shots .shots[open] .tile[data-method]")
    everything = tiles.count()
    assert everything == page.locator("#shots .shots[open] .tile[data-method]:visible").count() > 4
    chooser.get_by_role("button", name="Hide all").click()
    assert page.locator("#shots .tile[data-method]:visible").count() == 0
    chooser.get_by_label("guided-ig", exact=True).check()
    shown = page.locator("#shots .tile[data-method]:visible").evaluate_all("all => all.map(e => e.dataset.method)")
    assert set(shown) == {"guided-ig"}
    expect(page.locator(".chooser .told")).to_have_text(re.compile(r"^1 of \d+ shown"))


def test_print_has_every_row(read: Read, many_page: Path) -> None:
    page = read(many_page)
    assert len(_rows(page)) == 25
    page.emulate_media(media="print")
    assert len(_rows(page)) == IMAGES
    expect(page.locator("#images .turning")).not_to_be_visible()
