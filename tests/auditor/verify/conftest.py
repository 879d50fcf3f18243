"""One small audit by the command line, and copies of it to tamper with."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import geoaudit_reports.html
from geoaudit.audit import execute
from geoaudit.audit.result import Report
from geoaudit.cli import cli
from geoaudit.model import twin
from geoaudit.scoring.statistics import bootstrap_mean
from geoaudit.selftest import closed_form
from geoaudit.verify import numbers
from geoaudit_reports import json_report, render_folder

METHODS = "gradient-x-input,integrated-gradients,expected-gradients"
QUICK = (
    *(
        "--budget",
        "quick",
        "--methods",
        METHODS,
        "--checks",
        "parity,completeness",
        "--metrics",
        "deletion,sufficiency",
    ),
    *("--set", "expected-gradients.samples=4", "--device", "cpu", "--batch-size", "4", "-q"),
)


@dataclass(frozen=True)
class Case:
    """A model, its pictures, and a report on them, all in one folder that may be changed."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "small.onnx"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def report(self) -> Path:
        return self.folder / "report"

    def read(self) -> dict[str, Any]:
        """report.json as it stands."""
        found: dict[str, Any] = json.loads((self.report / "report.json").read_text(encoding="utf-8"))
        return found

    def edit(self, change: Callable[[dict[str, Any]], None], *, sign: bool = False) -> None:
        """Change report.json; with `sign`, all that follows from it is written again, as a careful forger would."""
        data = self.read()
        change(data)
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        (self.report / "report.json").write_text(text, encoding="utf-8")
        if sign:
            with _light():
                render_folder(self.report)


@dataclass(frozen=True)
class Verified:
    """What `geoaudit verify --format json` said, and how it ended."""

    code: int
    data: dict[str, Any]

    def found(self, status: str) -> dict[tuple[str, str], str]:
        """Reasons of the findings with this status, by id and subject."""
        return {(f["id"], f["subject"]): f["reason"] for f in self.data["findings"] if f["status"] == status}

    @property
    def named(self) -> list[tuple[str, str]]:
        """Id and subject of what failed."""
        return list(self.found("FAIL"))


def _plain_pages(report: Report, maps: object) -> Iterator[tuple[str, str]]:
    """Pages that say all of the report, without charts, which take a second."""
    yield "report.html", html.escape(json_report.dumps(report))
    yield "gallery/page-1.html", "".join(sorted(html.escape(image.id) for image in report.data.images))


_intervals = cache(lambda values, seed: bootstrap_mean(np.frombuffer(values), seed))


@contextmanager
def _light() -> Iterator[None]:
    """Without planted models, charts and threads; an interval of the same scores is drawn once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "run_selftest", lambda quick, gradients, seed: closed_form(quick))
        patch.setattr(twin, "usable_cores", lambda: 1)
        patch.setattr(geoaudit_reports.html, "pages", _plain_pages)
        patch.setattr(numbers, "bootstrap_mean", lambda values, seed: _intervals(values.tobytes(), seed))
        yield


def _run(arguments: Sequence[object]) -> Result:
    with _light():
        return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """`run(*arguments)`: the command line in this process, without the planted models."""
    return lambda *arguments: _run(arguments)


@pytest.fixture(scope="session")
def audited(small_model: Path, make_pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The untouched case: five pictures."""
    case = Case(tmp_path_factory.mktemp("audited"))
    shutil.copy(small_model, case.model)
    make_pictures(case.images, 5)
    ended = _run(("audit", case.model, case.images, *QUICK, "-o", case.report))
    assert ended.exit_code == 0, ended.output
    return case


@pytest.fixture
def case(audited: Case, tmp_path: Path) -> Iterator[Case]:
    """A copy of it that may be tampered with."""
    shutil.copytree(audited.folder, tmp_path / "case")
    yield Case(tmp_path / "case")


@pytest.fixture(scope="session")
def verify() -> Callable[..., Verified]:
    """`verify(case, *options)`: runs `geoaudit verify` on it, without a re-run unless options say otherwise."""

    def run(case: Case, *options: object) -> Verified:
        given = options or ("--no-rerun",)
        ended = _run(("verify", case.report, case.model, case.images, *given, "--format", "json", "-q"))
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        assert ended.exit_code in (0, 1, 3), ended.output
        data = json.loads(ended.stdout)
        assert data["exit_code"] == ended.exit_code
        return Verified(ended.exit_code, data)

    return run


@pytest.fixture(scope="session")
def light() -> Callable[[], Any]:
    """`with light():` as the command lines here run."""
    return _light


@pytest.fixture(scope="session")
def report(audited: Case) -> Report:
    """The untouched case's report."""
    return json_report.load(audited.report / "report.json")
