"""Adam, for arrays whose first axis numbers independent problems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.api import Floats

MEMORY, SQUARE_MEMORY, EPSILON = 0.9, 0.999, 1e-8
"""The paper's constants."""


class Adam:
    """First-order descent with a step size of its own for every number.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, arXiv 1412.6980, algorithm 1.

    Args:
        rate: the step size.
        parameters: arrays whose shapes and dtypes the gradients will have.
    """

    def __init__(self, rate: float, parameters: Sequence[Floats]) -> None:
        self._rate = rate
        self._means = [np.zeros_like(parameter) for parameter in parameters]
        self._squares = [np.zeros_like(parameter) for parameter in parameters]
        self._steps = 0

    def step(self, parameters: Sequence[Floats], gradients: Sequence[Floats]) -> list[Floats]:
        """The parameters after one step downhill; the arrays given are left as they were."""
        self._steps += 1
        moved: list[Floats] = []
        for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            self._means[k] = MEMORY * self._means[k] + (1 - MEMORY) * gradient
            self._squares[k] = SQUARE_MEMORY * self._squares[k] + (1 - SQUARE_MEMORY) * gradient**2
            mean = self._means[k] / (1 - MEMORY**self._steps)
            square = self._squares[k] / (1 - SQUARE_MEMORY**self._steps)
            moved.append(parameter - self._rate * mean / (np.sqrt(square) + EPSILON))
        return moved
