"""Methods that find they have nothing to say here, and what methods say about their maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoaudit.api import Attributions, Method, Status
from geoaudit.errors import GeoauditError, NotApplicable
from geoaudit_reports import write_report

REASON = "not applicable: this model has no layers of that kind. Try another model"


class Choosy(Method):
    """Gives up on one image, or on all, by NotApplicable or by a crash."""

    id, title, reference, family = "outside/choosy", "Choosy", "a test", "gradient"
    refused = "all"
    error: type[Exception] = NotApplicable

    def attribute(self, problems: Any, probe: Any) -> Attributions:
        refused = type(self).refused in ("all", *problems.ids)
        if refused and type(self).error is not NotApplicable:
            raise type(self).error("broken")
        if refused:
            raise NotApplicable(self.id, "this model has no layers of that kind", "Try another model.")
        notes = ("The same.", f"{len(problems)} images.", "The same.")
        return Attributions(problems.x.copy(), (None,) * len(problems), notes)


@pytest.fixture
def choosy(with_plugin: Any, monkeypatch: pytest.MonkeyPatch) -> type[Choosy]:
    with_plugin(Choosy)
    monkeypatch.setattr(Choosy, "refused", "all")
    monkeypatch.setattr(Choosy, "error", NotApplicable)
    return Choosy


def _absent(done: Any) -> None:
    """Nothing but its own entry is left of the method."""
    report = done.report
    assert "inverted:outside/choosy" not in {m.id for m in report.methods}
    assert "outside/choosy" not in {p.method for p in report.per_image} | {c.method for c in report.curves}
    assert "outside/choosy" not in {e.method for e in report.ranking.entries} | {c.method for c in report.checks}


def test_a_method_that_does_not_apply_is_skipped_and_no_failure(audit: Any, choosy: Any) -> None:
    done = audit(methods=("outside/choosy", "gradient"), limit=2)
    method = done.method("outside/choosy")
    assert (method.status, method.reason) == ("skipped", REASON)
    assert {(s.status, s.mean, s.reason, s.missing) for s in method.scores.values()} == {(Status.SKIP, None, REASON, 2)}
    assert done.report.exit_code == 0
    assert done.listener.warned == [f"outside/choosy is {REASON}"]
    assert f"outside/choosy is {REASON}" in done.report.limitations
    _absent(done)
    assert [e.method for e in done.report.ranking.entries] == ["gradient"]
    page = write_report(done.report, done.folder).read_text(encoding="utf-8")
    assert "Without a map, and no failure: Choosy: not applicable: this model has no layers" in page


def test_one_that_gives_up_later_takes_back_what_it_said(
    audit: Any, choosy: Any, make_pictures: Any, tmp_path: Path
) -> None:
    choosy.refused = "picture08.png"
    done = audit(methods=("outside/choosy", "gradient"), images=make_pictures(tmp_path / "nine", 9))
    assert done.method("outside/choosy").status == "skipped"
    assert done.method("gradient").scores["srg"].n == 9
    _absent(done)


def test_one_that_crashes_later_leaves_the_others_aligned(
    audit: Any, choosy: Any, make_pictures: Any, tmp_path: Path
) -> None:
    choosy.refused, choosy.error = "picture08.png", ArithmeticError
    done = audit(methods=("outside/choosy", "gradient"), images=make_pictures(tmp_path / "nine", 9))
    assert (done.method("outside/choosy").status, done.report.exit_code) == ("error", 3)
    assert "inverted:outside/choosy" not in {m.id for m in done.report.methods}
    assert done.method("gradient").scores["srg"].n == 9


def test_an_audit_in_which_no_method_applies_cannot_be_completed(audit: Any, choosy: Any) -> None:
    with pytest.raises(GeoauditError, match="no method gave a map: outside/choosy is not applicable") as caught:
        audit(methods=("outside/choosy",), limit=1)
    assert caught.value.exit_code == 3
    assert "--methods" in caught.value.way_out


def test_notes_are_kept_once_each_in_order_over_all_groups(
    audit: Any, choosy: Any, make_pictures: Any, tmp_path: Path
) -> None:
    choosy.refused = ""
    done = audit(methods=("outside/choosy",), images=make_pictures(tmp_path / "ten", 10))
    assert done.method("outside/choosy").notes == ["The same.", "8 images.", "2 images."]
    assert done.method("random").notes == []
    page = write_report(done.report, done.folder).read_text(encoding="utf-8")
    assert "<li>8 images.</li>" in page


def test_notes_survive_the_division_for_memory(audit: Any, choosy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choosy.refused = ""
    monkeypatch.setattr("geoaudit.memory.ARRAYS", 2 * 8 * 3 * 16 * 16 * 4)
    done = audit(methods=("outside/choosy",))
    assert done.method("outside/choosy").notes == ["The same.", "2 images.", "1 images."]
    assert np.isfinite(done.method("outside/choosy").scores["srg"].mean)
