"""Headless Chromium, a fresh context a test, and the rendered reports that the tests open in it."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WATCH = """
addEventListener("securitypolicyviolation", event => (window.__refused ??= []).push(event.effectiveDirective), true);
"""


class Witness:
    """What pages of one test said, asked and loaded."""

    def __init__(self) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    @property
    def outside(self) -> list[str]:
        """Requests for anything but local pages and inline pictures."""
        return [url for url in self.requests if not (url.startswith("data:") or url.endswith(".html"))]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's browser; none is ever downloaded."""
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(_BROWSERS)} is on the path")
    os.environ.setdefault("PLAYWRIGHT_SKIP_VALIDATE_HOST_REQUIREMENTS", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def read(chromium: Browser, witness: Witness) -> Iterator[Callable[..., Page]]:
    """Opens a page as a reader would: `read(path, width=…, scheme=…, **options of a browser context)`."""
    contexts = []

    def open_page(path: Path, width: int = 1280, scheme: str = "light", script: str = "", **options: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        contexts.append(context)
        context.add_init_script(_WATCH + script)
        page = context.new_page()
        page.set_default_timeout(5000)
        witness.watch(page)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a rendered report, by the name of the function in browser_reports.py that renders it."""
    kinds = runpy.run_path(str(Path(__file__).with_name("browser_reports.py")))

    @cache
    def folder(kind: str) -> Path:
        place = tmp_path_factory.mktemp(kind)
        kinds[kind](place)
        return place

    return folder


@pytest.fixture(scope="session")
def report_page(rendered: Callable[[str], Path]) -> Path:
    return rendered("normal") / "report.html"


@pytest.fixture(scope="session")
def crowded_page(rendered: Callable[[str], Path]) -> Path:
    """A report by 22 methods."""
    return rendered("crowded") / "report.html"
