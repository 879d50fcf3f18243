"""What pages weigh: 10 MB hold whatever the maps show, and nothing is painted twice."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geoaudit.audit.result import Report
from geoaudit_reports import write_report
from geoaudit_reports.html import MOST_BYTES, pages, render
from geoaudit_reports.html.tiles import map_tile, most_tile_bytes
from geoaudit_reports.html.views import image_table
from geoaudit_reports.maps import MapStore

MANY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("many_images.py"))))


@pytest.fixture(scope="module")
def light(report: Report) -> Report:
    built = MANY.light(report)
    assert isinstance(built, Report)
    return built


def test_ten_megabytes_hold_with_noise_in_every_map(sample: SimpleNamespace, light: Report, tmp_path: Path) -> None:
    plain = next(m for m in light.methods if m.id == "guided-ig")
    more = [
        plain.model_copy(update={"id": f"other/{number:02d}", "scores": {}, "readings": []}) for number in range(20)
    ]
    crowd = light.model_copy(update={"methods": [*light.methods, *more], "curves": []})
    found = MANY.grown(sample, crowd, [f"{number}.png" for number in range(9)])
    MANY.noise_maps(found, tmp_path / "maps.npz", 224)
    write_report(found, tmp_path)
    sizes = {path.name: path.stat().st_size for path in tmp_path.rglob("*.html")}
    assert set(sizes) == {"report.html", "images-001.html", "images-002.html"}
    assert max(sizes.values()) <= MOST_BYTES
    assert sizes["report.html"] > 3_000_000, "a quarter of the room is left unused"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Maps are scaled to 112 px" in text and text.count("<img") == 8 * 30
    last = (tmp_path / "gallery/images-002.html").read_text(encoding="utf-8")
    assert "Maps are scaled" not in last, "one image's maps fit as they are"


def test_a_tile_never_weighs_more_than_is_reckoned_with() -> None:
    rng = np.random.default_rng(1)
    for side in (7, 16, 56, 112, 224, 299):
        shapes = [
            rng.uniform(-1, 1, (side, side)), rng.normal(0, 1, (side, side)), rng.integers(0, 2, (side, side)) - 0.5,
            rng.integers(0, 31, (side, side)) / 15 - 1,
        ]  # fmt: skip
        for values in shapes:
            tile = map_tile(values.astype(np.float32), side)
            assert tile is not None and len(tile.uri) <= most_tile_bytes(side), side
    smooth = map_tile(np.linspace(-1, 1, 224 * 224, dtype=np.float32).reshape(224, 224), 224)
    assert smooth is not None and len(smooth.uri) < most_tile_bytes(224) / 10


def test_tiles_shrink_then_go_while_the_numbers_stay(sample: SimpleNamespace, light: Report, tmp_path: Path) -> None:
    found = MANY.grown(sample, light, [f"{number}.png" for number in range(9)])
    MANY.noise_maps(found, tmp_path / "maps.npz", 120)
    with MapStore(tmp_path / "maps.npz") as maps:
        whole = {name: len(text.encode()) for name, text in pages(found, maps)}
        page = "gallery/images-001.html"
        notes = ["Maps are scaled to 112 px", "Maps are scaled to 56 px", "The pictures are left out"]
        bare = len(dict(pages(found, None))[page].encode())
        seen = []
        for limit in (whole[page] - 1, bare + (whole[page] - bare) * 6 // 10, bare + 20_000):
            text = dict(pages(found, maps, limit))[page]
            assert len(text.encode()) <= limit
            assert text.count("<caption><span>Every result on this image") == 8
            seen += [note for note in notes if note in text]
    assert seen == notes


def test_pages_are_the_same_every_time_and_made_one_by_one(
    sample: SimpleNamespace, light: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = MANY.grown(sample, light, [f"{number}.png" for number in range(20)])
    sample.write_maps(found, tmp_path / "maps.npz", side=12)
    asked: list[str] = []
    original = MapStore.summed_map

    def counted(self: MapStore, image: str, method: str, layout: Any) -> Any:
        asked.append(image)
        return original(self, image, method, layout)

    with MapStore(tmp_path / "maps.npz") as maps:
        first = dict(pages(found, maps))
        assert dict(pages(found, maps)) == first
        monkeypatch.setattr(MapStore, "summed_map", counted)
        stream = pages(found, maps)
        next(stream)
        asked.clear()
        next(stream)
        assert set(asked) == {f"{number}.png" for number in range(8)}
        assert len(asked) == len(set(asked)) * 10, "each map is read and painted once"


def test_a_long_audit_has_a_bounded_front_page(sample: SimpleNamespace, light: Report) -> None:
    few = light.model_copy(update={"methods": light.methods[:2], "curves": [], "checks": []})
    found = MANY.grown(sample, few, [f"{number:05d}.png" for number in range(image_table.MOST_ROWS + 50)])
    text = render(found, None)
    assert "The first 1\u202f000 of 1\u202f050 audited images" in text
    assert text.count("<tr data-class") == image_table.MOST_ROWS
    assert len(text.encode()) < 2_000_000
    assert 'href="gallery/images-132.html">images 1\u202f049 to 1\u202f050<' in text


def test_two_hundred_images_by_22_methods(sample: SimpleNamespace, tmp_path: Path) -> None:
    found = MANY.grown(sample, sample.crowded(), [f"{number:03d}.png" for number in range(200)])
    plain = [c.model_copy(update={"curves": []}) for c in found.checks]
    found = found.model_copy(update={"checks": plain, "curves": []})
    MANY.noise_maps(found, tmp_path / "maps.npz", 8)
    with MapStore(tmp_path / "maps.npz") as maps:
        stream = pages(found, maps)
        name, text = next(stream)
        assert name == "report.html" and text.count("<tr data-class") == 200
        assert len(re.sub('data:image[^"]*', "", text).encode()) < 2_500_000, "room for 8 images of 26 maps each"
        assert len(re.findall("<[a-z]", text)) < 50_000
        held = list(stream)
    assert [name for name, _ in held] == [f"gallery/images-{number:03d}.html" for number in range(1, 26)]
    assert max(len(text.encode()) for _, text in held) < MOST_BYTES
