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
from geoaudit.audit.observer import Silent
from geoaudit.audit.opening import open_model
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.demo import MODEL, make_demo
from geoaudit.model.artifact import Artifact
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised
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
def opened_demo(limit: int | None = None, space: Space = "logit", folder: Path | None = None) -> Iterator[Opened]:
    """EfficientNet-Lite0 on the demo's photographs.

    Args:
        limit: largest number of photographs; None for all 8, which make one group.
        space: the explained scalar.
        folder: where `make_demo` has written both; None: a temporary folder.
    """
    with demo_folder(folder) as (model, images):
        yield opened_with(Settings(model=model, images=images, limit=limit, explain=space))


@contextmanager
def demo_folder(folder: Path | None) -> Iterator[tuple[Path, Path]]:
    """The model and the photographs: those in `folder`, or made in a temporary one."""
    if folder is not None:
        yield folder / "model" / MODEL, folder / "images"
        return
    with TemporaryDirectory(prefix="geoaudit-bench-") as name:
        yield make_demo(Path(name))


def opened_with(settings: Settings) -> Opened:
    """The model and all its photographs, opened as an audit with these settings opens them."""
    engines, inputs = open_model(settings, Silent())
    assert engines.twin is not None  # the audit is not gradient-free
    probe = ModelProbe(
        engines.runtime, engines.twin, settings.explain, engines.head.tail, BUDGETS[settings.budget].quadrature,
        settings.seed,
    )  # fmt: skip
    problems, _ = next(groups(inputs, settings, probe))
    return Opened(
        settings, engines.artifact, engines.head, engines.twin.normalised, engines.runtime, engines.twin, probe,
        problems,
    )  # fmt: skip


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """Write a benchmark's numbers, sorted by key; nothing where no file was asked for."""
    if path is not None:
        path.write_text(json.dumps(result, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
