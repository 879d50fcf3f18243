"""What must come out for the classifier whose evidence is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Status
from geoaudit.audit.result import CalibrationCase
from geoaudit.selftest.judging import Numbers, judge
from geoaudit.selftest.planted import patches
from geoaudit.selftest.planted.certificate import certificate
from geoaudit.selftest.planted.files import Layout, channels_first
from geoaudit.selftest.planted.patches import PlantedMap
from geoaudit.selftest.planted.pipeline import SWEEP, audit
from geoaudit.selftest.planted.subjects import Conditions, Outcome, Subject

Array = npt.NDArray[np.float64]

TRUE, MISLEADING = "planted-true", "planted-misleading"
METHODS = ("gradient", "integrated-gradients", "occlusion")
EXACT = 1e-4
"""Allowed difference of probabilities and of what is averaged from them: float32 sums under an exponential."""
CHANCE = 0.15
"""Largest distance of random maps' mean SRG from 0: six standard errors over 8 pictures, each .025 by simulation of
random orders on the known curves, so that no seed will ever cross it by chance."""
_SWEPT = ("comprehensiveness", "deletion", "insertion", "log-odds", "srg", "sufficiency")
_ORDERS: tuple[Literal["lerf", "morf"], ...] = ("lerf", "morf")


def patch_cases(conditions: Conditions, layout: Layout = "NHWC", others: tuple[str, ...] = ()) -> list[CalibrationCase]:
    """Audit the classifier: methods find the evidence, metrics and ranking tell them from maps that do not.

    Args:
        conditions: the plugins under test, the seed, and whether there are gradients.
        layout: how the file takes its picture.
        others: ids of further methods that must find the evidence.
    """
    drawn = patches.pictures()
    usable = (*METHODS, *others) if conditions.gradients else ("occlusion",)
    planted = (PlantedMap(TRUE, patches.true_maps(drawn)), PlantedMap(MISLEADING, patches.misleading_maps(drawn)))
    subject = Subject(
        "patch classifier", patches.file(layout, np.float32), layout, drawn, usable, (*_SWEPT, "ncc-violation"), planted
    )
    outcome = audit(subject, conditions)
    shown = patches.evidence(drawn)
    name = "patch classifier" if layout == "NHWC" else f"patch classifier ({layout})"
    return [
        *certificate(name, outcome),
        _predictions(name, outcome),
        _curves(name, outcome),
        _swept(f"{name}: faithfulness of the true map", TRUE, outcome),
        _swept(f"{name}: the true map, inverted", f"inverted:{TRUE}", outcome, reverse=True),
        _swept(f"{name}: faithfulness of a map that misleads", MISLEADING, outcome, reverse=True),
        *(_found(name, method, outcome, shown, layout) for method in usable),
        _chance(name, outcome),
        _order(name, outcome),
        _health(name, outcome),
        _ranking(name, outcome),
    ]


def _predictions(name: str, outcome: Outcome) -> CalibrationCase:
    infos = outcome.facts.inputs.infos
    off = max(abs(info.probability - float(patches.probability(patches.EVIDENCE))) for info in infos)
    key = "largest difference of probabilities"
    return judge(
        f"{name}: explained class",
        {"class of each picture": [float(i % patches.CLASSES) for i in range(len(infos))], key: 0.0},
        {"class of each picture": [float(info.target) for info in infos], key: round(off, 6)},
        EXACT,
    )


def _curves(name: str, outcome: Outcome) -> CalibrationCase:
    """Every point of the true map's masking curves, with every imputer and in both orders."""
    found = {(c.imputer, c.order): c for c in outcome.report.curves if c.method == TRUE}
    expected: Numbers = {}
    measured: Numbers = {}
    for imputer in SWEEP.imputers:
        for order in _ORDERS:
            key = f"{imputer}, {'least' if order == 'lerf' else 'most'} relevant first: largest difference"
            expected[key] = 0.0
            if (curve := found.get((imputer, order))) is not None:
                known = patches.curves(np.array(curve.fractions))[order]
                measured[key] = round(float(np.abs(np.array(curve.mean) - known).max()), 6)
    return judge(f"{name}: masking curves of the true map", expected, measured, EXACT)


