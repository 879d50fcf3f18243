from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geoaudit.errors import ExitCode, UsageError
from geoaudit.images.class_names import ClassNames, class_names, from_content
from geoaudit.images.discovery import ImageFile
from geoaudit.images.labels import Labelling, chance_test, match_folders, resolve_labels


def images(*ids: str) -> list[ImageFile]:
    return [ImageFile(name, Path(name), name.split("/")[0] if "/" in name else None, "0" * 64) for name in sorted(ids)]


def names_of(folder: Path, classes: int = 3, labels: Path | None = None, **metadata: str) -> ClassNames:
    return class_names(labels, metadata, folder / "model.onnx", classes)


def labelled(folder: Path, classes: int, *ids: str, labels: Path | None = None, **metadata: str) -> Labelling:
    return resolve_labels(labels, metadata, folder / "model.onnx", classes, images(*ids))


# ------------------------------------------------------------------------------------------------ class names


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("n.txt", "cat\ndog\nold fox\n"),
        ("n.txt", "\ufeffcat\r\ndog\r\nold fox"),
        ("n.json", '["cat", "dog", "old fox"]'),
        ("n.json", '{"2": "old fox", "0": "cat", "1": "dog"}'),
    ],
)
def test_labels_file_in_each_form(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_bytes(content.encode())
    found = names_of(tmp_path, labels=tmp_path / file)
    assert [found.name(i) for i in range(3)] == ["cat", "dog", "old fox"]
    assert found.source == f"--labels {file}"


def test_labels_file_with_synsets(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text(json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}))
    found = names_of(tmp_path, 2, path)
    assert found.name(1) == "goldfish"
    assert found.by_synset() == {"n01440764": 0, "n01443537": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [("cat\ndog\n", "2 names, but the model has 3 classes"), ("a\nb\nc\nd\n", "4 names"), ("", "0 names")],
)
def test_a_labels_file_that_does_not_fit_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "n.txt").write_text(content)
    with pytest.raises(UsageError, match=told) as caught:
        names_of(tmp_path, labels=tmp_path / "n.txt")
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("content", ["{", "3", '{"a": "b"}', '[{"x": 1}, 2, 3]'])
def test_a_labels_file_that_holds_no_names_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "n.json").write_text(content)
    with pytest.raises(UsageError, match="holds no class names"):
        names_of(tmp_path, labels=tmp_path / "n.json")
    with pytest.raises(UsageError, match="cannot be read"):
        names_of(tmp_path, labels=tmp_path / "none.txt")


