"""The registry: rules for plugins, choosing them, binding their parameters."""

from importlib.metadata import EntryPoint

import pytest

from geoaudit import Attributions, Check, Method, Metric, Parameters, registry
from geoaudit.errors import ExitCode, PluginError, UsageError
from geoaudit.registry import Offer, Registry


class Plain(Method):
    id, title, family, reference = "pack/plain", "Plain", "other", "none"

    def attribute(self, problems, probe):
        return Attributions(problems.x, (None,) * len(problems))


class Untitled(Plain):
    id, title = "pack/untitled", None


@pytest.fixture(scope="module")
def built_in():
    return registry.load(())


def test_the_built_ins_are_there_and_sorted_by_kind(built_in):
    assert {"integrated-gradients", "guided-ig", "guided-ig-bounded", "gradient", "gradient-x-input"} <= set(
        built_in.of_kind("method")
    )
    assert {"random", "edges", "center", "uniform-complete"} <= set(built_in.of_kind("control"))
    assert built_in.of_kind("method") == sorted(built_in.of_kind("method"))
    assert set(built_in.of_kind("method")) | set(built_in.of_kind("control")) == set(built_in.methods)
    assert "srg" in built_in.metrics and "completeness" in built_in.checks
    assert all(entry.provider.split()[0] in ("geoaudit", "captum") for entry in built_in.methods.values())


def test_only_default_methods_run_unnamed(built_in):
    chosen, everything = built_in.running("method"), built_in.running("method", all_=True)
    assert {"occlusion", "rise", "integrated-gradients", "geodesic-ig-knn"} <= set(chosen) < set(everything)
    assert {"geodesic-ig-svi", "agi", "pattern-guided-ig"} <= set(everything) - set(chosen)
    assert [n for n in built_in.of_kind("method") if n not in everything] == [
        n for n in built_in.of_kind("method") if n.startswith("captum/")
    ]
    assert built_in.running("control") == built_in.of_kind("control")


def test_methods_need_gradients_unless_they_say_otherwise(built_in):
    needs = {name: entry.cls.needs for name, entry in built_in.methods.items()}
    assert Plain.needs == needs["gradient"] == needs["guided-ig"] == {"gradients"}
    assert needs["occlusion"] == needs["rise"] == needs["edges"] == frozenset()
    assert {name: set(entry.cls.needs) for name, entry in built_in.checks.items() if entry.cls.needs} == {
        "parity": {"gradients"},
        "gradient-parity": {"gradients"},
        "implementation-invariance": {"gradients", "layers"},
        "model-perturbation": {"gradients", "layers"},
        "model-randomization": {"gradients", "layers"},
    }


def test_one_place_of_the_built_ins_may_offer_several_classes_or_none(monkeypatch):
    import geoaudit_plugins

    offers = {"some": Offer("pack 1.0", (Plain,)), "none": Offer("missing", ())}
    module = type("Places", (), {name: staticmethod(lambda offer=offer: offer) for name, offer in offers.items()})
    monkeypatch.setattr(geoaudit_plugins, "BUILT_IN", ("places:some", "places:none"))
    monkeypatch.setattr(registry, "import_module", lambda name: module)
    loaded = registry.load(())
    assert {name: entry.provider for name, entry in loaded.methods.items()} == {"pack/plain": "pack 1.0"}


def test_an_unknown_id_with_a_package_in_front_asks_whether_that_is_installed(built_in):
    with pytest.raises(UsageError, match=r"Is the package nowhere installed\?"):
        registry.pick(built_in.methods, ["nowhere/map"], "--methods")


def test_an_id_belongs_to_one_plugin_and_both_claimants_are_named():
    shelf = Registry()
    shelf.add(Plain, "pack 1.0")
    with pytest.raises(PluginError, match=r"pack/plain.*\n?.*pack 1\.0 and by other 2\.0") as caught:
        shelf.add(Plain, "other 2.0")
    assert "--plugins" in caught.value.way_out and caught.value.exit_code is ExitCode.INCOMPLETE
    assert shelf.methods["pack/plain"].provider == "pack 1.0"


