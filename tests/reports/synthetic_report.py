"""A complete report made of invented numbers: methods, controls, nulls, errors and hostile names."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np

from geoaudit.audit.result import Report

MORE = runpy.run_path(str(Path(__file__).with_name("synthetic_checks.py")))
HOSTILE_FILE = "<img src=x onerror=alert(1)>.png"
HOSTILE_LABEL = '"><script>alert(2)</script>'
SIDE = 48
IMAGES = (
    HOSTILE_FILE,
    "birds/heron $a_b$.jpg",
    "chelsea.png",
    "china.jpg",
    "clock.png",
    "coffee.png",
    "flower.jpg",
    "motorcycle.png",
    "rocket.jpg",
)
METHODS: dict[str, tuple[str, str, float, float, list[str]]] = {
    "guided-ig": ("Guided Integrated Gradients", "path", 0.36, 0.983, []),
    "integrated-gradients": ("Integrated Gradients", "path", 0.195, 0.9951, []),
    "gradient-x-input": ("Gradient × Input", "gradient", 0.12, 0.9983, ["not-complete"]),
    "gradient": ("Gradient", "gradient", 0.15, 0.0, ["not-complete"]),
    "smoothgrad": ("SmoothGrad", "gradient", 0.0, 0.0, ["stochastic", "not-complete"]),
}
CONTROLS: dict[str, tuple[str, float, float | None]] = {
    "random": ("Random", -0.012, 0.9992),
    "smooth-random": ("Smooth random", 0.004, 0.71),
    "edges": ("Edges", 0.16, None),
    "center": ("Centre", 0.27, None),
    "uniform-complete": ("Uniform, complete", 0.001, 0.0),
    "input-difference": ("Input difference", 0.06, 0.62),
    "inverted:integrated-gradients": ("Integrated Gradients, inverted", -0.19, 0.9951),
}
NO_NCC = "attributions do not add up to Δf"
NOT_APPLICABLE = "not applicable: needs gradients, and the audit is gradient-free"
CONTEXT = (
    "Sorts photographs on a conveyor; <b>operators</b> read the maps when a part is rejected.\n\n"
    "Not for anything that concerns people."
)
METRICS = (
    *("ncc-violation", "srg", "infidelity", "sensitivity-n", "road", "pic-sic", "pic-aic", "deletion", "insertion"),
    *("comprehensiveness", "sufficiency", "log-odds", "patch-degradation", "path-cancellation"),
)
CRASH = "ran out of memory at 64 samples"


def build(images: int = len(IMAGES)) -> Report:
    """The report as the model sees it; `images` beyond the named ones get invented names."""
    names = [*IMAGES, *(f"extra/{number:03d}.png" for number in range(images))][:images]
    return Report.model_validate(
        {
            "tool": {"name": "geoaudit", "version": "0.1.0"},
            "run": _run(),
            "model": _model(),
            "parity": _parity(),
            "data": _data(names),
            "baseline": {"kind": "black", "pixel_value": [0.0, 0.0, 0.0], "input_value": None},
            "config": {
                "budget": {"value": "standard", "source": "default"},
                "limit": {"value": None, "source": "default"},
                "methods": {"value": sorted(METHODS), "source": "--methods"},
            },
            "methods": _methods(),
            "per_image": _per_image(names),
            "curves": _curves(),
            "ranking": _ranking(),
            "checks": _checks(list(METHODS), list(CONTROLS)),
            "metric_health": [
                {
                    "metric": "ncc-violation",
                    "status": "SKIP",
                    "reason": "NCC does not read the order of pixels",
                },
                {"metric": "srg", "status": "PASS", "reason": "inverted maps score below random"},
            ],
            "calibration": MORE["calibration"](),
            "gate": {"configured": False, "status": "not gated", "policy": None, "results": []},
            "limitations": ["Nine photographs: the ranking is indicative.", "One baseline (black)."],
            "context": CONTEXT,
            "maps": {"file": "maps.npz", "sha256": "a1" * 32},
            "sign_off": {},
            "exit_code": 0,
        }
    )


def gated(verdict: str) -> Report:
    """The same, judged by a policy: "PASS", "FAIL", or "WAIVED", which passes because somebody accepted a failure."""
    told = build().model_dump(mode="json")
    told["run"]["judged"] = "2026-03-02"
    told["gate"] = {
        "configured": True,
        "status": "FAIL" if verdict == "FAIL" else "PASS",
        "policy": "policy <b>.toml",
        "title": "Conveyor, release 3",
        "owner": "Quality & Safety",
        "sha256": "b2" * 32,
        "in_use": "integrated-gradients",
        "results": _rules(verdict),
    }
    told["exit_code"] = 1 if verdict == "FAIL" else 0
    return Report.model_validate(told)


def _rules(verdict: str) -> list[dict[str, Any]]:
    """Three rules that hold, one with a caution, and, unless all is well, two that do not."""
    rules = [
        _rule("images:minimum", "at least 9 images", "PASS", found="9 images", measured=9.0, minimum=9.0),
        _rule("threshold:srg:integrated-gradients", "the mean of srg for integrated-gradients is at least 0.1", "PASS",
              method="integrated-gradients", found="srg: mean 0.195", measured=0.195, minimum=0.1),
        _rule("method:tier", "the method in use, integrated-gradients, has the tier caution", "WARN",
              method="integrated-gradients", found="caution"),
    ]  # fmt: skip
    if verdict == "PASS":
        return rules
    stability = _rule("check:stability", f"the check stability passes {HOSTILE_LABEL}", "FAIL",
                      method="integrated-gradients", found="FAIL: the map moves")  # fmt: skip
    spread = _rule("threshold:ncc-violation", "ncc-violation is at most 0.9", "FAIL", measured=0.9951, maximum=0.9)
    if verdict == "WAIVED":
        given = {"owner": "A. Person", "reason": "known <i>since</i> release 2"}
        stability |= {"status": "WAIVED", "waiver": {**given, "rule": "check:stability", "expires": "2026-06-30"}}
        spread |= {"status": "WAIVED", "waiver": {**given, "rule": spread["id"], "expires": "2026-04-01"}}
    else:
        stability["waiver"] = {
            "rule": "check:stability", "reason": "expired one", "owner": "A. Person", "expires": "2026-03-01",
        }  # fmt: skip
    return [*rules, stability, spread]


def _rule(identity: str, rule: str, status: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("method", "measured", "minimum", "maximum", "waiver"))
    told = {"id": identity, "rule": rule, "status": status, "found": "no number", "reason": f"It is {status}."}
    return {**empty, **told, **more}


def gradient_free() -> Report:
    """The same audit without gradients: `occlusion` is the only method that was applicable."""
    told = build().model_dump(mode="json")
    idle = [name for name in METHODS if name != "gradient"]
    for method in told["methods"]:
        if method["id"] in idle:
            method |= {"status": "skipped", "reason": NOT_APPLICABLE, "ncc_profile": [], "readings": []}
            method["cost"] = {"gradients": 0, "forwards": 0, "seconds": 0}
            method["scores"] = {
                n: _score(None, 0, True, NOT_APPLICABLE) | {"status": "SKIP"} for n in ("ncc-violation", "srg")
            }
        elif method["id"] == "gradient":
            method |= {"id": "occlusion", "title": "Occlusion", "family": "perturbation"}
            method["scores"]["ncc-violation"] |= {"status": "SKIP", "reason": "no walk (9)"}
    for rows, key in (
        (told["per_image"], "method"),
        (told["curves"], "method"),
        (told["ranking"]["entries"], "method"),
    ):
        rows[:] = [row | {key: "occlusion"} if row[key] == "gradient" else row for row in rows if row[key] not in idle]
    told["methods"].sort(key=lambda m: m["id"])
    told["model"]["conversion"] = {"passes": [], "ops": {}, "extensions": [], "straight_through": []}
    told["parity"] |= dict.fromkeys(("max_abs_diff", "max_rel_diff", "top1_agreement", "tolerance"))
    told["parity"] |= {"status": "SKIP", "reason": "not converted: --gradient-free", "images": 0}
    told["parity"]["gradient"] = {"directions": 0, "median_rel_error": None, "max_rel_error": None, "tolerance": None}
    return Report.model_validate(told)


MANY = (
    *("agi", "blur-ig", "expected-gradients", "geodesic-ig-knn", "geodesic-ig-svi", "geometric-ig", "guided-ig"),
    *("guided-ig-bounded", "idgi", "ig2", "integrated-gradients", "manifold-guided-ig", "occlusion"),
    *("captum/GuidedBackprop", "captum/KernelShap", "captum/DeepLiftShap", "rise", "smoothgrad", "spectral-ig"),
    *("xrai", "pattern-attribution", "pattern-guided-ig"),
)
PATTERNLESS = "not applicable: 31 % of the multiply-adds lie in layers that patterns are known for. 50 % are needed"


def crowded() -> Report:
    """The same audit by 22 methods: two not applicable, four stochastic, two with a start of their own."""
    told = build().model_dump(mode="json")
    plain = {m["id"]: m for m in told["methods"]}["guided-ig"]
    place = {e["method"]: e for e in told["ranking"]["entries"]}["guided-ig"]
    controls = [m for m in told["methods"] if m["kind"] == "control" and not m["id"].startswith("inverted:")]
    rows = [p for p in told["per_image"] if p["method"] in CONTROLS]
    curves = [c for c in told["curves"] if c["method"] in CONTROLS]
    shape = [p for p in told["per_image"] if p["method"] == "guided-ig"]
    drawn = [c for c in told["curves"] if c["method"] == "guided-ig"]
    methods, entries = [], []
    for number, name in enumerate(MANY):
        method = plain | {"id": name, "title": name.replace("-", " ").title(), "notes": [f"A note of {name}."]}
        srg = 0.4 - 0.02 * number
        method |= {"scores": _scores(srg, 0.98 + 0.0008 * number), "flags": [], "seeds": None}
        if name in ("agi", "expected-gradients", "rise", "smoothgrad"):
            method |= {"flags": ["stochastic"], "seeds": _seeds(None if name != "agi" else "the repeat failed")}
        if name in ("blur-ig", "ig2"):
            method["flags"] = ["own-baseline"]
        if name.startswith("pattern"):
            method |= {"status": "skipped", "reason": PATTERNLESS, "ncc_profile": [], "readings": []}
            method["scores"] = {n: _score(None, 0, True, PATTERNLESS) | {"status": "SKIP"} for n in ("srg",)}
            methods.append(method)
            continue
        methods.append(method)
        entries.append(place | {"position": str(number + 1), "method": name, "pareto": number < 2})
        rows += [row | {"method": name} for row in shape]
        curves += [curve | {"method": name} for curve in drawn]
        turned = {"id": f"inverted:{name}", "kind": "control", "title": f"{method['title']}, inverted"}
        controls.append(method | turned | {"flags": [], "seeds": None, "notes": [], "scores": _scores(-srg, 0.98)})
    told |= {"methods": sorted([*methods, *controls], key=lambda m: m["id"]), "per_image": rows, "curves": curves}
    told["ranking"]["entries"] = entries
    ran = [e["method"] for e in entries]
    told["checks"] = MORE["checks"](ran, list(CONTROLS))
    told["ranking"]["robustness"] = MORE["robustness"](ran, METRICS)
    names = [e["method"] for e in entries]
    told["ranking"]["tests"]["pairwise"] = [
        told["ranking"]["tests"]["pairwise"][0] | {"a": a, "b": b} for i, a in enumerate(names) for b in names[i + 1 :]
    ]
    return Report.model_validate(told)


def _seeds(reason: str | None) -> dict[str, Any]:
    return {
        "seeds": [0] if reason else [0, 1, 2],
        "images": 2,
        "map_similarity": None if reason else 0.412,
        "spread": [
            {"metric": "ncc-violation", "seed_sd": None, "image_sd": 0.004, "images": 0},
            {"metric": "srg", "seed_sd": None if reason else 0.021, "image_sd": 0.152, "images": 0 if reason else 2},
        ],
        "reason": reason,
        "cost": {"gradients": 480.0, "forwards": 40.0, "seconds": 12.5},
    }


def write_maps(report: Report, path: Path, photos: bool = True, side: int = SIDE) -> None:
    """maps.npz for `report`: smooth noise, one map all zero, one not finite, the crashed method's missing."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for place, image in enumerate(report.data.images):
        for method in report.methods:
            if method.status == "ok":
                blob = np.exp(-((ramp[:, None] - 0.1 * place) ** 2 + ramp[None] ** 2) * 4)
                arrays[f"{image.id}/{method.id}"] = (rng.normal(0, 1, (3, side, side)) * blob).astype(np.float32)
        if photos:
            shade = 127 + 120 * np.sin(3 * ramp[:, None, None] + np.arange(3) + 2 * ramp[None, :, None] + place)
            arrays[f"{image.id}/thumbnail"] = shade.astype(np.uint8)
    first = report.data.images[0].id
    if f"{first}/gradient" in arrays:
        arrays[f"{first}/gradient"][:] = np.nan
    arrays[f"{first}/edges"][:] = 0
    np.savez_compressed(path, **arrays)


