"""The benchmarks' own arithmetic: verdicts, scaling, clocks, samples; and no figure was edited by hand."""

from __future__ import annotations

import importlib
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
NAMES = (
    "audit",
    "bench_rows",
    "clocks",
    "profiled",
    "scaling",
    "small_model",
    "pictures",
    "child",
    "printing",
    "opening",
)


@pytest.fixture(scope="module")
def scripts() -> Iterator[SimpleNamespace]:
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__ or "").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture(scope="module")
def stored() -> Any:
    return json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))


# what readers see


@pytest.mark.parametrize(("page", "table"), [("README.md", "markdown"), ("docs/pages/performance.md", "details")])
def test_figures_are_those_of_the_stored_result(scripts: SimpleNamespace, stored: Any, page: str, table: str) -> None:
    rows = scripts.bench_rows
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count(rows.BEGIN) == text.count(rows.END) == 1
    assert rows.inserted(text, getattr(rows, table)(stored), page) == text
    edited = {**stored, "rows": [{**row, "ratio": 1234.0} for row in stored["rows"]]}
    assert rows.inserted(text, getattr(rows, table)(edited), page) != text


def test_every_picture_of_the_guide_is_there_and_follows_the_page() -> None:
    guide = (ROOT / "docs" / "pages" / "performance.md").read_text(encoding="utf-8")
    pictures = sorted((ROOT / "docs" / "pages" / "pictures").glob("*.svg"))
    assert pictures
    for picture in pictures:
        assert f"(pictures/{picture.name})" in guide
        text = picture.read_text(encoding="utf-8")
        assert "prefers-color-scheme" in text and "var(--ink)" in text
        ET.fromstring(text)


def test_a_page_without_markers_is_refused(scripts: SimpleNamespace) -> None:
    with pytest.raises(SystemExit, match=r"page\.md: has no lines"):
        scripts.bench_rows.inserted("# Title\n", "table", "page.md")


# verdicts


@pytest.mark.parametrize(
    ("ratio", "required", "sense", "verdict"),
    [
        (5.0, 5.0, "at least", "met"),
        (4.99, 5.0, "at least", "MISSED"),
        (0.08, 0.08, "at most", "met"),
        (0.081, 0.08, "at most", "MISSED"),
        (None, 1.4, "at least", "MISSED"),
        (None, 0.3, "at most", "MISSED"),
        (0.1, None, "at least", ""),
    ],
)
def test_verdicts(
    scripts: SimpleNamespace, ratio: float | None, required: float | None, sense: str, verdict: str
) -> None:
    rows = scripts.bench_rows
    row = rows.Row("s", "n", 1.0, 2.0, "s", ratio, required, sense)
    assert rows.verdict(row) == verdict
    assert rows.cells(row)[3] == ("not measured" if ratio is None else rows.figure(ratio))


def test_a_stored_verdict_is_not_believed(scripts: SimpleNamespace) -> None:
    rows = scripts.bench_rows
    entry = rows.Row("s", "n", 2.0, 1.0, "s", 0.5, 5.0).entry()
    (read,) = rows.rows_of({"rows": [{**entry, "met": True}]})
    assert read.met is False


def result(rows: ModuleType, **figures: Any) -> dict[str, Any]:
    made = [rows.Row("a", "one", 1.0, 2.0, "s", 2.0, 1.5), rows.Row("a", "two|three", 1.0, 2.0, "s", 2.0)]
    machine = {"cores": 1, "cpu": "chip", "date": "2026-01-01", "packages": {"torch": "2"}}
    return {
        "rows": [r.entry() for r in made], "figures": figures, "machine": machine, "mode": "quick", "seconds": 60.0,
    }  # fmt: skip


