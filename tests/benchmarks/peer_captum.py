"""captum's integrated gradients on the original torch network."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems

BATCHES = (4, 8, 16, 32, 64)
"""Values of `internal_batch_size` that are tried."""
_TRIAL = 32


class CaptumLine:
    """Gauss-Legendre nodes, captum's default.

    Args:
        network: the torch network.
        problems: the photographs.

    Attributes:
        batch: the fastest `internal_batch_size`, by a short measurement on one photograph.
    """

    def __init__(self, network: Any, problems: Problems) -> None:
        import torch
        from captum.attr import IntegratedGradients

        self._attribute = IntegratedGradients(network).attribute
        self._x, self._baseline = torch.from_numpy(problems.x), torch.from_numpy(problems.baseline)
        self._targets = torch.from_numpy(problems.targets)
        self.batch = min(BATCHES, key=self._seconds)

    def maps(self, nodes: int) -> npt.NDArray[Any]:
        """The maps of all photographs with this many nodes each, shape (n, *shape)."""
        return self._made(slice(None), nodes, self.batch)

    def _seconds(self, batch: int) -> float:
        self._made(slice(0, 1), batch, batch)  # warms
        begun = perf_counter()
        self._made(slice(0, 1), max(_TRIAL, batch), batch)
        return (perf_counter() - begun) / max(_TRIAL, batch)

    def _made(self, part: slice, nodes: int, batch: int) -> npt.NDArray[Any]:
        made = self._attribute(
            self._x[part], baselines=self._baseline[part], target=self._targets[part], n_steps=nodes,
            internal_batch_size=batch,
        )  # fmt: skip
        return np.asarray(made.detach().numpy(), dtype=np.float64)
