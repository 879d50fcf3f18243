"""All engines of one model: made when first asked for, each in the state that a setting asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch

from geoaudit.api import Floats, Ints
from geoaudit.model.engine import Setting
from geoaudit.model.engines.base import EngineName, EngineRefused, GradientEngine
from geoaudit.model.engines.onnxruntime_engine import OnnxruntimeEngine
from geoaudit.model.engines.torch_engine import Bfloat16Engine, CompiledEngine, TorchEngine
from geoaudit.model.explain import Space
from geoaudit.model.normalise import Normalised

WORTHWHILE = 10_000_000
"""Multiply-adds for one image from which engines compete.  Below, an evaluation takes about a millisecond, most of it
spent outside the arithmetic, and making a session takes longer than it can save."""


class EngineRoom:
    """The engines of one model.

    Args:
        plain: the converted graph; the other torch engines share its weights.
        normalised: the cleaned graph.
        rounds: the model rounds, and its gradient passes straight through: only torch knows how.
        threads: processor threads.
    """

    def __init__(self, plain: TorchEngine, normalised: Normalised, rounds: bool, threads: int) -> None:
        self.plain = plain
        self._normalised = normalised
        self._rounds = rounds
        self._threads = threads
        self._made: dict[EngineName, GradientEngine | EngineRefused] = {}

    def ready(self, setting: Setting) -> GradientEngine:
        """The setting's engine, in its memory layout.

        Raises:
            EngineRefused: it cannot serve this model on this machine.
        """
        self.plain.lay_out(setting.channels_last)
        if setting.engine == "torch":
            return self.plain
        if setting.engine not in self._made:
            try:
                self._made[setting.engine] = _MAKERS[setting.engine](self)
            except EngineRefused as reason:
                self._made[setting.engine] = reason
        made = self._made[setting.engine]
        if isinstance(made, EngineRefused):
            raise made
        if isinstance(made, TorchEngine):
            made.channels_last = setting.channels_last
        return made

    def onnxruntime(self, threads: int | None = None) -> OnnxruntimeEngine:
        """onnxruntime on the graph of the gradient.

        Args:
            threads: processor threads; None for those of the room.

        Raises:
            EngineRefused: it has no gradient for this model.
        """
        if self.plain.boundary.device.type != "cpu":
            raise EngineRefused("its gradients are made for processors, and torch uses CUDA here")
        if self._rounds:
            raise EngineRefused("the model rounds, and only torch passes gradients straight through the rounding")
        return OnnxruntimeEngine(self._normalised, self.plain.head, threads or self._threads)

    def bfloat16(self) -> TorchEngine:
        """torch in bfloat16.

        Raises:
            EngineRefused: the processor has no AMX.
        """
        if self.plain.boundary.device.type == "cpu" and not has_amx():
            raise EngineRefused("this processor has no AMX, without which bfloat16 gains nothing")
        return self.plain.like(Bfloat16Engine)

    def compiled(self) -> TorchEngine:
        """torch.compile on the converted graph; compiled at the first batch of every size."""
        return self.plain.like(CompiledEngine)


_MAKERS: dict[EngineName, Callable[[EngineRoom], GradientEngine]] = {
    "onnxruntime": EngineRoom.onnxruntime,
    "torch-bfloat16": EngineRoom.bfloat16,
    "torch-compiled": EngineRoom.compiled,
}


class Placed:
    """One setting's engine, put in its layout before every batch, for others may have changed it.

    Args:
        room: the model's engines.
        setting: which of them.
    """

    def __init__(self, room: EngineRoom, setting: Setting) -> None:
        self._room = room
        self._setting = setting

    @property
    def apart(self) -> bool:
        """Whether batches need not be filled up."""
        return self._room.ready(self._setting).apart

    def evaluate(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """As `GradientEngine.evaluate`.

        Raises:
            EngineRefused: the engine cannot serve this model on this machine.
        """
        return self._room.ready(self._setting).evaluate(points, targets, space)


def has_amx() -> bool:
    """Whether torch finds a processor with AMX tiles, on which oneDNN computes in bfloat16."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported is not None and supported())


def multiply_adds(plain: TorchEngine, point: Floats) -> int:
    """Multiplications with additions of convolutions and products for `point`, one image, shape (1, *shape)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        plain.logits(point)
    return int(counter.get_total_flops()) // 2
