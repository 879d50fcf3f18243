"""The audit's default methods as the peers have them, each asked the way its users ask it.

Where a package takes several points at a time it gets its fastest batch.  Where no package has a method, a bare torch
loop evaluates as many gradients in batches, and does nothing with them but the sum that a map needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from peer_saliency import older_numpy, torch_gradients

Maps = npt.NDArray[Any]


@dataclass(frozen=True)
class Ask:
    """What a method is asked.

    Attributes:
        module: the torch network, or a randomised copy.
        x: pictures, float32, shape (n, c, h, w).
        targets: int64, shape (n,).
        baseline: of every picture, shape (1, c, h, w).
        gradients, forwards: evaluations for one map.
        batch: points of a gradient batch.
        forward_batch: pictures of a forward batch.
    """

    module: Any
    x: Maps
    targets: npt.NDArray[np.int64]
    baseline: Maps
    gradients: int
    forwards: int
    batch: int
    forward_batch: int

    def tensors(self) -> tuple[Any, Any, Any]:
        """Pictures, baselines and targets."""
        import torch

        baseline = np.broadcast_to(self.baseline, self.x.shape).copy()
        return torch.from_numpy(self.x.copy()), torch.from_numpy(baseline), torch.from_numpy(self.targets)


def captum_line(ask: Ask) -> Maps:
    """captum's IntegratedGradients."""
    from captum.attr import IntegratedGradients

    x, baseline, targets = ask.tensors()
    made = IntegratedGradients(ask.module).attribute(
        x, baseline, target=targets, n_steps=max(2, ask.gradients), internal_batch_size=max(ask.batch, len(x))
    )
    return np.asarray(made.detach().numpy())


def captum_gradient(ask: Ask) -> Maps:
    """captum's Saliency, signed."""
    from captum.attr import Saliency

    x, _, targets = ask.tensors()
    return np.asarray(Saliency(ask.module).attribute(x, target=targets, abs=False).detach().numpy())


def captum_gradient_x_input(ask: Ask) -> Maps:
    """captum's InputXGradient."""
    from captum.attr import InputXGradient

    x, _, targets = ask.tensors()
    return np.asarray(InputXGradient(ask.module).attribute(x, target=targets).detach().numpy())


