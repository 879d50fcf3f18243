"""Reports of invented scores, ranked by the real rule, and comparisons of two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from geoaudit.audit.observer import Silent
from geoaudit.audit.result import MetricHealth, Report
from geoaudit.compare import Comparison, Side, compare
from geoaudit.scoring import statistics
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.ranking import rank

Scores = Mapping[str, Mapping[str, Sequence[float | None]]]
BETTER = {"srg": True, "ncc-violation": False, "completeness-error": False, "complexity": None}
NOTHING = {"median": None, "mean": None, "ci_low": None, "ci_high": None, "n": 0, "missing": 0, "reason": None}


@pytest.fixture(scope="session", autouse=True)
def _fewer_resamples() -> Iterator[None]:
    """A tenth of them: the intervals' coverage is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 499)
        yield


@pytest.fixture(scope="session")
def made() -> Callable[..., Report]:
    """`made(scores, **changes)`: a report of these per-image scores by method and metric.

    Keywords: `shas` and `targets` (one an image), `flags`, `seeds`, `parameters` (by method), `checks`, `failed`
    (metrics), `controls` (ids), and any top-level key of the report's model, run or config by name.
    """
    return _made


def _made(scores: Scores, **given: Any) -> Report:
    n = max((len(v) for metrics in scores.values() for v in metrics.values()), default=0)
    names = [f"{i:03d}.png" for i in range(n)]
    shas = given.get("shas") or [f"{i:064x}" for i in range(n)]
    targets = given.get("targets") or [1] * n
    health = [{"metric": m, "status": "FAIL", "reason": "blind"} for m in given.get("failed", ())]
    methods = [_method(name, metrics, given) for name, metrics in sorted(scores.items())]
    return Report.model_validate(
        {
            "tool": {"name": "geoaudit", "version": "0.1.0"},
            "run": {
                "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00", "seconds": 60.0,
                "command": ["geoaudit"], "seed": given.get("seed", 0), "budget": "quick", "device": "cpu", "host": {},
                "packages": {}, "estimate_seconds": None,
            },
            "model": _model(given.get("ops", {"Conv": 2}), given.get("model_sha", "a" * 64)),
            "parity": {
                "status": "PASS", "reason": "alike", "images": n, "max_abs_diff": 0.0, "max_rel_diff": 0.0,
                "top1_agreement": 1.0, "tolerance": 0.01, "first_difference": None,
                "gradient": {"directions": 1, "median_rel_error": 0.0, "max_rel_error": 0.0, "tolerance": 0.1},
            },
            "data": {
                "count": n, "manifest_sha256": "0" * 64, "skipped": [],
                "preprocess": {"layout": {"value": given.get("layout", "NCHW"), "source": "test"}},
                "labels": {"source": None, "names_source": None, "labelled": 0, "top1_accuracy": None},
                "images": [
                    {
                        "id": name, "file": name, "sha256": sha, "target": target, "target_name": f"class {target}",
                        "probability": 0.9, "predicted": target, "label": given.get("label"), "notes": [],
                    }
                    for name, sha, target in zip(names, shas, targets, strict=True)
                ],
            },
            "baseline": {"kind": "black", "pixel_value": [0.0], "input_value": [0.0]},
            "config": {name: {"value": v, "source": "test"} for name, v in given.get("config", {}).items()},
            "methods": methods,
            "per_image": [
                {
                    "image": image, "method": name, "scores": {m: v[i] for m, v in metrics.items()}, "status": "PASS",
                    "reason": None, "walk": None, "delta_f": 1.0,
                }
                for name, metrics in sorted(scores.items())
                for i, image in enumerate(names)
            ],
            "curves": [],
            "ranking": _ranking(scores, methods, health),
            "checks": given.get("checks", []),
            "metric_health": health,
            "calibration": [],
            "gate": {"configured": False, "status": "not gated", "policy": None, "results": []},
            "limitations": [],
            "sign_off": {},
            "exit_code": 0,
        }
    )  # fmt: skip