def _run() -> dict[str, Any]:
    return {
        "started": "2026-03-01T09:00:00+00:00",
        "finished": "2026-03-01T09:04:12+00:00",
        "seconds": 252.4,
        "command": ["geoaudit", "lite0.onnx", "photographs/"],
        "seed": 0,
        "budget": "standard",
        "device": "cpu",
        "host": {"cpu": "2 cores", "system": "Linux"},
        "packages": {"onnxruntime": "1.23.0", "torch": "2.9.0"},
        "estimate_seconds": None,
        "spending": ["Budget standard: error bar 5 % by at most 256 gradients a walk", "Checks left out: stability"],
        "engine": {"batch_size": 16, "channels_last": True},
    }


def _model() -> dict[str, Any]:
    return {
        "file": "lite0.onnx",
        "sha256": "ab" * 32,
        "bytes": 18_612_345,
        "external_data": [],
        "producer": "pytorch 2.9",
        "ir_version": 8,
        "opsets": {"": 17},
        "classes": 1000,
        "inputs": [{"name": "image", "dtype": "float32", "shape": ["N", 3, 224, 224]}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": ["N", 1000]}],
        "metadata": {"homepage": "https://example.org/<b>"},
        "conversion": {
            "passes": ["fold constants"],
            "ops": {"Conv": 49, "Clip": 33},
            "extensions": ["Gelu-20"],
            "straight_through": ["QuantizeLinear"],
        },
        "explained_output": {
            "name": "logits",
            "space": "logit",
            "tail_removed": None,
            "kind": "multi-label",
            "reading": "'logits' holds one score for each of 1000 independent classes.",
        },
    }


def _parity() -> dict[str, Any]:
    return {
        "status": "PASS",
        "reason": "outputs and gradients agree",
        "images": 9,
        "max_abs_diff": 2.1e-6,
        "max_rel_diff": 4.4e-7,
        "top1_agreement": 1.0,
        "tolerance": 1e-4,
        "first_difference": None,
        "gradient": {"directions": 8, "median_rel_error": 0.0021, "max_rel_error": None, "tolerance": 0.01},
    }


def _data(names: list[str]) -> dict[str, Any]:
    images = [
        {
            "id": name,
            "file": name,
            "sha256": f"{place:064x}",
            "target": 281 + place,
            "target_name": HOSTILE_LABEL if place == 0 else None if place == 1 else f"class name {place}",
            "probability": 0.9996 if place == 2 else 0.31 + 0.05 * (place % 12),
            "label": None if place % 2 else 281,
            "predicted": 281 + place if place % 3 else None,
            "notes": ["alpha composited on white"] if place == 3 else [],
        }
        for place, name in enumerate(names)
    ]
    return {
        "count": len(names),
        "manifest_sha256": "cd" * 32,
        "skipped": [{"file": "notes<script>.txt", "reason": "not an image"}],
        "preprocess": {
            "layout": {"value": "NCHW", "source": "graph input shape"},
            "mean": {"value": [127.0, 127.0, 127.0], "source": "--mean"},
        },
        "labels": {"source": None, "names_source": "labels.txt", "labelled": 0, "top1_accuracy": None},
        "images": images,
        "calibration": {
            "source": "the pictures in other-photographs",
            "count": 256,
            "available": 1200,
            "audited": 3,
            "manifest_sha256": "ef" * 32,
            "skipped": [{"file": "cut<b>.png", "reason": "cannot be decoded"}],
        },
    }


def _score(mean: float | None, spread: float, better: bool, reason: str | None = None) -> dict[str, Any]:
    """A summary over 9 images; without a mean, of none."""
    ok = mean is not None
    low, high = (mean - spread, mean + spread) if mean is not None else (None, None)
    return {
        "median": mean,
        "mean": mean,
        "ci_low": low,
        "ci_high": high,
        "n": 9 if ok else 0,
        "missing": 0 if ok else 9,
        "higher_is_better": better,
        "status": "PASS" if ok else "INCONCLUSIVE",
        "reason": reason,
    }


def _scores(srg: float, ncc: float | None) -> dict[str, Any]:
    excess = None if ncc is None else 1 / (1 - ncc) - 1
    spread = 0.0 if ncc is None else 0.3 * (1 - ncc) * ncc
    return {
        "completeness-error": _score(None if ncc is None else 0.021, 0.01, False, NO_NCC if ncc is None else None),
        "deletion": _score(0.2 - srg / 2, 0.02, False),
        "insertion": _score(0.2 + srg / 2, 0.02, True),
        "ncc-excess": _score(excess, 0.2 * (excess or 0), False, NO_NCC if ncc is None else None),
        "ncc-violation": _score(ncc, spread, False, NO_NCC if ncc is None else None),
        "srg": _score(srg, 0.06, True),
    }


def _methods() -> list[dict[str, Any]]:
    result = []
    for identity, (title, family, srg, ncc, flags) in METHODS.items():
        crashed = identity == "smoothgrad"
        complete = "not-complete" not in flags
        profile = [("element", ncc), ("pixel", 0.99 * ncc), ("patch 8 px", 0.95 * ncc), ("patch 32 px", None)]
        result.append(
            {
                "id": identity,
                "title": title,
                "kind": "method",
                "family": family,
                "reference": f"Someone, {title}, 2020",
                "parameters": {"steps": 60, "bounded": None},
                "plugin": "geoaudit 0.1.0",
                "status": "error" if crashed else "ok",
                "reason": CRASH if crashed else None,
                "flags": flags,
                "scores": {} if crashed else _scores(srg, ncc if complete else None),
                "ncc_profile": [{"granularity": g, "ncc_violation": v} for g, v in profile] if complete else [],
                "readings": []
                if crashed
                else [
                    {"region": r, "order": o, "srg": srg * (1 if o == "magnitude" else 0.2)}
                    for o in ("magnitude", "signed")
                    for r in (4, 8, 16, 32)
                ],
                "cost": {"gradients": 1440.0, "forwards": 2313.0, "seconds": 61.2},
            }
        )
    for identity, (title, srg, ncc) in CONTROLS.items():
        result.append(
            {
                "id": identity,
                "title": title,
                "kind": "control",
                "family": "control",
                "reference": "",
                "parameters": {},
                "plugin": "geoaudit 0.1.0",
                "status": "ok",
                "reason": None,
                "flags": ["shows-picture"] if identity in ("edges", "input-difference") else [],
                "scores": _scores(srg, ncc),
                "ncc_profile": [],
                "readings": [],
                "cost": {"gradients": 0.0, "forwards": 0.0, "seconds": 0.1},
            }
        )
    return sorted(result, key=lambda m: m["id"])


def _per_image(names: list[str]) -> list[dict[str, Any]]:
    rows = []
    everyone = {
        m: (v[2], v[3] if "not-complete" not in v[4] else None) for m, v in METHODS.items() if m != "smoothgrad"
    }
    everyone |= {m: (v[1], v[2]) for m, v in CONTROLS.items()}
    for place, name in enumerate(names):
        for method, (srg, ncc) in sorted(everyone.items()):
            degenerate = place == 4 and method == "guided-ig"
            path = METHODS.get(method, ("", ""))[1] == "path"
            rows.append(
                {
                    "image": name,
                    "method": method,
                    "delta_f": 7.25,
                    "scores": {
                        "srg": srg + 0.02 * (place % 9 - 4),
                        "ncc-violation": None if degenerate else ncc,
                    },
                    "status": "INCONCLUSIVE" if degenerate or ncc is None else "PASS",
                    "reason": "|Δf| is below the floor" if degenerate else NO_NCC if ncc is None else None,
                    "walk": _walk(degenerate) if path else None,
                }
            )
    return rows


def _walk(degenerate: bool) -> dict[str, Any]:
    error = None if degenerate else 0.024
    return {
        "delta_f": 7.25,
        "nodes": 128,
        "gradients": 160,
        "forwards": 257,
        "attribution_sum": 7.1,
        "magnitude": 410.0,
        "magnitude_half": 402.0,
        "completeness_error": error,
        "quadrature_error": error,
        "method_error": error,
        "error_bar": error,
        "absolute_misses": error,
        "total_variation": 21.0,
        "path_cancellation": 0.65,
        "length": 180.0,
        "absolute_integral": 395.0,
        "conformal_length": 410.0,
        "met": not degenerate,
    }


def _curves() -> list[dict[str, Any]]:
    everyone = {m: v[2] for m, v in METHODS.items() if m != "smoothgrad"} | {m: v[1] for m, v in CONTROLS.items()}
    fractions = [step / 14 for step in range(15)]
    return [
        {
            "method": method,
            "imputer": imputer,
            "order": order,
            "fractions": fractions,
            "mean": [0.72 * (1 - t) ** (2.2 + 5 * srg * sign) for t in fractions],
        }
        for method, srg in sorted(everyone.items())
        for imputer in ("baseline", "blur")
        for order, sign in (("lerf", -0.6), ("morf", 1.0))
    ]


def _ranking() -> dict[str, Any]:
    def interval(rank: float | None) -> dict[str, float | None]:
        ends = (None, None) if rank is None else (rank - 0.4, rank + 0.5)
        return {"rank": rank, "rank_low": ends[0], "rank_high": ends[1]}

    few = "9 images are too few for the tests to tell it from random"
    entries = [
        ("1", "recommended", "guided-ig", [], True, 1.2, 1.1, 0.92),
        ("2=", "caution", "integrated-gradients", [few], False, 1.8, 2.3, 0.06),
        ("2=", "caution", "gradient-x-input", ["SRG is not above edges", NO_NCC], False, None, 2.9, 0.02),
        ("4", "caution", "gradient", [NO_NCC, few], False, None, 3.1, 0.0),
        ("5", "rejected", "smoothgrad", [CRASH], False, None, None, None),
    ]
    return {
        "status": "indicative",
        "rule": "1. Tier.\n2. Within a tier: mean of the NCC rank and the SRG rank.",
        "reason": "9 images, 20 are needed",
        "smallest_detectable_difference": 0.118,
        "reliability": 0.71,
        "reliability_low": 0.44,
        "reliability_high": 0.86,
        "agreement": None,
        "robustness": MORE["robustness"]([m for m in METHODS if m != "smoothgrad"], METRICS[:4]),
        "entries": [
            {
                "position": p,
                "tier": t,
                "method": m,
                "reasons": r,
                "pareto": front,
                "ncc": interval(n),
                "faithfulness": interval(f),
                "p_best": best,
            }
            for p, t, m, r, front, n, f, best in entries
        ],
        "tests": {
            "friedman": [{"metric": "srg", "n": 9, "statistic": 17.4, "p": 0.0006}],
            "pairwise": [
                {
                    "a": "guided-ig",
                    "b": "integrated-gradients",
                    "metric": "srg",
                    "n": 9,
                    "median_difference": 0.165,
                    "p_holm": 0.0234,
                    "cliffs_delta": 0.88,
                },
                {
                    "a": "guided-ig",
                    "b": "gradient",
                    "metric": "srg",
                    "n": 2,
                    "median_difference": None,
                    "p_holm": None,
                    "cliffs_delta": None,
                },
            ],
        },
    }


def _checks(methods: list[str], controls: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = MORE["checks"]([m for m in methods if m != "smoothgrad"], controls)
    found[0]["details"]["worst"] = HOSTILE_FILE
    return found