def captum_smoothgrad(ask: Ask) -> Maps:
    """captum's NoiseTunnel around Saliency."""
    from captum.attr import NoiseTunnel, Saliency

    x, _, targets = ask.tensors()
    at_once = max(1, ask.batch // len(x))
    made = NoiseTunnel(Saliency(ask.module)).attribute(
        x, nt_type="smoothgrad", nt_samples=max(1, ask.gradients), nt_samples_batch_size=at_once, stdevs=0.3,
        target=targets, abs=False,
    )  # fmt: skip
    return np.asarray(made.detach().numpy())


def captum_occlusion(ask: Ask) -> Maps:
    """captum's Occlusion by windows side by side, a seventh of the side each."""
    import torch
    from captum.attr import Occlusion

    x, baseline, targets = ask.tensors()
    window = (x.shape[1], x.shape[2] // 7, x.shape[3] // 7)
    with torch.no_grad():
        made = Occlusion(ask.module).attribute(
            x, sliding_window_shapes=window, strides=window, baselines=baseline, target=targets,
            perturbations_per_eval=max(1, ask.forward_batch // len(x)),
        )  # fmt: skip
    return np.asarray(made.numpy())


def saliency_guided(ask: Ask) -> Maps:
    """saliency's GuidedIG, which takes one point at a time."""
    from saliency.core import guided_ig

    def one(x: Maps, call: Any) -> Maps:
        method = guided_ig.GuidedIG()
        return np.asarray(
            method.GetMask(x, call, x_baseline=ask.baseline[0], x_steps=max(1, ask.gradients), max_dist=1.0)
        )

    with older_numpy(guided_ig):
        return _one_by_one(ask, one)


def saliency_blur(ask: Ask) -> Maps:
    """saliency's BlurIG in batches, on pictures with the channels last, as it blurs the first two axes."""
    from saliency.core import blur_ig

    def one(x: Maps, call: Any) -> Maps:
        method = blur_ig.BlurIG()
        made = method.GetMask(
            x.transpose(1, 2, 0), _channels_first(call), steps=max(1, ask.gradients), batch_size=ask.batch
        )
        return np.asarray(made).transpose(2, 0, 1)

    return _one_by_one(ask, one)


def saliency_xrai(ask: Ask, line: Maps | None = None) -> Maps:
    """saliency's XRAI on captum's integrated gradients, which it is handed."""
    from saliency.core import xrai

    base = captum_line(ask) if line is None else line
    made = [
        xrai.XRAI().GetMask(x.transpose(1, 2, 0), None, base_attribution=a.transpose(1, 2, 0))
        for x, a in zip(ask.x, base, strict=True)
    ]
    return np.broadcast_to(np.stack(made)[:, None], ask.x.shape).copy()


def bare_line(ask: Ask) -> Maps:
    """As many gradients along the straight line in a bare torch loop, summed: for what no package has."""
    return _one_by_one_points(ask, lambda gradients, _: gradients.mean(axis=0))


def bare_idgi(ask: Ask) -> Maps:
    """IDGI in a bare torch loop: outputs come with the gradients."""

    def gather(gradients: Maps, values: Maps) -> Maps:
        squares = gradients[:-1] ** 2
        norms = squares.reshape(len(squares), -1).sum(axis=1)
        weights = np.diff(values) / np.where(norms > 0, norms, 1.0)
        return np.asarray((squares * weights[:, None, None, None]).sum(axis=0))

    return _one_by_one_points(ask, gather)


def bare_rise(ask: Ask) -> Maps:
    """RISE in a bare torch loop: random masks of 7 x 7 cells, smoothly enlarged, weighted by the probability."""
    import torch

    x, baseline, targets = ask.tensors()
    n, side = max(1, ask.forwards), x.shape[2]
    cell = -(-side // 7)
    total = torch.zeros(len(x), side, x.shape[3])
    with torch.no_grad():
        for i in range(len(x)):
            for start in range(0, n, ask.forward_batch):
                count = min(ask.forward_batch, n - start)
                grid = (torch.rand(count, 1, 8, 8) < 0.5).float()
                large = torch.nn.functional.interpolate(grid, size=(8 * cell, 8 * cell), mode="bilinear")
                masks = large[:, :, : x.shape[2], : x.shape[3]]
                scores = ask.module(x[i] * masks + baseline[i] * (1 - masks)).softmax(dim=1)[:, targets[i]]
                total[i] += (scores[:, None, None] * masks[:, 0]).sum(dim=0)
    return np.broadcast_to(total.numpy()[:, None], ask.x.shape).copy()


Explain = Callable[[Ask], Maps]
EXPLAIN: Mapping[str, tuple[str, Explain]] = {
    "integrated-gradients": ("captum IntegratedGradients", captum_line),
    "gradient": ("captum Saliency", captum_gradient),
    "gradient-x-input": ("captum InputXGradient", captum_gradient_x_input),
    "smoothgrad": ("captum NoiseTunnel", captum_smoothgrad),
    "occlusion": ("captum Occlusion", captum_occlusion),
    "guided-ig": ("saliency GuidedIG", saliency_guided),
    "blur-ig": ("saliency BlurIG", saliency_blur),
    "xrai": ("saliency XRAI on captum's map", saliency_xrai),
    "idgi": ("bare torch loop", bare_idgi),
    "spectral-ig": ("bare torch loop, as many gradients", bare_line),
    "geodesic-ig-knn": ("bare torch loop, as many gradients", bare_line),
    "rise": ("bare torch loop", bare_rise),
}
"""What makes each method's maps."""


def explain(name: str, ask: Ask) -> Maps:
    """The method's maps, shape of `ask.x`; a method without a peer gets the bare loop with as many gradients."""
    return EXPLAIN.get(name, ("", bare_line))[1](ask)


def _one_by_one(ask: Ask, make: Callable[[Maps, Any], Maps]) -> Maps:
    """The maps of a package that takes a picture and a function of points."""
    from saliency.core.base import INPUT_OUTPUT_GRADIENTS

    made = []
    for x, target in zip(ask.x, ask.targets, strict=True):
        gradients = torch_gradients(ask.module, int(target))
        made.append(make(x, partial(_answer, gradients, INPUT_OUTPUT_GRADIENTS)))
    return np.stack(made).astype(np.float32)


def _answer(gradients: Any, key: str, batch: Maps, call_model_args: Any = None, expected_keys: Any = None) -> Any:
    return {key: gradients(batch)}


def _channels_first(call: Any) -> Any:
    """The function for points that lie with their channels last."""

    def turned(batch: Maps, call_model_args: Any = None, expected_keys: Any = None) -> Any:
        answer = call(np.ascontiguousarray(np.moveaxis(np.asarray(batch), -1, 1)))
        return {key: np.moveaxis(value, 1, -1) for key, value in answer.items()}

    return turned


def _one_by_one_points(ask: Ask, gather: Callable[[Maps, Maps], Maps]) -> Maps:
    """A map a picture from gradients and outputs at evenly spaced points of its straight line, in batches."""
    import torch

    n = max(2, ask.gradients)
    shares = ((np.arange(n) + 0.5) / n).astype(np.float32)[:, None, None, None]
    made = []
    for x, target in zip(ask.x, ask.targets, strict=True):
        gradients, values = [], []
        for start in range(0, n, ask.batch):
            points = torch.from_numpy(ask.baseline + shares[start : start + ask.batch] * (x[None] - ask.baseline))
            scores = ask.module(points.requires_grad_(True))[:, int(target)]
            (gradient,) = torch.autograd.grad(scores.sum(), points)
            gradients.append(gradient.numpy())
            values.append(scores.detach().numpy())
        made.append(gather(np.concatenate(gradients), np.concatenate(values)) * (x - ask.baseline[0]))
    return np.stack(made).astype(np.float32)
