"""captum's integrated gradients on a torch network."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems

BATCHES = (4, 8, 16, 32, 64)
"""Values of `internal_batch_size` that are tried."""
_TRIAL = 32

Rule = Literal["gausslegendre", "riemann_middle", "riemann_trapezoid"]
RULES: tuple[Rule, ...] = ("gausslegendre", "riemann_middle", "riemann_trapezoid")
"""Its rules of integration, the default first; the left and right sums are worse than the trapezoids everywhere."""


class CaptumLine:
    """Integrated gradients along the straight line.

    Args:
        network: the torch network.
        problems: the photographs.
        batches: values of `internal_batch_size` to try.

    Attributes:
        batch: the fastest `internal_batch_size`, by a short measurement on one photograph.
        seconds: for one gradient at that size.
    """

    def __init__(self, network: Any, problems: Problems, batches: tuple[int, ...] = BATCHES) -> None:
        import torch
        from captum.attr import IntegratedGradients

        self._attribute = IntegratedGradients(network).attribute
        self._x, self._baseline = torch.from_numpy(problems.x), torch.from_numpy(problems.baseline)
        self._targets = torch.from_numpy(problems.targets)
        self.seconds, self.batch = min((self._seconds(batch), batch) for batch in batches)

    def maps(self, nodes: int, rule: Rule = "gausslegendre", part: slice = slice(None)) -> npt.NDArray[Any]:
        """The maps of these photographs with this many nodes each, shape (n, *shape)."""
        return self._made(part, nodes, self.batch, rule)

    def _seconds(self, batch: int) -> float:
        self._made(slice(0, 1), batch, batch)  # warms
        begun = perf_counter()
        self._made(slice(0, 1), max(_TRIAL, batch), batch)
        return (perf_counter() - begun) / max(_TRIAL, batch)

    def _made(self, part: slice, nodes: int, batch: int, rule: Rule = "gausslegendre") -> npt.NDArray[Any]:
        made = self._attribute(
            self._x[part], baselines=self._baseline[part], target=self._targets[part], n_steps=nodes, method=rule,
            internal_batch_size=max(batch, len(self._x[part])),
        )  # fmt: skip
        return np.asarray(made.detach().numpy(), dtype=np.float64)
