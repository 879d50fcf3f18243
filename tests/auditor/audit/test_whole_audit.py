"""A whole audit: what it must give, and what must not change it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit_reports import json_report, render_folder, write_report
from geoaudit_reports.schema import schema_file

METHODS = ("gradient", "gradient-x-input", "integrated-gradients", "guided-ig")


def _timeless(value: Any) -> Any:
    """The report without what may differ between two equal runs."""
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in ("run", "seconds")}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _largest_change(one: Any, other: Any) -> float:
    """The largest absolute change of any score; scores that exist in one only are a failure."""
    first, second = one.scores(), other.scores()
    assert first.keys() == second.keys()
    assert {k for k, v in first.items() if v is None} == {k for k, v in second.items() if v is None}
    return max(abs(v - (second[k] or 0.0)) for k, v in first.items() if v is not None)


def test_one_seed_gives_one_report(audit: Any, usual: Any) -> None:
    again = audit(methods=METHODS)
    one, other = (json.dumps(_timeless(json.loads(json_report.dumps(a.report)))) for a in (usual, again))
    assert one == other
    assert (usual.folder / "maps.npz").read_bytes() == (again.folder / "maps.npz").read_bytes()


def test_another_seed_changes_the_random_control(audit: Any, stored_maps: Any) -> None:
    one, other = (stored_maps(audit(limit=1, seed=seed).folder) for seed in (5, 6))
    (image,) = {key.split("/")[0] for key in one}
    assert not np.array_equal(one[f"{image}/random"], other[f"{image}/random"])
    assert np.array_equal(one[f"{image}/integrated-gradients"], other[f"{image}/integrated-gradients"])


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_batch_size_changes_no_score(size: int, audit: Any, usual: Any) -> None:
    assert _largest_change(usual, audit(methods=METHODS, batch_size=size)) <= 1e-5


def test_the_other_images_change_no_score(audit: Any, usual: Any, pictures: Path, tmp_path: Path) -> None:
    """A picture audited at another place in the order and in other company keeps its scores."""
    for name, source in (("a.png", "picture00.png"), ("picture03.png", "picture03.png"), ("picture04.png",) * 2):
        shutil.copy(pictures / source, tmp_path / name)
    moved, before = audit(images=tmp_path, methods=METHODS).scores(), usual.scores()
    kept = {key: value for key, value in moved.items() if key[0] != "a.png"}
    assert {image for image, _, _ in kept} == {"picture03.png", "picture04.png"}
    for key, value in kept.items():
        assert (value is None) == (before[key] is None), key
        assert value is None or value == pytest.approx(before[key], abs=1e-5), key


def test_spreading_evenly_has_no_cancellation(usual: Any) -> None:
    score = usual.method("uniform-complete").scores["ncc-violation"]
    assert score.n == 5
    assert score.median == pytest.approx(0.0, abs=1e-6)
    assert score.ci_high == pytest.approx(0.0, abs=1e-6)


def test_the_faithful_beat_their_inversions_and_chance(usual: Any) -> None:
    gain = {m.id: m.scores["srg"].mean for m in usual.report.methods}
    for name in ("integrated-gradients", "guided-ig", "gradient-x-input"):
        assert gain[name] > gain["random"] > gain[f"inverted:{name}"]
        assert gain[f"inverted:{name}"] == pytest.approx(-gain[name])


def test_integrated_gradients_meets_its_tolerance(usual: Any) -> None:
    rows = [p for p in usual.report.per_image if p.method == "integrated-gradients"]
    assert len(rows) == 5
    assert all(p.walk.met and p.walk.error_bar <= 0.03 and p.walk.completeness_error <= 0.03 for p in rows)


def test_the_report_follows_the_committed_schema(usual: Any) -> None:
    import jsonschema

    schema = json.loads(schema_file("report").read_text(encoding="utf-8"))
    told = json.loads(json_report.dumps(usual.report))
    jsonschema.validate(told, schema)
    told["parity"]["status"] = "GOOD"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, schema)


def test_json_and_maps_alone_give_the_same_page(usual: Any, tmp_path: Path) -> None:
    page = write_report(usual.report, usual.folder).read_bytes()
    for name in ("report.json", "maps.npz"):
        shutil.copy(usual.folder / name, tmp_path)
    assert render_folder(tmp_path).read_bytes() == page


def test_the_maps_are_the_numbers_that_were_scored(usual: Any, stored_maps: Any) -> None:
    maps = stored_maps(usual.folder)
    walked = [p for p in usual.report.per_image if p.walk is not None and not p.method.startswith("inverted:")]
    assert {p.method for p in walked} >= {"integrated-gradients", "guided-ig"}
    for row in walked:
        values = maps[f"{row.image}/{row.method}"]
        assert values.dtype == np.float32
        assert values.shape == (3, 16, 16)
        total, magnitude = values.sum(dtype=np.float64), np.abs(values).sum(dtype=np.float64)
        assert row.walk.attribution_sum == pytest.approx(total, rel=1e-5, abs=1e-6)
        assert row.walk.magnitude == pytest.approx(magnitude, rel=1e-5)
        assert row.walk.completeness_error == pytest.approx(abs(total - row.delta_f) / abs(row.delta_f), abs=1e-5)
        if row.scores["ncc-violation"] is not None:
            expected = (magnitude - abs(total)) / magnitude
            assert row.scores["ncc-violation"] == pytest.approx(expected, abs=1e-5)


def test_every_map_and_picture_is_stored_once(usual: Any, stored_maps: Any, pictures: Path) -> None:
    maps = stored_maps(usual.folder)
    images = [image.id for image in usual.report.data.images]
    made = [m.id for m in usual.report.methods if not m.id.startswith("inverted:")]
    assert set(maps) == {f"{i}/{m}" for i in images for m in (*made, "thumbnail")}
    from PIL import Image

    picture = np.asarray(Image.open(pictures / "picture00.png").convert("RGB"))
    assert np.array_equal(maps["picture00.png/thumbnail"], picture)


def test_the_estimate_is_announced_before_the_work(usual: Any) -> None:
    (line,) = [text for text in usual.listener.said if "gradients and" in text]
    assert line.startswith("5 images, 4 methods, 6 controls: about ")
    assert usual.report.run.estimate_seconds > 0
    assert usual.listener.stages.index("auditing") > usual.listener.stages.index("comparing with onnxruntime")


def test_the_costs_reported_are_what_the_model_was_asked(
    audit: Any, monkeypatch: pytest.MonkeyPatch, stored_maps: Any
) -> None:
    """Gradients are counted where torch is called, and compared with what the methods are said to have cost."""
    from geoaudit.model.twin import Twin

    asked = []
    true_one = Twin.value_and_gradient

    def counted(self: Any, points: Any, targets: Any, space: Any) -> Any:
        asked.append(len(points))
        return true_one(self, points, targets, space)

    monkeypatch.setattr(Twin, "value_and_gradient", counted)
    done = audit(methods=("gradient", "guided-ig", "integrated-gradients"), checks=("parity",))
    certificate = done.listener.stages.index("auditing")
    assert certificate > 0
    costs = {m.id: m.cost for m in done.report.methods}
    reported = sum(cost.gradients for cost in costs.values())
    before = sum(asked) - reported
    assert costs["gradient"].gradients == 5
    assert costs["random"].gradients == costs["inverted:gradient"].gradients == 0
    walked = sum(p.walk.gradients for p in done.report.per_image if p.method == "guided-ig")
    assert costs["guided-ig"].gradients >= walked > 0
    only = audit(methods=("gradient",), checks=("parity",))
    begun = sum(asked) - sum(m.cost.gradients for m in only.report.methods) - reported - before
    assert before == begun, "the certificate and the speed measurement cost the same in both runs"


def test_the_curves_and_scores_speak_of_one_sweep(usual: Any) -> None:
    """SRG is the area between the two mean curves, averaged over the imputers."""
    for name in ("integrated-gradients", "edges"):
        curves = [c for c in usual.report.curves if c.method == name]
        area = {o: [np.trapezoid(c.mean, c.fractions) for c in curves if c.order == o] for o in ("lerf", "morf")}
        gain = np.mean(area["lerf"]) - np.mean(area["morf"])
        assert usual.method(name).scores["srg"].mean == pytest.approx(gain, abs=1e-9)


def test_the_headline_reading_stands_among_the_others(audit: Any) -> None:
    done = audit(budget="standard", limit=2)
    for method in done.report.methods:
        if method.id.startswith("inverted:"):
            continue
        by_way = {(r.region, r.order): r.srg for r in method.readings}
        side = max(1, round(16 / 14))
        assert by_way[(side, "magnitude")] == pytest.approx(method.scores["srg"].mean, abs=1e-9)
        assert (side, "signed") in by_way
