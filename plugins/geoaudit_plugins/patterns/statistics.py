"""Patterns from one pass over pictures: running sums of each layer's inputs, outputs and their products.

A sum over all positions of (input patch times a number a neuron) is what the layer's own operator hands to its
weights in a backward pass.  So strides, dilations, groups and padding are the operator's business, every position
counts, and nothing is unfolded.  Sums are taken in the model's precision within a batch and in float64 across
batches.  Outputs are centred at the first batch's mean, which changes no covariance and keeps the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from geoaudit_plugins.patterns.kernels import Kernel

SMALLEST = 1e-6
"""Of the terms that w.cov is summed from, the share at which the sum counts as 0."""


@dataclass(frozen=True)
class LayerPatterns:
    """One layer's patterns.

    Attributes:
        weight: the weights times the patterns, w * a, shape and dtype of the weights; 0 for dead neurons.
        neurons: number of neurons.
        dead: how many of them were never active, or have no pattern whose product with the weights is 1.
        linear: whether the linear estimator was used, for want of an activation behind the layer.
    """

    weight: Tensor
    neurons: int
    dead: int
    linear: bool


class KernelMoments:
    """A layer's running sums.

    Args:
        kernel: the layer.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        weight = kernel.weight
        neurons = weight.shape[kernel.axis]
        self._rows = 0
        self._centre: Tensor | None = None
        self._total = torch.zeros(neurons, dtype=torch.float64, device=weight.device)
        self._active = torch.zeros_like(self._total)
        self._x = torch.zeros_like(weight, dtype=torch.float64)
        self._xy = torch.zeros_like(self._x)

    def add(self, y: Tensor, weight: Tensor, mask: Tensor | None, rows: int) -> None:
        """Add a batch.

        Args:
            y: the layer's outputs, computed from `weight` with a graph to it.
            weight: the leaf that stands for the weights.
            mask: where neurons are active, as many elements as `y`; None: everywhere.
            rows: how many entries of the first axis count; the rest repeat the last picture.
        """
        values, axes = y.detach(), self._axes(y)
        if self._centre is None:
            self._centre = values[:rows].double().mean(axes)
        active = torch.ones_like(values) if mask is None else mask.reshape(y.shape).to(values.dtype)
        active[rows:] = 0
        centred = values - self._over(self._centre, y.dim(), self.kernel.out_axis).to(values.dtype)
        self._rows += values[:rows].numel() // len(self._total)
        self._total += centred[:rows].sum(axes, dtype=torch.float64)
        self._active += active.sum(axes, dtype=torch.float64)
        self._x += torch.autograd.grad(y, weight, active, retain_graph=True)[0].double()
        self._xy += torch.autograd.grad(y, weight, active * centred)[0].double()

    def patterns(self) -> LayerPatterns:
        """What has been learned so far: cov / (w.cov) of each neuron, times w."""
        kernel = self.kernel
        count, mean = (self._spread(v) for v in (self._active.clamp(min=1), self._total / max(self._rows, 1)))
        products = kernel.weight.double() * (self._xy / count - self._x / count * mean)
        axes = [axis for axis in range(products.dim()) if axis != kernel.axis]
        total, size = products.sum(axes), products.abs().sum(axes)
        live = (self._active > 0) & (total.abs() > SMALLEST * size) & torch.isfinite(size)
        shares = products / self._spread(torch.where(live, total, 1.0)) / kernel.scale
        weight = torch.where(self._spread(live), shares, 0.0).to(kernel.weight.dtype)
        return LayerPatterns(weight, len(live), int((~live).sum()), kernel.activation is None)

    def _axes(self, y: Tensor) -> list[int]:
        neurons = self.kernel.out_axis % y.dim()
        return [axis for axis in range(y.dim()) if axis != neurons]

    def _spread(self, values: Tensor) -> Tensor:
        return self._over(values, self.kernel.weight.dim(), self.kernel.axis)

    @staticmethod
    def _over(values: Tensor, rank: int, axis: int) -> Tensor:
        """One value a neuron, shaped to broadcast along `axis`."""
        shape = [1] * rank
        shape[axis] = -1
        return values.reshape(shape)


class SumMoments:
    """Second moments of a sum's two terms, channel by channel: the last axis of three, else the second."""

    def __init__(self) -> None:
        self._rows = 0
        self._sums: Tensor | None = None
        self._rank = 0

    def add(self, first: Tensor, second: Tensor, rows: int) -> None:
        """Add a batch; both terms have the same shape, and `rows` entries of their first axis count."""
        self._rank = first.dim()
        a, b = first[:rows].double(), second[:rows].double()
        axes = [axis for axis in range(a.dim()) if axis != self._axis]
        sums = torch.stack([term.sum(axes) for term in (a, b, a * a, b * b, a * b)])
        self._sums = sums if self._sums is None else self._sums + sums
        self._rows += a.numel() // sums.shape[1]

    @property
    def _axis(self) -> int:
        return 2 if self._rank == 3 else min(1, self._rank - 1)

    def share(self) -> Tensor:
        """Cov(first term, sum) / Var(sum) of each channel, float64, broadcasting; the second term has the rest.

        One half where the sum never varies.
        """
        assert self._sums is not None  # every sum of the graph is evaluated with the first batch
        a, b, aa, bb, ab = self._sums / max(self._rows, 1)
        with_first, with_second = (aa - a * a) + (ab - a * b), (bb - b * b) + (ab - a * b)
        total = with_first + with_second
        varies = total > SMALLEST * (aa + bb)
        first = torch.where(varies, with_first / torch.where(varies, total, 1.0), 0.5)
        shape = [1] * self._rank
        shape[self._axis] = -1
        return first.reshape(shape)
