"""EfficientNet-Lite0 on eight photographs: the certificate, the walks, the ranking."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.real
RANKED = {"gradient", "gradient-x-input", "guided-ig", "guided-ig-bounded", "integrated-gradients"}
CONTROLS = {"center", "edges", "input-difference", "random", "smooth-random", "uniform-complete"}


def test_it_sees_what_is_on_the_photographs(real: Any) -> None:
    """Chelsea is a cat, the rocket is on its pad: wrong preprocessing would not show them to the model."""
    seen = {image.file: image.predicted for image in real.report.data.images}
    assert len(seen) == 8
    assert seen["chelsea.png"] in range(281, 286)
    assert seen["coffee.png"] in (504, 967)
    assert seen["rocket.jpg"] in (657, 744, 812)


def test_parity(real: Any) -> None:
    parity = real.report.parity
    assert parity.status.value == "PASS"
    assert parity.images == 8
    assert parity.max_abs_diff < 1e-4
    assert parity.top1_agreement == 1.0
    assert parity.gradient.median_rel_error < 0.01


def test_integrated_gradients_meets_three_percent_with_few_gradients(real: Any) -> None:
    rows = real.walks("integrated-gradients")
    assert len(rows) == 8
    assert {image: row.walk.error_bar for image, row in rows.items() if not row.walk.error_bar <= 0.03} == {}
    assert np.mean([row.walk.gradients for row in rows.values()]) <= 160


@pytest.mark.parametrize("method", ["guided-ig", "guided-ig-bounded"])
def test_a_guided_walk_is_complete_or_says_that_it_is_not(method: str, real: Any) -> None:
    rows = real.walks(method)
    assert len(rows) == 8
    told = [row for row in rows.values() if row.status.value != "PASS" and row.reason]
    complete = [row for row in rows.values() if row.walk.completeness_error <= 0.10]
    assert all(row in told for row in rows.values() if row not in complete)
    assert len(complete) >= 4, "a method that is incomplete on most photographs is broken"


def test_guided_beats_integrated_gradients_beats_random(real: Any) -> None:
    guided, straight, chance = (real.mean(name, "srg") for name in ("guided-ig", "integrated-gradients", "random"))
    assert guided > straight > chance
    assert abs(chance) < 0.1


@pytest.mark.parametrize("method", ["guided-ig", "guided-ig-bounded", "integrated-gradients"])
def test_an_inverted_map_scores_below_its_method_and_chance(method: str, real: Any) -> None:
    inverse = real.mean(f"inverted:{method}", "srg")
    assert inverse < real.mean("random", "srg")
    assert inverse < real.mean(method, "srg")


def test_spreading_evenly_has_no_cancellation(real: Any) -> None:
    scores = next(m for m in real.report.methods if m.id == "uniform-complete").scores["ncc-violation"]
    assert scores.n == 8
    assert scores.median == pytest.approx(0.0, abs=1e-6)


def test_all_methods_are_ranked_and_all_controls_scored(real: Any) -> None:
    assert {entry.method for entry in real.report.ranking.entries} == RANKED
    controls = {m.id for m in real.report.methods if m.kind == "control"}
    assert controls == CONTROLS | {f"inverted:{name}" for name in RANKED}
    assert all(m.status == "ok" and m.scores["srg"].n == 8 for m in real.report.methods)
    assert real.report.ranking.status != "ranked", "eight photographs indicate, they do not decide"
    assert real.report.exit_code == 0


def test_the_page_is_whole_and_asks_nobody(real: Any) -> None:
    page = (real.folder / "report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert all(name in page for name in (*RANKED, "efficientnet-lite0.onnx", "chelsea.png"))
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", page)
