"""What every gradient engine offers, and what is written down about one that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy.typing as npt

from geoaudit.api import Floats, Ints
from geoaudit.model.explain import Space

EngineName = Literal["onnxruntime", "torch", "torch-bfloat16", "torch-compiled"]
ENGINES: tuple[EngineName, ...] = ("onnxruntime", "torch", "torch-bfloat16", "torch-compiled")
"""`onnxruntime`: a reverse-mode graph; `torch`: the converted graph; and that in bfloat16, or through torch.compile."""


class GradientEngine(Protocol):
    """Evaluates one batch."""

    @property
    def apart(self) -> bool:
        """Whether an image's numbers cannot depend on how many others are in the batch: it need not be filled up."""
        ...

    def evaluate(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Values, any float dtype (m,), and gradients, float, shape of `points`.

        Args:
            points: model input, shape (m, *shape), any float dtype; not changed.  All m go through the
                model together, unless `apart`.
            targets: explained classes, int64, shape (m,).
            space: the explained scalar.
        """
        ...


class EngineRefused(Exception):  # noqa: N818  # not an error: the engine report prints it
    """The engine cannot serve this model; the message says why, as a clause."""


@dataclass(frozen=True)
class Trial:
    """One way to compute gradients that was tried, or why it was not.

    Attributes:
        engine: one of `ENGINES`.
        memory_layout: "channels-last" or "contiguous" of torch's tensors; None where the engine has its own.
        batch_size: images in a batch, which onnxruntime takes one by one, side by side; None where nothing was
            evaluated.
        threads: processor threads; None where nothing was evaluated.
        milliseconds: an image, value and gradient; None where it was not timed.
        difference: lower quartile, over pictures, of the gradient's relative L2 difference from torch's on
            contiguous float32 tensors; None where it was not compared.
        allowed: the largest difference that would have been accepted.
        stable: an image's numbers were the same bits among other images; None where it was not compared.
        memory_bytes: what the batch needs besides the weights, estimated; None where it is not known.
        chosen: gradients are computed this way.
        reason: why it was chosen, or was not.
    """

    engine: EngineName
    memory_layout: str | None
    batch_size: int | None
    threads: int | None
    milliseconds: float | None
    difference: float | None
    allowed: float | None
    stable: bool | None
    memory_bytes: int | None
    chosen: bool
    reason: str