def test_tables_count_what_is_asked_and_escape_names(scripts: SimpleNamespace) -> None:
    rows = scripts.bench_rows
    made = result(rows)
    assert rows.caption(made).startswith("1 processor core, chip, 2026-01-01; torch 2.")
    assert rows.caption(made).endswith("1 figure is asked for, all are met.")
    made["rows"].append(rows.Row("b", "slow", 2.0, 1.0, "s", 0.5, 5.0).entry())
    assert rows.caption(made).endswith("2 figures are asked for, 1 of 2 is missed.")
    assert "two" not in rows.markdown(made)
    assert "two\\|three" in rows.details(made) and "### A\n" in rows.details(made)


# scaling


def test_the_exponent_is_not_flattered_by_seconds_that_every_audit_takes(scripts: SimpleNamespace) -> None:
    points = [scripts.scaling.Point(n, 60.0 + 0.01 * n**1.2, 0.0, 2**30 + n) for n in (8, 32, 128, 512)]
    time, memory = scripts.scaling.rows_of("images", points)
    assert scripts.scaling.exponent([p.size for p in points[1:]], [p.seconds for p in points[1:]]) < 0.3
    assert time.ratio > 1.15 and time.met is False and memory.met is True
    noise = [scripts.scaling.Point(n, 60.0 - 0.01 * n, 0.0, 2**30) for n in (8, 32, 128)]
    assert scripts.scaling.rows_of("images", noise)[0].met is False
    informing = scripts.scaling.rows_of("methods", points)
    assert [row.met for row in informing] == [None, None]


def test_a_small_classifier_is_what_it_says(scripts: SimpleNamespace, tmp_path: Path) -> None:
    parameters = scripts.small_model.write_classifier(tmp_path / "m.onnx", 32, 4)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": np.random.default_rng(0).random((2, 3, 32, 32), np.float32)})
    assert scores.shape == (2, scripts.small_model.CLASSES) and not np.allclose(scores[0], scores[1])
    widths = [3, 4, 8, 16, 32]
    kernels = sum(9 * a * b + b for a, b in pairwise(widths))
    assert parameters == kernels + 32 * 10 + 10


def test_pictures_do_not_depend_on_their_number(scripts: SimpleNamespace, tmp_path: Path) -> None:
    scripts.small_model.write_pictures(tmp_path / "few", 16, 2)
    scripts.small_model.write_pictures(tmp_path / "many", 16, 3)
    few, many = (sorted((tmp_path / name).iterdir()) for name in ("few", "many"))
    assert [p.read_bytes() for p in few] == [p.read_bytes() for p in many[:2]]
    assert len({p.read_bytes() for p in many}) == 3


# the whole audit


def test_stages_are_multiplied_to_all_photographs_and_the_setup_is_not(scripts: SimpleNamespace) -> None:
    stages = [
        {"name": "a", "part": "maps", "seconds": 3.0, "done": 2, "wanted": 8},
        {"name": "b", "part": "maps", "seconds": 1.0, "done": 2, "wanted": 2},
        {"name": "a", "part": "checks", "seconds": 5.0, "done": 1, "wanted": 2},
    ]
    parts = scripts.audit.scaled(4.0, stages)
    assert parts == {"start, imports and conversion": 4.0, "maps": 13.0, "checks": 10.0}


def test_everything_but_the_engines_is_outside_the_model(scripts: SimpleNamespace) -> None:
    own = scripts.child.Ran(100.0, 180.0, 2**30, 0)
    clock = {"program_seconds": 96.0, "gradient_seconds": 60.0, "forward_seconds": 35.0, "model_seconds": 90.0}
    row = scripts.audit.outside(own, clock)
    assert row.ratio == pytest.approx(0.10) and row.met is False
    told = scripts.audit.components(own, clock)
    shares = ("gradients", "outputs", "start and imports", "everything else")
    assert sum(told[name] for name in shares) == pytest.approx(own.seconds)
    assert told["everything else"] == pytest.approx(6.0)


