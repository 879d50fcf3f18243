"""Maps made part by part within memory, and straight lines kept no longer than they are shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geoaudit.analytic import AnalyticProbe
from geoaudit.api import Attributions, InputSpace, Method, Problems, Quadrature
from geoaudit.audit import attribute as room
from geoaudit.audit.probe import ModelProbe
from geoaudit.errors import PluginError


class Claimer(Method):
    """Claims something of its own for the image named "own" only; its claims may have a wrong shape."""

    id, title, reference, family = "outside/claimer", "Claimer", "a test", "gradient"
    ragged = False

    def attribute(self, problems: Any, probe: Any) -> Attributions:
        claims = np.full(len(problems) + self.ragged, 7.0) if "own" in problems.ids else None
        return Attributions(problems.x.copy(), (None,) * len(problems), claims=claims)


def asked(probe: Any) -> Problems:
    x, baseline, targets = np.ones((2, 1, 1, 2)), np.zeros((2, 1, 1, 2)), np.zeros(2, np.int64)
    space = InputSpace("NCHW", (1, 1, 2), (0.0,), (1.0,))
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(("plain", "own"), x, baseline, targets, f_x, f_baseline, space)


@pytest.fixture
def probe() -> AnalyticProbe:
    return AnalyticProbe(lambda x: x.sum(axis=1), np.ones_like)


def test_claims_survive_the_division_for_memory(probe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ARRAYS", 1)
    made = room.attribute(Claimer(), asked(probe), probe, Quadrature())
    assert made.claims is not None and made.claims.tolist() == [2.0, 7.0], "delta f where a part says nothing"


def test_claims_of_a_wrong_shape_are_the_methods_fault(probe: Any) -> None:
    method = Claimer()
    method.ragged = True
    with pytest.raises(PluginError, match=r"claims of shape \(3,\) for 2 images"):
        room.attribute(method, asked(probe), probe, Quadrature())


def test_lines_are_let_go_when_sharing_ends_in_an_error() -> None:
    probe: Any = ModelProbe(None, None, "logit", None, Quadrature(), 0)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt), probe.sharing():
        assert probe._lines is not None
        raise KeyboardInterrupt
    assert probe._lines is None
