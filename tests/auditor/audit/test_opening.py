"""How a run begins: what the model's room is told, and which head holds from when on."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from scipy.special import expit

from geoaudit.api import WalkRecord
from geoaudit.audit import opening
from geoaudit.audit.image_results import per_image
from geoaudit.audit.limits import limitations
from geoaudit.audit.observer import Silent
from geoaudit.audit.result import Conversion, Skipped
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Row, Tally
from geoaudit.errors import UsageError
from geoaudit.model.head import Head
from geoaudit.model.runtime import Runtime
from geoaudit_plugins.methods.expected_gradients import ExpectedGradients

EMPTY = Conversion(passes=[], ops={}, extensions=[])


def test_output_and_library_reach_the_search_for_the_head_and_the_runtime(
    small_model: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "operators.so"
    library.touch()
    told: dict[str, Any] = {}
    true_find = opening.heads.find

    def find(artifact: Any, **given: Any) -> Head:
        told["find"] = given
        return true_find(artifact)

    def runtime(*given: Any, **named: Any) -> Any:
        told["runtime"] = (given[2], named)
        raise KeyError("far enough")

    monkeypatch.setattr(opening.heads, "find", find)
    monkeypatch.setattr(opening, "Runtime", runtime)
    settings = Settings(small_model, pictures, device="cpu", output="logits", custom_ops=library)
    with pytest.raises(KeyError, match="far enough"):
        opening.open_model(settings, Silent())
    assert told == {
        "find": {"output": "logits", "custom_ops": library},
        "runtime": ("cpu", {"custom_ops": library}),
    }


def test_a_missing_library_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "gone.onnx", tmp_path, custom_ops=tmp_path / "gone.so")
    with pytest.raises(UsageError, match=r"gone\.so: there is no such file"):
        opening.open_model(settings, Silent())


@pytest.mark.parametrize("gradient_free", [True, False])
def test_the_first_images_confirm_the_head_once_and_it_holds_from_then_on(
    gradient_free: bool, small_model: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that is found to give independent classes: targets' probabilities then are logistic, not softmax."""
    asked = []

    def confirm(self: Runtime, points: Any) -> Head:
        asked.append(points.shape)
        self._head = replace(self._head, tail="Sigmoid", kind="multi-label")
        return self._head

    monkeypatch.setattr(Runtime, "confirm", confirm)
    settings = Settings(small_model, pictures, device="cpu", batch_size=4, gradient_free=gradient_free)
    engines, inputs = opening.open_model(settings, Silent())
    assert asked == [(5, 3, 16, 16)]
    assert engines.head.kind == engines.runtime.head.kind == "multi-label"
    assert (engines.twin is None) == gradient_free
    assert engines.twin is None or engines.twin.head == engines.head
    rows = expit(engines.runtime.logits(inputs.first).astype(float))
    assert [info.probability for info in inputs.infos] == pytest.approx(rows.max(axis=1).tolist())


@pytest.fixture
def limits(usual: Any) -> Any:
    """`limits(**changes)`: the limitations of a run whose settings, head, conversion, data or results differ so."""

    def told(
        settings: Any = None, head: Any = None, conversion: Conversion = EMPTY, data: Any = None, tallies: Any = None
    ) -> str:
        given = {"output": "logits", "logits": "logits", "tail": None, "classes": 4, **(head or {})}
        chosen = Settings(Path("m"), Path("i"), **(settings or {}))
        found = usual.report.data.model_copy(update=data or {})
        return "\n".join(limitations(chosen, found, tallies or {}, Head(**given), conversion, ("A note.",)))

    return told


def test_an_error_bar_above_its_tolerance_is_a_limit_whatever_kept_it_there(limits: Any) -> None:
    """Not every method that misses it has a node limit: samples and published rules miss it too."""
    tally = Tally(ExpectedGradients())
    late = WalkRecord(*[1.0] * (len(fields(WalkRecord)) - 1), met=False)  # type: ignore[arg-type]
    tally.rows = [Row("a.png", 1.0, {}, {}, late), Row("b.png", 1.0, {}, {}, replace(late, met=True))]
    told = "its gradients did not bring the error bar to its tolerance"
    assert f"expected-gradients: on 1 of 2 images {told}." in limits(data={"count": 2}, tallies={"one": tally})
    assert [per_image(row, tally).reason for row in tally.rows] == [told, None]


def test_one_is_not_many(limits: Any) -> None:
    one = limits(data={"count": 1, "skipped": [Skipped(file="a.txt", reason="no picture")]})
    assert "Only 1 image: " in one and "1 file was left out" in one


def test_straight_through_gradients_are_a_limit_that_names_the_operators(limits: Any, usual: Any) -> None:
    text = limits(conversion=EMPTY.model_copy(update={"straight_through": ["QLinearConv", "QuantizeLinear"]}))
    assert "The model is quantised: rounding has no useful derivative" in text
    assert "(operators QLinearConv, QuantizeLinear)" in text
    assert "quantised" not in limits()
    assert "quantised" not in "\n".join(usual.report.limitations)


def test_kinds_of_heads_and_the_lack_of_gradients_are_limits(limits: Any) -> None:
    assert "one number for two classes" in limits(head={"kind": "binary", "tail": "Sigmoid", "classes": 2})
    assert "do not exclude each other" in limits(head={"kind": "multi-label", "tail": "Sigmoid"})
    assert "The audit is gradient-free" in limits(settings={"gradient_free": True})
    plain = limits()
    assert not [words for words in ("one number", "exclude", "gradient-free") if words in plain]
    assert "A note." in plain.splitlines()


def test_what_is_explained_of_a_model_that_gives_probabilities(limits: Any) -> None:
    assert "their logarithm is explained" in limits(head={"tail": "Probabilities"})
    assert "ends in" not in limits(head={"tail": "Probabilities"})
    assert "The model ends in Softmax" in limits(head={"tail": "Softmax"})
    assert "logarithm" not in limits(settings={"explain": "probability"}, head={"tail": "Probabilities"})
