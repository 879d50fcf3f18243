"""What a reader with a keyboard or a screen reader meets, beyond what axe-core can judge."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Read = Callable[..., Page]
Rendered = Callable[[str], Path]

_FOLLOW = """
window.__stops = [];
addEventListener("focusin", ({ target }) => {
  const { outlineStyle, outlineWidth } = getComputedStyle(target);
  const { width, height, top, bottom } = target.getBoundingClientRect();
  __stops.push({
    place: [...document.querySelectorAll("*")].indexOf(target),
    what: target.outerHTML.slice(0, 90),
    ring: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    box: width > 0 && height > 0,
    seen: bottom > 0 && top < innerHeight,
  });
});
"""
_HEADINGS = (
    "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => [Number(h.tagName[1]), h.textContent.trim()])"
)


def _stops(page: Page) -> list[dict[str, Any]]:
    """Tab through the page until the first stop comes again."""
    for _ in range(60):
        for _ in range(10):
            page.keyboard.press("Tab")
        stops: list[dict[str, Any]] = page.evaluate("__stops")
        places = [stop["place"] for stop in stops]
        if places.count(places[0]) > 1:
            return stops[: places.index(places[0], 1)]
    raise AssertionError(f"no way out after {len(stops)} stops, last at {stops[-1]['what']}")


@pytest.mark.parametrize("kind", ["one", "comparison"])
def test_the_tab_key_goes_through_the_page_in_order(read: Read, rendered: Rendered, kind: str) -> None:
    page = read(next(rendered(kind).glob("*.html")), script=_FOLLOW)
    stops = _stops(page)
    places = [stop["place"] for stop in stops]
    assert places == sorted(set(places)), "reading order, and nothing twice"
    assert [stop["what"] for stop in stops if not (stop["ring"] and stop["box"] and stop["seen"])] == []
    assert 'class="skip"' in stops[0]["what"]
    reachable = "a[href], button, input, select, summary"
    expected = page.evaluate(f"[...document.querySelectorAll('{reachable}')].filter(e => e.checkVisibility()).length")
    assert len([stop for stop in stops if not stop["what"].startswith("<div")]) == expected


def test_a_wide_table_is_a_stop_only_where_it_scrolls(read: Read, report_page: Path) -> None:
    page = read(report_page, 390)
    wide = page.get_by_role("group", name="Below each number")
    expect(wide).to_have_attribute("tabindex", "0")
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(wide).to_have_attribute("tabindex", "-1")


def test_the_skip_link_shows_itself_and_leads_past_the_contents(read: Read, report_page: Path) -> None:
    page = read(report_page)
    skip = page.get_by_role("link", name="Skip to the verdict")
    assert skip.evaluate("e => e.getBoundingClientRect().bottom") <= 0
    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    assert skip.evaluate("e => e.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("kind", ["normal", "failed", "gradient_free", "one", "comparison"])
def test_headings_landmarks_and_names(read: Read, rendered: Rendered, kind: str) -> None:
    for file in sorted(rendered(kind).rglob("*.html")):
        page = read(file)
        headings = page.evaluate(_HEADINGS)
        levels = [level for level, _ in headings]
        assert levels.count(1) == 1
        assert all(text for _, text in headings)
        assert [(a, b) for a, b in pairwise(headings) if b[0] > a[0] + 1] == [], "no level is left out"
        assert page.get_by_role("main").count() == 1
        named = page.get_by_role("navigation").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
        assert len(named) == len(set(named)) and all(named)
        assert page.evaluate("[...document.querySelectorAll('section')].every(e => e.getAttribute('aria-labelledby'))")
        assert (
            page.evaluate("[...document.querySelectorAll('table')].filter(t => !t.caption?.textContent.trim()).length")
            == 0
        )
        assert page.evaluate("[...document.querySelectorAll('thead th, tbody th')].every(e => e.scope)")
        assert page.evaluate("[...document.images].filter(e => !e.alt.trim()).length") == 0
        named = page.evaluate(
            "[...document.querySelectorAll('svg[role=img]')].map(e => e.querySelector('title')?.textContent)"
        )
        assert all(named)
        bare = "[...document.querySelectorAll('svg')].filter(e => e.getAttribute('role') !== 'img' && !e.ariaHidden)"
        assert page.evaluate(f"{bare}.length") == 0


def test_no_verdict_by_colour_alone(read: Read, rendered: Rendered) -> None:
    page = read(rendered("failed") / "report.html")
    badges = page.locator(".badge").evaluate_all(
        "all => all.map(e => [e.className, e.querySelector('.glyph')?.textContent ?? '', e.lastChild.data.trim()])"
    )
    assert {tone for tone, _, _ in badges} >= {"badge good", "badge warn", "badge bad"}
    assert all(glyph.strip() and word for _, glyph, word in badges)
    glyphs = [{glyph for tone, glyph, _ in badges if tone == f"badge {name}"} for name in ("good", "warn", "bad")]
    assert len(set.union(*glyphs)) == sum(map(len, glyphs)), "good, doubtful and bad share no glyph"


def test_nothing_moves_for_those_who_asked(read: Read, report_page: Path) -> None:
    page = read(report_page, reduced_motion="reduce")
    moving = page.evaluate(
        """[...document.querySelectorAll("*")].filter(element => {
          const look = getComputedStyle(element);
          return look.animationName !== "none" || look.transitionDuration !== "0s" || look.scrollBehavior === "smooth";
        }).map(element => element.outerHTML.slice(0, 80))"""
    )
    assert moving == []


def test_without_scripts_everything_can_be_read(read: Read, report_page: Path) -> None:
    page = read(report_page, java_script_enabled=False)
    assert page.locator("#ranking tbody tr").count() > 0
    expect(page.locator("th button")).to_have_count(0)
    for control in page.locator("main button, main input:not(#overlay), main select").all():
        expect(control).not_to_be_visible()
    folded = page.locator("main details:not([open]) > summary").first.element_handle()
    assert folded is not None
    folded.click()
    assert folded.evaluate("summary => summary.nextElementSibling.checkVisibility()")