def _swept(case: str, method: str, outcome: Outcome, reverse: bool = False) -> CalibrationCase:
    """What the sweep's metrics make of a map whose curves are known."""
    expected = known_scores(reverse)
    scores = {metric: outcome.scores(method, metric) for metric in expected}
    return judge(
        case,
        {metric: round(value, 6) + 0.0 for metric, value in expected.items()},  # never -0
        {metric: round(float(found.mean()), 6) for metric, found in scores.items()},
        EXACT,
    )


def known_scores(reverse: bool = False) -> dict[str, float]:
    """The sweep's metrics of the true map, or of one that puts the evidence last, written out from the curves."""
    fractions = np.linspace(0.0, 1.0, SWEEP.steps + 2)
    curves = patches.curves(fractions)
    morf, lerf = (curves["lerf"], curves["morf"]) if reverse else (curves["morf"], curves["lerf"])
    early = slice(1, 1 + (SWEEP.steps + 1) // 2)  # shares above 0 and up to one half

    def area(curve: Array) -> float:
        return float((curve[1:] + curve[:-1]).sum() / (2 * (SWEEP.steps + 1)))

    return {
        "comprehensiveness": float(morf[0] - morf[early].mean()),
        "deletion": area(morf),
        "insertion": area(lerf),
        "log-odds": float(np.log(morf[early]).mean() - np.log(morf[0])) + 0.0,
        "srg": area(lerf) - area(morf),
        "sufficiency": float(lerf[0] - lerf[::-1][early].mean()),
    }


def _found(name: str, method: str, outcome: Outcome, shown: npt.NDArray[np.bool_], layout: Layout) -> CalibrationCase:
    """A method finds the evidence: nothing of its map lies elsewhere, and its SRG is the true map's."""
    share = np.nan
    if method in outcome.maps:
        weight = np.abs(channels_first(outcome.maps[method], layout)).sum(axis=1)
        share = float((weight * shown).sum() / weight.sum()) if weight.any() else 0.0
    key = "share of the map on the evidence"
    return judge(
        f"{name}: {method} finds the evidence",
        {key: 1.0, "srg": round(known_scores()["srg"], 6)},
        {key: round(share, 6), "srg": round(float(outcome.scores(method, "srg").mean()), 6)},
        EXACT,
    )


def _chance(name: str, outcome: Outcome) -> CalibrationCase:
    measured = round(float(outcome.scores("random", "srg").mean()), 6)
    return judge(f"{name}: random maps are at chance", {"srg": 0.0}, {"srg": measured}, CHANCE)


def _order(name: str, outcome: Outcome) -> CalibrationCase:
    """No control is as faithful as the true map, on any picture."""
    best = outcome.scores(TRUE, "srg")
    controls = sorted(n for n, t in outcome.facts.tallies.items() if t.method.kind == "control" and ":" not in n)
    expected: Numbers = dict.fromkeys(controls, 0.0)
    measured: Numbers = {c: float(np.sum(~(outcome.scores(c, "srg") < best))) for c in controls}
    case = f"{name}: pictures on which a control is as faithful as the true map"
    return judge(case, expected, measured, 0.0)


def _health(name: str, outcome: Outcome) -> CalibrationCase:
    """The metric that the ranking rests on tells maps from their inversions here, and the report says so."""
    passed = any(h.metric == "srg" and h.status == Status.PASS for h in outcome.report.metric_health)
    key = "srg passes (1: yes)"
    return judge(f"{name}: metric health", {key: 1.0}, {key: float(passed)}, 0.0)


def _ranking(name: str, outcome: Outcome) -> CalibrationCase:
    """The true map comes first and alone, the misleading one is rejected, nothing else is."""
    entries = outcome.report.ranking.entries
    places = {e.method: i for i, e in enumerate(entries, 1) if e.tier != "rejected"}
    alone = any(e.method == TRUE and e.position == "1" for e in entries)
    first, others = "place of the true map", "methods that are not rejected"
    shared, last = "it shares it with nobody (1: yes)", "misleading map rejected (1: yes)"
    return judge(
        f"{name}: ranking",
        {first: 1.0, shared: 1.0, last: 1.0, others: float(len(entries) - 1)},
        {
            first: float(places.get(TRUE, np.nan)), shared: float(alone), last: float(MISLEADING not in places),
            others: float(len(places)),
        },
        0.0,
    )  # fmt: skip
