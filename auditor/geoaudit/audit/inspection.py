"""`geoaudit inspect`: can this file be audited, and if not, what stands in the way?

Everything that can be found out is found out: a model that does not convert is still described, with each of its
operators' status, and a model whose preprocessing is unknown is still converted and compared on noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal, TypeVar

import numpy as np
from onnx import ModelProto
from pydantic import Field
from scipy import ndimage

from geoaudit import __version__
from geoaudit.api import Floats, Status
from geoaudit.audit.describe import describe_file, describe_output
from geoaudit.audit.plan import make_plan
from geoaudit.audit.result import EngineTrial, ExplainedOutput, FileInfo, Parity, Record, Sourced, Tool
from geoaudit.audit.settings import BUDGETS, Settings
from geoaudit.audit.speed import measure_speed
from geoaudit.errors import ExitCode, GeoauditError
from geoaudit.images.decoding import decode
from geoaudit.images.discovery import discover
from geoaudit.images.preprocess import Preprocessing, resolve
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.convert import operator_versions
from geoaudit.model.normalise import Normalised, normalise
from geoaudit.model.parity import certify
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.registry import load

T = TypeVar("T")
_IMAGES = 4
_SIDE = 224  # where neither the graph nor an option says how large the picture is


class InspectedModel(FileInfo):
    """The file; classes and explained output are null where no output is a row of class scores."""

    classes: int | None
    explained_output: ExplainedOutput | None


class OperatorInfo(Record):
    """One operator version of the cleaned graph."""

    name: str
    domain: str
    version: int
    count: int
    converter: Literal["geoaudit", "onnx2torch", "none"]


class BudgetCost(Record):
    """Expected cost of one image at a budget, all default methods and controls together."""

    gradients: float
    forwards: float
    seconds: float


class Estimate(Record):
    """What an audit of this model takes on this machine."""

    weight_bytes: int
    activation_bytes: int
    seconds_per_gradient: float
    seconds_per_forward: float
    per_image: dict[str, BudgetCost]


class Problem(Record):
    """Something that stands in the way of an audit."""

    thing: str
    reason: str
    way_out: str


class InspectedData(Record):
    """The preprocessing that was found, each field with its source; empty where it is not known."""

    preprocess: dict[str, Sourced]


class Inspection(Record):
    """What `geoaudit inspect` prints; `tool`, `model`, `parity` and `data.preprocess` are as in report.json."""

    tool: Tool
    model: InspectedModel
    parity: Parity | None
    data: InspectedData
    operators: list[OperatorInfo]
    estimate: Estimate | None
    engines: list[EngineTrial] = Field(default_factory=list)
    notes: list[str]
    auditable: Literal["with gradients", "without gradients", "no"]
    problems: list[Problem]
    exit_code: int


def inspect_model(settings: Settings, *, engines: bool = False, pictures: bool = False) -> Inspection:
    """Inspect `settings.model`.

    Args:
        settings: what was asked for.
        engines: try every gradient engine as well; a minute on a large model.
        pictures: compare on the first pictures of `settings.images`; else no image is read, and pictures are random.

    Raises:
        ModelError: the file is no ONNX classifier of single images, or cannot be read.
    """
    return _Inspector(settings, engines, pictures).inspect()


class _Inspector:
    def __init__(self, settings: Settings, engines: bool, pictures: bool) -> None:
        self._settings = settings
        self._engines = engines
        self._pictures = pictures
        self._problems: list[GeoauditError] = []

    def inspect(self) -> Inspection:
        settings = self._settings
        artifact = artifacts.load(settings.model)
        found = self._attempt(lambda: heads.find(artifact, output=settings.output, custom_ops=settings.custom_ops))
        preprocessing = self._attempt(
            lambda: resolve(settings.preprocess, settings.preprocess_config, artifact.proto, artifact.path)
        )
        runtime = twin = parity = estimate = normalised = engines = None
        if found is not None:
            head = found
            runtime = self._attempt(lambda: Runtime(artifact, head, settings.device, custom_ops=settings.custom_ops))
        points = self._points(preprocessing, list(artifact.inputs[0].shape))
        if found is not None and runtime is not None:
            session = runtime
            confirmed = self._attempt(lambda: session.confirm(points))
            found, runtime = confirmed or found, runtime if confirmed else None
        if found is not None:
            normalised = normalise(artifact.proto, found)
            twin = self._attempt(lambda: self._twin(normalised, found))
        if runtime is not None and twin is not None:
            parity = self._attempt(lambda: self._certify(runtime, twin, points))
            estimate = self._attempt(lambda: self._estimate(runtime, twin, points, preprocessing))
            engines = self._attempt(lambda: self._tried(twin, points))
        return Inspection(
            tool=Tool(name="geoaudit", version=__version__),
            model=InspectedModel(
                **describe_file(artifact, normalised, twin.converted if twin is not None else None),
                classes=found.classes if found is not None else None,
                explained_output=describe_output(found, settings.explain) if found is not None else None,
            ),
            parity=parity,
            data=InspectedData(preprocess=preprocessing.sourced() if preprocessing is not None else {}),
            operators=operators(normalised.proto if normalised is not None else artifact.proto),
            estimate=estimate,
            engines=engines or [],
            notes=[*(runtime.notes if runtime else ()), *(normalised.notes if normalised else ())],
            auditable=self._auditable(runtime is not None, twin is not None, parity),
            problems=[Problem(thing=p.thing, reason=p.reason, way_out=p.way_out) for p in self._problems],
            exit_code=self._exit_code(parity),
        )

    def _points(self, preprocessing: Preprocessing | None, shape: list[int | str]) -> Floats:
        """The first pictures that were given, else random ones."""
        if not self._pictures or preprocessing is None:
            return _points(preprocessing, shape, self._settings.seed)
        found = discover(self._settings.images, _IMAGES)
        return np.stack([preprocessing.apply(decode(file.path))[0] for file in found.files])

    def _tried(self, twin: Twin, points: Floats) -> list[EngineTrial]:
        if not self._engines:
            return []
        compiled = self._settings.gradient_engine == "torch-compiled"
        return [EngineTrial(**asdict(trial)) for trial in twin.survey(points, compiled=compiled)]

    def _attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except GeoauditError as error:
            if error.message not in [known.message for known in self._problems]:
                self._problems.append(error)
            return None

    def _twin(self, normalised: Normalised, head: heads.Head) -> Twin:
        return Twin(
            normalised, head, self._settings.device, self._settings.threads, thing=str(self._settings.model),
            engine=self._settings.gradient_engine, space=self._settings.explain,
        )  # fmt: skip

    def _certify(self, runtime: Runtime, twin: Twin, points: Floats) -> Parity:
        targets = runtime.logits(points).argmax(axis=1).astype(np.int64)
        rng = np.random.default_rng([self._settings.seed, 1])
        return certify(runtime, twin, points, targets, self._settings.explain, rng)

    def _estimate(self, runtime: Runtime, twin: Twin, points: Floats, preprocessing: Preprocessing | None) -> Estimate:
        speed = measure_speed(runtime, twin, points[:1], self._settings.explain)
        weights = [*twin.converted.module.parameters(), *twin.converted.module.buffers()]
        costs = {}
        for budget in BUDGETS if preprocessing is not None else ():
            assert preprocessing is not None
            plan = make_plan(_with_budget(self._settings, budget), load(self._settings.plugins))
            cost = plan.cost(preprocessing.space)
            costs[budget] = BudgetCost(
                gradients=cost.gradients, forwards=cost.forwards, seconds=round(speed.seconds(cost), 3)
            )
        return Estimate(
            weight_bytes=sum(w.numel() * w.element_size() for w in weights),
            activation_bytes=twin.activation_bytes(points[:1]),
            seconds_per_gradient=round(speed.gradient, 6),
            seconds_per_forward=round(speed.forward, 6),
            per_image=costs,
        )

    def _auditable(self, runs: bool, converts: bool, parity: Parity | None) -> Any:
        if converts and parity is not None and parity.status != Status.FAIL:
            return "with gradients"
        return "without gradients" if runs else "no"

    def _exit_code(self, parity: Parity | None) -> int:
        if self._problems:
            return int(self._problems[0].exit_code)
        return int(ExitCode.OK if parity is not None and parity.status != Status.FAIL else ExitCode.INCOMPLETE)


def operators(proto: ModelProto) -> list[OperatorInfo]:
    """Every operator version of `proto` with its number of nodes and who converts it; sorted, missing ones first."""
    counts: Counter[tuple[str, str, int, str]] = Counter(operator_versions(proto))
    rows = [
        OperatorInfo.model_validate(
            {"domain": domain or "ai.onnx", "name": name, "version": version, "count": count, "converter": converter}
        )
        for (domain, name, version, converter), count in counts.items()
    ]
    return sorted(rows, key=lambda row: (row.converter != "none", row.domain, row.name, row.version))


def _with_budget(settings: Settings, budget: str) -> Settings:
    return replace(settings, budget=budget)


def _points(preprocessing: Preprocessing | None, shape: list[int | str], seed: int) -> Floats:
    """Smooth random pictures as model input; where the preprocessing is not known, noise of the input's shape."""
    rng = np.random.default_rng([seed, 2])
    if preprocessing is None:
        sizes = [d if isinstance(d, int) and d > 0 else (3 if axis == 0 else _SIDE) for axis, d in enumerate(shape[1:])]
        sizes = [1] * (3 - len(sizes)) + sizes  # flat and grey pictures keep three axes here
        return rng.standard_normal((_IMAGES, *sizes)).astype(np.float32)
    height, width = preprocessing.size
    noise = rng.standard_normal((_IMAGES, height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (0, height / 32, width / 32, 0), mode="wrap")
    pixels = 127.5 + 60 * smooth / smooth.std(axis=(1, 2, 3), keepdims=True)
    return preprocessing.pixel_to_input(np.clip(pixels, 0, 255))


__all__ = ["Estimate", "Inspection", "OperatorInfo", "inspect_model", "operators"]
