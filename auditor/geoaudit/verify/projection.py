"""Which parts of two reports must agree, and every number in them by its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from geoaudit.audit.result import Report

_ENGINE = {"cost", "seconds"}
"""What was spent; machines differ in it."""
_KEYS = (
    ("id", "method"), ("id",), ("method", "imputer", "order"), ("method",), ("metric", "a", "b"), ("a", "b"),
    ("without",), ("metric",), ("granularity",), ("region", "order"), ("case",), ("chart", "name"),
)  # fmt: skip
"""What tells the items of a list apart, the first that does."""
_DESCRIBED = ("title", "family", "reference", "parameters", "flags")
_SPENT_ON_WALK = {"nodes", "gradients", "forwards"}

Leaf = float | str | None
Place = tuple[str | None, str | None, str]
"""Image, method, and the number's name."""


def scores(report: Report, images: set[str]) -> dict[Place, Leaf]:
    """Every per-image number of these images: classes, probabilities, scores, and the walks' measures."""
    found: dict[Place, Leaf] = {}
    for image in report.data.images:
        if image.id in images:
            found[image.id, None, "target"] = float(image.target)
            found[image.id, None, "probability"] = image.probability
            if image.predicted is not None:
                found[image.id, None, "predicted"] = float(image.predicted)
            found[image.id, None, "label"] = None if image.label is None else float(image.label)
            found[image.id, None, "target_name"] = image.target_name
    for row in report.per_image:
        if row.image in images:
            place = (row.image, row.method)
            found[*place, "status"] = row.status.value
            found[*place, "delta_f"] = row.delta_f
            found |= {(*place, metric): value for metric, value in row.scores.items()}
            walk = {} if row.walk is None else row.walk.model_dump(exclude=_SPENT_ON_WALK)
            found |= {(*place, f"walk.{name}"): _number(value) for name, value in walk.items()}
    return found


def descriptions(report: Report, *, conversion: bool) -> dict[Place, Leaf]:
    """What the report says of the model, the input, and the methods, whichever pictures were audited.

    Args:
        report: the report.
        conversion: with the operators of the converted graph, which hang on other packages' versions.
    """
    left_out = {"file", "autoencoder"} | (set() if conversion else {"conversion"})
    methods = [m.model_dump(mode="json", include={*_DESCRIBED, "id", "status", "kind"}) for m in report.methods]
    data = {
        "model": report.model.model_dump(mode="json", exclude=left_out),
        "preprocess": {name: sourced.value for name, sourced in report.data.preprocess.items()},
        "baseline": report.baseline.model_dump(mode="json", exclude={"kind"}),
        "methods": methods,
    }
    return placed(data)


def results(report: Report) -> dict[Place, Leaf]:
    """What was made of all pictures: summaries, ranking, checks, metric health, curves and the certificate."""
    parts = {"parity", "ranking", "checks", "metric_health", "curves", "calibration"}
    methods = [m.model_dump(mode="json", exclude={*_DESCRIBED, "plugin"}) for m in report.methods]
    return placed(report.model_dump(mode="json", include=parts) | {"methods": methods})


def placed(value: Any, place: str = "", method: str | None = None) -> dict[Place, Leaf]:
    """Every leaf of a JSON value by its place, such as "methods.scores.srg.mean" of a method."""
    return dict(_leaves(value, place, method))


def _leaves(value: Any, place: str, method: str | None) -> Iterator[tuple[Place, Leaf]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _ENGINE:
                yield from _leaves(inner, f"{place}.{key}" if place else str(key), method)
    elif isinstance(value, list):
        yield (None, method, f"{place}: number of items"), float(len(value))
        names = _names(value)
        for i, item in enumerate(value):
            name, of = names[i] if names else (str(i), method)
            yield from _leaves(item, f"{place}[{name}]" if name else place, of or method)
    else:
        yield (None, method, place), _number(value)


def _number(value: Any) -> Leaf:
    if isinstance(value, bool):
        return str(value).lower()
    return float(value) if isinstance(value, int | float) else value


def _names(items: list[Any]) -> list[tuple[str, str | None]] | None:
    """For each item what tells it apart, and the method that it is about; None where nothing does."""
    for keys in _KEYS:
        if all(isinstance(item, Mapping) and all(key in item for key in keys) for item in items):
            values = [tuple(item[key] for key in keys) for item in items]
            if len(set(values)) == len(values):
                return [_named(item, keys) for item in items]
    return None


def _named(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, str | None]:
    is_method = "id" in item and "kind" in item
    method = item.get("id") if is_method else item.get("method")
    rest = [str(item[key]) for key in keys if key != "method" and not (is_method and key == "id")]
    return ", ".join(rest), method
