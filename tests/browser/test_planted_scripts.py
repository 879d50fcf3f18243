"""Nothing that stands in a file name, a label or a policy runs, and what is added to the file later does not either."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Read = Callable[..., Page]

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_ADDITIONS = {
    "a script": ("<script>window.__planted = 1</script>", "script-src-elem"),
    "a handler": ("<img src='data:,x' onerror='window.__planted = 1'>", "script-src-attr"),
    "a frame": ("<iframe srcdoc='<script>parent.__planted = 1</script>'></iframe>", ""),
    "a style": ("<style>body { --planted: 1 }</style>", "style-src-elem"),
    "a picture": ("<img src='http://127.0.0.1:9/beacon.png' alt=''>", "img-src"),
    "a link's script": ("<a id='planted' href='javascript:window.__planted=1'>x</a>", "script-src-elem"),
}


def _tampered(page: Path, folder: Path, added: str, policy: bool = True) -> Path:
    text = page.read_text(encoding="utf-8")
    assert len(_POLICY.findall(text)) == 1
    copy = folder / "tampered.html"
    text = text if policy else _POLICY.sub("", text)
    copy.write_text(text.replace("</body>", f"{added}</body>"), encoding="utf-8")
    return copy


def _use(page: Page) -> None:
    """Open, point at and focus whatever there is, as a reader might."""
    page.evaluate(
        """() => {
          document.querySelectorAll("details").forEach(details => { details.open = true; });
          for (const element of document.querySelectorAll("main *")) {
            element.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
            element.dispatchEvent(new FocusEvent("focus"));
          }
          document.querySelectorAll("#planted").forEach(link => link.click());
          document.querySelectorAll("thead button, input[type=checkbox]").forEach(control => control.click());
        }"""
    )
    page.wait_for_timeout(150)


def _ran(page: Page) -> bool:
    found: bool = page.evaluate("window.__planted !== undefined")
    return found


def test_planted_text_stays_text_on_every_page(read: Read, rendered: Callable[[str], Path], witness: Any) -> None:
    folder = rendered("planted")
    files = sorted(folder.rglob("*.html"))
    assert folder / "report.html" in files
    for file in files:
        page = read(file)
        _use(page)
        assert not _ran(page)
        assert page.evaluate("window.__refused ?? []") == [], "nothing of ours may need to be refused"
        assert page.evaluate("document.querySelectorAll('iframe, object, embed, base, form').length") == 0
        assert page.evaluate("document.querySelectorAll('script').length") == 1
    text = page.evaluate("document.body.textContent") if len(files) == 1 else read(files[-1]).inner_text("body")
    assert "<script>window.__planted = 1</script>" in text, "the plant must have reached the page"
    assert witness.dialogs == witness.console == witness.outside == []


@pytest.mark.parametrize("what", _ADDITIONS)
def test_additions_to_the_file_are_refused(read: Read, report_page: Path, tmp_path: Path, what: str) -> None:
    added, directive = _ADDITIONS[what]
    page = read(_tampered(report_page, tmp_path, added))
    _use(page)
    assert not _ran(page)
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--planted')") == ""
    assert not directive or directive in page.evaluate("window.__refused")


@pytest.mark.parametrize("what", ["a script", "a handler", "a link's script"])
def test_it_is_the_policy_that_refuses(read: Read, report_page: Path, tmp_path: Path, what: str) -> None:
    page = read(_tampered(report_page, tmp_path, _ADDITIONS[what][0], policy=False))
    _use(page)
    assert _ran(page)


def test_a_changed_script_does_not_run(read: Read, report_page: Path, tmp_path: Path) -> None:
    text = report_page.read_text(encoding="utf-8")
    assert text.count('"use strict";') == 1
    copy = tmp_path / "changed.html"
    copy.write_text(text.replace('"use strict";', '"use strict"; window.__planted = 1;'), encoding="utf-8")
    page = read(copy)
    assert not _ran(page)
    assert page.locator("#ranking thead button").count() == 0, "the whole script is refused"
    assert page.locator("#ranking tbody tr").count() > 0, "and the report can still be read"
