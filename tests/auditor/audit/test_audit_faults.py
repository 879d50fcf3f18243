"""Plugins that break and disks that fail: the audit says so and leaves nothing half-done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit.api import Check, Metric, Scores
from geoaudit.audit import execute
from geoaudit.audit.maps import MapWriter
from geoaudit.errors import GeoauditError, OutputError


class CrashingCheck(Check):
    id = "outside/crash"
    title = "Crashes"
    reference = "a test"
    examines = "method"

    def examine(self, subject: Any, problems: Any, probe: Any) -> Any:
        raise LookupError("no such thing")


class ShortMetric(Metric):
    id = "outside/short"
    title = "Too short"
    reference = "a test"
    higher_is_better = True
    ideal = None

    def score(self, attributions: Any, problems: Any, evidence: Any) -> Scores:
        return Scores.of(np.zeros(len(problems) - 1))


class CrashingMetric(ShortMetric):
    id = "outside/crash"

    def score(self, attributions: Any, problems: Any, evidence: Any) -> Scores:
        raise LookupError("no such thing")


def test_a_crashing_check_is_an_error_and_not_a_pass(audit: Any, with_plugin: Any) -> None:
    with_plugin(CrashingCheck)
    done = audit(limit=1)
    found = [c for c in done.report.checks if c.id == "outside/crash"]
    assert [(c.method, c.status.value) for c in found] == [("integrated-gradients", "ERROR")]
    assert "LookupError: no such thing" in found[0].reason
    assert {c.id for c in done.report.checks} > {"outside/crash", "parity"}
    assert done.report.exit_code == 3
    assert [text for text in done.listener.warned if "outside/crash" in text and "no such thing" in text]


@pytest.mark.parametrize(
    ("cls", "told"),
    [(ShortMetric, "returned 4 scores for 5 images"), (CrashingMetric, "LookupError: no such thing")],
)
def test_a_broken_metric_is_named(cls: type[Any], told: str, audit: Any, with_plugin: Any) -> None:
    with_plugin(cls)
    done = audit()
    assert done.report.exit_code == 3
    assert [cls.id in text and told in text for text in done.listener.warned] == [True], done.listener.warned
    for method in done.report.methods:
        summary = method.scores[cls.id]
        assert (summary.status.value, summary.n) == ("ERROR", 0)
        assert told in (summary.reason or "")
        assert method.status == "ok", "the others' scores stand"
        assert method.scores["srg"].n > 0


def test_no_report_without_calibration(audit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from geoaudit.api import Status

    true_one = execute.run_selftest

    def spoiled(**options: Any) -> Any:
        first, *rest = true_one(**options)
        return [first.model_copy(update={"status": Status.FAIL}), *rest]

    monkeypatch.setattr(execute, "run_selftest", spoiled)
    with pytest.raises(GeoauditError, match="cases with known answers came out wrong"):
        audit(limit=1)


def test_the_map_file_appears_only_when_kept(tmp_path: Path) -> None:
    with MapWriter(tmp_path / "new" / "out") as maps:
        maps.add("a/b", np.arange(3.0))
        assert not maps.path.exists()
        maps.keep()
    assert [p.name for p in (tmp_path / "new" / "out").iterdir()] == ["maps.npz"]
    with np.load(tmp_path / "new" / "out" / "maps.npz") as archive:
        assert archive["a/b"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_no_map_file(error: type[BaseException], tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        with MapWriter(folder) as maps:
            maps.add("a/b", np.zeros(3))
            raise error

    with pytest.raises(error):
        interrupted(tmp_path / "fresh")
    assert not (tmp_path / "fresh").exists()
    old = tmp_path / "old"
    old.mkdir()
    (old / "maps.npz").write_bytes(b"the last run's")
    with pytest.raises(error):
        interrupted(old)
    assert [(p.name, p.read_bytes()) for p in old.iterdir()] == [("maps.npz", b"the last run's")]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    (tmp_path / ".maps.npz.part").symlink_to(full)
    full_disk = pytest.raises(OutputError, match=r"maps.npz: cannot be written \(No space left on device\)")
    with full_disk, MapWriter(tmp_path) as maps:
        for i in range(64):
            maps.add(f"a/{i}", np.zeros(2**14))
        maps.keep()
    assert not list(tmp_path.iterdir())
