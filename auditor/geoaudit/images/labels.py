"""True labels of the images, and what the model's accuracy on them says about the preprocessing."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scipy import stats

from geoaudit.errors import UsageError
from geoaudit.images.class_names import ClassNames, class_names
from geoaudit.images.discovery import ImageFile

_LEVEL = 0.05
_HEADER = ["file", "label"]


@dataclass(frozen=True)
class Labelling:
    """Class names and true labels.

    Attributes:
        class_names: the names of the model's classes.
        labels: image id to class index, for the images that have a label.
        source: where the labels came from; None where no image has one.
        unmatched: class folders that match no class, sorted.
        note: one sentence about images without a label; "" where all have one.
    """

    class_names: ClassNames
    labels: Mapping[str, int] = field(default_factory=dict)
    source: str | None = None
    unmatched: tuple[str, ...] = ()
    note: str = ""

    def true_label(self, image: ImageFile) -> int | None:
        """The image's true class index; None if it has no label."""
        return self.labels.get(image.id)


@dataclass(frozen=True)
class ChanceTest:
    """Whether an accuracy looks like guessing.

    Attributes:
        suspect: it is near chance, and a working model would hardly have shown it.
        p_chance: probability that guessing does at least as well.
        p_working: probability that a model half-way between chance and 1 does no better.
        reason: one plain sentence.
    """

    suspect: bool
    p_chance: float
    p_working: float
    reason: str


def resolve_labels(
    labels_file: Path | None,
    metadata: Mapping[str, str],
    model_path: Path,
    classes: int,
    files: Iterable[ImageFile],
) -> Labelling:
    """Class names, and a true label for every image that has one.

    A `labels_file` ending in .csv with the columns file,label gives true labels (label: a class name, a
    synset or an index); any other gives class names, see `class_names`.  Otherwise an image's first-level
    folder is its label: matched with the class names by exact name, then by synset, then as an integer that
    is the class index.  The order of the folders never matters.  Where integer folders do not all fit
    0..classes-1 none is taken as an index, for then they count something else.

    Raises:
        UsageError: `labels_file` cannot be read, does not fit the model, or names none of the images.
    """
    images = list(files)
    if labels_file is not None and labels_file.suffix.lower() == ".csv":
        names = class_names(None, metadata, model_path, classes)
        labels = _from_csv(labels_file, names, classes, images)
        return _labelling(names, labels, f"--labels {labels_file.name}", images, ())
    names = class_names(labels_file, metadata, model_path, classes)
    folders = sorted({image.folder for image in images if image.folder is not None})
    matched = match_folders(folders, names, classes)
    labels = {image.id: matched[image.folder] for image in images if image.folder in matched}
    unmatched = tuple(folder for folder in folders if folder not in matched)
    return _labelling(names, labels, "class folders", images, unmatched)


def match_folders(folders: Iterable[str], names: ClassNames, classes: int) -> dict[str, int]:
    """Folder name to class index, for those that match: by exact name, then synset, then as a class index."""
    by_name, by_synset = names.by_name(), names.by_synset()
    known = {f: by_name.get(f, by_synset.get(f)) for f in folders}
    matched = {folder: index for folder, index in known.items() if index is not None}
    integers = {f: int(f) for f in known if f not in matched and f.isascii() and f.isdigit()}
    if all(index < classes for index in integers.values()):
        matched |= integers
    return matched


def chance_test(accuracy: float, classes: int, n: int) -> ChanceTest:
    """Whether a top-1 accuracy on `n` labelled images is near chance.

    Suspect where both hold: guessing (1 / classes) reaches this accuracy with probability 0.05 or more
        (one-sided
    binomial test), and a model with an accuracy half-way between chance and 1 would fall this low with
    probability below 0.05, so that a handful of images is never enough to raise the alarm.

    Args:
        accuracy: share of labelled images whose predicted class is their label, in [0, 1].
        classes: number of classes, at least 2.
        n: number of labelled images.
    """
    if n == 0:
        return ChanceTest(False, 1.0, 1.0, "no labelled images: accuracy not assessable")
    hits, chance = round(accuracy * n), 1 / classes
    p_chance = float(stats.binomtest(hits, n, chance, alternative="greater").pvalue)
    p_working = float(stats.binom.cdf(hits, n, (1 + chance) / 2))
    told = f"top-1 accuracy {hits} of {n} labelled images ({hits / n:.0%}; chance {chance:.2g})"
    if p_chance < _LEVEL:
        return ChanceTest(False, p_chance, p_working, f"{told}: above chance")
    if p_working >= _LEVEL:
        return ChanceTest(False, p_chance, p_working, f"{told}: too few images to tell from chance")
    reason = f"{told}: not above chance, preprocessing suspect (or the labels do not fit the model's classes)"
    return ChanceTest(True, p_chance, p_working, reason)


def _labelling(
    names: ClassNames,
    labels: Mapping[str, int],
    source: str,
    images: list[ImageFile],
    unmatched: tuple[str, ...],
) -> Labelling:
    missing = len(images) - len(labels)
    note = ""
    if missing:
        note = f"{missing} of {len(images)} images have no true label; the predicted class is explained"
    if unmatched:
        shown = ", ".join(unmatched[:5]) + (f" and {len(unmatched) - 5} more" if len(unmatched) > 5 else "")
        note += f" (folders that match no class: {shown})"
    return Labelling(names, dict(sorted(labels.items())), source if labels else None, unmatched, note)


def _from_csv(path: Path, names: ClassNames, classes: int, images: list[ImageFile]) -> dict[str, int]:
    way_out = "Expected the header file,label and one row an image; file is the path relative to the image folder."
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream))
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(str(path), f"cannot be read ({reason})", way_out) from None
    if not rows or [cell.strip().lower() for cell in rows[0]] != _HEADER:
        raise UsageError(str(path), "does not begin with the header file,label", way_out)
    known, labels = {image.id for image in images}, {}
    index_of = {label: match_folders([label], names, classes).get(label) for label in _second_column(rows[1:])}
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(_HEADER):
            raise UsageError(f"{path}, line {line}", f"{len(row)} columns instead of 2", way_out)
        image_id = row[0].strip().replace("\\", "/").removeprefix("./")
        label = row[1].strip()
        index = index_of[label]
        if index is None:
            raise UsageError(f"{path}, line {line}", f"{label!r} is no class of the model", "Give a name or index.")
        if image_id in known:
            labels[image_id] = index
    if not labels:
        raise UsageError(str(path), "names none of the images", way_out)
    return labels


def _second_column(rows: Iterable[list[str]]) -> set[str]:
    return {row[1].strip() for row in rows if len(row) == len(_HEADER)}
