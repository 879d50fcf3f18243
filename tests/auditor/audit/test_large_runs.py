"""A report of more images than it lists: every number in it still rests on all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geoaudit.audit import detail

pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
LISTED = 3
METHODS = ("gradient", "smoothgrad")


@pytest.fixture(scope="module")
def whole(audit: Any) -> Any:
    return audit(methods=METHODS, checks=("parity",))


@pytest.fixture(scope="module")
def few(audit: Any) -> Any:
    return audit(methods=METHODS, checks=("parity",), detail=LISTED)


def _dumped(audited: Any) -> dict[str, Any]:
    def lasting(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: lasting(v) for k, v in value.items() if k not in ("run", "seconds")}
        return [lasting(v) for v in value] if isinstance(value, list) else value

    found: dict[str, Any] = lasting(json.loads(audited.report.model_dump_json()))
    return found


def test_only_the_lists_of_images_are_shorter(whole: Any, few: Any) -> None:
    one, other = _dumped(whole), _dumped(few)
    assert {name for name in one if one[name] != other[name]} == {"data", "per_image", "limitations"}
    chosen = {image["id"] for image in other["data"]["images"]}
    assert len(chosen) == LISTED == other["data"]["detail"]["listed"]
    assert [row for row in one["per_image"] if row["image"] in chosen] == other["per_image"]
    assert one["data"]["manifest_sha256"] == other["data"]["manifest_sha256"]
    assert other["limitations"][1].startswith("3 of 5 images are listed one by one")


def test_maps_are_those_of_the_listed_images(few: Any, stored_maps: Any) -> None:
    chosen = {image.id for image in few.report.data.images}
    assert {key.split("/")[0] for key in stored_maps(few.folder)} == chosen


def test_the_table_has_every_image(whole: Any, few: Any) -> None:
    from pyarrow import parquet

    rows = parquet.read_table(few.folder / "scores" / "part-00000.parquet").to_pylist()
    scores = {(row["image"], row["method"]): row["scores"] for row in rows}
    assert scores == {(p.image, p.method): p.scores for p in whole.report.per_image}
    images = parquet.read_table(few.folder / "scores" / "images.parquet").to_pylist()
    assert [image["id"] for image in images] == [image.id for image in whole.report.data.images]
    assert not (whole.folder / "scores").exists()


def test_the_tables_are_in_order_of_ids_whatever_the_order_of_reading(
    audit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    monkeypatch.setattr(detail.score_files, "IMAGES", 2)
    found = audit(methods=("gradient",), checks=("parity",), detail=LISTED, adaptive=True)
    images = parquet.read_table(found.folder / "scores" / "images.parquet")
    ids = images["id"].to_pylist()
    assert len(ids) == found.report.data.count
    assert ids == sorted(ids)
    assert images.schema.field("label").type == pa.int64()  # also where no image has one
    parts = sorted((found.folder / "scores").glob("part-*.parquet"))
    rows = [row for part in parts for row in parquet.read_table(part).to_pylist()]
    assert [(row["image"], row["method"]) for row in rows] == sorted((row["image"], row["method"]) for row in rows)
    listed = {(row.image, row.method): row.scores for row in found.report.per_image}
    assert {(r["image"], r["method"]): r["scores"] for r in rows if (r["image"], r["method"]) in listed} == listed


def test_without_pyarrow_all_are_listed_and_told(audit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detail.score_files, "find_spec", lambda name: None)
    found = audit(methods=("gradient",), checks=("parity",), detail=LISTED)
    assert len(found.report.data.images) == found.report.data.count
    assert any("geoaudit[parquet]" in line for line in found.listener.warned)


def test_an_earlier_runs_table_is_removed(tmp_path: Path) -> None:
    from geoaudit.audit.score_files import remove

    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "part-00000.parquet").write_bytes(b"")
    (folder / "images.parquet").write_bytes(b"")
    remove(tmp_path)
    assert not folder.exists()
