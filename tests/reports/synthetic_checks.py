"""Invented findings of checks, their curves, closed-form cases, and what the ranking hangs on."""

from __future__ import annotations

import itertools
from typing import Any

HOSTILE_CHART = "</title><script>alert(3)</script> $x_1$"
HOSTILE_LINE = "_<b onmouseover=alert(4)>\x00line</b>"
EMPTY_CHART = "A chart without a value"
_TITLES = {
    "baseline-sensitivity": "Baseline sensitivity",
    "completeness": "Completeness",
    "implementation-invariance": "Implementation invariance",
    "input-invariance": "Input invariance",
    "model-perturbation": "Model perturbation (reconstruction)",
    "model-randomization": "Model randomization",
    "seed-reliability": "Seed reliability",
    "stability": "Stability",
}
_ORDERS = ("Spearman, absolute", "Spearman, signed", "SSIM", "HOG")


def finding(check: str, method: str | None, status: str, **more: Any) -> dict[str, Any]:
    """One finding; what is not given is null."""
    empty = dict.fromkeys(("estimate", "ci_low", "ci_high", "threshold"))
    title = _TITLES.get(check, check)
    reason = f"What {check} found of {method or 'the model'}"
    return {
        "id": check, "title": title, "gate": check == "model-randomization", "method": method, "status": status,
        "reason": reason, "details": {}, **empty, **more,
    }  # fmt: skip


def checks(methods: list[str], controls: list[str]) -> list[dict[str, Any]]:
    """Findings of ten checks about these methods and controls; the last method fails the gate."""
    worst = {"estimate": 0.087, "ci_low": 0.05, "ci_high": 0.11, "threshold": 0.05}
    found = [finding("completeness", methods[0], "WARN", **worst, reason="above 5 % on one image", details={})]
    found += [_randomized(m, place, m == methods[-1]) for place, m in enumerate(methods)]
    found += [_randomized(c, 9, True) for c in controls if not c.startswith("inverted:")]
    statuses = itertools.cycle(("PASS", "INCONCLUSIVE", "SKIP", "WARN", "FAIL", "ERROR"))
    for place, method in enumerate(methods):
        found.append(_perturbed(method, place))
        found += [finding(c, method, next(statuses)) for c in ("input-invariance", "stability", "seed-reliability")]
    found.append(finding("stability", methods[0], "PASS", reason="A second finding."))
    found.append(finding("parity", None, "PASS", estimate=2.1e-6, threshold=1e-4, reason="outputs agree"))
    found.append(finding("label-randomization", None, "SKIP", reason="An ONNX file holds no training data."))
    return found


def _randomized(method: str, place: int, fails: bool) -> dict[str, Any]:
    shares = [0.0, 0.25, 0.5, 1.0]
    curves = [
        {
            "chart": chart, "name": name, "x_label": "share of weights shuffled", "y_label": "similarity", "x": shares,
            "y": [1.0, *(1.0 if fails else round(0.6 / (1 + step + place) - 0.1 * rank, 4) for step in range(3))],
        }
        for chart in ("From the top", "From the bottom")
        for rank, name in enumerate(_ORDERS)
    ]  # fmt: skip
    curves[0]["y"][1] = None
    details = {"coverage": 1.0, "levels": {"full": [0.11, None, 0.2]}, "moved": True, "note": "x" * 900}
    value = 0.99 if fails else 0.12
    return finding(
        "model-randomization", method, "FAIL" if fails else "PASS", estimate=value, threshold=0.9,
        reason="The map is almost the same without the model's weights." if fails else "The map changes.",
        curves=curves, details=details,
    )  # fmt: skip


def _perturbed(method: str, place: int) -> dict[str, Any]:
    axes = {"x_label": "noise, share of a weight's spread", "y_label": "similarity", "x": [0.01, 0.1, 1.0]}
    curves = [
        {"chart": HOSTILE_CHART, "name": HOSTILE_LINE, "y": [0.9, None, 0.3 - 0.01 * place], **axes},
        {"chart": EMPTY_CHART, "name": "", "y": [None, None, None], **axes},
    ]
    return finding("model-perturbation", method, "PASS", estimate=0.4, curves=curves)


def calibration() -> list[dict[str, Any]]:
    """Cases in three groups, one of them wrong."""
    names = ["T1 linear, straight: 2 x1 - x2", "T1 linear, x1 first: 2 x1 - x2", "linear classifier: gradient"]
    names += [f"patch classifier: case {number}" for number in range(30)]
    cases = [
        {"case": name, "status": "PASS", "expected": {"value": [1.0, -2.0]}, "measured": {"value": [1.0, -2.0000001]}}
        for name in names
    ]
    return [*cases[:-1], cases[-1] | {"status": "FAIL", "measured": {}}]


def robustness(methods: list[str], metrics: tuple[str, ...]) -> dict[str, Any]:
    """Agreement that falls with the distance of two metrics in the list."""

    def pair(a: str, b: str, far: int) -> dict[str, Any]:
        return {"a": a, "b": b, "tau": None if far == 3 else round(1 - 0.4 * far, 3), "methods": len(methods)}

    places = range(len(metrics))
    return {
        "consensus": methods,
        "metrics": [pair(metrics[i], metrics[j], min(j - i, 5)) for i in places for j in places if i < j],
        "imputers": [pair("baseline", "blur", 1)],
        "leave_one_out": [
            {"without": m, "tau": 0.8, "pairs_kept": 0.9} | _first(methods[: 1 + (m == "srg")], m != "srg")
            for m in metrics
        ],
        "surviving": [[methods[0], other] for other in methods[1:]],
        "conclusions": ["The first method comes first whichever metric is left out."],
    }


def _first(methods: list[str], same: bool) -> dict[str, Any]:
    return {"first": methods, "same_first": same, "metrics": ["srg"] if same else ["srg", "deletion"]}
