"""Whole audits of the tiny classifier, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from geoaudit import registry
from geoaudit.api import Cost
from geoaudit.audit import execute
from geoaudit.audit.execute import run_audit
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.result import Report
from geoaudit.audit.settings import Settings
from geoaudit.selftest import closed_form, run_selftest


@dataclass
class Listener:
    """An observer that remembers."""

    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def stage(self, name: str, total: float) -> None:
        self.stages.append(name)

    def working(self, on: str) -> None:
        pass

    def advance(self, amount: float) -> None:
        pass

    def meter(self, read: Callable[[], Cost]) -> None:
        self.read = read

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)


@dataclass(frozen=True)
class Audited:
    """A finished audit."""

    report: Report
    folder: Path
    listener: Listener

    def method(self, name: str) -> Any:
        """The method's result."""
        return next(m for m in self.report.methods if m.id == name)

    def scores(self) -> dict[tuple[str, str, str], float | None]:
        """Every score by image, method and metric."""
        return {(p.image, p.method, m): v for p in self.report.per_image for m, v in p.scores.items()}


@contextmanager
def _light_calibration() -> Iterator[None]:
    """Audits without the planted models, which have tests of their own; a test's own calibration stays."""
    with pytest.MonkeyPatch.context() as patch:
        if execute.run_selftest is run_selftest:
            patch.setattr(execute, "run_selftest", lambda quick, gradients, seed: closed_form(quick))
        yield


Audit = Callable[..., Audited]


@pytest.fixture(scope="session")
def audit(small_model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """`audit(**settings)`: a quick audit of five pictures by integrated-gradients, changed by `settings`."""

    def run(**settings: Any) -> Audited:
        given = {
            "model": small_model,
            "images": pictures,
            "budget": "quick",
            "methods": ("integrated-gradients",),
            "batch_size": 4,
            "device": "cpu",
            "seed": 5,
        } | settings
        if "guided-ig" in (given["methods"] or ()):
            given["parameters"] = {"guided-ig": {"steps": "12"}}
        folder = tmp_path_factory.mktemp("audit")
        listener = Listener()
        with MapWriter(folder) as maps, _light_calibration():
            report = run_audit(Settings(**given), maps, listener)
            maps.keep()
        return Audited(report, folder, listener)

    return run


@pytest.fixture(scope="session")
def usual(audit: Audit) -> Audited:
    """Four methods on five pictures, for tests that only read."""
    return audit(methods=("gradient", "gradient-x-input", "integrated-gradients", "guided-ig"))


@pytest.fixture
def with_plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`with_plugin(cls)`: the audit finds this plugin beside the built-in ones."""

    def add(cls: type[Any]) -> None:
        def load(pinned: Any = None) -> Any:
            found = registry.load(pinned)
            found.add(cls, "outside 1.0")
            return found

        monkeypatch.setattr(execute, "load", load)

    return add
