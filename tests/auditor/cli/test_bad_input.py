"""Bad input: one message with the thing, the reason and the way out, and the documented exit code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest

QUICK = ("--budget", "quick", "--methods", "gradient-x-input", "--batch-size", "4", "--device", "cpu")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, small_model: Path, pictures: Path, make_model: Any) -> Path:
    """A folder with everything that can be wrong, and model.onnx and images, which are not."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copy(small_model, folder / "model.onnx")
    shutil.copytree(pictures, folder / "images")
    shutil.copy(pictures / "picture00.png", folder / "picture.onnx")
    (folder / "truncated.onnx").write_bytes(small_model.read_bytes()[:700])
    (folder / "empty.onnx").touch()
    onnx.save(make_model(inputs=("left", "right")), str(folder / "two.onnx"))
    onnx.save(make_model(output="boxes"), str(folder / "detector.onnx"))
    onnx.save(make_model(metadata={}), str(folder / "bare.onnx"))
    for name in ("nothing", "text", "broken"):
        (folder / name).mkdir()
    (folder / "text" / "notes.txt").write_text("no picture")
    (folder / "broken" / "cut.png").write_bytes((pictures / "picture01.png").read_bytes()[:100])
    (folder / "file").write_text("in the way")
    (folder / "labels.csv").write_text("file,label\nnobody.png,1\npicture00.png,99\n")
    return folder


