"""A worker in this process: what it refuses, and what it brings along."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit.audit.cluster import luggage as packing
from geoaudit.audit.cluster.luggage import Luggage, content
from geoaudit.audit.cluster.worker import Order, Worker
from geoaudit.audit.make import Bench
from geoaudit.audit.observer import Silent
from geoaudit.audit.opening import certify_model, open_model
from geoaudit.audit.plan import make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import Cluster, Settings
from geoaudit.errors import UsageError
from geoaudit.registry import load


@pytest.fixture(scope="module")
def packed(small_model: Path, pictures: Path) -> tuple[Luggage, Order]:
    settings = Settings(
        model=small_model, images=pictures, budget="quick", methods=("gradient",), batch_size=4, channels_last=False,
        device="cpu", threads=1,
    )  # fmt: skip
    plan = make_plan(settings, load())
    engines, inputs = open_model(settings, Silent())
    certify_model(engines, inputs, settings, Silent())
    probe = ModelProbe(engines.runtime, engines.twin, "logit", None, plan.budget.quadrature, 0, inputs.calibration)
    luggage = packing.pack(settings, Bench(settings, plan, probe, True), engines, inputs)
    return luggage, Order(0, inputs.files, inputs.infos, frozenset({"gradient"}))


def rows(luggage: Luggage, order: Order) -> list[tuple[str, Any]]:
    """What a worker gives for an order, after the luggage has travelled."""
    contents: dict[str, Callable[[], Any]] = {str(p.path): lambda p=p: content(p) for p in luggage.files}
    worker = Worker(pickle.loads(pickle.dumps(luggage)), contents)
    return [(r["kind"][0], pickle.loads(r["content"][0])) for r in worker({"order": [pickle.dumps(order)]})]


def fault(luggage: Luggage, order: Order) -> str:
    *_, (kind, error) = rows(luggage, order)
    assert kind == "fault"
    return str(error.message)


def test_pictures_come_first_then_the_wanted_units(packed: tuple[Luggage, Order]) -> None:
    found = rows(*packed)
    assert [kind for kind, _ in found] == ["piece", "piece"]
    assert found[0][1].images == len(found[0][1].ids) == 5
    assert found[1][1].method == "gradient"
    assert found[1][1].maps.shape[0] == 5


def test_maps_of_listed_images_only(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    pictures, unit = (piece for _, piece in rows(replace(luggage, shown=frozenset({"picture03.png"})), order))
    assert (pictures.images, pictures.ids) == (5, ("picture03.png",))
    assert len(pictures.thumbnails) == len(unit.maps) == 1
    assert len(unit.own.rows) == 5


def test_a_file_that_is_not_there_is_brought_along(packed: tuple[Luggage, Order], tmp_path: Path) -> None:
    luggage, order = packed
    (model,) = luggage.files
    elsewhere = replace(model, path=tmp_path / "nowhere" / model.path.name)
    moved = replace(luggage, files=(elsewhere,), settings=replace(luggage.settings, model=elsewhere.path))
    contents = {str(elsewhere.path): lambda: content(model)}
    worker = Worker(moved, contents)
    found = [pickle.loads(r["content"][0]) for r in worker({"order": [pickle.dumps(order)]})]
    here = [piece for _, piece in rows(luggage, order)]
    assert np.array_equal(found[1].maps, here[1].maps)


def test_a_file_that_arrives_damaged_is_refused(packed: tuple[Luggage, Order], tmp_path: Path) -> None:
    luggage, order = packed
    (model,) = luggage.files
    elsewhere = replace(model, path=tmp_path / model.path.name)
    moved = replace(luggage, files=(elsewhere,), settings=replace(luggage.settings, model=elsewhere.path))
    worker = Worker(moved, {str(elsewhere.path): lambda: content(model)[:-1]})
    (row,) = worker({"order": [pickle.dumps(order)]})
    assert "arrived damaged" in pickle.loads(row["content"][0]).message


def test_gpus_are_of_no_use_without_one_here(small_model: Path, pictures: Path) -> None:
    settings = Settings(
        model=small_model, images=pictures, budget="quick", methods=("occlusion",), device="cpu", gradient_free=True,
        cluster=Cluster(gpus=1),
    )  # fmt: skip
    plan = make_plan(settings, load())
    engines, inputs = open_model(settings, Silent())
    probe = ModelProbe(engines.runtime, None, "logit", None, plan.budget.quadrature, 0, inputs.calibration)
    with pytest.raises(UsageError, match="--worker-gpus: this process computes without a GPU"):
        packing.pack(settings, Bench(settings, plan, probe, True), engines, inputs)


def test_other_packages_are_named(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    told = fault(replace(luggage, packages={**luggage.packages, "numpy": "0.1"}), order)
    assert "numpy" in told
    assert "instead of 0.1" in told


@pytest.mark.parametrize(("provider", "there"), [("acme 1.0", "not installed"), ("acme 2.0", "not installed")])
def test_missing_plugins_are_named(packed: tuple[Luggage, Order], provider: str, there: str) -> None:
    luggage, order = packed
    told = fault(replace(luggage, providers={**luggage.providers, "acme/map": provider}), order)
    assert f"acme/map of {provider} is {there} there" in told


def test_another_picture_is_refused(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    files = (replace(order.files[0], sha256="0" * 64), *order.files[1:])
    assert "is not the picture that was found there before" in fault(luggage, replace(order, files=files))


def test_a_picture_that_is_not_there_is_refused(packed: tuple[Luggage, Order], tmp_path: Path) -> None:
    luggage, order = packed
    files = (replace(order.files[0], path=tmp_path / "gone.png"), *order.files[1:])
    told = fault(luggage, replace(order, files=files))
    assert "gone.png: cannot be decoded (No such file or directory)" in told
    assert "s3://" in told


def test_a_machine_that_computes_something_else_is_refused(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    witness = replace(luggage.witness, scores=luggage.witness.scores + 1)
    assert "computes the first image's scores otherwise" in fault(replace(luggage, witness=witness), order)


def test_a_machine_that_computes_no_numbers_is_refused(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    witness = replace(luggage.witness, scores=np.full_like(luggage.witness.scores, np.nan))
    assert "computes the first image's scores otherwise" in fault(replace(luggage, witness=witness), order)


def test_a_worker_without_room_says_so(packed: tuple[Luggage, Order], tmp_path: Path) -> None:
    luggage, order = packed
    (model,) = luggage.files
    moved = replace(luggage, files=(replace(model, path=tmp_path / "nowhere.onnx"),))

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    worker = Worker(moved, {str(tmp_path / "nowhere.onnx"): full})
    (row,) = worker({"order": [pickle.dumps(order)]})
    assert "cannot open the run (No space left on device)" in pickle.loads(row["content"][0]).message


def test_paths_do_not_depend_on_where_a_worker_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = packing.absolute(Settings(model=Path("m.onnx"), images=Path("images"), calibration=Path("more")))
    assert (found.model, found.images, found.calibration) == (
        tmp_path / "m.onnx", tmp_path / "images", tmp_path / "more",
    )  # fmt: skip


def test_last_digits_that_differ_are_told(packed: tuple[Luggage, Order]) -> None:
    luggage, order = packed
    assert luggage.witness.gradient is not None
    witness = replace(luggage.witness, gradient=np.nextafter(luggage.witness.gradient, 1))
    kinds = [kind for kind, _ in rows(replace(luggage, witness=witness), order)]
    assert kinds == ["note", "piece", "piece"]
