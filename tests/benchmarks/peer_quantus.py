"""Quantus, asked the way its users ask it.

Its release 0.6 takes only steps of pixel flipping whose number of elements divides height times width, though it flips
the elements of all channels; at 224 x 224 that leaves no way to make 32 steps.  A subclass leaves out this one check,
at the place that the package provides for it.  Its area under the curve calls a function that numpy 2.4 has removed:
the curves are asked for, not the area.  The package is not changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

MISSING = (
    "Quantus is not installed, and nothing was compared with it.  It is no dependency: pip install quantus into a "
    "virtual environment of its own."
)


def flip(
    module: Any,
    x: npt.NDArray[Any],
    targets: npt.NDArray[np.int64],
    maps: npt.NDArray[Any],
    steps: int,
    baseline: str = "black",
    batch: int = 64,
) -> npt.NDArray[Any]:
    """Probabilities of the targets, shape (n, steps), the elements of largest value first.

    Args:
        module: the torch network.
        x: the photographs, float32, shape (n, *shape).
        targets: their classes, int64, shape (n,).
        maps: one a photograph, shape (n, *shape).
        steps: masked images for each photograph.
        baseline: what stands for removed elements.
        batch: photographs at a time; 64 is the package's own.

    Raises:
        SystemExit: the package is not installed.
    """
    try:
        from quantus import PixelFlipping
    except ImportError as error:
        raise SystemExit(f"{MISSING} ({error})") from None

    class Stepwise(PixelFlipping):
        """Any number of steps."""

        def custom_preprocess(self, x_batch: Any, **kwargs: Any) -> None:
            """Nothing is checked."""

    metric = Stepwise(features_in_step=-(-x[0].size // steps), perturb_baseline=baseline, disable_warnings=True)
    curves = metric(
        model=module.eval(), x_batch=x.copy(), y_batch=targets, a_batch=maps.copy(), softmax=True, device="cpu",
        batch_size=batch,
    )  # fmt: skip
    return np.asarray(curves)
