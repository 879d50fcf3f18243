"""A unit is found again only where it would come out the same: whatever numbers depend on is part of its key."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.audit import plan as planning
from geoaudit.audit.inputs import GROUP
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.settings import Cluster, Settings
from geoaudit.audit.store import keys
from geoaudit.registry import load

OTHER: dict[str, Any] = {
    "budget": "standard",
    "seed": 6,
    "labels": "other.csv",
    "baseline": "white",
    "explain": "probability",
    "target": 1,
    "explain_label": True,
    "device": "cuda",
    "batch_size": 8,
    "channels_last": True,
    "gradient_engine": "torch",
    "gradient_free": True,
    "output": "other",
    "custom_ops": "other.csv",
    "autoencoder": ("other.csv", "other.csv"),
    "threads": 3,
    "memory": 2**31,
    "adaptive": True,
    "stops": {"gradient": 24},
    "calibration": "other.csv",
}
"""Another value of every setting that numbers depend on, and that keys hold as it is; texts with a dot are files."""
RESOLVED = {"model", "images", "limit", "sample", "preprocess", "preprocess_config"}
"""Keys hold what these come to: digests of files, and where preprocessing ended up."""
CHOOSING = {"methods", "skip", "checks", "metrics", "imputers", "parameters", "plugins"}
"""Keys hold the plugins that they choose."""
IDLE = {"command", "context", "sources", "cluster", "detail"}
"""These change no unit."""


@pytest.fixture
def settings(tmp_path: Path, small_model: Path, pictures: Path) -> Settings:
    shutil.copy(small_model, tmp_path / "model.onnx")
    (tmp_path / "other.csv").write_text("a,b\n")
    return Settings(
        model=tmp_path / "model.onnx", images=pictures, methods=("gradient", "smoothgrad"), budget="quick", seed=5
    )


@pytest.fixture(scope="module")
def registry() -> Any:
    return load(())


def inputs_of(count: int = 9, **changes: Any) -> Any:
    """As much of the inputs as keys read."""
    infos = [SimpleNamespace(id=f"{i}.png", sha256=f"{i:064x}", target=0) for i in range(count)]
    data = SimpleNamespace(preprocess={"mean": 1.0}, labels=None, calibration={"manifest_sha256": "c"})
    for name, value in changes.items():
        setattr(data, name, value)
    return SimpleNamespace(infos=infos, data=data, preprocessing=SimpleNamespace(space=(3, 16, 16)))


def engines_of(**changes: Any) -> Any:
    """As much of the engines as keys read."""
    given = {"sha256": "m", "engine": {"batch_size": 4, "threads": 1}, "device": "cpu", "head": ["logits"]} | changes
    return SimpleNamespace(
        artifact=SimpleNamespace(sha256=given["sha256"]), autoencoder_info=None, head=given["head"],
        runtime=SimpleNamespace(device=given["device"]), twin=SimpleNamespace(engine=given["engine"]),
    )  # fmt: skip


def test_every_setting_is_accounted_for() -> None:
    """A new setting belongs into one of the groups above; by default it is part of every key."""
    names = {field.name for field in fields(Settings)}
    assert names == set(OTHER) | RESOLVED | CHOOSING | IDLE
    assert RESOLVED | CHOOSING | IDLE | {"channels_last", "batch_size"} == keys.ELSEWHERE


@pytest.mark.parametrize("name", sorted(OTHER))
def test_a_setting_that_numbers_depend_on_changes_every_key(name: str, settings: Settings, registry: Any) -> None:
    folder = settings.model.parent

    def meant(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(meant, value))
        return folder / value if isinstance(value, str) and "." in value else value

    plan = make_plan(settings, registry)
    assert keys.beginning(settings, plan, True) == keys.beginning(settings, plan, True)
    changed = replace(settings, **{name: meant(OTHER[name])})
    assert keys.beginning(changed, plan, True) != keys.beginning(settings, plan, True)


def test_files_count_by_their_bytes(settings: Settings, registry: Any) -> None:
    plan = make_plan(settings, registry)
    before = keys.beginning(settings, plan, True)
    moved = settings.model.with_name("moved.onnx")
    shutil.move(settings.model, moved)
    assert keys.beginning(replace(settings, model=moved), plan, True) == before
    moved.write_bytes(moved.read_bytes() + b"\x00")
    assert keys.beginning(replace(settings, model=moved), plan, True) != before
    picture = settings.model.with_name("baseline.png")
    picture.write_bytes(b"one")
    dark = keys.beginning(replace(settings, baseline=str(picture)), plan, True)
    picture.write_bytes(b"two")
    assert keys.beginning(replace(settings, baseline=str(picture)), plan, True) != dark


def test_pictures_on_the_disk_are_a_matter_of_their_own(settings: Settings, registry: Any) -> None:
    plan = make_plan(settings, registry)
    assert keys.beginning(settings, plan, True) != keys.beginning(settings, plan, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": ("geoaudit", "again")}, {"context": "for doctors"}, {"detail": 3}, {"cluster": Cluster(workers=2)},
        {"methods": ("gradient",)}, {"skip": ("edges",)},
    ],
)  # fmt: skip
def test_what_changes_no_unit_changes_no_key(changes: dict[str, Any], settings: Settings, registry: Any) -> None:
    plan, changed = make_plan(settings, registry), replace(settings, **changes)
    assert keys.beginning(changed, make_plan(changed, registry), True) == keys.beginning(settings, plan, True)


def test_what_a_run_comes_to_is_part_of_it(settings: Settings, registry: Any) -> None:
    plan = make_plan(settings, registry)

    def made(plan: Plan = plan, engines: Any = None, **data: Any) -> str:
        return keys.run("begun", plan, engines or engines_of(), inputs_of(**data))

    others = [
        keys.run("otherwise begun", plan, engines_of(), inputs_of()),
        made(engines=engines_of(sha256="n")),
        made(engines=engines_of(engine={"batch_size": 8, "threads": 1})),
        made(engines=engines_of(engine={"batch_size": 4, "threads": 2})),
        made(engines=engines_of(device="cuda")),
        made(engines=engines_of(head=["probabilities"])),
        made(preprocess={"mean": 2.0}),
        made(labels={"labelled": 3}),
        made(calibration={"manifest_sha256": "d"}),
        made(plan=make_plan(replace(settings, metrics=("deletion",)), registry)),
        made(plan=make_plan(replace(settings, imputers=("blur",)), registry)),
        made(plan=make_plan(replace(settings, budget="standard"), registry)),
    ]
    assert made() == made()
    assert len({made(), *others}) == 1 + len(others)


def test_a_unit_is_its_method_its_images_and_its_stage(settings: Settings, registry: Any) -> None:
    plan = make_plan(settings, registry)
    few = replace(settings, parameters={"smoothgrad": {"samples": "3"}})
    inputs, method = inputs_of(), {m.id: m for m in plan.methods}
    fewer = {m.id: m for m in make_plan(few, registry).methods}
    newer = replace(plan, providers={**plan.providers, "smoothgrad": "geoaudit 99.0"})
    retargeted, changed, grown = inputs_of(), inputs_of(), inputs_of(10)
    retargeted.infos[0].target, changed.infos[0].sha256 = 1, "f" * 64

    def key(stage: str = "maps", name: str = "smoothgrad", inputs: Any = inputs, group: int = 0, **how: Any) -> str:
        return keys.unit(
            how.get("run", "run"), stage, how.get("method", method[name]), how.get("plan", plan), inputs, group
        )

    others = [
        key("scores"), key(name="gradient"), key(group=1), key(method=fewer["smoothgrad"]), key(plan=newer),
        key(inputs=retargeted), key(inputs=changed), key(run="another"),
    ]  # fmt: skip
    assert len({key(), *others}) == 1 + len(others)
    assert key(inputs=grown) == key(), "more images in later groups leave it alone"
    assert key(inputs=grown, group=1) != key(group=1)
    assert GROUP == planning.GROUP == 8


def test_a_finding_depends_on_every_image(settings: Settings, registry: Any) -> None:
    plan = make_plan(settings, registry)
    check, other = plan.checks[:2]
    method, changed = plan.methods[0], inputs_of()
    changed.infos[8].sha256 = "f" * 64
    made = [
        keys.check("run", check, method, plan, inputs_of()),
        keys.check("run", other, method, plan, inputs_of()),
        keys.check("run", check, None, plan, inputs_of()),
        keys.check("run", check, plan.methods[1], plan, inputs_of()),
        keys.check("run", check, method, plan, changed),
        keys.check("another", check, method, plan, inputs_of()),
    ]
    assert len(set(made)) == len(made)


def test_a_base_method_counts(registry: Any, settings: Settings) -> None:
    def made(base: str) -> Any:
        chosen = replace(settings, parameters={"smoothgrad": {"base": base}})
        (found,) = [m for m in make_plan(chosen, registry).methods if m.id == "smoothgrad"]
        return keys.digest(keys.plugin_facts(found))

    assert made("gradient") != made("integrated-gradients")
