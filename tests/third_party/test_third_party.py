"""Third-party plugins: a real package, installed by pip, and packages that break the rules."""

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geoaudit import registry
from geoaudit.errors import PluginError, UsageError

PACKAGE = Path(__file__).parent / "package"

SCRIPT = """
import json, sys
import numpy as np
from geoaudit import Evidence, Group, registry
from geoaudit.analytic import AnalyticProbe, feature_problems

free, none, pinned = registry.load(), registry.load(()), registry.load(("geoaudit-example",))
name, gini = "geoaudit-example/midway-gradient", "geoaudit-example/gini"
method = registry.create(free.methods[name], "standard", {"share": "1"})
probe = AnalyticProbe(lambda x: (x**2).sum(axis=1), lambda x: 2 * x)
problems = feature_problems(probe, [0.0, 0.0], [1.0, 2.0])
maps = method.attribute(problems, probe)
everything = Evidence(None, Group(problems, probe, {}))
scores = registry.create(free.metrics[gini], "standard", {}).score(maps, problems, everything)
print(json.dumps({
    "new": sorted((set(free.methods) | set(free.metrics)) - (set(none.methods) | set(none.metrics))),
    "pinned": sorted((set(pinned.methods) | set(pinned.metrics)) - (set(none.methods) | set(none.metrics))),
    "providers": sorted({free.methods[name].provider, free.metrics[gini].provider}),
    "built_in": len(none.methods), "all": len(free.methods),
    "map": maps.values.ravel().tolist(), "gini": scores.values.tolist(), "cost": probe.spent.gradients,
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that pip has installed the example package into, without the network."""
    for needed in ("hatchling", "pip"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, and installing it would need the network")
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_package_is_found_run_and_pinned(installed):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ids = ["geoaudit-example/gini", "geoaudit-example/midway-gradient"]
    assert found["new"] == ids == found["pinned"]
    assert found["providers"] == ["geoaudit-example 1.2.3"]
    assert found["all"] == found["built_in"] + 1
    assert found["map"] == [2.0, 8.0] and found["cost"] == 1  # the gradient at the image, times the way
    assert found["gini"] == [pytest.approx(0.3)]


def broken_package(folder, monkeypatch, distribution, body, names):
    """An installed distribution as pip leaves it: a module, its metadata and its entry points."""
    module = distribution.replace("-", "_") + "_module"
    (folder / f"{module}.py").write_text(body)
    info = folder / f"{distribution.replace('-', '_')}-0.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.5\n")
    points = "\n".join(f"{name.lower()} = {module}:{name}" for name in names)
    (info / "entry_points.txt").write_text(f"[geoaudit.plugins]\n{points}\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return f"{module}:{names[0]}"


def plugin(name, plugin_id):
    return f"""
from geoaudit import Attributions, Method

class {name}(Method):
    id, title, family, reference = "{plugin_id}", "T", "other", "none"

    def attribute(self, problems, probe):
        return Attributions(problems.x, (None,) * len(problems))
"""


def test_an_id_twice_in_one_package_is_refused(tmp_path, monkeypatch):
    body = plugin("One", "gx-twice/a") + plugin("Two", "gx-twice/a")
    broken_package(tmp_path, monkeypatch, "gx-twice", body, ["One", "Two"])
    with pytest.raises(PluginError, match=r"plugin id 'gx-twice/a': is declared by gx-twice 0\.5"):
        registry.load()
    assert "gx-twice/a" not in registry.load(()).methods


@pytest.mark.parametrize("plugin_id", ["guided-ig", "geoaudit-example/x", "gx-prefix", "gx-prefixed/x"])
def test_a_package_may_only_use_its_own_prefix(tmp_path, monkeypatch, plugin_id):
    module = broken_package(tmp_path, monkeypatch, "gx-prefix", plugin("One", plugin_id), ["One"])
    monkeypatch.delitem(sys.modules, module.split(":")[0], raising=False)
    with pytest.raises(PluginError, match=f"has the id '{plugin_id}'.*does not start with 'gx-prefix/'") as caught:
        registry.load()
    assert module in caught.value.thing and "gx-prefix 0.5" in caught.value.thing
    assert registry.load(()).methods["guided-ig"].provider.startswith("geoaudit ")


@pytest.mark.parametrize(
    ("body", "names", "reason"),
    [
        ("import gx_module_that_does_not_exist", ["One"], "ModuleNotFoundError: .*gx_module_that_does_not_exist"),
        ("1 / 0", ["One"], "ZeroDivisionError: division by zero"),
        ("x = 1", ["Absent"], "AttributeError: .*Absent"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_error_with_its_name(tmp_path, monkeypatch, body, names, reason):
    module = broken_package(tmp_path, monkeypatch, "gx-broken", body, names)
    monkeypatch.delitem(sys.modules, module.split(":")[0], raising=False)
    with pytest.raises(PluginError, match=reason) as caught:
        registry.load()
    assert module in caught.value.thing and "gx-broken 0.5" in caught.value.thing
    assert "--plugins none" in caught.value.way_out and "Traceback" not in caught.value.message
    assert registry.load(()).methods  # leaving it out is a way out indeed


def test_a_package_that_is_not_pinned_is_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    broken_package(tmp_path / "good", monkeypatch, "gx-good", plugin("One", "gx-good/one"), ["One"])
    broken_package(tmp_path / "bad", monkeypatch, "gx-bad", "1 / 0", ["One"])
    assert "gx-good/one" in registry.load(("gx-good",)).methods
    assert "gx_bad_module" not in sys.modules
    with pytest.raises(PluginError, match="gx_bad_module"):
        registry.load(("gx-good", "gx-bad"))
    with pytest.raises(UsageError, match="--plugins gx-absent") as caught:
        registry.load(("gx-absent",))
    assert "gx-bad, gx-good" in caught.value.way_out
