"""Does the report agree with itself?  What follows from its per-image scores is computed again, without the model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from geoaudit.api import SweepCurves
from geoaudit.audit import provenance
from geoaudit.audit.calibration import MOST, THEMSELVES
from geoaudit.audit.result import Curve, MethodResult, PerImage, Report, ScoreSummary, WalkInfo
from geoaudit.images.discovery import ImageFile, choose, manifest_sha256
from geoaudit.scoring.statistics import bootstrap_mean
from geoaudit.scoring.sweep import srg
from geoaudit.verify.findings import failed, settled, skipped
from geoaudit.verify.result import Finding
from geoaudit.words import counted

EXACT = 1e-9
"""Allowed difference, as a share of max(1, |number|), of what is added up in the same way from the same numbers."""
MEASURED_TWICE = 2e-7
"""The same, as a share of the sum of magnitudes, for what was added up in float64 and again from the float32 map."""

_DATA, _SUMMARY, _WALK, _CURVES = "numbers.images", "numbers.summaries", "numbers.walks", "numbers.curves"
_RESAMPLED = ("numpy", "scipy")
_DIVIDED = ("ncc-excess", "completeness-error")
_EMPTY = 1e-12


def check_numbers(report: Report) -> Iterator[Finding]:
    """The counts, the summaries over images, the scores that repeat the walks' measures, and the masking curves."""
    rows: Mapping[str, list[PerImage]] = _by_method(report.per_image)
    pictures = counted(len(report.data.images), "picture")
    yield from settled(_DATA, "data", f"counts and manifests follow from the {pictures}", _data(report, rows))
    if report.data.detail is None:
        yield from _over_images(report, rows)
    else:
        yield skipped(_SUMMARY, "scores over images", not_listed(report))
    walks = sum(row.walk is not None for row in report.per_image)
    reason = f"scores of {counted(walks, 'map')} agree with what was measured on the walks"
    yield from settled(_WALK, "scores of walks", reason, _walks(report.per_image))
    reason = "the mean SRG of each method is the area between its curves"
    yield from settled(_CURVES, "masking curves", reason, _areas(report))


def not_listed(report: Report) -> str:
    """Why what rests on all images does not follow from those that the report lists."""
    listed = 0 if report.data.detail is None else report.data.detail.listed
    return (
        f"rests on {counted(report.data.count, 'picture')}, of which the report lists {listed:,}: it was not computed "
        "again; the files in scores/ hold the scores of all"
    )


def _over_images(report: Report, rows: Mapping[str, list[PerImage]]) -> Iterator[Finding]:
    intervals = _same_packages(report)
    many = sum(len(method.scores) for method in report.methods)
    told = "" if intervals else "; intervals were left out, for other versions of numpy or scipy drew them"
    reason = f"means, medians and intervals of {counted(many, 'score')} follow from the per-image scores{told}"
    yield from settled(_SUMMARY, "scores over images", reason, _summaries(report, rows, intervals))


def close(stated: float | None, found: float | None, tolerance: float) -> bool:
    """Whether both are null, or both numbers that differ by at most `tolerance` times max(1, |stated|)."""
    if stated is None or found is None:
        return stated is found
    return abs(stated - found) <= tolerance * max(1.0, abs(stated))


def _by_method(rows: Sequence[PerImage]) -> dict[str, list[PerImage]]:
    found: dict[str, list[PerImage]] = defaultdict(list)
    for row in rows:
        found[row.method].append(row)
    return found


def _same_packages(report: Report) -> bool:
    here = provenance.packages(set())
    return all(report.run.packages.get(name) == here.get(name) for name in _RESAMPLED)


def _data(report: Report, rows: Mapping[str, list[PerImage]]) -> Iterator[Finding]:
    data = report.data
    ids = [image.id for image in data.images]
    whole = data.detail is None
    name, stated = ("data.count", data.count) if data.detail is None else ("data.detail.listed", data.detail.listed)
    if stated != len(ids):
        yield failed(_DATA, name, "is not the number of listed pictures", stated, len(ids))
    for name, count in Counter(ids).items():
        if count > 1:
            yield failed(_DATA, name, "is listed more than once", 1, count)
    files = {image.id: image.sha256 for image in data.images}
    if whole and data.manifest_sha256 != _manifest(files):
        reason = "does not follow from the listed pictures' digests"
        yield failed(_DATA, "data.manifest_sha256", reason, data.manifest_sha256, _manifest(files))
    learned = data.calibration
    if whole and learned is not None and learned.source == THEMSELVES:
        chosen = {name: files[name] for name in choose(sorted(files), MOST)}
        if learned.manifest_sha256 != _manifest(chosen):
            reason = "does not follow from the listed pictures' digests"
            yield failed(_DATA, "data.calibration.manifest_sha256", reason, learned.manifest_sha256, _manifest(chosen))
    if whole:
        yield from _labels(report)
    yield from _rows(report, rows, set(ids))


def _manifest(files: Mapping[str, str]) -> str:
    return manifest_sha256([ImageFile(name, Path(name), None, digest) for name, digest in files.items()])


def _labels(report: Report) -> Iterator[Finding]:
    stated = report.data.labels
    known = [image for image in report.data.images if image.label is not None]
    if stated.labelled != len(known):
        yield failed(
            _DATA, "data.labels.labelled", "is not the number of labelled pictures", stated.labelled, len(known)
        )
    right = float(np.mean([image.predicted == image.label for image in known])) if known else None
    if all(image.predicted is not None for image in known) and not close(stated.top1_accuracy, right, EXACT):
        reason = "does not follow from the pictures' classes and labels"
        yield failed(_DATA, "data.labels.top1_accuracy", reason, stated.top1_accuracy, right)


