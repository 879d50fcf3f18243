"""Headless Chromium on a rendered synthetic report."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def report_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    from geoaudit_reports import write_report

    sample = runpy.run_path(str(Path(__file__).parents[1] / "reports" / "synthetic_report.py"))
    folder = tmp_path_factory.mktemp("report")
    report = sample["build"]()
    sample["write_maps"](report, folder / "maps.npz")
    return write_report(report, folder).as_uri()


@pytest.fixture(scope="session")
def crowded_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report by 22 methods."""
    from geoaudit_reports import write_report

    sample = runpy.run_path(str(Path(__file__).parents[1] / "reports" / "synthetic_report.py"))
    folder = tmp_path_factory.mktemp("crowded")
    report = sample["crowded"]()
    sample["write_maps"](report, folder / "maps.npz", side=16)
    return write_report(report, folder).as_uri()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver, log_output=os.devnull)
    session = webdriver.Chrome(options=options, service=service)
    yield session
    session.quit()
