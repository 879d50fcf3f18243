"""The names of a model's classes, from the files and metadata that may hold them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoaudit.errors import UsageError
from geoaudit.images.preprocess_sources import beside, read_json, sidecar

_WORDNET_ID = re.compile(r"n\d{8}")
_METADATA_KEYS = ("names", "classes", "geoaudit.names")


@dataclass(frozen=True)
class ClassNames:
    """Names by class index.

    Attributes:
        names: index to name; may be sparse or empty.
        synsets: index to WordNet id ("n02123045"), where the source gives one.
        source: where they came from; None without names.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    synsets: Mapping[int, str] = field(default_factory=dict)
    source: str | None = None

    def name(self, index: int) -> str | None:
        """The class's name; its synset where it has no name; None where it has neither."""
        return self.names.get(index, self.synsets.get(index))

    def by_name(self) -> dict[str, int]:
        """Name to index, without the names that several classes share (ImageNet has two cranes)."""
        counts = Counter(self.names.values())
        return {name: index for index, name in self.names.items() if counts[name] == 1}

    def by_synset(self) -> dict[str, int]:
        """WordNet id to index."""
        return {synset: index for index, synset in self.synsets.items()}


def class_names(labels_file: Path | None, metadata: Mapping[str, str], model_path: Path, classes: int) -> ClassNames:
    """The class names from the first source that has them for this model.

    In this order: `labels_file` (one name a line, a JSON list, or a JSON object from index to name or to
        [wnid,
    name]), ONNX metadata `names` or `classes`, id2label of a Hugging Face config.json (its "LABEL_0"
    placeholders are no names), label_names of a timm config.json, imagenet_classes.txt beside the model.  A
    source other than `labels_file` whose number of names is not `classes` is passed over.

    Raises:
        UsageError: `labels_file` cannot be read, or does not fit the number of classes.
    """
    if labels_file is not None:
        return _given(labels_file, classes)
    found = [_from_metadata(metadata, key) for key in _METADATA_KEYS]
    config = sidecar(model_path, "config.json")
    if isinstance(config, tuple):
        found += [_from_huggingface(*config), _from_timm(*config)]
    found.append(_beside(model_path))
    return next((names for names in found if names is not None and _fits(names, classes)), ClassNames())


def from_content(content: Any, source: str) -> ClassNames:
    """Names from a list of names, or a mapping from index to name or to [wnid, name].

    Raises:
        ValueError: it is neither.
    """
    if isinstance(content, (list, tuple)):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        raise ValueError("neither a list nor an object")
    names, synsets = {}, {}
    for key, value in content.items():
        index = int(key)
        if isinstance(value, (list, tuple)) and len(value) == 2:
            synsets[index], names[index] = str(value[0]), str(value[1])
        elif isinstance(value, (str, int)):
            names[index] = str(value).strip()
        else:
            raise ValueError(f"the entry {key!r} is no name")
    if names and not synsets and all(_WORDNET_ID.fullmatch(name) for name in names.values()):
        names, synsets = {}, names
    return ClassNames(names, synsets, source)


def _given(path: Path, classes: int) -> ClassNames:
    source = f"--labels {path.name}"
    way_out = 'Expected one name a line, a JSON list, {"0": "name"} or {"0": ["n01440764", "name"]}.'
    try:
        if path.suffix.lower() == ".json":
            names = from_content(read_json(path), source)
        else:
            names = from_content(_lines(path), source)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read ({error.strerror or error})", way_out) from None
    except (ValueError, TypeError) as error:
        raise UsageError(str(path), f"holds no class names ({error})", way_out) from None
    if not _fits(names, classes):
        count = len(names.names or names.synsets)
        raise UsageError(str(path), f"{count} names, but the model has {classes} classes", way_out)
    return names


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").rstrip().splitlines()


def _fits(names: ClassNames, classes: int) -> bool:
    """A full set must have one name a class; a sparse one must stay within the classes."""
    indices = names.names.keys() | names.synsets.keys()
    if not indices or min(indices) < 0 or max(indices) >= classes:
        return False
    return len(indices) == classes or len(indices) != max(indices) + 1


def _from_metadata(metadata: Mapping[str, str], key: str) -> ClassNames | None:
    text = metadata.get(key)
    if text is None:
        return None
    try:
        content = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        parts = [part.strip() for part in re.split(r"[\n,;]", text)]
        content = parts if len(parts) > 1 else None
    try:
        return from_content(content, f"ONNX metadata {key}")
    except (ValueError, TypeError):
        return None


def _from_huggingface(config: Mapping[str, Any], called: str) -> ClassNames | None:
    labels = config.get("id2label")
    if not isinstance(labels, dict) or all(re.fullmatch(r"LABEL_\d+", str(v)) for v in labels.values()):
        return None
    try:
        return from_content(labels, f"{called} id2label")
    except (ValueError, TypeError):
        return None


def _from_timm(config: Mapping[str, Any], called: str) -> ClassNames | None:
    labels = config.get("label_names")
    if not isinstance(labels, list):
        return None
    try:
        names = from_content(labels, f"{called} label_names")
    except (ValueError, TypeError):
        return None
    descriptions = config.get("label_descriptions")
    if names.synsets and isinstance(descriptions, dict):
        told = {i: str(descriptions[s]) for i, s in names.synsets.items() if s in descriptions}
        return ClassNames(told, names.synsets, names.source)
    return names


def _beside(model_path: Path) -> ClassNames | None:
    found = beside(model_path, "imagenet_classes.txt")
    if found is None:
        return None
    path, called = found
    try:
        return from_content(_lines(path), called)
    except (OSError, ValueError):
        return None