@pytest.mark.parametrize("thing", [int, "text", Plain(), Parameters])
def test_only_plugin_classes_are_taken(thing):
    with pytest.raises(PluginError, match="is no Method, Metric, Check or Imputer"):
        Registry().add(thing, "pack 1.0")


def test_a_plugin_must_say_what_it_is():
    with pytest.raises(PluginError, match="does not declare title"):
        Registry().add(Untitled, "pack 1.0")


@pytest.mark.parametrize(
    ("base", "facts", "fault"),
    [
        (Check, {}, "declares no examines"),
        (Check, {"examines": "methods"}, "declares no examines"),
        (Check, {"examines": "model", "from_budget": "fast"}, "declares no from_budget"),
        (Metric, {}, "declares no higher_is_better"),
        (Metric, {"higher_is_better": None, "from_budget": "never"}, "declares no from_budget"),
    ],
)
def test_a_fact_that_there_is_not_would_never_run_and_is_refused(base, facts, fault):
    cls = type("Odd", (base,), {"id": "pack/odd", "title": "Odd", "reference": "none", **facts})
    with pytest.raises(PluginError, match=fault) as caught:
        Registry().add(cls, "pack 1.0")
    assert "Set it as a class attribute to one of" in caught.value.way_out


def test_shelves_are_apart():
    class Count(Metric):
        id, title, reference, higher_is_better, ideal = "pack/plain", "Count", "none", True, None

    class Look(Check):
        id, title, reference, examines = "pack/plain", "Look", "none", "model"

    shelf = Registry()
    for cls in (Plain, Count, Look):
        shelf.add(cls, "pack 1.0")
    assert list(shelf.methods) == list(shelf.metrics) == list(shelf.checks) == ["pack/plain"]


def test_pick_keeps_the_order_once_and_suggests_the_nearest(built_in):
    assert registry.pick(built_in.methods, ["random", "gradient", "random"], "method") == ["random", "gradient"]
    with pytest.raises(UsageError, match=r"method 'guided-gi': is unknown\nDid you mean guided-ig\?"):
        registry.pick(built_in.methods, ["guided-gi"], "method")
    with pytest.raises(UsageError, match=r"Known: .*completeness"):
        registry.pick(built_in.checks, ["zzz"], "check")


def test_create_binds_defaults_then_budget_then_settings(built_in):
    entry = built_in.methods["guided-ig"]
    assert registry.create(entry, "standard", {}).parameters.steps == 60
    assert registry.create(entry, "quick", {}).parameters.steps == 30
    method = registry.create(entry, "thorough", {"steps": "77", "max_dist": "0.5", "rule": "left"})
    assert (method.parameters.steps, method.parameters.max_dist, method.parameters.rule) == (77, 0.5, "left")


@pytest.mark.parametrize(
    ("plugin", "settings", "name", "reason"),
    [
        ("guided-ig", {"stepps": "3"}, "stepps", "no such parameter"),
        ("guided-ig", {"steps": "many"}, "steps", "valid integer"),
        ("guided-ig", {"steps": "0"}, "steps", "greater than or equal to 1"),
        ("guided-ig", {"fraction": "1.5"}, "fraction", "less than or equal to 1"),
        ("guided-ig", {"rule": "right"}, "rule", "'refined'"),
        ("gradient", {"steps": "3"}, "steps", "no such parameter"),
    ],
)
def test_create_names_the_setting_the_reason_and_the_choices(built_in, plugin, settings, name, reason):
    with pytest.raises(UsageError, match=reason) as caught:
        registry.create(built_in.methods[plugin], "standard", settings)
    assert caught.value.thing == f"--set {plugin}.{name}"
    assert ("steps, fraction, max_dist, rule" if plugin == "guided-ig" else "it has none") in caught.value.way_out


def test_pinning_what_is_not_installed_is_a_usage_error(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    with pytest.raises(UsageError, match=r"--plugins nowhere.*\nFound: no third-party plugin is installed"):
        registry.load(("nowhere",))


def test_a_plugin_without_a_distribution_cannot_pass_for_one(monkeypatch):
    point = EntryPoint("plain", f"{__name__}:Plain", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: Plain)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(PluginError, match="does not start with 'unknown/'"):
        registry.load()
    assert "pack/plain" not in registry.load(()).methods
