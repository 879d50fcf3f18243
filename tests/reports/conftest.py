"""The synthetic report, written to a folder once for all tests that only read it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.audit.result import Report


@pytest.fixture(scope="session")
def sample() -> SimpleNamespace:
    """The names of synthetic_report.py."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic_report.py"))))


@pytest.fixture(scope="session")
def report(sample: SimpleNamespace) -> Report:
    built = sample.build()
    assert isinstance(built, Report)
    return built


@pytest.fixture(scope="session")
def undrawn(report: Report) -> Report:
    """The same without the checks' lines, whose drawings take longest."""
    return report.model_copy(update={"checks": [c.model_copy(update={"curves": []}) for c in report.checks]})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, sample: SimpleNamespace, report: Report) -> Path:
    """A rendered report folder."""
    from geoaudit_reports import write_report

    place = tmp_path_factory.mktemp("report")
    sample.write_maps(report, place / "maps.npz")
    write_report(report, place)
    return place


@pytest.fixture(scope="session")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")
