"""The differentiable twin: value and gradient of the explained output, by torch."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx import ModelProto

from geoaudit.api import Floats, Ints
from geoaudit.errors import ModelError, UsageError
from geoaudit.memory import keep_freed, trim
from geoaudit.model import graph
from geoaudit.model.activations import saved_bytes
from geoaudit.model.companions import SAME, companions
from geoaudit.model.convert import convert
from geoaudit.model.cores import usable_cores
from geoaudit.model.engine import Setting
from geoaudit.model.engine_memory import Kept, machine_key, recall, remember
from geoaudit.model.engines.agreement import PICTURES, Judge
from geoaudit.model.engines.base import EngineName, EngineRefused, GradientEngine, Trial
from geoaudit.model.engines.batches import fill, filled, in_batches
from geoaudit.model.engines.choice import Terms, Wanted, choose
from geoaudit.model.engines.room import EngineRoom, Placed
from geoaudit.model.engines.survey import survey
from geoaudit.model.engines.torch_engine import Boundary, TorchEngine
from geoaudit.model.engines.trials import untried
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised

_BATCHES = {"cpu": (8, 4, 16, 64), "cuda": (32, 8)}
_MEMORY = 2 * 2**30


class Twin:
    """The converted model, and the engine that computes its gradients.

    Engine, memory layout and batch size are chosen at the first evaluation (`setting`), by a short measurement where
    the model is large enough for it to matter; passing all three repeats an earlier run's choice.  Scores, and
    everything of a changed copy of the graph, are torch's.  The last batch is filled up with copies of its last
    image, to a power of two: an image's numbers do not depend on the images evaluated with it.

    Args:
        normalised: the cleaned graph.
        head: where the scores are read.
        device: "cpu", "cuda", or "auto": CUDA if torch can use it.
        threads: processor threads; None for all usable cores.  They, and that the allocator keeps what is freed, are
            the only global state that is changed.
        batch_size: images evaluated together; None to measure.
        channels_last: torch's memory layout; None to measure.
        memory: bytes that the activations of one batch may take.
        thing: the file's name for messages.
        remembered_as: the file's sha256, under which a measured choice is kept for the next run; None: not kept.
        engine: what computes gradients; None to measure.  One that cannot serve this model gives way to torch.
        space: the explained scalar on which engines are compared.

    Raises:
        ModelError: the graph cannot be converted.
        UsageError: CUDA was asked for and torch has none.
    """

    def __init__(
        self, normalised: Normalised, head: Head, device: str = "auto", threads: int | None = None,
        batch_size: int | None = None, channels_last: bool | None = None, memory: int = _MEMORY,
        thing: str = "the model", remembered_as: str | None = None, engine: EngineName | None = None,
        space: Space = "logit",
    ) -> None:  # fmt: skip
        self.normalised = normalised
        self.head = head
        self.threads = threads or usable_cores()
        torch.set_num_threads(self.threads)
        keep_freed()
        self.device = _device(device)
        self.converted = convert(normalised.proto, thing)
        image = graph.tensor_info(graph.data_inputs(normalised.proto.graph)[0])
        self._fixed = int(image.shape[0]) if isinstance(image.shape[0], int) and image.shape[0] > 0 else None
        dtype: np.dtype[Any] = np.dtype(image.dtype if image.dtype.startswith("float") else np.float32)
        boundary = Boundary(self.device, dtype, len(image.shape), thing)
        self._torch = TorchEngine(self.converted.module.to(self.device), head, boundary, self._broken)
        self._room: EngineRoom | None = None
        self._wanted = Wanted(engine, channels_last, batch_size)
        self._memory = memory
        self._space: Space = space
        self._remembered_as = remembered_as
        self._setting: Setting | None = None
        self._trials: list[Trial] = []
        self._serving: dict[Space, GradientEngine] = {}
        self._origin: Twin | None = None
        self._own_graph = True
        self._pictures: Floats | None = None

    @property
    def setting(self) -> Setting | None:
        """Engine, memory layout and batch size; None before the first evaluation."""
        return self._setting

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried to choose the setting, in this run or an earlier one; empty before the first evaluation."""
        return tuple(self._trials)

    @property
    def engine(self) -> dict[str, Any]:
        """Device, threads, engine, memory layout of torch and batch size, as the report states them."""
        chosen = self._setting
        return {
            "device": self.device.type,
            "threads": self.threads,
            "gradients": None if chosen is None else chosen.engine,
            "memory_layout": None if chosen is None else chosen.layout,
            "batch_size": None if chosen is None else chosen.batch_size,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report about how torch runs."""
        return self._torch.notes

    @property
    def module(self) -> Any:
        """The graph that is evaluated; not to be changed."""
        return self._torch.module

    def copied_module(self) -> torch.fx.GraphModule:
        """A copy of the converted graph that its owner may change."""
        module: torch.fx.GraphModule = deepcopy(self._torch.module)  # type: ignore[assignment]  # a twin of its own graph
        return module

    def with_module(self, module: torch.nn.Module, numbers: int | None = None) -> Twin:
        """A twin that evaluates a changed copy of the graph by torch, with the same layout and batch size.

        Args:
            module: the changed copy, or a module around it.
            numbers: how many numbers it gives for a picture where they are not the model's scores.
        """
        other = copy(self)
        other._origin = self
        if numbers is not None:
            other.head = Head("", "", tail=None, classes=numbers, kind="multi-label")
        module = module.eval().requires_grad_(False).to(self.device)
        other._torch = TorchEngine(module, other.head, self._torch.boundary, other._broken)
        other._room, other._setting, other._trials, other._serving = None, None, [], {}
        other._own_graph = False
        return other

    def on(self, proto: ModelProto) -> Twin:
        """This changed copy with the cleaned graph that says the same: the engine that serves the origin may serve it.

        That engine is compared with torch first, as it was for the origin.

        Args:
            proto: the origin's cleaned graph with the changed copy's weights.
        """
        other = copy(self)
        other.normalised = replace(self.normalised, proto=proto)
        other._room, other._setting, other._trials, other._serving = None, None, [], {}
        other._own_graph = True
        return other

    def logits(self, points: Floats) -> Floats:
        """The scores before the tail, float32 (float64 for a float64 model), shape (m, classes); as of `Runtime`.

        Args:
            points: model input, shape (m, *shape), any float dtype; not changed.
        """
        if not len(points):
            return np.empty((0, self.head.classes), dtype=np.float32)
        setting = self._settle(points)
        self._torch.lay_out(setting.channels_last)
        rows = []
        for start in range(0, len(points), setting.batch_size):
            part = points[start : start + setting.batch_size]
            rows.append(self._torch.logits(fill(part, filled(len(part), setting.batch_size)))[: len(part)])
        return np.concatenate(rows)

    def value_and_gradient(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[np.float64], Floats]:
        """The explained scalar and its gradient with respect to the points.

        Args:
            points: model input, shape (m, *shape), any float dtype; not changed.
            targets: explained classes, int64, shape (m,).
            space: which scalar.

        Returns:
            Values, float64 (m,), and gradients, dtype and shape of `points`.

        Raises:
            ModelError: the model cannot be evaluated, or its output does not depend on the input.
        """
        if not len(points):
            return np.empty(0, dtype=np.float64), np.empty_like(points)
        setting = self._settle(points)
        if space not in self._serving:
            self._serving[space] = self._engine_for(space)
        try:
            return in_batches(self._serving[space], points, targets, space, setting.batch_size)
        except EngineRefused as reason:
            raise ModelError(
                self._torch.boundary.thing, f"its gradient could not be computed: {reason}",
                "Compute gradients by torch: --gradient-engine torch.",
            ) from reason  # fmt: skip

    def survey(self, points: Floats, *, compiled: bool) -> list[Trial]:
        """Try every engine in every layout with every batch size that fits; minutes on a large model.

        Args:
            points: pictures, model input, shape (m, *shape), m >= 1; the first two are used.
            compiled: try torch.compile too.

        Returns:
            The setting in use first, then the others as they were tried.
        """
        setting = self._settle(points)
        return survey(self._engines(), self._terms(points), setting, self.threads, compiled=compiled)

    def activation_bytes(self, point: Floats) -> int:
        """Bytes that torch keeps for the gradient of one image, weights left out.

        Args:
            point: one image, shape (1, *shape); a model of a fixed batch keeps as many times more.

        Raises:
            ModelError: the converted model cannot be evaluated.
        """
        batch = fill(point, self._fixed or 1)
        weights = (*self._torch.module.parameters(), *self._torch.module.buffers())
        zeros = np.zeros(len(batch), np.int64)
        return saved_bytes(lambda: self._torch.evaluate(batch, zeros, "logit"), weights) // len(batch)

    def _engine_for(self, space: Space) -> GradientEngine:
        """The chosen engine; torch where that is wrong for a scalar on which it has not been compared yet.

        It is compared on the pictures of the first evaluation, whatever is evaluated now: a run that resumes another
        comes to a scalar with other images, and must not decide otherwise.
        """
        setting, pictures = self._setting, (self._origin or self)._pictures
        assert setting is not None and pictures is not None  # settled by the caller
        if setting.engine == "torch":
            self._torch.lay_out(setting.channels_last)
            return self._torch
        placed = Placed(self._engines(), setting)
        if space != self._space or self._origin is not None:
            plain = Setting(setting.channels_last, setting.batch_size)
            try:
                found = Judge(self._engines(), pictures, (setting.batch_size,))(setting, space)
                refused = None if found.accepted else found.reason
            except EngineRefused as reason:
                refused = str(reason)
            trim()
            if refused is not None:
                self._trials.append(untried(setting.engine, f"not used for {space}: {refused}"))
                return Placed(self._engines(), plain)
        return placed

    def _engines(self) -> EngineRoom:
        if self._room is None:
            rounds = bool(self.converted.straight_through)
            self._room = EngineRoom(self._torch, self.normalised, rounds, self.threads)
        return self._room

    def _settle(self, points: Floats) -> Setting:
        if self._pictures is None:
            self._pictures = points[:PICTURES].copy()
        if self._setting is None and self._origin is not None:
            known = self._origin._settle(points)
            self._setting = known if self._own_graph else Setting(known.channels_last, known.batch_size)
            self._torch.lay_out(known.channels_last)
        if self._setting is None:
            key = self._key()
            kept = recall(key) if key is not None else None
            if kept is None:
                kept = Kept(*choose(self._engines(), self._terms(points), self._wanted, self.threads))
                trim()  # what the engines that lost took
                if key is not None:
                    remember(key, kept)
            self._setting, self._trials = kept.setting, list(kept.trials)
            self._torch.lay_out(self._setting.channels_last)
        return self._setting

    def _key(self) -> str | None:
        """What the choice is kept under."""
        if self._remembered_as is None:
            return None
        return machine_key(self._remembered_as, self.device.type, self.threads, self._wanted, self._space, self._memory)

    def _terms(self, points: Floats) -> Terms:
        sizes, each = self._affordable(points[:1])
        # a GPU's libraries take both layouts at one speed, and seconds to get ready for each
        slides = any(op in self.converted.ops for op in ("Conv", "MaxPool", "AveragePool"))
        spatial = slides and self.device.type == "cpu"
        return Terms(points, self._space, sizes, each, spatial)

    def _affordable(self, point: Floats) -> tuple[tuple[int, ...], int | None]:
        """Batch sizes that the model takes and whose activations fit the memory budget, and bytes an image."""
        if self._fixed is not None:
            return (self._fixed,), None
        wanted = self._wanted.batch_size
        if wanted != 1 and not self._takes_batches(point):
            return (1,), None
        if wanted is not None:
            return (wanted,), None
        # Twice, because activations' gradients and convolution buffers come on top of what is saved.
        each = 2 * self.activation_bytes(point) + point.nbytes
        return tuple(s for s in _BATCHES[self.device.type] if s * each <= self._memory) or (1,), each

    def _takes_batches(self, point: Floats) -> bool:
        """Whether images in one batch leave each other's scores alone."""
        several = companions(point[0], 3)
        alone = np.concatenate([self._torch.logits(image[None]) for image in several])
        try:
            together = self._torch.logits(several)
        except ModelError:
            return False
        scale = max(float(np.ptp(alone)), 1e-6)
        return not float(np.abs(together - alone).max()) > SAME["float32"] * scale

    def _broken(self, x: torch.Tensor, error: Exception) -> ModelError:
        where = None
        if len(x) == (self._fixed or 1):  # larger batches are also tried to see whether the model takes them
            from geoaudit.model.bisect import first_difference

            where = first_difference(self, x.detach().cpu().numpy()[0], np.inf)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        return ModelError(
            self._torch.boundary.thing,
            f"the converted model cannot be evaluated on shape {tuple(x.shape)}"
            f"{f' at {where}' if where else ''} ({reason})",
            "Export again without that operator if you can, or audit without gradients: --gradient-free.",
        )


def _device(wanted: str) -> torch.device:
    usable = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not usable:
        raise UsageError(
            "--device cuda", "torch finds no usable CUDA device", "Use --device cpu, or install a CUDA build."
        )
    return torch.device("cuda" if usable else "cpu")
