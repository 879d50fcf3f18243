"""What the benchmarks share: the demo's model and photographs, opened the way the audit opens them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from geoaudit.api import Problems
from geoaudit.audit.groups import groups
from geoaudit.audit.inputs import gather
from geoaudit.audit.observer import Silent
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.demo import make_demo
from geoaudit.images.preprocess import resolve
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.artifact import Artifact
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised, normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin


@dataclass(frozen=True)
class Opened:
    """A model with its engines, and the questions of an audit with default options.

    Attributes:
        settings: the audit's settings; `settings.images` is the folder of photographs.
        artifact: the ONNX file.
        head: where its scores are read.
        normalised: the cleaned graph.
        runtime: onnxruntime on the file.
        twin: the gradient engine.
        probe: both, counted, at the standard budget.
        problems: all photographs at once.
    """

    settings: Settings
    artifact: Artifact
    head: Head
    normalised: Normalised
    runtime: Runtime
    twin: Twin
    probe: ModelProbe
    problems: Problems


@contextmanager
def opened_demo(limit: int | None = None, space: Space = "logit") -> Iterator[Opened]:
    """EfficientNet-Lite0 on the demo's photographs, in a temporary folder.

    Args:
        limit: largest number of photographs; None for all 8, which make one group.
        space: the explained scalar.
    """
    with TemporaryDirectory(prefix="geoaudit-bench-") as folder:
        model, images = make_demo(Path(folder))
        yield _open(Settings(model=model, images=images, limit=limit, explain=space))


def _open(settings: Settings) -> Opened:
    artifact = artifacts.load(settings.model)
    head = heads.find(artifact)
    preprocessing = resolve(settings.preprocess, settings.preprocess_config, artifact.proto, artifact.path)
    runtime = Runtime(artifact, head, settings.device)
    inputs = gather(settings, artifact, runtime, preprocessing, Silent())
    head = runtime.head
    normalised = normalise(artifact.proto, head)
    twin = Twin(normalised, head, settings.device)
    quadrature = BUDGETS[settings.budget].quadrature
    probe = ModelProbe(runtime, twin, settings.explain, head.tail, quadrature, settings.seed)
    problems, _ = next(groups(inputs, settings, probe))
    return Opened(settings, artifact, head, normalised, runtime, twin, probe, problems)


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """Write a benchmark's numbers, sorted by key; nothing where no file was asked for."""
    if path is not None:
        path.write_text(json.dumps(result, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