def _model(ops: dict[str, int], sha: str) -> dict[str, Any]:
    return {
        "file": "net.onnx", "sha256": sha, "bytes": 1000, "external_data": [], "producer": "test", "ir_version": 8,
        "opsets": {"ai.onnx": 17}, "inputs": [], "outputs": [], "metadata": {}, "classes": 10,
        "conversion": {"passes": [], "ops": ops, "extensions": []},
        "explained_output": {"name": "logits", "space": "logit", "tail_removed": None},
    }  # fmt: skip


def _method(name: str, metrics: Mapping[str, Sequence[float | None]], given: dict[str, Any]) -> dict[str, Any]:
    seeds = given.get("seeds", {}).get(name)
    cost = {"gradients": 1.0, "forwards": 1.0, "seconds": 1.0}
    return {
        "id": name, "title": name.title(), "kind": "control" if name in given.get("controls", ()) else "method",
        "family": "gradient", "reference": "a test", "parameters": given.get("parameters", {}).get(name, {}),
        "plugin": "geoaudit 0.1.0", "status": given.get("status", {}).get(name, "ok"), "reason": None,
        "flags": given.get("flags", {}).get(name, []), "ncc_profile": [], "readings": [], "cost": cost,
        "scores": {m: NOTHING | {"higher_is_better": BETTER[m], "status": "PASS"} for m in metrics},
        "seeds": None if seeds is None else {
            "seeds": [0, 1], "images": 2, "map_similarity": seeds, "spread": [], "reason": None, "cost": cost,
        },
    }  # fmt: skip


def _ranking(scores: Scores, methods: list[dict[str, Any]], health: list[dict[str, Any]]) -> dict[str, Any]:
    contenders = [
        Contender(
            id=m["id"], kind=m["kind"], flags=frozenset(m["flags"]), status="error" if m["status"] == "error" else "ok",
            reason=None, ncc=_column(scores, m["id"], "ncc-violation"), srg=_column(scores, m["id"], "srg"),
            srg_by_imputer=np.empty((len(_column(scores, m["id"], "srg")), 0)),
        )
        for m in methods
    ]  # fmt: skip
    return rank(contenders, [MetricHealth.model_validate(h) for h in health], 0).model_dump(mode="json")


def _column(scores: Scores, method: str, metric: str) -> npt.NDArray[np.float64]:
    n = max(len(v) for metrics in scores.values() for v in metrics.values())
    return np.array([np.nan if v is None else v for v in scores[method].get(metric, [None] * n)], dtype=np.float64)


class Stored:
    """Maps in memory."""

    def __init__(self, maps: Mapping[tuple[str, str], npt.NDArray[np.float32]]) -> None:
        self._maps = maps

    def attribution(self, image: str, method: str) -> npt.NDArray[np.float32] | None:
        return self._maps.get((image, method))


@pytest.fixture(scope="session")
def stored() -> type[Stored]:
    return Stored


@pytest.fixture(scope="session")
def compared() -> Callable[..., Comparison]:
    """`compared(a, b, maps_a, maps_b)`: the comparison of two reports."""

    def run(a: Report, b: Report, maps_a: Stored | None = None, maps_b: Stored | None = None) -> Comparison:
        sides = Side(a, "a/report.json", "1" * 64, maps_a), Side(b, "b/report.json", "2" * 64, maps_b)
        return compare(*sides, Silent())

    return run


@pytest.fixture(scope="session")
def draws() -> Callable[..., list[float]]:
    """`draws(mean, seed, n)`: n scores around a mean."""

    def draw(mean: float, seed: int, n: int = 24, spread: float = 0.02) -> list[float]:
        found: list[float] = (mean + spread * np.random.default_rng(seed).normal(size=n)).tolist()
        return found

    return draw


@pytest.fixture(scope="session")
def plain(draws: Callable[..., list[float]]) -> dict[str, dict[str, list[float]]]:
    """Three methods on 24 images: `best`, `middle`, `worst`."""
    return {
        name: {"srg": draws(srg, i), "ncc-violation": draws(ncc, i + 10)}
        for i, (name, srg, ncc) in enumerate((("best", 0.5, 0.6), ("middle", 0.4, 0.7), ("worst", 0.3, 0.8)))
    }
