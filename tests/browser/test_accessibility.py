"""axe-core finds nothing on any kind of page, of whatever impact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Read = Callable[..., Page]
Rendered = Callable[[str], Path]

KINDS = ("normal", "crowded", "failed", "gradient_free", "one", "comparison")
VIEWS = ((1280, "light"), (390, "dark"), (1280, "dark"), (390, "light"))

_BY_LOOK = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")
_LOOK = {"preload": False, "resultTypes": ["violations"], "runOnly": list(_BY_LOOK)}
_MARKUP = {"preload": False, "resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in _BY_LOOK}}
_UNFOLD = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
_FEWER_ROWS = "document.querySelectorAll('tbody tr:nth-child(n + 6)').forEach(row => row.remove())"
_STILL = "* { content-visibility: visible !important }"
"""What is laid out only once it is near the screen would move while axe-core looks what lies upon what."""
_TELL = """({ violations }) => violations.map(({ impact, id, nodes }) =>
  `${impact} ${id}: ${nodes.slice(0, 4).map(node => `${node.target} ${node.failureSummary}`).join(" | ")}`)"""
_THIN_OUT = """() => {
  const seen = new Map(), path = element => element === document.body ? "" :
    `${path(element.parentElement)}>${element.localName}.${element.getAttribute("class") ?? ""}`;
  for (const element of [...document.querySelectorAll("body *")].reverse()) {
    if (element.childElementCount) continue;
    const kind = path(element), times = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, times);
    if (times > 2) element.remove();
  }
}"""
"""Leaves two of every kind: looks are a matter of element and class, and axe-core takes long over thousands."""


def _violations(page: Page, options: dict[str, Any]) -> list[str]:
    page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(f"options => axe.run(document, options).then({_TELL})", options)
    return found


def _pages(rendered: Rendered, kind: str) -> list[Path]:
    """The front page; of one kind the last page of its gallery too, which is the same for all."""
    folder = rendered(kind)
    return [next(folder.glob("*.html")), *(sorted(folder.glob("gallery/*.html"))[-1:] if kind == "normal" else [])]


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_wrong_with_the_markup(read: Read, rendered: Rendered, kind: str) -> None:
    for file in _pages(rendered, kind):
        page = read(file, bypass_csp=True)
        page.evaluate(_UNFOLD)
        page.evaluate(_FEWER_ROWS)
        assert _violations(page, _MARKUP) == [], file.name


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_the_contrast_enough_on_desks_and_phones_in_light_and_dark(
    read: Read, rendered: Rendered, kind: str
) -> None:
    for file in _pages(rendered, kind):
        page = read(file, bypass_csp=True)
        page.evaluate(_UNFOLD)
        page.evaluate(_THIN_OUT)
        page.add_style_tag(content=_STILL)
        for width, scheme in VIEWS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert _violations(page, _LOOK) == [], (file.name, width, scheme)


def test_axe_would_find_a_pale_text_and_a_nameless_button(read: Read, report_page: Path) -> None:
    page = read(report_page, bypass_csp=True)
    page.evaluate(_THIN_OUT)
    page.evaluate("document.querySelector('.kicker').style.color = '#ccc'")
    page.evaluate("document.querySelector('.kicker').append(document.createElement('button'))")
    assert [found.split(":")[0] for found in _violations(page, _LOOK)] == ["serious color-contrast"]
    assert "critical button-name" in [found.split(":")[0] for found in _violations(page, _MARKUP)]