def _rows(report: Report, rows: Mapping[str, list[PerImage]], ids: set[str]) -> Iterator[Finding]:
    """Every method that ran has one row for each picture."""
    methods = {method.id: method for method in report.methods}
    for name in sorted(set(rows) - set(methods)):
        yield failed(_DATA, name, "has per-image scores but is not among the methods")
    for name, method in methods.items():
        images = Counter(row.image for row in rows.get(name, []))
        for image in sorted(set(images) - ids):
            yield failed(_DATA, f"{name} on {image}", "scores a picture that is not listed")
        for image, count in images.items():
            if count > 1:
                yield failed(_DATA, f"{name} on {image}", "is scored more than once", 1, count)
        if method.status == "ok":
            for image in sorted(ids - set(images)):
                yield failed(_DATA, f"{name} on {image}", "has no scores though the method is reported as run")


def _summaries(report: Report, rows: Mapping[str, list[PerImage]], intervals: bool) -> Iterator[Finding]:
    for method in report.methods:
        if method.status == "skipped":
            continue
        for metric, stated in method.scores.items():
            values = [row.scores.get(metric) for row in rows.get(method.id, [])]
            found = _summary(values, report.run.seed, intervals)
            for statistic, value in found.items():
                said = getattr(stated, statistic)
                if not close(said, value, EXACT):
                    reason = f"does not follow from the {counted(len(values), 'per-image score')}"
                    yield failed(_SUMMARY, f"{metric} of {method.id}: {_NAMES[statistic]}", reason, said, value)


_NAMES = {
    "mean": "mean",
    "median": "median",
    "n": "number of scores",
    "missing": "number of missing scores",
    "ci_low": "interval's lower end",
    "ci_high": "interval's upper end",
}


def _summary(values: Sequence[float | None], seed: int, intervals: bool) -> dict[str, float | None]:
    """The fields of `ScoreSummary` that follow from the scores."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    interval = bootstrap_mean(known, seed) if intervals and len(known) else None
    found: dict[str, float | None] = {
        "n": len(known),
        "missing": len(values) - len(known),
        "median": float(np.median(known)) if len(known) else None,
        "mean": float(np.sort(known).mean()) if len(known) else None,
    }
    if intervals:
        found |= {"ci_low": interval.low if interval else None, "ci_high": interval.high if interval else None}
    return found


def _walks(rows: Sequence[PerImage]) -> Iterator[Finding]:
    for row in rows:
        if row.walk is None:
            continue
        found = from_sums(row.walk, row.walk.attribution_sum, row.walk.magnitude)
        yield from unlike(_WALK, row, found, MEASURED_TWICE)
        if row.walk.path_cancellation is not None:
            yield from unlike(_WALK, row, {"path-cancellation": row.walk.path_cancellation}, EXACT)


def from_sums(walk: WalkInfo | None, total: float, magnitude: float) -> dict[str, float]:
    """The scores that follow from a map's sum and the sum of its magnitudes, given what it should add up to."""
    claim = 0.0 if walk is None or walk.delta_f is None else abs(walk.delta_f)
    found = {"ncc-violation": (magnitude - abs(total)) / magnitude} if magnitude > _EMPTY * claim else {}
    if walk is not None and walk.delta_f:
        found |= {"ncc-excess": magnitude / claim - 1.0, "completeness-error": abs(total - walk.delta_f) / claim}
    return found


def unlike(check: str, row: PerImage, found: Mapping[str, float], tolerance: float) -> Iterator[Finding]:
    """The scores that are there and are not what was found, by metric.

    Args:
        check: id of the findings.
        row: the stored scores.
        found: what they should be.
        tolerance: allowed difference as a share of max(1, |score|), and of S / |delta f| for what is
            divided by delta f.
    """
    walk = row.walk
    times = 1.0 if walk is None or not walk.delta_f else max(1.0, walk.magnitude / abs(walk.delta_f))
    for metric, value in found.items():
        stated = row.scores.get(metric)
        scale = times if metric in _DIVIDED else 1.0
        if stated is not None and abs(stated - value) > tolerance * max(scale, abs(stated)):
            subject = f"{metric} of {row.method} on {row.image}"
            yield failed(check, subject, "does not follow from the map's sums", stated, value)


def _areas(report: Report) -> Iterator[Finding]:
    """SRG is linear in the curves, so its mean is the area between the mean curves, mean over imputers."""
    curves: dict[str, list[Curve]] = defaultdict(list)
    for curve in report.curves:
        curves[curve.method].append(curve)
    for method in report.methods:
        stated = method.scores.get("srg")
        if _comparable(method, stated, curves[method.id]):
            assert stated is not None
            found = _gain(curves[method.id])
            if not close(stated.mean, found, EXACT):
                reason = "is not the area between the method's curves"
                yield failed(_CURVES, f"srg of {method.id}: mean", reason, stated.mean, found)


def _comparable(method: MethodResult, stated: ScoreSummary | None, curves: Sequence[Curve]) -> bool:
    return method.status == "ok" and stated is not None and stated.missing == 0 and bool(curves)


def _gain(curves: Sequence[Curve]) -> float | None:
    """Mean SRG over the imputers; None where a curve of a pair is missing or they do not fit."""
    pairs = {(curve.imputer, curve.order): curve for curve in curves}
    imputers = sorted({curve.imputer for curve in curves})
    lengths = {len(c.mean) for c in curves} | {len(c.fractions) for c in curves}
    if len(lengths) != 1 or any((p, order) not in pairs for p in imputers for order in ("morf", "lerf")):
        return None
    sides = [np.array([[pairs[p, order].mean for p in imputers]]) for order in ("morf", "lerf")]
    return float(srg(SweepCurves(np.array(curves[0].fractions), tuple(imputers), *sides)).mean())
