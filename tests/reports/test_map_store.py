"""maps.npz is read array by array, and damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoaudit.errors import UsageError
from geoaudit_reports.html.tiles import LEVELS, map_tile, palette
from geoaudit_reports.maps import MapStore


def test_channels_are_summed_along_the_layouts_axis(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.savez(tmp_path / "m.npz", **{"a/b.png/gradient": values})
    with MapStore(tmp_path / "m.npz") as maps:
        first = maps.summed_map("a/b.png", "gradient", "NCHW")
        last = maps.summed_map("a/b.png", "gradient", "NHWC")
        assert maps.summed_map("a/b.png", "none", "NCHW") is None
        assert maps.thumbnail("a/b.png") is None
    assert first is not None and last is not None
    np.testing.assert_array_equal(first, values[0] + values[1])
    np.testing.assert_array_equal(last, values.sum(axis=2))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive at all"])
def test_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        MapStore(path)
    assert caught.value.thing == str(path)


def test_pickles_wrong_shapes_and_damage_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, **{"i/object": np.array([{}]), "i/flat": np.zeros(3), "i/thumbnail": np.zeros((2, 2, 3))})
    with MapStore(path) as maps:
        with pytest.raises(UsageError, match="i/object cannot be read"):
            maps.summed_map("i", "object", "NCHW")
        with pytest.raises(UsageError, match="has 1 axes"):
            maps.summed_map("i", "flat", "NCHW")
        with pytest.raises(UsageError, match="no uint8 RGB"):
            maps.thumbnail("i")
    np.savez(path, **{"i/m": np.random.default_rng(0).normal(size=(3, 40, 40))})
    data = bytearray(path.read_bytes())
    data[3000:3100] = bytes(100)
    path.write_bytes(data)
    with MapStore(path) as maps, pytest.raises(UsageError, match="i/m cannot be read"):
        maps.summed_map("i", "m", "NCHW")


def test_tile_scale_is_the_99th_percentile_and_symmetric() -> None:
    values = np.linspace(-1, 1, 10_001, dtype=np.float32).reshape(1, -1)
    values[0, 0] = -50
    tile = map_tile(values, 20_000)
    assert tile is not None
    assert tile.limit == pytest.approx(0.99, abs=0.001)
    middle = palette()[LEVELS // 2]
    assert max(middle) - min(middle) <= 2, "zero must be grey"


def test_tiles_without_a_scale() -> None:
    flat = map_tile(np.zeros((4, 4), np.float32), 224)
    assert flat is not None and flat.limit == 0
    assert map_tile(np.full((4, 4), np.nan, np.float32), 224) is None
    sparse = np.zeros((40, 40), np.float32)
    sparse[0, 0] = -3
    lonely = map_tile(sparse, 224)
    assert lonely is not None and lonely.limit == 3


def test_smaller_tiles_take_fewer_bytes() -> None:
    noise = np.random.default_rng(0).normal(size=(224, 224)).astype(np.float32)
    large, small = map_tile(noise, 224), map_tile(noise, 112)
    assert large is not None and small is not None
    assert len(small.uri) < len(large.uri) / 2
    assert small.limit == large.limit, "the printed scale belongs to the map, not to the tile"