def test_memory_is_ours_over_theirs_and_time_theirs_over_ours(scripts: SimpleNamespace) -> None:
    own, peer = scripts.child.Ran(10.0, 0.0, 2**28, 0), scripts.child.Ran(99.0, 0.0, 2**30, 0)
    parts = {"maps": 30.0, "infidelity": 15.0, "sensitivity-n": 5.0}
    whole, without, memory = scripts.audit.compared(own, peer, parts, 8, 2)
    assert (whole.ratio, without.ratio, memory.ratio) == (5.0, 3.0, 0.25)
    assert whole.met is True and without.met is None and memory.met is True
    assert "2 of 8" in whole.note
    assert scripts.audit.compared(own, peer, parts, 8, 8)[0].note.startswith("measured in full")


# time and samples


def test_calls_within_calls_and_beside_calls_count_once(
    scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([1.0, 4.0, 10.0, 12.0])
    monkeypatch.setattr(scripts.clocks, "perf_counter", lambda: next(now))
    meter = scripts.clocks.Meter()
    meter.enter()
    meter.enter()
    meter.leave()
    meter.leave()
    assert meter.seconds == 3.0
    meter.enter()
    meter.leave()
    assert meter.seconds == 5.0


def test_samples_belong_to_the_component_that_is_outermost_in_the_list(scripts: SimpleNamespace) -> None:
    raw = (
        "main (/x/geoaudit/cli.py:1);attribute (/x/geoaudit/paths/integrator.py:5);"
        "value_and_gradient (/x/geoaudit/model/twin.py:9);run (/y/torch/a.py:3) 30\n"
        "main (/x/geoaudit/cli.py:1);attribute (/x/geoaudit/paths/integrator.py:5) 10\n"
        "main (/x/geoaudit/cli.py:1);sort (/y/numpy/sort.py:2) 60\n"
        "nonsense\n"
    )
    samples = scripts.profiled.parsed(raw)
    assert scripts.profiled.components(samples) == {"everything else": 0.6, "gradients": 0.3, "walks and methods": 0.1}
    assert scripts.profiled.innermost(samples) == {
        "main (geoaudit/cli.py)": 0.6,
        "value_and_gradient (geoaudit/model/twin.py)": 0.3,
        "attribute (geoaudit/paths/integrator.py)": 0.1,
    }


def test_a_child_tells_seconds_memory_and_failure(scripts: SimpleNamespace) -> None:
    ran = scripts.child.run([sys.executable, "-c", "x = bytearray(64 * 2**20); raise SystemExit(1)"], allowed=(1,))
    assert ran.code == 1 and ran.peak > 64 * 2**20 and ran.seconds > 0
    with pytest.raises(SystemExit, match="exit code 3"):
        scripts.child.run([sys.executable, "-c", "raise SystemExit(3)"])


def test_pictures_are_drawn_from_the_figures_alone(scripts: SimpleNamespace, tmp_path: Path) -> None:
    points = [{"size": n, "seconds": float(n), "cpu_seconds": 1.0, "peak": 2**28} for n in (8, 16)]
    own = {"gradients": 3.0, "outputs": 2.0, "start and imports": 1.0, "everything else": 1.0}
    made = result(
        scripts.bench_rows,
        audit={"geoaudit": own, "peers": {"parts": {"maps": 9.0}}},
        scaling={"series": {"images": points}},
    )
    drawn = scripts.pictures.draw_all(made, tmp_path / "a")
    assert [p.stem for p in drawn] == ["components", "contenders", "profile", "scaling"]
    missing = "not measured in this run"
    assert [p.stem for p in drawn if missing in p.read_text(encoding="utf-8")] == ["profile"]
    again = scripts.pictures.draw_all(made, tmp_path / "b")
    assert [p.read_bytes() for p in drawn] == [p.read_bytes() for p in again]
    assert "everything else" in drawn[0].read_text(encoding="utf-8")
    for place in drawn:
        ET.fromstring(place.read_text(encoding="utf-8"))
