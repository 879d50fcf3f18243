"""Every image's scores as Parquet files beside the report: what a report of many images does not list itself.

A row of scores/part-*.parquet has the fields of an entry of `per_image` in report.json, a row of scores/images.parquet
those of an entry of `data.images`.  Parts follow one another by image, then method; they hold `IMAGES` images each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoaudit.api import Metric
from geoaudit.audit.image_results import per_image
from geoaudit.audit.result import ImageInfo, NamedFile, WalkInfo
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Tally
from geoaudit.digests import sha256
from geoaudit.errors import OutputError

if TYPE_CHECKING:
    import pyarrow

FOLDER = "scores"
IMAGES = 1000
"""Images of one part."""


def available() -> bool:
    """Whether Parquet files can be written here."""
    return find_spec("pyarrow") is not None


def remove(folder: Path) -> None:
    """Remove the files of an earlier run in this report folder.

    Raises:
        OutputError: one cannot be removed.
    """
    place = folder / FOLDER
    try:
        for path in (*place.glob("part-*.parquet"), *place.glob("images.parquet")):
            path.unlink()
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    except OSError as error:
        raise OutputError(str(place), f"cannot be replaced ({error.strerror})", "Choose another folder.") from None


def settled(
    folder: Path, settings: Settings, listed: frozenset[str] | None, infos: Sequence[ImageInfo],
    tallies: Mapping[str, Tally], metrics: Sequence[Metric],
) -> list[NamedFile]:  # fmt: skip
    """Write the files where the report does not list all images, and where the work was spread; else there are none.

    Raises:
        OutputError: they cannot be written, or those of an earlier run not be removed.
    """
    if listed is None and settings.cluster is None:
        remove(folder)
        return []
    return write(folder, infos, tallies, [metric.id for metric in metrics])


def write(
    folder: Path, infos: Sequence[ImageInfo], tallies: Mapping[str, Tally], metrics: Sequence[str]
) -> list[NamedFile]:
    """Write the files of a run.

    Args:
        folder: the report folder.
        infos: all images, in the order of the results' rows.
        tallies: the results by method; those that have none are left out.
        metrics: ids of the metrics.

    Returns:
        The files and their digests, sorted by name.

    Raises:
        OutputError: they cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    remove(folder)
    place = folder / FOLDER
    schema = _schema(metrics)
    try:
        place.mkdir(parents=True, exist_ok=True)
        order = sorted(range(len(infos)), key=lambda i: infos[i].id)
        with parquet.ParquetWriter(place / "images.parquet", _images_schema()) as images:
            for part, start in enumerate(range(0, len(order), IMAGES)):
                places = order[start : start + IMAGES]
                told = [infos[i].model_dump(mode="json") for i in places]
                images.write_table(pa.Table.from_pylist(told, schema=_images_schema()))
                table = pa.Table.from_pylist(list(_part(places, tallies)), schema=schema)
                parquet.write_table(table, place / f"part-{part:05d}.parquet")
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise OutputError(str(place), reason, "Make room, or choose another folder.") from None
    return [NamedFile(file=f"{FOLDER}/{path.name}", sha256=sha256([path])) for path in sorted(place.glob("*.parquet"))]


def _part(places: Sequence[int], tallies: Mapping[str, Tally]) -> Iterator[dict[str, Any]]:
    """Every method's rows of the images at these places; a method that was given up has none of the later ones."""
    for place in places:
        for _, tally in sorted(tallies.items()):
            if place < len(tally.rows):
                yield per_image(tally.rows[place], tally).model_dump(mode="json")


def _images_schema() -> pyarrow.Schema:
    import pyarrow as pa

    numbers = {"target": pa.int64(), "predicted": pa.int64(), "label": pa.int64(), "probability": pa.float64()}
    kinds = {**numbers, "notes": pa.list_(pa.string())}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in ImageInfo.model_fields])


def _schema(metrics: Sequence[str]) -> pyarrow.Schema:
    import pyarrow as pa

    kinds = {"int": pa.int64(), "bool": pa.bool_()}
    walk = [(name, kinds.get(getattr(f.annotation, "__name__", ""), pa.float64())) for name, f in
            WalkInfo.model_fields.items()]  # fmt: skip
    names = sorted(metrics)
    return pa.schema(
        [
            ("image", pa.string()),
            ("method", pa.string()),
            ("scores", pa.struct([(name, pa.float64()) for name in names])),
            ("reasons", pa.struct([(name, pa.string()) for name in names])),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("walk", pa.struct(walk)),
            ("delta_f", pa.float64()),
        ]
    )