CASES: dict[str, tuple[int, Sequence[str], Sequence[str]]] = {
    "missing model": (3, ["gone.onnx", "images"], ["gone.onnx", "does not exist", "Check the path"]),
    "a picture": (3, ["picture.onnx", "images"], ["picture.onnx", "PNG picture", "torch.onnx.export"]),
    "truncated": (3, ["truncated.onnx", "images"], ["truncated.onnx", "truncated", "download the file again"]),
    "empty file": (3, ["empty.onnx", "images"], ["empty.onnx", "is empty", "again"]),
    "two images": (3, ["two.onnx", "images"], ["two.onnx", "2 inputs", "'left'", "'right'", "Export"]),
    "a detector": (3, ["detector.onnx", "images"], ["detector.onnx", "detector", "'boxes'", "Export"]),
    "empty folder": (3, ["model.onnx", "nothing"], ["nothing", "no files", "Give a folder"]),
    "no pictures": (3, ["model.onnx", "text"], ["text", "picture", "Give a folder"]),
    "all broken": (3, ["model.onnx", "broken"], ["cut.png", "Give a folder"]),
    "missing folder": (3, ["model.onnx", "gone"], ["gone", "no such file or folder", "Give a folder"]),
    "unknown preprocessing": (
        2,
        ["bare.onnx", "images"],
        ["bare.onnx", "not stated", "--range", "--mean", "--std", "--preset", "imagenet"],
    ),
    "unknown method": (2, ["model.onnx", "images", "--methods", "guided-gi"], ["guided-gi", "Did you mean guided-ig"]),
    "unknown skip": (2, ["model.onnx", "images", "--skip", "edgse"], ["edgse", "Did you mean edges"]),
    "unknown metric": (2, ["model.onnx", "images", "--metrics", "srgg"], ["srgg", "Did you mean srg"]),
    "unknown check": (2, ["model.onnx", "images", "--checks", "paritty"], ["paritty", "Did you mean parity"]),
    "nothing left": (2, ["model.onnx", "images", "--methods", "edges"], ["--methods", "nothing to audit", "gradient"]),
    "set: form": (2, ["model.onnx", "images", "--set", "steps=3"], ["--set steps=3", "ID.NAME=VALUE", "For example"]),
    "set: plugin": (2, ["model.onnx", "images", "--set", "guided-gi.steps=3"], ["guided-gi", "Did you mean guided-ig"]),
    "set: name": (
        2,
        ["model.onnx", "images", "--set", "guided-ig.stepz=3"],
        ["guided-ig.stepz", "Parameters of guided-ig: steps"],
    ),
    "set: value": (
        2,
        ["model.onnx", "images", "--set", "guided-ig.steps=many"],
        ["guided-ig.steps", "integer", "Parameters of guided-ig"],
    ),
    "set: not run": (
        2,
        ["model.onnx", "images", "--methods", "gradient", "--set", "guided-ig.steps=3"],
        ["guided-ig", "not part of this run", "Leave it out"],
    ),
    "nobody's package": (
        2,
        ["model.onnx", "images", "--methods", "nobody/*"],
        ["nobody/*", "package nobody installed"],
    ),
    "calibration gone": (
        3,
        ["model.onnx", "images", "--calibration", "gone"],
        ["--calibration gone", "no such", "Give"],
    ),
    "calibration empty": (
        3,
        ["model.onnx", "images", "--calibration", "nothing"],
        ["--calibration nothing", "no files", "Give a folder"],
    ),
    "calibration broken": (
        3,
        ["model.onnx", "images", "--calibration", "broken"],
        ["--calibration broken", "cut.png", "leave it out"],
    ),
    "autoencoder gone": (
        2,
        ["model.onnx", "images", "--autoencoder", "model.onnx", "gone.onnx"],
        ["--autoencoder gone.onnx", "no such file", "then the decoder"],
    ),
    "autoencoder alone": (
        2,
        ["model.onnx", "images", "-o", "alone", "--autoencoder", "model.onnx"],
        ["--autoencoder", "requires 2 arguments"],
    ),
    "autoencoder of no use": (
        2,
        ["model.onnx", "images", "--gradient-free", "--autoencoder", "model.onnx", "model.onnx"],
        ["--autoencoder", "no use", "Leave one"],
    ),
    "no autoencoder": (
        3,
        ["model.onnx", "images", "--autoencoder", "model.onnx", "model.onnx"],
        ["--autoencoder", "decoder"],
    ),
    "labels missing": (2, ["model.onnx", "images", "--labels", "gone.csv"], ["gone.csv", "cannot be read", "Expected"]),
    "labels wrong": (2, ["model.onnx", "images", "--labels", "labels.csv"], ["labels.csv", "99"]),
    "baseline": (2, ["model.onnx", "images", "--baseline", "blakc"], ["blakc", "no such kind", "Did you mean black"]),
    "baseline picture": (
        2,
        ["model.onnx", "images", "--baseline", "image:file"],
        ["file", "Kinds: black"],
    ),
    "target": (2, ["model.onnx", "images", "--target", "4"], ["--target 4", "classes 0 to 3"]),
    "mean": (2, ["model.onnx", "images", "--mean", "1,2"], ["--mean", "'1,2'", "one number or one a channel"]),
    "size": (2, ["model.onnx", "images", "--size", "big"], ["--size", "big"]),
    "batch size": (
        2,
        ["model.onnx", "images", "--batch-size", "0"],
        ["--batch-size 0", "whole number", "Leave it out"],
    ),
    "budget": (2, ["model.onnx", "images", "--budget", "huge"], ["--budget", "huge", "quick"]),
    "unknown option": (2, ["model.onnx", "images", "--budgett", "quick"], ["--budgett", "Did you mean", "'--budget'"]),
    "no images": (2, ["model.onnx"], ["IMAGES"]),
    "unknown package": (
        2,
        ["model.onnx", "images", "--plugins", "nobody"],
        ["--plugins nobody", "no installed package"],
    ),
    "output is a file": (2, ["model.onnx", "images", "-o", "file"], ["file", "cannot be written", "another folder"]),
    "output below a file": (2, ["model.onnx", "images", "-o", "file/sub"], ["file/sub", "cannot be written", "-o"]),
    "render: missing": (2, ["render", "nothing"], ["report.json", "no such file", "Give the report.json"]),
    "render: other file": (2, ["render", "labels.csv"], ["labels.csv", "not called report.json", "Name the"]),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_message_and_the_documented_code(case: str, cli: Any, shelf: Path, tmp_path: Path) -> None:
    code, arguments, told = CASES[case]
    output = () if "-o" in arguments or arguments[0] == "render" else ("-o", tmp_path / "out")
    quick = () if len(arguments) < 2 or arguments[0] == "render" else ("--budget", "quick")
    given = [*arguments[:2], *quick, *arguments[2:]]
    ended = cli(*given, *output, cwd=shelf)
    message = "\n".join(ended.error())
    assert ended.code == code, message
    assert all(part in message for part in told), message
    assert ended.stdout == ""
    assert len(ended.error()) <= 3, message
    assert not (tmp_path / "out").exists(), "a failed run leaves no folder"
    assert not (shelf / "file").is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(cli: Any, shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    ended = cli("model.onnx", "images", "-o", folder / "out", cwd=shelf)
    assert ended.code == 2
    assert "cannot be written" in ended.error()[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("budgett = 'quick'\n", ["geoaudit.toml", "budgett", "Did you mean budget"]),
        ("budget = 'huge'\n", ["geoaudit.toml", "budget", "huge", "quick"]),
        ("seed = 'a'\n", ["geoaudit.toml", "seed", "integer"]),
        ("budget = \n", ["geoaudit.toml", "not TOML", "line 1"]),
        ("autoencoder = 'one.onnx'\n", ["geoaudit.toml, autoencoder", "a list of 2 values"]),
        ("[preprocess]\nmeen = 3\n", ["geoaudit.toml [preprocess]", "meen", "Did you mean mean"]),
    ],
)
def test_a_wrong_configuration_file_is_refused(
    text: str, told: list[str], cli: Any, shelf: Path, tmp_path: Path
) -> None:
    (tmp_path / "geoaudit.toml").write_text(text)
    ended = cli(shelf / "model.onnx", shelf / "images", cwd=tmp_path)
    message = "\n".join(ended.error())
    assert ended.code == 2
    assert all(part in message for part in told), message
    assert len(ended.error()) == 2, "no way out: " + message


def test_a_broken_picture_is_listed_and_the_rest_audited(
    cli: Any, shelf: Path, pictures: Path, tmp_path: Path, read_report: Callable[[Path], dict[str, Any]]
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(shelf / "broken", mixed)
    shutil.copy(pictures / "picture00.png", mixed)
    ended = cli(shelf / "model.onnx", mixed, *QUICK, "-o", tmp_path / "out")
    assert ended.code == 0, ended.stderr
    data = read_report(tmp_path / "out")["data"]
    assert [image["id"] for image in data["images"]] == ["picture00.png"]
    (skipped,) = data["skipped"]
    assert skipped["file"] == "cut.png"
    assert skipped["reason"]
    assert "cut.png" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_error_inside_geoaudit_shows_its_traceback_only_on_request(
    cli: Any, shelf: Path, package: Callable[[str, str], Path], tmp_path: Path
) -> None:
    site = package("odd", "pass")
    module = site / "odd_module.py"
    module.write_text(module.read_text() + "    def cost(self, quadrature):\n        raise RuntimeError('oh dear')\n")
    arguments = (shelf / "model.onnx", shelf / "images", *QUICK, "--methods", "odd/map", "-o", tmp_path / "out")
    ended = cli(*arguments, plugins=[site])
    assert ended.code == 3
    assert "oh dear" in ended.error()[0]
    assert "-vv" in ended.error()[1]
    told = cli(*arguments, "-vv", plugins=[site])
    assert told.code == 3
    assert "Traceback" in told.stderr
    assert "oh dear" in told.stderr
