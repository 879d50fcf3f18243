"""The report as a reader meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
Read = Callable[..., Page]


def _luminance(page: Page, script: str) -> float:
    colour = page.evaluate(script)
    channels = [float(c) for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_no_console_message_and_no_network(read: Read, report_page: Path, witness: Any) -> None:
    page = read(report_page)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(100)
    assert witness.console == []
    assert report_page.as_uri() in witness.requests, "the log must have seen the page itself"
    assert [url for url in witness.requests if not url.startswith("data:") and url != report_page.as_uri()] == []


@pytest.mark.parametrize(
    ("kind", "width"),
    [("normal", 390), ("normal", 768), ("normal", 1280), ("failed", 390), ("crowded", 390), ("crowded", 500)],
)
def test_the_page_never_scrolls_sideways(read: Read, rendered: Callable[[str], Path], kind: str, width: int) -> None:
    page = read(rendered(kind) / "report.html", width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    scrolled, visible = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width - 20 <= visible == scrolled, "a scroll bar at most may take from the window"
    clipped = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert clipped == []


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sorting_a_column_by_keyboard(read: Read, report_page: Path, key: str) -> None:
    page = read(report_page)
    heading = page.locator("#ranking th:nth-child(4)")
    button = heading.get_by_role("button")
    cells = page.locator("#ranking tbody td:nth-child(4)")

    def order() -> list[str]:
        return [cell.get_attribute("data-sort") or "" for cell in cells.all()]

    original = order()
    button.press(key)
    falling = order()
    assert heading.get_attribute("aria-sort") == "descending"
    assert falling == [*sorted((v for v in original if v), key=float, reverse=True), ""]
    button.press(key)
    assert heading.get_attribute("aria-sort") == "ascending"
    assert order()[-1] == "", "what has no number stays last"
    button.press(key)
    assert heading.get_attribute("aria-sort") is None
    assert order() == original


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_in_both_schemes(read: Read, report_page: Path, scheme: str) -> None:
    page = read(report_page, scheme=scheme)
    paper = _luminance(page, "getComputedStyle(document.body).backgroundColor")
    assert (paper < 0.1) == (scheme == "dark")
    pairs = [(paper, f"getComputedStyle(document.querySelector('{s}')).color") for s in ("body", ".kicker", "summary")]
    for tone in ("good", "warn", "bad", "quiet"):
        look = f"getComputedStyle(document.querySelector('.badge.{tone}'))"
        pairs.append((_luminance(page, f"{look}.backgroundColor"), f"{look}.color"))
    pairs.append((paper, "getComputedStyle(document.querySelector('svg text')).fill"))
    for behind, script in pairs:
        low, high = sorted((behind, _luminance(page, script)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, script


def test_overlay_and_drawings(read: Read, report_page: Path) -> None:
    page = read(report_page)
    under = page.locator(".tile:not(.photo) .under").first
    expect(under).to_have_css("visibility", "hidden")
    page.get_by_label("Lay the maps over the photographs").check()
    expect(under).to_have_css("visibility", "visible")
    assert "data:image/jpeg" in under.evaluate("e => getComputedStyle(e).backgroundImage")
    fills = page.evaluate(
        "[...document.querySelectorAll('svg[aria-labelledby^=chart-srg] path')]"
        ".map(path => getComputedStyle(path).fill)"
    )
    assert "rgb(29, 92, 134)" in fills, "the page's colours must reach the drawings"


def test_the_maps_keep_their_colours_in_the_dark(read: Read, report_page: Path) -> None:
    def look(scheme: str) -> list[str]:
        styled = "[e.src, ...['filter', 'opacity', 'mixBlendMode'].map(p => getComputedStyle(e)[p])].join(' ')"
        found: list[str] = read(report_page, scheme=scheme).evaluate(
            f"[...document.querySelectorAll('.picture img')].map(e => {styled})"
        )
        return found

    light = look("light")
    assert light and light == look("dark")
    assert {shown.split(" ", 1)[1] for shown in light} == {"none 1 normal"}


def test_folded_parts_open_by_keyboard_and_for_print(read: Read, crowded_page: Path) -> None:
    page = read(crowded_page)
    more = page.locator("#summary details.more")
    last = more.locator("li:last-child strong")
    expect(last).not_to_be_visible()
    more.locator("summary").press("Enter")
    expect(last).to_be_visible()
    more.locator("summary").press("Space")
    expect(last).not_to_be_visible()
    opened = "document.querySelectorAll('main details[open]').length"
    before = page.evaluate(opened)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#methods .folded .card:last-child .card-body")).to_be_visible()
    assert page.evaluate(opened) > 2 * before


def test_print_is_light_and_opens_the_cards(read: Read, report_page: Path) -> None:
    page = read(report_page, scheme="dark")
    page.emulate_media(media="print")
    assert _luminance(page, "getComputedStyle(document.body).backgroundColor") == pytest.approx(1)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    closed = "document.querySelectorAll('details.card:not([open])').length"
    assert page.evaluate(closed) == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) > 0


def test_the_document_prints_with_numbered_pages(read: Read, rendered: Callable[[str], Path]) -> None:
    page = read(rendered("failed") / "report.html", width=673)
    pages = re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))
    assert len(pages) > 10
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 673, "or the print is shrunk until it fits"
    for unwanted in (".contents", ".skip", ".sieve", ".chooser", ".toggle"):
        expect(page.locator(unwanted)).not_to_be_visible()
    look = "e => Object.fromEntries(Object.entries(getComputedStyle(e)).filter(([name]) => name.startsWith('break')))"
    assert page.locator("#ranking tbody tr").nth(1).evaluate(look)["breakInside"] == "avoid"
    assert page.locator("#ranking h2").evaluate(look)["breakAfter"] == "avoid"
    assert page.locator("#sign-off").evaluate(look)["breakBefore"] == "page"
    links = page.locator("main a").evaluate_all("all => [...new Set(all.map(e => getComputedStyle(e).color))]")
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink in links and "rgb(29, 92, 134)" not in links, "links look like text"
