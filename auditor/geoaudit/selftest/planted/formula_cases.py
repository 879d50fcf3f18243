"""What must come out for the classifier whose scores are formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import PathMethod
from geoaudit.audit.result import CalibrationCase
from geoaudit.registry import Registry
from geoaudit.selftest.judging import judge
from geoaudit.selftest.planted import formulas
from geoaudit.selftest.planted.certificate import certificate
from geoaudit.selftest.planted.files import LOW, Layout, channels_first, model_input
from geoaudit.selftest.planted.formulas import CLASSES, SIDE, Formulas
from geoaudit.selftest.planted.pipeline import audit
from geoaudit.selftest.planted.subjects import FINE, Conditions, Outcome, Subject

Array = npt.NDArray[np.float64]

METHODS = ("gradient", "gradient-x-input", "guided-ig", "integrated-gradients", "occlusion")
METRICS = ("completeness-error", "ncc-excess", "ncc-violation", "path-cancellation")
EXACT = 1e-4
"""Allowed difference where a map is exact: float32 sums of 588 terms, and nothing else."""
WITHIN = {("integrated-gradients", "additive"): 6e-3, ("integrated-gradients", "ridge"): 3e-3,
          ("guided-ig", "additive"): 3e-2}  # fmt: skip
"""Allowed differences of maps that are integrals over something bent, as a share of their sum of magnitudes: three
times what the quadrature leaves.  Guided IG lets an element run its whole way in few steps, so that its bends are seen
at few nodes."""
_ROUNDED = 7  # decimals of a difference: what lies below is another for every processor

_KNOWN = {  # which maps follow from a formula, and of which classes
    "gradient": CLASSES,
    "gradient-x-input": CLASSES,
    "guided-ig": ("linear", "additive"),  # any way will do for these two
    "integrated-gradients": CLASSES,
    "occlusion": CLASSES,
}


def formula_cases(
    conditions: Conditions, layout: Layout = "NCHW", dtype: Any = np.float32, others: tuple[str, ...] = ()
) -> list[CalibrationCase]:
    """Audit the classifier and hold every map against its formula.

    Args:
        conditions: the plugins under test, the seed, and whether there are gradients.
        layout: how the file takes its picture.
        dtype: of its weights.
        others: ids of further path methods, which must give the linear class' only attribution.
    """
    truth, drawn = Formulas(), formulas.pictures()
    methods = METHODS if conditions.gradients else ("occlusion",)
    subject = Subject(
        "classifier made of formulas", truth.file(layout, dtype), layout, drawn, (*methods, *others), METRICS,
        least=(*methods, *others, "input-difference", "uniform-complete"), quadrature=FINE,
    )  # fmt: skip
    outcome = audit(subject, conditions)
    x = model_input(drawn)
    mark = "" if (layout, dtype) == ("NCHW", np.float32) else f" ({layout}, {np.dtype(dtype).name})"
    cases = certificate(f"formulas{mark}", outcome)
    cases.append(_chosen(mark, outcome, drawn))
    for name in methods:
        maps = channels_first(outcome.maps[name], layout) if name in outcome.maps else np.full_like(x, np.nan)
        cases += [_map(f"{kind}{mark}", name, kind, maps, truth, x) for kind in _KNOWN[name]]
    if "integrated-gradients" in methods:
        cases += [_numbers(f"{kind}{mark}", kind, outcome, truth, x) for kind in CLASSES]
    cases += [_any_way(f"linear{mark}", name, outcome, truth, x, layout) for name in others]
    cases.append(_controls(mark, outcome, x, layout))
    return cases


def path_methods(registry: Registry) -> tuple[str, ...]:
    """Ids of the further methods that run by default and walk from the run's baseline to the image, all of the way."""
    elsewhere = {"ncc-by-construction", "not-complete", "own-baseline"}
    return tuple(
        name
        for name in registry.running("method")
        if issubclass(cls := registry.methods[name].cls, PathMethod) and not cls.flags & elsewhere
        and name not in METHODS
    )  # fmt: skip


def _of_class(kind: str, count: int) -> range:
    """The pictures of a class."""
    return range(CLASSES.index(kind), count, len(CLASSES))


def _chosen(mark: str, outcome: Outcome, drawn: npt.NDArray[np.uint8]) -> CalibrationCase:
    """Every picture is explained for the class that it was made for."""
    expected = [float(i % len(CLASSES)) for i in range(len(drawn))]
    measured = [float(info.target) for info in outcome.facts.inputs.infos]
    return judge(f"formulas{mark}: explained class", {"class of each picture": expected},
                 {"class of each picture": measured}, 0.0)  # fmt: skip


