"""The distribution: what a wheel and an sdist hold, and that the wheel works outside the checkout."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "geoaudit": ROOT / "auditor",
    "geoaudit_plugins": ROOT / "plugins",
    "geoaudit_reports": ROOT / "reports",
}
NEEDED = (
    *(f"{name}/py.typed" for name in PACKAGES),
    "geoaudit_reports/html/templates/page.html",
    "geoaudit_reports/html/templates/sections/ranking.html",
    "geoaudit_reports/html/assets/report.css",
    "geoaudit_reports/html/assets/report.js",
    "geoaudit_reports/schema/report-v1.json",
)
HEAVY = ("torch", "onnxruntime", "onnx2torch", "onnx", "sklearn", "skimage", "matplotlib")

LOAD = """
import json, pathlib, sys
import geoaudit, geoaudit_plugins, geoaudit_reports
from geoaudit import registry
from geoaudit_reports.html import document
from geoaudit_reports.schema import SCHEMAS, generate, schema_file
built_in = registry.load(())
print(json.dumps({
    "places": [str(pathlib.Path(p.__file__).parent) for p in (geoaudit, geoaudit_plugins, geoaudit_reports)],
    "plugins": sum(
        entry.provider.startswith("geoaudit ")
        for shelf in (built_in.methods, built_in.metrics, built_in.checks, built_in.imputers)
        for entry in shelf.values()
    ),
    "listed": sum(place.rpartition(":")[2][0].isupper() for place in geoaudit_plugins.BUILT_IN),
    "schema_is_current": all(schema_file(n).read_text(encoding="utf-8") == generate(n) for n in SCHEMAS),
}))
"""


@dataclass(frozen=True)
class Built:
    """A wheel and an sdist.

    Attributes:
        wheel: built from the unpacked sdist, as a package index would get it.
        sdist: the source archive.
        site: a folder that pip has installed the wheel into, without its dependencies.
    """

    wheel: Path
    sdist: Path
    site: Path


def run(*command: object, cwd: Path, **environment: str) -> str:
    """The standard output of a command that must succeed; the checkout is not on its path."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built without the network; nothing is written into the checkout."""
    for needed in ("hatchling", "pip"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, and installing it would need the network")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "--quiet")
    run(sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", wheel, cwd=folder)
    return Built(wheel, sdist, folder / "site")


def source_files(name: str) -> set[str]:
    """The package's files in the checkout, as paths in a wheel."""
    files = (PACKAGES[name] / name).rglob("*")
    return {
        path.relative_to(PACKAGES[name]).as_posix()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_the_wheel_holds_every_file_of_the_three_packages_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == set().union(*map(source_files, PACKAGES))
    assert set(NEEDED) <= names


def test_the_wheel_is_pure_licensed_and_has_the_console_script(built: Built) -> None:
    assert built.wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built.wheel) as archive:
        info = {PurePosixPath(n).name: archive.read(n).decode() for n in archive.namelist() if ".dist-info/" in n}
    assert "geoaudit = geoaudit.cli:main" in info["entry_points.txt"]
    assert info["LICENSE"].lstrip().startswith("Apache License")
    assert "License-Expression: Apache-2.0" in info["METADATA"]
    assert "# geoaudit" in info["METADATA"]


def test_the_sdist_holds_what_a_packager_needs_and_no_stray_file(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", ".ci/run", "pyproject.toml"}
    assert wanted | {"tests/test_packaging.py", "tests/plugins/methods/guided_ig_reference.npz"} <= names
    allowed = {*PACKAGES.values(), ROOT / "tests", ROOT / "docs", ROOT / "integrations", ROOT / ".ci", ROOT / ".github"}
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders <= {path.name for path in allowed}
    assert not [name for name in names if name.endswith((".onnx", ".pyc"))]


def test_the_three_packages_import_from_the_wheel(built: Built, tmp_path: Path) -> None:
    found = json.loads(run(sys.executable, "-c", LOAD, cwd=tmp_path, PYTHONPATH=str(built.site)))
    assert found["places"] == [str(built.site / name) for name in PACKAGES]
    assert found["plugins"] == found["listed"] > 0
    assert found["schema_is_current"]


def test_the_installed_command_answers_outside_the_checkout(built: Built, tmp_path: Path) -> None:
    from geoaudit import __version__

    script = built.site / "bin" / "geoaudit"
    if not script.exists():  # on Windows the script is an executable
        pytest.skip("pip installed no script file")
    text = run(sys.executable, script, "--help", cwd=tmp_path, PYTHONPATH=str(built.site))
    assert text.startswith("Usage: geoaudit MODEL IMAGES [OPTIONS]")
    assert run(sys.executable, script, "--version", cwd=tmp_path, PYTHONPATH=str(built.site)).split()[-1] == __version__


def test_help_imports_nothing_heavy(built: Built, tmp_path: Path) -> None:
    code = f"import sys, geoaudit.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(built.site)).strip() == "[]"


def imported(path: Path) -> set[str]:
    """Names of the top-level modules that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w.-]", entry)[0].lower().replace("-", "_") for entry in project["dependencies"]}
    # a folder may import its extra's package
    optional = {"captum_methods": "captum", "cluster": "ray", "audit": "pyarrow", "images": "fsspec"}
    extras = {entry for group in project["optional-dependencies"].values() for entry in group}
    assert all(any(entry.startswith(name) for entry in extras) for name in optional.values())
    called = {"skimage": "scikit_image", "sklearn": "scikit_learn", "PIL": "pillow", "google": "protobuf"}
    undeclared = {
        f"{path.name} imports {module}"
        for name, root in PACKAGES.items()
        for path in (root / name).rglob("*.py")
        for module in imported(path) - set(sys.stdlib_module_names) - set(PACKAGES)
        if called.get(module, module) not in declared and optional.get(path.parent.name) != module
    }
    assert not undeclared


def test_the_check_script_is_executable_and_valid() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n") and "\nset -eu\n" in text
    subprocess.run(["bash", "-n", str(script)], check=True)
    for command in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert f"\n{command}\n" in text


def test_continuous_integration_runs_the_same_script_with_no_rights() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text
    assert "- run: bash .ci/run" in text
    pins = re.findall(r"uses: \S+@(\S+)", text)
    assert pins and all(re.fullmatch(r"[0-9a-f]{40}", pin) for pin in pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert 'python: ["3.11", "3.12", "3.13"]' in text
