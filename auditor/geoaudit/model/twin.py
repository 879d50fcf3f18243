"""The differentiable twin: value and gradient of the explained output, by torch."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from copy import copy, deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from geoaudit.api import Floats, Ints
from geoaudit.errors import ModelError, UsageError
from geoaudit.model import engine, graph
from geoaudit.model.activations import saved_bytes
from geoaudit.model.boundary import own_shape
from geoaudit.model.companions import SAME, companions
from geoaudit.model.convert import convert
from geoaudit.model.cores import usable_cores
from geoaudit.model.engine import Setting
from geoaudit.model.engine_memory import machine_key, recall, remember
from geoaudit.model.explain import Space, rows_torch, values_torch
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised

_BATCHES = {"cpu": (8, 4, 16, 64), "cuda": (32, 8, 64)}
_MEMORY = 2 * 2**30


class Twin:
    """The converted model.

    Layout and batch size are chosen by a short measurement at the first evaluation (`setting`); passing both
    repeats an earlier run's choice.  The last batch is filled up with copies of its last image, to a power of
    two: an image's numbers do not depend on the images evaluated with it.

    Args:
        normalised: the cleaned graph.
        head: where the scores are read.
        device: "cpu", "cuda", or "auto": CUDA if torch can use it.
        threads: processor threads; None for all usable cores.  The only global state that is changed.
        batch_size: images evaluated together; None to measure.
        channels_last: memory layout; None to measure.
        memory: bytes that the activations of one batch may take.
        thing: the file's name for messages.
        remembered_as: the file's sha256, under which a measured choice is kept for the next run; None: not kept.

    Raises:
        ModelError: the graph cannot be converted.
        UsageError: CUDA was asked for and torch has none.
    """

    def __init__(
        self, normalised: Normalised, head: Head, device: str = "auto", threads: int | None = None,
        batch_size: int | None = None, channels_last: bool | None = None, memory: int = _MEMORY,
        thing: str = "the model", remembered_as: str | None = None,
    ) -> None:  # fmt: skip
        self.normalised = normalised
        self.head = head
        self.threads = threads or usable_cores()
        torch.set_num_threads(self.threads)
        self.device = _device(device)
        self.converted = convert(normalised.proto, thing)
        self._module: torch.nn.Module = self.converted.module.to(self.device)
        self._thing = thing
        self._memory = memory
        self._wanted = (channels_last, batch_size)
        self._key: str | None = None
        if remembered_as is not None:
            self._key = machine_key(remembered_as, self.device.type, self.threads, self._wanted)
        image = graph.tensor_info(graph.data_inputs(normalised.proto.graph)[0])
        self._rank = len(image.shape)
        self._fixed = image.shape[0] if isinstance(image.shape[0], int) and image.shape[0] > 0 else None
        self._dtype: np.dtype[Any] = np.dtype(image.dtype if image.dtype.startswith("float") else np.float32)
        self._setting: Setting | None = None
        self._layout = False
        self._origin: Twin | None = None

    @property
    def setting(self) -> Setting | None:
        """Memory layout and batch size; None before the first evaluation."""
        return self._setting

    @property
    def engine(self) -> dict[str, Any]:
        """Device, threads, memory layout and batch size, as the report states them."""
        chosen = self._setting
        return {
            "device": self.device.type,
            "threads": self.threads,
            "memory_layout": None if chosen is None else "channels-last" if chosen.channels_last else "contiguous",
            "batch_size": None if chosen is None else chosen.batch_size,
        }

    @property
    def module(self) -> Any:
        """The graph that is evaluated; not to be changed."""
        return self._module

    def copied_module(self) -> torch.fx.GraphModule:
        """A copy of the converted graph that its owner may change."""
        module: torch.fx.GraphModule = deepcopy(self._module)  # type: ignore[assignment]  # a twin of its own graph
        return module

    def with_module(self, module: torch.nn.Module, numbers: int | None = None) -> Twin:
        """A twin that evaluates a changed copy of the graph, with the same layout and batch size.

        Args:
            module: the changed copy, or a module around it.
            numbers: how many numbers it gives for a picture where they are not the model's scores.
        """
        other = copy(self)
        other._origin = self
        if numbers is not None:
            other.head = Head("", "", tail=None, classes=numbers, kind="multi-label")
        module = module.eval().requires_grad_(False).to(self.device)
        other._module = _laid_out(module, self._layout)
        return other

    def logits(self, points: Floats) -> Floats:
        """The scores before the tail, float32 (float64 for a float64 model), shape (m, classes); as of `Runtime`.

        Args:
            points: model input, shape (m, *shape), any float dtype; not changed.
        """
        if not len(points):
            return np.empty((0, self.head.classes), dtype=np.float32)
        size = self._settle(points).batch_size
        rows = []
        for start in range(0, len(points), size):
            part = points[start : start + size]
            with torch.no_grad(), self._exact():
                out = self._forward(self._tensor(_fill(part, _filled(len(part), size))))
            rows.append(_numpy(out)[: len(part)])
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
            ModelError: the converted model cannot be evaluated, or its output does not depend on the input.
        """
        values = np.empty(len(points), dtype=np.float64)
        gradients = np.empty_like(points)
        if not len(points):
            return values, gradients
        size = self._settle(points).batch_size
        for start in range(0, len(points), size):
            part = slice(start, min(start + size, len(points)))
            full = _filled(part.stop - part.start, size)
            value, gradient = self._batch(_fill(points[part], full), _fill(targets[part], full), space)
            values[part] = value[: part.stop - start]
            gradients[part] = gradient[: part.stop - start]
        return values, gradients

    def _batch(self, points: Floats, targets: Ints, space: Space) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        x = self._tensor(points).requires_grad_(True)
        index = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.int64)).to(self.device)
        with self._exact():
            value = values_torch(self._forward(x), index, space, self.head.tail)
            if not value.requires_grad:
                raise ModelError(
                    self._thing, "its scores do not depend on the image in a differentiable way",
                    "A rounding, a comparison or an ArgMax inside the graph may be the cause.",
                )  # fmt: skip
            (gradient,) = torch.autograd.grad(value.sum(), x)
        return _numpy(value), _numpy(gradient)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # converted modules warn about their own code
                out: torch.Tensor = self._module(self._shaped(x))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # converted modules raise whatever they meet
            raise self._broken(x, error) from error
        if out.numel() != len(x) * self.head.numbers:
            raise ModelError(
                self._thing, f"the converted model gives the shape {tuple(out.shape)} for {len(x)} images",
                "Export the model with a dynamic batch axis, or a batch of 1.",
            )  # fmt: skip
        return rows_torch(out.reshape(len(x), -1), self.head.kind == "binary", self.head.tail)

    def _shaped(self, x: torch.Tensor) -> torch.Tensor:
        """The pictures as the model takes them."""
        return x if self._rank == 4 else x.reshape(len(x), *own_shape(x.shape[1:], self._rank))

    def _broken(self, x: torch.Tensor, error: Exception) -> ModelError:
        where = None
        if len(x) == (self._fixed or 1):  # larger batches are also tried to see whether the model takes them
            from geoaudit.model.bisect import first_difference

            where = first_difference(self, x.detach().cpu().numpy()[0], np.inf)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        return ModelError(
            self._thing,
            f"the converted model cannot be evaluated on shape {tuple(x.shape)}"
            f"{f' at {where}' if where else ''} ({reason})",
            "Export again without that operator if you can, or audit without gradients: --gradient-free.",
        )

    def _tensor(self, points: Floats) -> torch.Tensor:
        """A fresh tensor (never the caller's memory) in the model's dtype, device and memory layout."""
        tensor = torch.from_numpy(np.array(points, dtype=self._dtype, order="C")).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if self._layout else tensor

    def _exact(self) -> AbstractContextManager[None]:
        """On CUDA: no TF32 (its 10 bits would fail parity), repeatable algorithms; restored afterwards."""
        if self.device.type == "cpu":
            return nullcontext()
        flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        return flags

    def _apply(self, setting: Setting) -> None:
        if setting.channels_last != self._layout:
            self._module = _laid_out(self._module, setting.channels_last)
            self._layout = setting.channels_last

    def _settle(self, points: Floats) -> Setting:
        if self._setting is None and self._origin is not None:
            self._setting = self._origin._settle(points)
            self._apply(self._setting)
        if self._setting is None:
            known = recall(self._key) if self._key is not None else None
            self._setting = known or self._choose(points[:1])
            self._apply(self._setting)
            if self._key is not None and known is None:
                remember(self._key, self._setting)
        return self._setting

    def _choose(self, point: Floats) -> Setting:
        layout, batch = self._wanted
        fixed = self._fixed or batch
        sizes = (int(fixed),) if fixed else self._affordable(point)
        if fixed and not self._fixed and fixed > 1 and not self._takes_batches(point):
            sizes = (1,)
        spatial = any(op in self.converted.ops for op in ("Conv", "MaxPool", "AveragePool"))
        layouts = (True, False) if layout is None and spatial else (bool(layout),)

        def evaluate(setting: Setting) -> None:
            self._apply(setting)
            size = self._fixed or setting.batch_size
            self._batch(_fill(point, int(size)), np.zeros(int(size), np.int64), "logit")

        return engine.choose(evaluate, layouts, sizes)

    def _affordable(self, point: Floats) -> tuple[int, ...]:
        """Batch sizes whose activations fit the memory budget; (1,) if the model only takes single images."""
        if not self._takes_batches(point):
            return (1,)
        weights = (*self._module.parameters(), *self._module.buffers())
        # Twice, because activations' gradients and convolution buffers come on top of what is saved.
        each = 2 * saved_bytes(lambda: self._batch(point, np.zeros(1, np.int64), "logit"), weights) + point.nbytes
        return tuple(s for s in _BATCHES[self.device.type] if s * each <= self._memory) or (1,)

    def _takes_batches(self, point: Floats) -> bool:
        """Whether images in one batch leave each other's scores alone."""
        several = companions(point[0], 3)
        with torch.no_grad(), self._exact():
            alone = np.concatenate([_numpy(self._forward(self._tensor(image[None]))) for image in several])
            try:
                together = _numpy(self._forward(self._tensor(several)))
            except ModelError:
                return False
        scale = max(float(np.ptp(alone)), 1e-6)
        return not float(np.abs(together - alone).max()) > SAME["float32"] * scale


def _device(wanted: str) -> torch.device:
    usable = wanted != "cpu" and torch.cuda.is_available()
    if wanted == "cuda" and not usable:
        raise UsageError(
            "--device cuda", "torch finds no usable CUDA device", "Use --device cpu, or install a CUDA build."
        )
    return torch.device("cuda" if usable else "cpu")


def _laid_out(module: torch.nn.Module, channels_last: bool) -> torch.nn.Module:
    """The module with its images' weights in this layout; `Module.to` fails where a constant has five axes."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)
    return module


def _filled(count: int, size: int) -> int:
    """The batch that `count` images are filled up to: a power of two from 4 to `size`.

    Never one or two images beside larger batches: convolutions and products then take other routines, whose sums
    differ in the last bits.  From 4 on they are the same.
    """
    return min(size, max(4, 1 << (count - 1).bit_length()))


def _fill(rows: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """`rows` followed by copies of the last one, `size` rows in all."""
    missing = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows


def _numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().contiguous().numpy()
    return array.astype(np.float32) if array.dtype == np.float16 else array
