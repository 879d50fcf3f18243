"""Whole adaptive audits of the tiny classifier: fewer forwards, the same ranking, and a report that verifies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoaudit.api import Cost
from geoaudit.audit import execute
from geoaudit.audit.execute import run_audit
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.settings import Settings
from geoaudit.audit.store.store import Store
from geoaudit.scoring.adaptive_stopping import FIRST_LOOK, is_unread, unread
from geoaudit.selftest import closed_form
from geoaudit.verify import order
from geoaudit.verify.numbers import check_numbers
from geoaudit.verify.rebuilt import rebuilt
from geoaudit.verify.stored import Given

IMAGES = 48
METHODS = ("gradient", "gradient-x-input")
LEFT_OUT = ("input-difference", "smooth-random", "uniform-complete")
CHEAP = ("complexity",)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures: a bright square, to which the classifier answers, on a dark ground."""
    folder, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(0)
    for i in range(IMAGES):
        picture = rng.integers(0, 90, (16, 16, 3), dtype=np.uint8)
        top, left = rng.integers(0, 10, 2)
        picture[top : top + 6, left : left + 6] += np.uint8(150)
        Image.fromarray(picture).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def both(audit, many):
    """The adaptive audit, and that of everything."""
    options = {
        "images": many, "methods": METHODS, "skip": LEFT_OUT, "checks": (), "metrics": CHEAP, "batch_size": 8,
    }  # fmt: skip
    return audit(**options, adaptive=True), audit(**options)


def _spent(audited) -> Cost:
    return audited.listener.read()


def test_fewer_forwards_are_spent_and_the_ranking_is_the_same(both):
    adaptive, full = both
    assert _spent(adaptive).forwards < 0.92 * _spent(full).forwards
    assert _spent(adaptive).gradients == pytest.approx(_spent(full).gradients, rel=0.02)
    one, other = adaptive.report.ranking, full.report.ranking
    assert [(e.method, e.tier) for e in one.entries] == [(e.method, e.tier) for e in other.entries]


def test_what_was_not_computed_says_so_and_counts_are_true(both):
    adaptive, full = both
    center = adaptive.method("center").scores["srg"]
    assert (center.n, center.missing, center.status) == (FIRST_LOOK, IMAGES - FIRST_LOOK, "PASS")
    assert center.reason == f"{unread(FIRST_LOOK)} ({IMAGES - FIRST_LOOK})"
    assert adaptive.method("center").scores["complexity"].n == IMAGES
    for method in METHODS:
        assert adaptive.method(method).scores["ncc-violation"].n == full.method(method).scores["ncc-violation"].n
    rows = {(r.image, r.method): r for r in adaptive.report.per_image}
    left = [r for r in rows.values() if r.method == "center" and is_unread(r.reasons.get("srg"))]
    assert len(left) == IMAGES - FIRST_LOOK and all(r.scores["srg"] is None for r in left)


def test_one_images_numbers_are_those_of_the_audit_of_everything(both):
    adaptive, full = both
    everything = full.scores()
    known = {place: value for place, value in adaptive.scores().items() if value is not None}
    assert known and known == {place: everything[place] for place in known}


def test_the_report_tells_who_was_read_on_how_many_images(both):
    adaptive, full = both
    told = adaptive.report.ranking.adaptive
    assert told is not None and full.report.ranking.adaptive is None
    read = {row.method: row.images for row in told.methods}
    assert read["center"] == FIRST_LOOK and set(METHODS) <= set(read)
    assert any(told.reason in sentence for sentence in adaptive.report.limitations)
    assert any(line.startswith(f"Adaptive: from {FIRST_LOOK} images on") for line in adaptive.report.run.spending)
    assert any("at most about" in line for line in adaptive.listener.said)
    assert [image.id for image in adaptive.report.data.images] == [f"{i:02}.png" for i in range(IMAGES)]


def test_the_report_agrees_with_itself_and_can_be_made_again(both, small_model, many, audit):
    adaptive, _ = both
    report = adaptive.report
    findings = [*order.check_order(report), *check_numbers(report)]
    assert [f for f in findings if f.status == "FAIL"] == []
    given = Given(small_model, many)
    whole, sample = rebuilt(report, given, many, None), rebuilt(report, given, many, ("03.png",))
    assert whole.adaptive and not sample.adaptive and sample.stops is None
    assert whole.stops is not None and whole.stops["center"] == FIRST_LOOK
    changed = {f.name: getattr(whole, f.name) for f in dataclasses.fields(Settings)}
    again = audit(**changed | {"device": "cpu", "skip": LEFT_OUT})
    assert again.scores() == adaptive.scores()
    assert again.report.ranking == report.ranking


class _Interrupted(Silent):
    """Breaks off when work on the n-th unit begins."""

    def __init__(self, units: int) -> None:
        self._left = units

    def working(self, on: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("units", [21, 26])
def test_a_run_that_goes_on_after_a_break_stops_at_the_same_images(
    both, small_model, many, tmp_path, monkeypatch, units
):
    monkeypatch.setattr(execute, "run_selftest", lambda quick, gradients, seed: closed_form(quick))
    settings = Settings(
        model=small_model, images=many, budget="quick", methods=METHODS, skip=LEFT_OUT, checks=(), metrics=CHEAP,
        batch_size=8, device="cpu", seed=5, adaptive=True,
    )  # fmt: skip

    def run(tell):
        with MapWriter(tmp_path) as maps, Store(tmp_path, tell) as store:
            return run_audit(settings, maps, tell, store=store)

    with pytest.raises(KeyboardInterrupt):
        run(_Interrupted(units))
    again = run(Silent())
    assert again.run.resumed is not None and again.run.resumed.units == units
    assert again.ranking == both[0].report.ranking
    assert again.per_image == both[0].report.per_image
