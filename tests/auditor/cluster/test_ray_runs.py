"""Audits spread over two nodes: the same report and maps as from one process, also where a node is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geoaudit.audit.settings import Cluster

pytestmark = pytest.mark.slow
IMAGES, LISTED = 34, 9


@pytest.fixture(scope="module")
def folder(make_pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("many") / "images", IMAGES)


@pytest.fixture(scope="module")
def local(spread: Any, folder: Path) -> Any:
    return spread(folder, detail=LISTED)


@pytest.fixture(scope="module")
def on_ray(spread: Any, folder: Path, nodes: Any) -> Any:
    return spread(folder, detail=LISTED, cluster=Cluster(address=nodes.address))


def test_report_and_maps_are_those_of_one_process(local: Any, on_ray: Any) -> None:
    assert on_ray.report == local.report
    assert on_ray.maps == local.maps
    assert on_ray.report["data"]["count"] == IMAGES
    assert len(on_ray.report["data"]["images"]) == LISTED


def test_the_table_holds_the_scores_of_all_images(on_ray: Any) -> None:
    from pyarrow import parquet

    rows = parquet.read_table(on_ray.folder / "scores" / "part-00000.parquet").to_pylist()
    assert len({row["image"] for row in rows}) == IMAGES
    assert [(row["image"], row["method"]) for row in rows] == sorted((row["image"], row["method"]) for row in rows)
    found = {(row["image"], row["method"]): row for row in rows}
    for listed in on_ray.report["per_image"]:
        row = found[listed["image"], listed["method"]]
        assert row["scores"] == listed["scores"]
        assert {name: why for name, why in row["reasons"].items() if why is not None} == listed["reasons"]
        assert row["walk"] == listed["walk"]


def test_a_node_that_is_lost_changes_nothing(
    spread: Any, folder: Path, nodes: Any, local: Any, on_ray: Any, counting: Any
) -> None:
    lost: list[int] = []

    def lose() -> None:
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        lost.append(1)

    found = spread(folder, counting(IMAGES + 5, lose), detail=LISTED, cluster=Cluster(address=nodes.address))
    assert lost
    assert found.report == local.report
    assert found.maps == local.maps