def test_sources_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "imagenet_classes.txt").write_text("i\nj\nk\n")
    assert names_of(tmp_path).source == "imagenet_classes.txt"
    config: dict[str, Any] = {"label_names": ["t", "u", "v"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert names_of(tmp_path).source == "config.json label_names"
    config["id2label"] = {"0": "x", "1": "y", "2": "z"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert names_of(tmp_path).source == "config.json id2label"
    found = names_of(tmp_path, names="{0: 'a', 1: 'b', 2: 'c'}")
    assert (found.source, found.name(2)) == ("ONNX metadata names", "c")


def test_placeholders_are_no_names(tmp_path: Path) -> None:
    labels = {str(i): f"LABEL_{i}" for i in range(3)}
    (tmp_path / "config.json").write_text(json.dumps({"id2label": labels}))
    assert names_of(tmp_path).source is None


def test_metadata_as_plain_text_and_as_nonsense(tmp_path: Path) -> None:
    found = class_names(None, {"classes": "a, b, c"}, tmp_path / "model.onnx", 3)
    assert found.by_name() == {"a": 0, "b": 1, "c": 2}
    assert names_of(tmp_path, names="(((").source is None


def test_names_for_another_number_of_classes_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "imagenet_classes.txt").write_text("i\nj\nk\n")
    assert names_of(tmp_path, 4).source is None
    assert names_of(tmp_path, 3, names="{0: 'a', 1: 'b'}").source == "imagenet_classes.txt"


def test_timm_synsets_with_descriptions(tmp_path: Path) -> None:
    config = {
        "label_names": ["n01440764", "n01443537"],
        "label_descriptions": {"n01440764": "tench", "n01443537": "goldfish"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = names_of(tmp_path, 2)
    assert (found.name(0), found.synsets[0]) == ("tench", "n01440764")


def test_shared_names_identify_no_class() -> None:
    names = from_content(["crane", "dog", "crane"], "x")
    assert match_folders(["crane", "dog"], names, 3) == {"dog": 1}


# ------------------------------------------------------------------------------------------------ true labels


def test_integer_folders_are_indices_never_the_sort_order(tmp_path: Path) -> None:
    found = labelled(tmp_path, 11, "10/a.png", "2/a.png", "2/b.png")
    assert found.labels == {"10/a.png": 10, "2/a.png": 2, "2/b.png": 2}
    assert (found.source, found.unmatched, found.note) == ("class folders", (), "")


def test_a_folder_that_holds_a_subset_keeps_the_models_indices(tmp_path: Path) -> None:
    found = labelled(tmp_path, 3, "cat/1.png", "bee/1.png", names="['ant', 'bee', 'cat']")
    assert found.labels == {"bee/1.png": 1, "cat/1.png": 2}


def test_integers_that_do_not_all_fit_are_no_indices(tmp_path: Path) -> None:
    found = labelled(tmp_path, 10, "1/a.png", "10/a.png")
    assert found.labels == {}
    assert found.source is None
    assert "1, 10" in found.note


def test_exact_name_comes_before_index(tmp_path: Path) -> None:
    found = labelled(tmp_path, 3, "0/a.png", "1/a.png", names="['1', '0', 'x']")
    assert found.labels == {"0/a.png": 1, "1/a.png": 0}


def test_synset_folders(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text(json.dumps({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}))
    found = labelled(tmp_path, 2, "n01443537/a.png", "tench/b.png", "Tench/c.png", labels=path)
    assert found.labels == {"n01443537/a.png": 1, "tench/b.png": 0}
    assert found.unmatched == ("Tench",)
    assert "1 of 3 images have no true label" in found.note


def test_a_flat_folder_is_unlabelled_and_says_so(tmp_path: Path) -> None:
    found = labelled(tmp_path, 3, "a.png", names="['a', 'b', 'c']")
    assert found.true_label(images("a.png")[0]) is None
    assert found.source is None
    assert "1 of 1 images" in found.note
    assert found.class_names.name(0) == "a"


def test_csv_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('file,label\na.png,cat\n./sub/b.png,2\n"sub\\c.png",ant\n\nnot-audited.png,ant\n')
    found = labelled(tmp_path, 3, "a.png", "sub/b.png", "sub/c.png", labels=path, names="['ant', 'bee', 'cat']")
    assert found.labels == {"a.png": 2, "sub/b.png": 2, "sub/c.png": 0}
    assert found.source == "--labels labels.csv"
    assert found.class_names.source == "ONNX metadata names"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "header"),
        ("a.png,cat\n", "header"),
        ("file,label\na.png,cow\n", "line 2: 'cow' is no class"),
        ("file,label\na.png,3\n", "line 2: '3' is no class"),
        ("file,label\na.png\n", "line 2: 1 columns"),
        ("file,label\nz.png,cat\n", "names none of the images"),
    ],
)
def test_wrong_csv_labels_are_told(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=told):
        labelled(tmp_path, 3, "a.png", labels=path, names="['ant', 'bee', 'cat']")


# -------------------------------------------------------------------------------- near chance


@pytest.mark.parametrize(
    ("accuracy", "classes", "n", "suspect"),
    [
        (0.0, 1000, 20, True),
        (0.0, 1000, 4, False),  # four misses happen to a working model: 0.4995**4 = .062
        (0.0, 1000, 5, True),  # five hardly: .031
        (0.1, 1000, 20, False),
        (0.5, 2, 100, True),
        (0.5, 2, 10, False),
        (0.9, 2, 100, False),
        (0.1, 10, 200, True),
    ],
)
def test_near_chance(accuracy: float, classes: int, n: int, suspect: bool) -> None:
    verdict = chance_test(accuracy, classes, n)
    assert verdict.suspect is suspect
    assert ("preprocessing suspect" in verdict.reason) is suspect


def test_chance_probabilities_are_the_binomial_ones() -> None:
    verdict = chance_test(2 / 3, 2, 3)
    assert verdict.p_chance == pytest.approx(0.5)  # P(2 or 3 of 3 at 1/2)
    assert verdict.p_working == pytest.approx(1 - 0.75**3)


def test_no_labels_no_verdict() -> None:
    verdict = chance_test(0.0, 10, 0)
    assert not verdict.suspect
    assert "not assessable" in verdict.reason
