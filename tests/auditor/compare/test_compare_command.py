"""`geoaudit compare`: exit codes, files, what goes to stdout, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from geoaudit.audit.maps import MapWriter
from geoaudit.audit.result import NamedFile
from geoaudit.cli import cli
from geoaudit.errors import GeoauditError
from geoaudit_reports import json_report

POLICY = 'version = 1\n[compare]\nmethods = "all"\n[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = {}\n'


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, made: Any, plain: Any) -> tuple[Path, Path]:
    """Two reports with maps; in the second, `best` lost 0.2 of SRG and its maps moved."""
    later = plain | {"best": plain["best"] | {"srg": [v - 0.2 for v in plain["best"]["srg"]]}}
    reports = (made(plain), made(later, model_sha="b" * 64, ops={"Conv": 2, "QuantizeLinear": 1}))
    found = []
    for name, report, noise in zip("ab", reports, (0.0, 0.5), strict=True):
        folder = tmp_path_factory.mktemp(name)
        rng = np.random.default_rng(0)
        with MapWriter(folder) as maps:
            for image in report.data.images:
                for method in report.methods:
                    base, moved = rng.normal(size=(2, 3, 8, 8))
                    maps.add(f"{image.id}/{method.id}", (base + noise * moved).astype(np.float32))
            path = maps.keep()
        named = NamedFile(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        json_report.write_json(report.model_copy(update={"maps": named}), folder / "report.json")
        found.append(folder)
    return found[0], found[1]


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def _refused(*arguments: object) -> GeoauditError:
    done = _run(*arguments)
    assert isinstance(done.exception, GeoauditError), done.output
    return done.exception


def test_files_table_and_path(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = _run(folders[0], folders[1] / "report.json", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'out' / 'comparison.html'}\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"comparison.html", "comparison.json"}
    talk = [line for line in done.stderr.splitlines() if str(folders[0].parent) not in line]
    assert all(len(line) <= 80 for line in talk), max(talk, key=len)
    assert "Not gated: no policy was given." in talk
    assert any(line.split()[:1] == ["best"] and "-0.20" in line for line in talk)
    assert "Quantisation changed the order of the methods" in done.stderr and "PASS" not in done.stderr


def test_json_on_stdout_is_the_file(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = _run(*folders, "-o", tmp_path, "--format", "json", "--quiet")
    assert done.stdout == (tmp_path / "comparison.json").read_text(encoding="utf-8") and not done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "geoaudit.comparison" and told["schema_version"] == 1
    assert told["subject"] == "float to quantised" and told["exit_code"] == 0
    assert told["a"]["sha256"] == hashlib.sha256((folders[0] / "report.json").read_bytes()).hexdigest()
    alike = {m["id"]: m["maps"] for m in told["methods"]}
    assert alike["best"]["n"] == 24 and 0.5 < alike["best"]["spearman"]["mean"] < 0.95


@pytest.mark.parametrize(("limit", "code"), [(0.5, 0), (0.1, 1)])
def test_the_policy_decides_over_the_exit_code(
    folders: tuple[Path, Path], tmp_path: Path, limit: float, code: int
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(limit))
    done = _run(*folders, "-o", tmp_path, "--policy", policy)
    assert done.exit_code == code, done.output
    assert ("FAIL compare:metric:srg:best" in " ".join(done.stderr.split())) == bool(code)
    assert f"Policy policy.toml: {'FAIL' if code else 'PASS'}" in done.stderr


def test_what_cannot_be_compared_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = folders
    assert "same report" in _refused(a, a, "-o", tmp_path).reason
    assert "no such file" in _refused(a, tmp_path, "-o", tmp_path).reason
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 1\n[images]\nminimum = 1\n")
    error = _refused(a, b, "-o", tmp_path, "--policy", policy)
    assert "no rules for comparisons" in error.reason and error.exit_code == 2
    (tmp_path / "taken").write_text("")
    assert _refused(a, b, "-o", tmp_path / "taken" / "below").exit_code == 2


def test_maps_that_are_not_the_reports_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "report.json").write_bytes((folders[1] / "report.json").read_bytes())
    (copy / "maps.npz").write_bytes((folders[0] / "maps.npz").read_bytes())
    assert "digest differs" in _refused(folders[0], copy, "-o", tmp_path).reason
    (copy / "maps.npz").unlink()
    done = _run(folders[0], copy, "-o", tmp_path)
    assert done.exit_code == 0 and "no maps lie beside B" in " ".join(done.stderr.split())
