"""Guided IG of the package saliency, asked the way its users ask it.

Its release 0.2.1 calls `numpy.quantile` by an argument that numpy 2.4 has removed; while it runs, its module sees a
numpy that still understands it.  The package is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems

Gradients = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def guided_maps(problems: Problems, module: Any, steps: int, fraction: float) -> npt.NDArray[Any]:
    """The maps of the photographs, one after another, shape (n, *shape).

    Args:
        problems: the photographs.
        module: the torch network that gives the gradients.
        steps, fraction: of the walk, which has no bound.

    Raises:
        SystemExit: the package is not installed.
    """
    try:
        from saliency.core import guided_ig
    except ImportError:
        raise SystemExit("peers.py needs the package saliency: pip install saliency") from None
    method, key = guided_ig.GuidedIG(), guided_ig.INPUT_OUTPUT_GRADIENTS
    maps = []
    with older_numpy(guided_ig):
        for i in range(len(problems)):
            gradients = torch_gradients(module, int(problems.targets[i]))

            def call(
                batch: npt.NDArray[Any], call_model_args: Any, expected_keys: Any, g: Gradients = gradients
            ) -> Any:
                return {key: g(batch)}

            made = method.GetMask(
                problems.x[i], call, x_baseline=problems.baseline[i], x_steps=steps, fraction=fraction,
                max_dist=1.0,
            )  # fmt: skip
            maps.append(made)
    return np.stack(maps)


def torch_gradients(module: Any, target: int) -> Gradients:
    """What the package asks for: gradients of the target's logit at a batch of points, float32."""
    import torch

    def bare(batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        points = torch.from_numpy(batch.astype(np.float32)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(module(points)[:, target].sum(), points)
        found: npt.NDArray[Any] = gradient.numpy()
        return found

    return bare


@contextmanager
def older_numpy(module: Any) -> Iterator[None]:
    """Within this context `module` sees `numpy.quantile` with the argument `interpolation`."""
    own = module.np

    def quantile(values: Any, share: float, interpolation: str = "linear") -> Any:
        return np.quantile(values, share, method=interpolation)  # type: ignore[call-overload]

    module.np = SimpleNamespace(**{**vars(np), "quantile": quantile})
    try:
        yield
    finally:
        module.np = own
