"""One file of an autoencoder, converted: values and pulled-back gradients by torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.api import Floats
from geoaudit.errors import ModelError
from geoaudit.model import graph
from geoaudit.model.artifact import Artifact
from geoaudit.model.companions import companions
from geoaudit.model.convert import convert
from geoaudit.model.normalise import normalise_to
from geoaudit.model.wording import brief

BATCH = {"cpu": 1, "cuda": 8}
"""Points, or codes, that are evaluated together; every batch is filled up to it.

A walk that picks elements by rank carries a difference in the last bit on, so that no row's bits may depend on the
others.  Products of other batch sizes take other routines; and on a processor even the place in a batch matters, where
a vector of numbers ends.  One at a time costs there 1.5 times as much as four together (decoder of four transposed
convolutions, 224 by 224), little beside the audited model."""
TOLERANCE = 1e-3
"""Allowed |torch - onnxruntime|, as a share of the range of onnxruntime's numbers; as for the audited model."""
EXPORT = "Export encoder and decoder again, each with one input and a dynamic batch axis."


@dataclass(frozen=True)
class Engine:
    """One of the two files, converted.

    Attributes:
        thing: the file, for messages.
        module: the converted graph, weights frozen.
        dtype: what it takes.
        device: where it is evaluated.
        batch: points evaluated together.
        out: shape of what it gives for one point.
    """

    thing: str
    module: torch.fx.GraphModule
    dtype: np.dtype[Any]
    device: torch.device
    batch: int
    out: tuple[int, ...]

    def run(self, points: Floats) -> Floats:
        """What the file gives for points (m, ...), without gradients, shape (m, *out).

        Raises:
            ModelError: it cannot be evaluated, or gives what is no number.
        """
        parts = [np.empty((0, *self.out), dtype=self.dtype)]
        for start in range(0, len(points), self.batch):
            part = points[start : start + self.batch]
            with torch.no_grad(), _exact(self.device):
                found = self._forward(self.tensor(part)).cpu().numpy()[: len(part)]
            parts.append(found.astype(np.float64 if found.dtype == np.float64 else np.float32, copy=False))
        found = np.concatenate(parts[1:] or parts)
        if not np.isfinite(found).all():
            raise ModelError(self.thing, "gives what is no number (nan or infinity) for some picture",
                             "Check the autoencoder, and that it was made for this model's input units.")  # fmt: skip
        return found

    def pull_back(self, points: Floats, gradients: Floats) -> Floats:
        """Gradients with respect to the output (m, *out) carried back to the points, in the points' shape and dtype."""
        found = np.empty_like(points)
        for start in range(0, len(points), self.batch):
            part = slice(start, min(start + self.batch, len(points)))
            x = self.tensor(points[part]).requires_grad_(True)
            with _exact(self.device):
                out = self._forward(x)
                if not out.requires_grad:
                    raise ModelError(self.thing, "its pictures do not depend on the code in a differentiable way",
                                     "Give a decoder without roundings or comparisons on its way.")  # fmt: skip
                weights = torch.from_numpy(_filled(gradients[part], len(x))).to(out.device, out.dtype)
                (back,) = torch.autograd.grad(out, x, grad_outputs=weights)
            found[part] = back.cpu().numpy()[: part.stop - part.start]
        return found

    def tensor(self, points: Floats) -> torch.Tensor:
        """A fresh tensor, the batch filled up."""
        return torch.from_numpy(_filled(points, self.batch).astype(self.dtype, copy=False)).to(self.device)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # converted modules warn about their own code
                out: torch.Tensor = self.module(x)
            return out.reshape(len(x), *self.out)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # converted modules raise whatever they meet
            raise ModelError(
                self.thing,
                f"the converted file cannot be evaluated on shape {tuple(x.shape)} ({brief(error)})",
                EXPORT,
            ) from error


def engine(file: Artifact, thing: str, points: Floats, expected: Floats, device: torch.device) -> Engine:
    """Convert a file, and see that it gives what onnxruntime gives: in batches if that works, else one by one.

    Args:
        file: the file; its first output is the wanted one.
        thing: the file, for messages.
        points: what it is tried on, as it takes them, shape (m, ...), m >= 1.
        expected: what onnxruntime gives for each, (m, ...).
        device: where it is evaluated.

    Raises:
        ModelError: it cannot be converted or evaluated, gives no numbers, or others than onnxruntime.
    """
    clean = normalise_to(file.proto, file.outputs[0].name).proto
    try:
        module = convert(clean, thing).module.to(device)
    except ModelError as error:
        raise ModelError(thing, error.reason, EXPORT) from error
    image = graph.tensor_info(graph.data_inputs(clean.graph)[0])
    dtype = np.dtype(image.dtype if image.dtype.startswith("float") else np.float32)
    fixed = declared_batch(image.shape)
    several = np.concatenate([points, companions(points[0], 5)])[: max(len(points), 2)]
    for batch in (fixed,) if fixed else (BATCH[device.type], 1):
        made = Engine(thing, module, dtype, device, batch, expected.shape[1:])
        try:
            found = made.run(several)[: len(points)]
        except ModelError:
            if batch == 1 or fixed:
                raise
            continue
        difference = float(np.abs(found - expected).max())
        scale = max(float(np.ptp(expected)), 1e-6)
        if difference <= TOLERANCE * scale:
            return made
    raise ModelError(
        thing, f"the converted file does not compute what onnxruntime computes: they differ by "
        f"{difference / scale:.2g} of the numbers' range, {TOLERANCE:g} is allowed", EXPORT,
    )  # fmt: skip


def declared_batch(shape: Sequence[int | str]) -> int | None:
    """The batch size that a declared shape begins with; None if it is open."""
    return shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None


def _filled(rows: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """`rows` followed by copies of the last one, `size` rows in all; always new memory."""
    return np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)])


def _exact(device: torch.device) -> AbstractContextManager[None]:
    """On CUDA: no TF32, repeatable algorithms; restored afterwards."""
    if device.type == "cpu":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
