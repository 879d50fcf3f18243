"""The report as a reader meets it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser


def _open(chromium: webdriver.Chrome, url: str, width: int = 1280, scheme: str = "light", media: str = "") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    chromium.get(url)


def _luminance(chromium: webdriver.Chrome, script: str) -> float:
    colour = chromium.execute_script(f"return {script}")
    channels = [float(c) for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_no_console_message_and_no_network(chromium: webdriver.Chrome, report_url: str) -> None:
    chromium.get_log("performance")
    _open(chromium, report_url)
    chromium.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert chromium.get_log("browser") == []
    requests = []
    for entry in chromium.get_log("performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            requests.append(message["params"]["request"]["url"])
    outside = [url for url in requests if not url.startswith("data:") and url != report_url]
    assert report_url in requests, "the log must have seen the page itself"
    assert outside == []


@pytest.mark.parametrize(("url", "width"), [("report_url", 390), ("report_url", 1280), ("crowded_url", 500)])
def test_the_page_never_scrolls_sideways(
    chromium: webdriver.Chrome, request: pytest.FixtureRequest, url: str, width: int
) -> None:
    _open(chromium, request.getfixturevalue(url), width)
    chromium.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    sizes = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scrolled, visible = chromium.execute_script(sizes)
    assert width - 20 <= visible == scrolled, "a scroll bar at most may take from the window"
    clipped = chromium.execute_script(
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert clipped == []


def test_sorting_a_column_by_keyboard(chromium: webdriver.Chrome, report_url: str) -> None:
    _open(chromium, report_url)
    heading = chromium.find_element(By.CSS_SELECTOR, "#ranking th:nth-child(4)")
    button = heading.find_element(By.TAG_NAME, "button")

    def order() -> list[str]:
        cells = chromium.find_elements(By.CSS_SELECTOR, "#ranking tbody td:nth-child(4)")
        return [cell.get_attribute("data-sort") or "" for cell in cells]

    original = order()
    button.send_keys(Keys.ENTER)
    falling = order()
    assert heading.get_attribute("aria-sort") == "descending"
    assert falling == [*sorted((v for v in original if v), key=float, reverse=True), ""]
    button.send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "ascending"
    assert order()[-1] == "", "what has no number stays last"
    button.send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") is None
    assert order() == original


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_in_both_schemes(chromium: webdriver.Chrome, report_url: str, scheme: str) -> None:
    _open(chromium, report_url, scheme=scheme)
    paper = _luminance(chromium, "getComputedStyle(document.body).backgroundColor")
    assert (paper < 0.1) == (scheme == "dark")
    pairs = [(paper, f"getComputedStyle(document.querySelector('{s}')).color") for s in ("body", ".kicker", "summary")]
    for tone in ("good", "warn", "bad", "quiet"):
        look = f"getComputedStyle(document.querySelector('.badge.{tone}'))"
        pairs.append((_luminance(chromium, f"{look}.backgroundColor"), f"{look}.color"))
    pairs.append((paper, "getComputedStyle(document.querySelector('svg text')).fill"))
    for behind, script in pairs:
        low, high = sorted((behind, _luminance(chromium, script)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, script


def test_overlay_and_drawings(chromium: webdriver.Chrome, report_url: str) -> None:
    _open(chromium, report_url)
    under = chromium.find_element(By.CSS_SELECTOR, ".tile:not(.photo) .under")
    assert under.value_of_css_property("visibility") == "hidden"
    chromium.execute_script("document.getElementById('overlay').click()")
    assert under.value_of_css_property("visibility") == "visible"
    assert "data:image/jpeg" in under.value_of_css_property("background-image")
    fills = chromium.execute_script(
        "return [...document.querySelectorAll('svg[aria-labelledby^=chart-srg] path')]"
        ".map(path => getComputedStyle(path).fill)"
    )
    assert "rgb(29, 92, 134)" in fills, "the page's colours must reach the drawings"


def test_folded_parts_open_by_keyboard_and_for_print(chromium: webdriver.Chrome, crowded_url: str) -> None:
    _open(chromium, crowded_url)
    more = chromium.find_element(By.CSS_SELECTOR, "#summary details.more")
    last = more.find_element(By.CSS_SELECTOR, "li:last-child strong")
    assert not last.is_displayed()
    more.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert last.is_displayed()
    height = "return document.documentElement.scrollHeight"
    folded = chromium.execute_script(height)
    chromium.execute_script("dispatchEvent(new Event('beforeprint'))")
    inverted = chromium.find_element(By.CSS_SELECTOR, "#methods .folded .card:last-child .card-body")
    assert inverted.is_displayed()
    assert chromium.execute_script(height) > 2 * folded


def test_print_is_light_and_opens_the_cards(chromium: webdriver.Chrome, report_url: str) -> None:
    _open(chromium, report_url, scheme="dark", media="print")
    assert _luminance(chromium, "getComputedStyle(document.body).backgroundColor") == pytest.approx(1)
    chromium.execute_script("dispatchEvent(new Event('beforeprint'))")
    closed = "return document.querySelectorAll('details.card:not([open])').length"
    assert chromium.execute_script(closed) == 0
    chromium.execute_script("dispatchEvent(new Event('afterprint'))")
    assert chromium.execute_script(closed) > 0