def _map(case: str, name: str, kind: str, maps: Array, truth: Formulas, x: Array) -> CalibrationCase:
    """One method on one class: how far its maps are from the formula, and what they add up to."""
    known = np.stack([_formula(name, kind, truth, picture) for picture in x[_of_class(kind, len(x))]])
    found = maps[_of_class(kind, len(x))]
    integrated = name in ("guided-ig", "integrated-gradients")
    scale = np.abs(known).sum() if integrated else np.abs(known).max()
    off = np.abs(found - known).sum() if integrated else np.abs(found - known).max()
    key = "difference, share of the sum of magnitudes" if integrated else "largest difference, share of the largest"
    return judge(
        f"{case} classifier: {name}",
        {key: 0.0, "sum of each map": _sums(known)},
        {key: round(float(off / scale), _ROUNDED), "sum of each map": _sums(found)},
        WITHIN.get((name, kind), EXACT),
    )


def _sums(maps: Array) -> list[float]:
    return [round(float(total), 4) for total in maps.sum(axis=(1, 2, 3))]


def _formula(name: str, kind: str, truth: Formulas, x: Array) -> Array:
    start = np.full_like(x, LOW)
    if name == "gradient":
        return truth.gradient(kind, x)
    if name == "gradient-x-input":
        return truth.gradient(kind, x) * (x - start)
    if name == "occlusion":
        return _covered(kind, truth, x)
    return truth.attribution(kind, x, start)


def _covered(kind: str, truth: Formulas, x: Array) -> Array:
    """What a window of 2 x 2 px takes from the score when it shows the baseline, spread evenly under it."""
    start, values = np.full_like(x, LOW), np.empty_like(x)
    for row in range(0, SIDE, 2):
        for column in range(0, SIDE, 2):
            window = (slice(row, row + 2), slice(column, column + 2))
            values[(slice(None), *window)] = truth.drop(kind, x, start, window) / (4 * len(x))
    return values


def _numbers(case: str, kind: str, outcome: Outcome, truth: Formulas, x: Array) -> CalibrationCase:
    """The metrics of integrated gradients, from the positive and the negative mass of the formula's map."""
    chosen = list(_of_class(kind, len(x)))
    known = np.stack([truth.attribution(kind, x[i], np.full_like(x[i], LOW)) for i in chosen])
    up, down = (np.maximum(sign * known, 0.0).sum(axis=(1, 2, 3)) for sign in (1.0, -1.0))
    expected = {
        "completeness-error": np.zeros(len(chosen)),
        "ncc-excess": (up + down) / np.abs(up - down) - 1.0,
        "ncc-violation": 2.0 * np.minimum(up, down) / (up + down),
    }
    if kind != "additive":  # along the straight line these two never turn back
        expected["path-cancellation"] = np.zeros(len(chosen))
    measured = {metric: outcome.scores("integrated-gradients", metric)[chosen] for metric in expected}
    return judge(
        f"{case} classifier: metrics of integrated-gradients",
        {metric: [round(float(v), 6) for v in values] for metric, values in expected.items()},
        {metric: [round(float(v), 6) for v in values] for metric, values in measured.items()},
        EXACT if kind == "linear" else 3e-3,
    )


def _any_way(case: str, name: str, outcome: Outcome, truth: Formulas, x: Array, layout: Layout) -> CalibrationCase:
    """A linear score has one attribution, whichever way a method walks."""
    chosen = _of_class("linear", len(x))
    known = np.stack([truth.attribution("linear", x[i], np.full_like(x[i], LOW)) for i in chosen])
    maps = outcome.maps.get(name)
    found = np.full_like(known, np.nan) if maps is None else channels_first(maps, layout)[chosen]
    key = "difference, share of the sum of magnitudes"
    off = round(float(np.abs(found - known).sum() / np.abs(known).sum()), _ROUNDED)
    return judge(f"{case} classifier: {name}", {key: 0.0}, {key: off}, EXACT)


def _controls(mark: str, outcome: Outcome, x: Array, layout: Layout) -> CalibrationCase:
    """The controls that follow from the picture, or from the scores' difference, alone."""
    maps = {
        name: channels_first(outcome.maps[name], layout) if name in outcome.maps else np.full_like(x, np.nan)
        for name in ("input-difference", "uniform-complete")
    }
    off = np.abs(maps["input-difference"] - (x - LOW)).max() / (x - LOW).max()
    uneven = np.ptp(maps["uniform-complete"], axis=(1, 2, 3)).max()
    missed = outcome.scores("uniform-complete", "completeness-error").max()
    cancelled = outcome.scores("uniform-complete", "ncc-violation").max()
    names = ("input-difference, largest difference", "uniform-complete, unevenness",
             "uniform-complete, completeness-error", "uniform-complete, ncc-violation")  # fmt: skip
    found = [round(float(v), 6) for v in (off, uneven, missed, cancelled)]
    return judge(f"formulas{mark}: controls", dict.fromkeys(names, 0.0), dict(zip(names, found, strict=True)), EXACT)
