from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geoaudit.errors import ExitCode, ImagesError, UsageError
from geoaudit.images.discovery import choose, discover, evenly_spaced, manifest_sha256


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(path)


def test_nested_folders_sorted_ids_and_class_folders(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "deep" / "b.png", "red")
    picture(tmp_path / "cat" / "a.png", "green")
    picture(tmp_path / "z.png", "blue")
    found = discover(tmp_path, None)
    assert [file.id for file in found.files] == ["cat/a.png", "cat/deep/b.png", "z.png"]
    assert [file.folder for file in found.files] == ["cat", "cat", None]
    assert found.skipped == ()
    content = (tmp_path / "z.png").read_bytes()
    assert found.files[2].sha256 == hashlib.sha256(content).hexdigest()


def test_what_is_no_picture_is_skipped_with_a_reason(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "README.txt").write_text("read me")
    (tmp_path / "names.txt").write_text("cat")
    (tmp_path / "broken.jpg").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"junk")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "junk.png").write_bytes(b"junk")
    found = discover(tmp_path, None, labels_file=tmp_path / "names.txt")
    assert [file.file for file in found.skipped] == ["README.txt", "broken.jpg"]
    assert "not a picture" in found.skipped[0].reason
    assert found.skipped[1].reason == "the file is empty"


def test_duplicates_are_kept_and_point_to_the_first(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        picture(tmp_path / f"{name}.png", "blue" if name == "b" else "red")
    found = discover(tmp_path, None)
    assert [file.duplicate_of for file in found.files] == [None, None, "a.png"]
    assert [file.id for file in found.files if file.duplicate_of is not None] == ["c.png"]


def test_one_picture_file_is_a_valid_root(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    found = discover(tmp_path / "a.png", None)
    assert [(file.id, file.folder) for file in found.files] == [("a.png", None)]


def test_nothing_usable_names_folder_and_reasons(tmp_path: Path) -> None:
    with pytest.raises(ImagesError, match="no such file or folder") as caught:
        discover(tmp_path / "none", None)
    assert caught.value.exit_code == ExitCode.INCOMPLETE
    with pytest.raises(ImagesError, match="holds no files") as caught:
        discover(tmp_path, None)
    assert str(tmp_path) in caught.value.message
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ImagesError, match=r"a\.txt: not a picture"):
        discover(tmp_path, None)


def test_links_are_followed_but_loops_are_not(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "a.png")
    root = tmp_path / "images"
    root.mkdir()
    (root / "cat").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    assert [file.id for file in discover(root, None).files] == ["cat/a.png"]


def test_what_cannot_be_read_or_named_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "locked" / "b.png")
    picture(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")))
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = discover(tmp_path, None)
    assert [file.id for file in found.files] == ["a.png"]
    assert [(file.file, file.reason) for file in found.skipped] == [
        ("\\udcff.png", "its name is not valid UTF-8"),
        ("locked", "folder cannot be read (Permission denied)"),
    ]


def test_limit_represents_every_class_folder(tmp_path: Path) -> None:
    for i in range(10):
        picture(tmp_path / "big" / f"{i}.png")
    picture(tmp_path / "small" / "x.png", "blue")
    found = discover(tmp_path, 4)
    assert [file.id for file in found.files] == ["big/1.png", "big/5.png", "big/8.png", "small/x.png"]
    assert found.available == 11


def test_a_limit_of_nothing_is_a_usage_error(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UsageError, match="nothing to audit"):
        discover(tmp_path, 0)


def test_limit_below_the_number_of_folders_spreads_over_them() -> None:
    ids = [f"{name}/1.png" for name in "abcdefghij"]
    assert choose(ids, 2) == ["c/1.png", "h/1.png"]


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_evenly_spaced_indices_are_distinct_and_in_range(case: tuple[int, int]) -> None:
    n, k = case
    indices = evenly_spaced(n, k)
    assert len(set(indices)) == k
    assert indices == sorted(indices)
    assert 0 <= indices[0] <= indices[-1] < n


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), unique=True, min_size=1),
    st.integers(1, 40),
)
def test_choose_gives_exactly_the_limit_and_a_stable_order(names: list[tuple[str, int]], limit: int) -> None:
    ids = sorted(f"{folder}/{i}" for folder, i in names)
    chosen = choose(ids, limit)
    assert len(chosen) == min(limit, len(ids))
    assert chosen == sorted(set(chosen))
    if limit >= 3:
        assert {name[0] for name in chosen} == {name[0] for name in ids}


def test_manifest_is_that_of_sha256sum_and_ignores_order(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "red")
    picture(tmp_path / "b.png", "blue")
    files = discover(tmp_path, None).files
    lines = sorted(f"{file.sha256}  {file.id}\n" for file in files)
    assert manifest_sha256(reversed(files)) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert manifest_sha256(files[:1]) != manifest_sha256(files)
