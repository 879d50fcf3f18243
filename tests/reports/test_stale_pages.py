"""Pages of an earlier rendering go, and nothing else does."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from geoaudit.audit.result import Report
from geoaudit.errors import OutputError
from geoaudit_reports import render_folder, write_report
from geoaudit_reports.html import remove_stale

MANY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("many_images.py"))))


@pytest.fixture(scope="module")
def light(report: Report) -> Report:
    built = MANY.light(report)
    assert isinstance(built, Report)
    return built


def test_stale_pages_go_and_nothing_else(sample: SimpleNamespace, light: Report, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    gallery = folder / "gallery"
    gallery.mkdir(parents=True)
    outside = tmp_path / "outside.html"
    outside.write_text("kept")
    kept = [
        gallery / "notes.txt",
        gallery / "images-1.html",
        gallery / "images-001.html.bak",
        folder / "images-009.html",
    ]
    for path in kept:
        path.write_text("kept")
    (gallery / "images-777.html").mkdir()
    (gallery / "images-888.html").symlink_to(outside)
    (gallery / "images-099.html").write_text("stale")
    write_report(MANY.grown(sample, light, [f"{number}.png" for number in range(9)]), folder)
    assert not (gallery / "images-099.html").exists()
    assert (gallery / "images-002.html").exists()
    assert all(path.read_text() == "kept" for path in kept)
    assert outside.read_text() == "kept" and (gallery / "images-888.html").is_symlink()
    assert (gallery / "images-777.html").is_dir()
    write_report(MANY.grown(sample, light, ["0.png"]), folder)
    assert sorted(path.name for path in gallery.iterdir()) == [
        "images-001.html.bak", "images-1.html", "images-777.html", "images-888.html", "notes.txt",
    ]  # fmt: skip


def test_an_empty_gallery_folder_goes_and_a_link_to_one_is_left_alone(
    sample: SimpleNamespace, light: Report, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write_report(MANY.grown(sample, light, [f"{number}.png" for number in range(9)]), folder)
    assert (folder / "gallery").is_dir()
    write_report(MANY.grown(sample, light, ["0.png"]), folder)
    assert not (folder / "gallery").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "images-001.html").write_text("kept")
    (folder / "gallery").symlink_to(elsewhere)
    remove_stale(folder, ["report.html"])
    assert (elsewhere / "images-001.html").read_text() == "kept"
    render_folder(folder)
    assert (elsewhere / "images-001.html").read_text() == "kept"


def test_a_file_in_the_way_of_the_gallery_is_named(sample: SimpleNamespace, light: Report, tmp_path: Path) -> None:
    (tmp_path / "gallery").write_text("in the way")
    with pytest.raises(OutputError, match="gallery: cannot be written"):
        write_report(MANY.grown(sample, light, [f"{number}.png" for number in range(9)]), tmp_path)
    assert (tmp_path / "gallery").read_text() == "in the way"
