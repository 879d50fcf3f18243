"""The pictures that methods learn from, and the user's autoencoder: where they come from and what is told of them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit.api import Attributions, Calibration, Method
from geoaudit.audit import calibration
from geoaudit.audit.observer import Silent
from geoaudit.errors import ImagesError, UsageError
from geoaudit.images.decoding import decode
from geoaudit.images.discovery import discover
from geoaudit.images.preprocess import Preprocessing, PreprocessOptions, resolve
from geoaudit_reports import write_report


class Learner(Method):
    """Its map is the mean of the pictures that it may learn from."""

    id, title, reference, family = "outside/learner", "Learner", "a test", "path"
    flags = frozenset({"needs-calibration-set", "own-baseline"})
    seen: ClassVar[list[Any]] = []

    def attribute(self, problems: Any, probe: Any) -> Attributions:
        mean = np.mean([batch.sum(axis=0) for batch in probe.calibration.batches(2)], axis=0)
        self.seen.append((probe.calibration, probe.autoencoder))
        return Attributions(np.stack([mean] * len(problems)).astype(np.float32), (None,) * len(problems))


@pytest.fixture
def learner(with_plugin: Any, monkeypatch: pytest.MonkeyPatch) -> type[Learner]:
    with_plugin(Learner)
    monkeypatch.setattr(Learner, "seen", [])
    return Learner


NONE_THAT_MAKES_MAPS = ("completeness", "parity")
"""Checks that do not ask the method again."""


@pytest.fixture(scope="module")
def preprocessing(small_model: Path) -> Preprocessing:
    return resolve(PreprocessOptions(), {}, onnx.load(str(small_model)), small_model)


def _limit(done: Any) -> str:
    return "\n".join(limit for limit in done.report.limitations if "outside/learner" in limit)


def test_without_a_folder_the_audited_images_are_learned_from(audit: Any, learner: Any) -> None:
    done = audit(methods=("outside/learner",), limit=3, checks=NONE_THAT_MAKES_MAPS)
    told, data = done.report.data.calibration, done.report.data
    assert (told.source, told.count, told.available, told.audited) == (calibration.THEMSELVES, 3, 3, 3)
    assert told.manifest_sha256 == data.manifest_sha256
    ((given, autoencoder),) = learner.seen
    assert given.ids == tuple(image.id for image in data.images)
    assert autoencoder is None
    assert "learned from the audited images themselves" in _limit(done)
    assert "complete with respect to a start of its own, not the run's baseline" in _limit(done)


def test_a_folder_is_read_like_the_audited_images_and_what_cannot_be_is_told(
    audit: Any, learner: Any, make_pictures: Any, pictures: Path, tmp_path: Path, preprocessing: Preprocessing
) -> None:
    folder = make_pictures(tmp_path / "others", 4)
    shutil.copytree(pictures, tmp_path / "audited")
    for index in range(3):  # only the fourth is an audited image too
        (tmp_path / "audited" / f"picture{index:02d}.png").unlink()
    (folder / "notes.txt").write_text("no picture")
    (folder / "cut.png").write_bytes((pictures / "picture01.png").read_bytes()[:100])
    done = audit(
        methods=("outside/learner",), images=tmp_path / "audited", calibration=folder, checks=NONE_THAT_MAKES_MAPS
    )
    told = done.report.data.calibration
    assert (told.source, told.count, told.available, told.audited) == ("the pictures in others", 4, 5, 1)
    assert [s.file for s in told.skipped] == ["cut.png", "notes.txt"]
    assert told.manifest_sha256 != done.report.data.manifest_sha256
    ((given, _),) = learner.seen
    files = [folder / f"picture{i:02d}.png" for i in range(4)]
    expected = np.stack([preprocessing.apply(decode(file))[0] for file in files])
    np.testing.assert_array_equal(given.points(), expected)
    np.testing.assert_array_equal(given.points([2, 0]), expected[[2, 0]])
    assert given.points([]).shape == (0, 3, 16, 16)
    assert "learned from 4 pictures of which 1 are audited images too" in _limit(done)
    page = write_report(done.report, done.folder).read_text(encoding="utf-8")
    assert "the pictures in others" in page and "cut.png" in page


def test_no_sentence_where_nothing_learned(audit: Any) -> None:
    assert "learned" not in "\n".join(audit(methods=("gradient",), limit=1).report.limitations)


def test_large_sets_are_thinned_evenly(
    make_pictures: Any, tmp_path: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MOST", 3)
    folder = make_pictures(tmp_path / "nine", 9)
    files = discover(folder, None).files
    found, told = calibration.from_folder(folder, files, preprocessing, Silent())
    assert found.ids == ("picture01.png", "picture04.png", "picture07.png")
    assert (told.count, told.available, told.audited) == (3, 9, 3)
    same, _ = calibration.from_audited(files, preprocessing)
    assert same.ids == found.ids
    assert isinstance(same, Calibration)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda folder: None, "no such file or folder"),
        (lambda folder: folder.mkdir(), "holds no files"),
        (lambda folder: folder.mkdir() or (folder / "a.txt").write_text("text"), "no picture could be used"),
    ],
)
def test_a_folder_without_pictures_is_refused(
    made: Any, told: str, tmp_path: Path, preprocessing: Preprocessing
) -> None:
    made(tmp_path / "set")
    with pytest.raises(ImagesError, match=told) as caught:
        calibration.from_folder(tmp_path / "set", (), preprocessing, Silent())
    assert caught.value.thing.startswith("--calibration ")
    assert caught.value.exit_code == 3
    assert caught.value.way_out


def test_a_folder_of_broken_pictures_is_refused(tmp_path: Path, pictures: Path, preprocessing: Preprocessing) -> None:
    (tmp_path / "cut.png").write_bytes((pictures / "picture01.png").read_bytes()[:100])
    with pytest.raises(ImagesError, match=r"none of its pictures can be read: cut\.png"):
        calibration.from_folder(tmp_path, (), preprocessing, Silent())


def _save(path: Path, node: Any, inside: list[Any], outside: list[Any], weights: dict[str, Any]) -> Path:
    """A file of one node from `inside` to `outside` (one sample's shape)."""
    graph = helper.make_graph(
        [node], "half",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *inside])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *outside])],
        [numpy_helper.from_array(a.astype(np.float32), k) for k, a in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """An encoder that averages blocks of 2 x 2 pixels, and the decoder that spreads them again."""
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    spread = helper.make_node("ConvTranspose", ["x", "w"], ["y"], kernel_shape=[2, 2], strides=[2, 2], group=3)
    ones = {"w": np.ones((3, 1, 2, 2))}
    return (
        _save(tmp_path / "encoder.onnx", pool, [3, 16, 16], [3, 8, 8], {}),
        _save(tmp_path / "decoder.onnx", spread, [3, 8, 8], [3, 16, 16], ones),
    )


def test_the_autoencoder_reaches_the_methods_and_the_report(audit: Any, learner: Any, halves: Any) -> None:
    done = audit(methods=("outside/learner",), limit=1, autoencoder=halves, checks=NONE_THAT_MAKES_MAPS)
    told = done.report.model.autoencoder
    assert told.code_shape == [3, 8, 8]
    for file, said in zip(halves, (told.encoder, told.decoder), strict=True):
        assert (said.file, said.sha256) == (file.name, hashlib.sha256(file.read_bytes()).hexdigest())
    ((given, autoencoder),) = learner.seen
    codes = autoencoder.encode(given.points())
    assert codes.shape == (1, 3, 8, 8)
    assert codes[0, 1, 2, 3] == pytest.approx(given.points()[0, 1, 4:6, 6:8].mean(), abs=1e-5)
    page = write_report(done.report, done.folder).read_text(encoding="utf-8")
    assert told.decoder.sha256 in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"gradient_free": True, "methods": ("rise",)}, "of no use"), ({"missing": True}, "there is no such file")],
)
def test_an_autoencoder_that_cannot_serve_is_refused_at_once(
    changes: dict[str, Any], told: str, audit: Any, halves: Any
) -> None:
    if changes.pop("missing", False):
        halves = (halves[0], halves[1].with_name("gone.onnx"))
    with pytest.raises(UsageError, match=told) as caught:
        audit(autoencoder=halves, **changes)
    assert caught.value.thing.startswith("--autoencoder")
    assert caught.value.way_out
