"""Pixel flipping of the package Quantus, asked the way its users ask it.

Its release 0.6 takes only steps whose number of elements divides height times width, though it flips the elements of
all channels; at 224 x 224 that leaves no way to make 32 steps.  A subclass leaves out this one check, at the place that
the package provides for it.  Its area under the curve calls a function that numpy 2.4 has removed: the curves are asked
for, not the area.  The package is not changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from opening import Opened

MISSING = (
    "Quantus is not installed, and nothing was compared with it.  It is no dependency: pip install quantus into a "
    "virtual environment of its own."
)


def flipping(demo: Opened, module: Any, maps: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
    """Probabilities of the targets, shape (n, steps), all photographs in one batch.

    Args:
        demo: the photographs.
        module: the torch network.
        maps: one a photograph, shape (n, *shape).
        steps: masked images for each photograph.

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

    problems = demo.problems
    elements = -(-problems.x[0].size // steps)
    metric = Stepwise(features_in_step=elements, disable_warnings=True)
    curves = metric(
        model=module.eval(), x_batch=problems.x.copy(), y_batch=problems.targets, a_batch=maps.copy(), softmax=True,
        device="cpu",
    )  # fmt: skip
    return np.asarray(curves)
